#include "percore/net/buffer_event_pair.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "percore/net/filter.h"
#include "percore/runtime/event_base.h"
#include "percore/tests/net/connection_side.h"
#include "percore/tests/support/test_kernel.h"

namespace percore {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class BufferEventPairTest : public testing::Test {
 protected:
  BufferEventPairTest() {
    auto [near, far] = MakeBufferEventPair(*base_);
    near_.Take(std::move(near));
    far_.Take(std::move(far));
    EXPECT_TRUE(near_.connection->Enable(EventFlags::kRead).ok());
    EXPECT_TRUE(far_.connection->Enable(EventFlags::kRead).ok());
  }

  void Run() {
    for (int i = 0; i < 20; ++i) {
      ASSERT_TRUE(base_->Run(RunMode::kNonBlocking).ok());
    }
  }

  TestKernel kernel_{TestKernel::Clock::kManual};
  const std::unique_ptr<EventBase> base_ =
      *EventBase::Create({.kernel = &kernel_});
  ConnectionSide near_;
  ConnectionSide far_;
};

TEST_F(BufferEventPairTest, KnowsItsPartnerWhileThatLives) {
  EXPECT_EQ(near_.connection->partner(), far_.connection.get());
  EXPECT_EQ(far_.connection->partner(), near_.connection.get());
  EXPECT_EQ(near_.connection->underlying(), nullptr);
  EXPECT_EQ(near_.connection->fd(), -1);
  far_.connection.reset();
  EXPECT_EQ(near_.connection->partner(), nullptr);
}

TEST_F(BufferEventPairTest, OtherConnectionsHaveNoPartner) {
  const BufferEvent& pair = *far_.connection;
  const auto filtered =
      MakeFilteredBufferEvent(*far_.connection, MakeFilter({}));
  EXPECT_EQ(filtered->partner(), nullptr);
  EXPECT_EQ(filtered->underlying(), &pair);
  const BufferEvent none(*base_);
  EXPECT_EQ(none.partner(), nullptr);
  EXPECT_EQ(none.underlying(), nullptr);
}

TEST_F(BufferEventPairTest, BytesMoveUncopied) {
  near_.output().Append(std::string(100'000, 'x'));
  const char* const first = near_.output().Front().data();
  near_.connection->SetMaxSingle(EventFlags::kWrite, 200'000);
  far_.connection->SetMaxSingle(EventFlags::kRead, 200'000);
  Run();
  ASSERT_EQ(far_.input().size(), 100'000u);
  EXPECT_EQ(far_.input().Front().data(), first);
}

TEST_F(BufferEventPairTest, SaysWhyAPeerThatIsGoneTakesNothing) {
  far_.connection.reset();
  near_.output().Append("x");
  Run();
  EXPECT_THAT(std::string(near_.error.message()), HasSubstr("Broken pipe"));
}

TEST_F(BufferEventPairTest, CannotBeConnectedAndIsAsBefore) {
  near_.connection->SetTimeouts(Duration::zero(), seconds(5));
  const absl::Status status = near_.connection->Connect(SocketAddress());
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  kernel_.Advance(seconds(60));
  base_->UpdateNow();
  far_.output().Append("x");
  Run();
  EXPECT_THAT(near_.events, IsEmpty());
  EXPECT_EQ(near_.input().ToString(), "x");
}

TEST_F(BufferEventPairTest, ServesUsersThatHaveATransportOfTheirOwn) {
  auto [first, second] = MakePairTransports(*base_);
  ASSERT_TRUE(near_.connection->SetTransport(std::move(first)).ok());
  near_.output().Append("x");
  near_.connection->Flush(EventFlags::kRead | EventFlags::kWrite,
                          FlushMode::kFlush);
  Run();
  EXPECT_EQ(near_.connection->partner(), nullptr);  // nobody is there yet
  const BufferEvent other(*base_, std::move(second));
  EXPECT_EQ(near_.connection->partner(), &other);
  Run();
  EXPECT_EQ(near_.output().size(), 1u);  // the other does not read
  EXPECT_THAT(far_.events, ElementsAre(kEndOfFile));
}

TEST_F(BufferEventPairTest, AnEndThatNobodyEverTookIsAnEndOfFile) {
  auto [first, second] = MakePairTransports(*base_);
  ASSERT_TRUE(near_.connection->SetTransport(std::move(first)).ok());
  Run();
  EXPECT_THAT(near_.events, IsEmpty());
  second.reset();
  Run();
  EXPECT_THAT(near_.events, ElementsAre(kEndOfFile));

  auto [third, fourth] = MakePairTransports(*base_);
  third.reset();
  Run();
  ASSERT_TRUE(near_.connection->SetTransport(std::move(fourth)).ok());
  ASSERT_TRUE(near_.connection->Enable(EventFlags::kRead).ok());
  Run();
  EXPECT_EQ(near_.events.size(), 2u);
}

}  // namespace
}  // namespace percore
