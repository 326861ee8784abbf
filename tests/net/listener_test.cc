#include "percore/net/listener.h"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "percore/net/listen_sockets.h"
#include "percore/tests/support/blocking_client.h"
#include "percore/tests/support/temporary_folder.h"
#include "percore/tests/support/test_kernel.h"

namespace percore {
namespace {

using Call = TestKernel::Call;

class ListenerTest : public testing::Test {
 protected:
  using Function = std::function<void(UniqueFd)>;

  void SetUp() override {
    listener_.emplace(
        *base_, sockets_.Take(0),
        [](UniqueFd connection, const SocketAddress& peer, void* test) {
          EXPECT_NE(peer.port(), 0);
          static_cast<ListenerTest*>(test)->on_accept_(std::move(connection));
        },
        this);
    ASSERT_TRUE(listener_->Enable().ok());
    stats_ = listener_->stats();
  }

  void RunOnce() { ASSERT_TRUE(base_->Run(RunMode::kNonBlocking).ok()); }
  uint64_t Errors(AcceptError reason) const {
    return stats_->accept_errors[static_cast<size_t>(reason)].Get();
  }

  TestKernel kernel_{TestKernel::Clock::kManual};
  const std::unique_ptr<EventBase> base_ =
      *EventBase::Create({.kernel = &kernel_});
  ListenSockets sockets_ = *ListenSockets::Open("127.0.0.1:0", 1);
  std::vector<UniqueFd> accepted_;
  Function on_accept_ = [this](UniqueFd fd) {
    accepted_.push_back(std::move(fd));
  };
  std::optional<Listener> listener_;
  std::shared_ptr<ListenerStats> stats_;
};

TEST_F(ListenerTest, AcceptsAllThatWait) {
  const BlockingClient first(sockets_.address());
  const BlockingClient second(sockets_.address());
  RunOnce();
  EXPECT_EQ(accepted_.size(), 2u);
  EXPECT_EQ(stats_->accepted.Get(), 2u);
}

TEST_F(ListenerTest, AcceptsNothingWhileDisabled) {
  listener_->Disable();
  const BlockingClient client(sockets_.address());
  RunOnce();
  EXPECT_TRUE(accepted_.empty());
  ASSERT_TRUE(listener_->Enable().ok());
  RunOnce();
  EXPECT_EQ(accepted_.size(), 1u);
}

TEST_F(ListenerTest, MayBeDisabledInItsCallback) {
  const BlockingClient first(sockets_.address());
  const BlockingClient second(sockets_.address());
  on_accept_ = [this](UniqueFd fd) {
    accepted_.push_back(std::move(fd));
    listener_->Disable();
  };
  RunOnce();
  EXPECT_EQ(accepted_.size(), 1u);
}

TEST_F(ListenerTest, MayBeDestroyedInItsCallback) {
  const BlockingClient client(sockets_.address());
  on_accept_ = [this](UniqueFd) { listener_.reset(); };
  ASSERT_TRUE(base_->Run().ok());
  EXPECT_EQ(stats_->accepted.Get(), 1u);
}

TEST_F(ListenerTest, BacksOffWhenOutOfDescriptorsAndRecovers) {
  for (const int error : {EMFILE, ENFILE, ENOBUFS, ENOMEM}) {
    SCOPED_TRACE(error);
    accepted_.clear();
    const BlockingClient client(sockets_.address());
    kernel_.Fail(Call::kAccept, error);
    RunOnce();
    EXPECT_TRUE(accepted_.empty());
    EXPECT_EQ(stats_->paused.Get(), 1);
    const int calls = kernel_.Count(Call::kAccept);
    // It sleeps, it does not spin: the next call comes when the rest is over.
    while (accepted_.empty()) {
      ASSERT_TRUE(base_->Run(RunMode::kOnce).ok());
    }
    EXPECT_EQ(stats_->paused.Get(), 0);
    EXPECT_LE(kernel_.Count(Call::kAccept), calls + 2);
  }
  EXPECT_EQ(Errors(AcceptError::kNoDescriptors), 2u);
  EXPECT_EQ(Errors(AcceptError::kNoMemory), 2u);
}

TEST_F(ListenerTest, RestsLongerEachTimeUpToASecond) {
  const BlockingClient client(sockets_.address());
  kernel_.Fail(Call::kAccept, EMFILE, 10);
  const TimePoint start = kernel_.Now();
  while (accepted_.empty()) ASSERT_TRUE(base_->Run(RunMode::kOnce).ok());
  // 10 + 20 + ... + 640 ms, then 1 s three times.
  EXPECT_EQ(kernel_.Now() - start, std::chrono::milliseconds(1270 + 3000));
}

TEST_F(ListenerTest, GoesOnAfterAConnectionThatWasGivenUp) {
  const BlockingClient client(sockets_.address());
  kernel_.Fail(Call::kAccept, ECONNABORTED);
  kernel_.Fail(Call::kAccept, EINTR);
  RunOnce();
  EXPECT_EQ(accepted_.size(), 1u);
  EXPECT_EQ(Errors(AcceptError::kAborted), 1u);
  EXPECT_EQ(stats_->paused.Get(), 0);
}

TEST_F(ListenerTest, RestsAfterAnErrorItDoesNotKnow) {
  const BlockingClient client(sockets_.address());
  kernel_.Fail(Call::kAccept, EINVAL);
  RunOnce();
  EXPECT_EQ(Errors(AcceptError::kOther), 1u);
  EXPECT_EQ(stats_->paused.Get(), 1);
  listener_->Disable();
  EXPECT_EQ(stats_->paused.Get(), 0);
}

TEST_F(ListenerTest, CountsAConnectionAsOpenUntilItIsSaidToBeClosed) {
  const BlockingClient client(sockets_.address());
  RunOnce();
  EXPECT_EQ(stats_->connections_open(), 1);
  stats_->closed[static_cast<size_t>(CloseReason::kTimeout)].Add();
  EXPECT_EQ(stats_->connections_open(), 0);
}

TEST(ListenerUnixTest, TellsWhoConnected) {
  const TemporaryFolder folder;
  const std::unique_ptr<EventBase> base = *EventBase::Create({});
  ListenSockets sockets =
      *ListenSockets::Open("unix:" + folder.File("socket"), 1);
  std::vector<std::string> peers;
  Listener listener(
      *base, sockets.Take(0),
      [](UniqueFd, const SocketAddress& peer, void* argument) {
        static_cast<std::vector<std::string>*>(argument)->push_back(
            peer.ToString());
      },
      &peers);
  ASSERT_TRUE(listener.Enable().ok());
  const BlockingClient unnamed(sockets.address());
  const SocketAddress name =
      *SocketAddress::OfAbstractName(folder.File("client"));
  const UniqueFd named(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(bind(named.get(), name.native(), name.native_size()), 0);
  ASSERT_EQ(connect(named.get(), sockets.address().native(),
                    sockets.address().native_size()),
            0);
  ASSERT_TRUE(base->Run(RunMode::kNonBlocking).ok());
  EXPECT_EQ(peers, (std::vector<std::string>{"unix:", name.ToString()}));
}

}  // namespace
}  // namespace percore
