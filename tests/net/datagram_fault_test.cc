// What the kernel may refuse, and what becomes of the datagrams.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "percore/net/datagram_endpoint.h"
#include "percore/net/socket_options.h"
#include "percore/tests/net/datagram_side.h"
#include "percore/tests/support/test_kernel.h"

namespace percore {
namespace {

using Call = TestKernel::Call;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr ConnectionEvent kReadError =
    ConnectionEvent::kReading | ConnectionEvent::kError;
constexpr ConnectionEvent kWriteError =
    ConnectionEvent::kWriting | ConnectionEvent::kError;

class DatagramFaultTest : public testing::Test {
 protected:
  template <typename Condition>
  void RunUntil(Condition condition) {
    while (!condition()) {
      ASSERT_TRUE(base_->Run(RunMode::kNonBlocking).ok());
    }
  }
  // Under a clock that stands still otherwise.
  template <typename Condition>
  void RunAndPassTimeUntil(Condition condition) {
    while (!condition()) {
      kernel_.Advance(std::chrono::milliseconds(1));
      ASSERT_TRUE(base_->Run(RunMode::kNonBlocking).ok());
    }
  }
  void PeerSends(std::string_view bytes) { peer_.SendTo(side_->fd(), bytes); }
  uint64_t SendErrors(DatagramSendError reason) const {
    return side_->stats()->send_errors[static_cast<size_t>(reason)].Get();
  }
  void Send(std::string_view payload) {
    ASSERT_TRUE(side_->Send(payload, peer_.address()));
  }

  TestKernel kernel_{TestKernel::Clock::kManual};
  const std::unique_ptr<EventBase> base_ =
      *EventBase::Create({.kernel = &kernel_});
  PlainUdp peer_;
  DatagramSide side_{*base_};
};

TEST_F(DatagramFaultTest, InterruptedAndNothingThereAreNothing) {
  kernel_.Fail(Call::kReceiveMessages, EINTR, 2);
  kernel_.Fail(Call::kReceiveMessages, EAGAIN);
  kernel_.Fail(Call::kSendMessages, EINTR, 2);
  kernel_.Fail(Call::kSendMessages, EAGAIN);
  side_.on_read = [this] { side_.Echo(); };
  PeerSends("x");
  RunUntil([&] { return side_->stats()->sent.Get() == 1; });
  EXPECT_EQ(peer_.Receive(), "x");
  EXPECT_TRUE(side_.events.empty());
  EXPECT_EQ(side_->stats()->receive_errors.Get(), 0u);
}

TEST_F(DatagramFaultTest, WaitsForRoomInAFullSocket) {
  kernel_.Fail(Call::kSendMessages, EAGAIN);
  Send("a");
  Send("b");
  ASSERT_TRUE(base_->Run(RunMode::kNonBlocking).ok());
  EXPECT_EQ(side_.output().size(), 2u);
  RunUntil([&] { return side_.output().empty(); });
  EXPECT_EQ(kernel_.Count(Call::kSendMessages), 2);
  // It is not watched any more, and nobody is called.
  const uint64_t events = base_->stats()->write_events.Get();
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(base_->Run(RunMode::kNonBlocking).ok());
  }
  EXPECT_EQ(base_->stats()->write_events.Get(), events);
}

TEST_F(DatagramFaultTest, SendsAllThroughCallsThatTakeAFew) {
  kernel_.LimitMessages(3);
  for (int i = 0; i < 100; ++i) Send(std::string(1 + i % 7, 'x'));
  RunUntil([&] { return side_.output().empty(); });
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(peer_.Receive().size(), static_cast<size_t>(1 + i % 7));
  }
  for (int i = 0; i < 10; ++i) PeerSends("y");
  RunUntil([&] { return side_.input().size() == 10; });
}

TEST_F(DatagramFaultTest, OneThatIsTooLargeDoesNotStopThoseBehindIt) {
  Send("before");
  Send(std::string(65508, 'x'));
  Send("behind");
  RunUntil([&] { return side_.output().empty(); });
  EXPECT_EQ(peer_.Receive(), "before");
  EXPECT_EQ(peer_.Receive(), "behind");
  EXPECT_THAT(side_.events, ElementsAre(kWriteError));
  EXPECT_THAT(side_.errors[0],
              HasSubstr("sendmmsg " + peer_.address().ToString() +
                        ": Message too long"));
  EXPECT_EQ(SendErrors(DatagramSendError::kTooLarge), 1u);
  EXPECT_EQ(side_->stats()->lost.Get(), 1u);
  EXPECT_EQ(side_->stats()->sent.Get(), 2u);
}

TEST_F(DatagramFaultTest, EachReasonIsCounted) {
  const std::vector<std::pair<int, DatagramSendError>> cases = {
      {EMSGSIZE, DatagramSendError::kTooLarge},
      {ECONNREFUSED, DatagramSendError::kRefused},
      {EHOSTUNREACH, DatagramSendError::kUnreachable},
      {ENETUNREACH, DatagramSendError::kUnreachable},
      {EPERM, DatagramSendError::kNotPermitted},
      {EACCES, DatagramSendError::kNotPermitted},
      {EINVAL, DatagramSendError::kOther}};
  for (const auto& [error, reason] : cases) {
    const uint64_t before = SendErrors(reason);
    kernel_.Fail(Call::kSendMessages, error);
    Send("lost");
    RunUntil([&] { return side_.output().empty(); });
    EXPECT_EQ(SendErrors(reason), before + 1) << error;
  }
  EXPECT_EQ(side_->stats()->lost.Get(), cases.size());
  EXPECT_EQ(side_.events.size(), cases.size());
  EXPECT_TRUE(peer_.HasNothing());
}

TEST_F(DatagramFaultTest, WithoutMemoryForSendingItTriesAgainInAWhile) {
  for (const int error : {ENOBUFS, ENOMEM}) {
    kernel_.Fail(Call::kSendMessages, error, 2);
    const int calls = kernel_.Count(Call::kSendMessages);
    Send("kept");
    for (int i = 0; i < 5; ++i) {
      ASSERT_TRUE(base_->Run(RunMode::kNonBlocking).ok());
    }
    EXPECT_EQ(kernel_.Count(Call::kSendMessages), calls + 1);
    RunAndPassTimeUntil([&] { return side_.output().empty(); });
    EXPECT_EQ(kernel_.Count(Call::kSendMessages), calls + 3);
    EXPECT_EQ(peer_.Receive(), "kept");
  }
  EXPECT_EQ(SendErrors(DatagramSendError::kNoMemory), 4u);
  EXPECT_EQ(side_->stats()->lost.Get(), 0u);
  EXPECT_TRUE(side_.events.empty());
}

TEST_F(DatagramFaultTest, WithoutMemoryForReceivingItTriesAgainInAWhile) {
  for (const int error : {ENOBUFS, ENOMEM, EIO}) {
    side_.events.clear();
    kernel_.Fail(Call::kReceiveMessages, error);
    PeerSends("x");
    RunUntil([&] { return !side_.events.empty(); });
    EXPECT_THAT(side_.events, ElementsAre(kReadError));
    const int calls = kernel_.Count(Call::kReceiveMessages);
    for (int i = 0; i < 5; ++i) {
      ASSERT_TRUE(base_->Run(RunMode::kNonBlocking).ok());
    }
    EXPECT_EQ(kernel_.Count(Call::kReceiveMessages), calls);  // no spinning
    RunAndPassTimeUntil([&] { return !side_.input().empty(); });
    EXPECT_THAT(side_.TakeAll(), ElementsAre("x"));
  }
  EXPECT_EQ(side_->stats()->receive_errors.Get(), 3u);
}

TEST_F(DatagramFaultTest, APeerThatIsNotThereIsToldAndEndsNothing) {
  SocketAddress gone;
  {
    const PlainUdp soon_gone;
    gone = soon_gone.address();
  }
  ASSERT_TRUE(side_->Connect(gone).ok());
  ASSERT_TRUE(side_->Send("is anybody there?"));
  // By ICMP, which comes back as soon as the datagram is out.
  RunUntil([&] { return !side_.events.empty(); });
  EXPECT_THAT(side_.events, ElementsAre(kReadError));
  EXPECT_THAT(side_.errors[0],
              HasSubstr(gone.ToString() + ": Connection refused"));
  const PlainUdp back(gone.ToString());
  ASSERT_TRUE(side_->Send("now?"));
  RunUntil([&] { return side_.output().empty(); });
  EXPECT_EQ(back.Receive(), "now?");
  back.Send("yes", side_.address());
  RunUntil([&] { return side_.reads == 1; });
}

TEST_F(DatagramFaultTest, AnErrorOfADatagramBeforeCostsNoOther) {
  ASSERT_TRUE(side_->Connect(peer_.address()).ok());
  kernel_.Fail(Call::kSendMessages, ECONNREFUSED);
  ASSERT_TRUE(side_->Send("not to blame"));
  RunUntil([&] { return side_.output().empty(); });
  EXPECT_EQ(peer_.Receive(), "not to blame");
  EXPECT_THAT(side_.events, ElementsAre(kWriteError));
  EXPECT_EQ(side_->stats()->lost.Get(), 0u);
  // Twice in a row is its own.
  kernel_.Fail(Call::kSendMessages, ENETUNREACH, 2);
  ASSERT_TRUE(side_->Send("to blame"));
  ASSERT_TRUE(side_->Send("behind"));
  RunUntil([&] { return side_.output().empty(); });
  EXPECT_EQ(peer_.Receive(), "behind");
  EXPECT_EQ(side_->stats()->lost.Get(), 1u);
}

TEST_F(DatagramFaultTest, WhoAnswersEveryErrorByADatagramDoesNotSpin) {
  side_->SetMaxSingle(EventFlags::kWrite, 100);
  int errors = 0;
  side_.on_event = [&](ConnectionEvent) {
    if (++errors < 1000) Send(std::string(65508, 'x'));
  };
  Send(std::string(65508, 'x'));
  ASSERT_TRUE(base_->Run(RunMode::kNonBlocking).ok());
  EXPECT_GT(errors, 0);
  EXPECT_LE(errors, 100);
  RunUntil([&] { return errors == 1000; });
}

TEST_F(DatagramFaultTest, BroadcastNeedsTheOption) {
  const SocketAddress everybody = AddressOf("127.255.255.255:9");
  DatagramSide quiet(*base_);
  ASSERT_TRUE(quiet->Send("x", everybody));
  RunUntil([&] { return quiet.output().empty(); });
  EXPECT_THAT(quiet.errors, ElementsAre(HasSubstr("Permission denied")));
  DatagramSide loud(*base_, "127.0.0.1:0", {.socket = {.broadcast = true}});
  ASSERT_TRUE(loud->Send("x", everybody));
  RunUntil([&] { return loud.output().empty(); });
  EXPECT_TRUE(loud.errors.empty());
}

TEST_F(DatagramFaultTest, TheKernelCountsWhatItDrops) {
  const absl::StatusOr<uint32_t> none = DroppedDatagrams(side_->fd(), kernel_);
  ASSERT_TRUE(none.ok());
  EXPECT_EQ(*none, 0u);
  side_->Disable(EventFlags::kRead);
  ASSERT_TRUE(SetReceiveBufferSize(side_->fd(), 4096).ok());
  for (int i = 0; i < 1000; ++i) peer_.Send("x", side_.address());
  AwaitReadable(side_->fd());
  while (*DroppedDatagrams(side_->fd(), kernel_) == 0) {
    peer_.Send("x", side_.address());
  }
  kernel_.Fail(Call::kGetSocketOption, EBADF);
  EXPECT_FALSE(DroppedDatagrams(side_->fd(), kernel_).ok());
}

TEST_F(DatagramFaultTest, WatchingMayBeRefused) {
  DatagramSide side;
  auto endpoint = *DatagramEndpoint::Bind(*base_, AddressOf("127.0.0.1:0"));
  kernel_.Fail(Call::kEpollCtl, ENOMEM);
  const absl::Status status = endpoint->Enable(EventFlags::kRead);
  EXPECT_THAT(std::string(status.message()), HasSubstr("allocate memory"));
  EXPECT_EQ(endpoint->enabled(), EventFlags::kWrite);
  EXPECT_TRUE(endpoint->Enable(EventFlags::kRead).ok());
}

// Every call of the start, failing in turn.
TEST_F(DatagramFaultTest, EachCallOfTheStartThatFailsIsReported) {
  for (const Call call : {Call::kSocket, Call::kSetSocketOption, Call::kBind,
                          Call::kGetSocketOption, Call::kGetSocketName}) {
    for (int passing = 0;; ++passing) {
      TestKernel kernel;
      const auto base = *EventBase::Create({.kernel = &kernel});
      kernel.Fail(call, EIO, 1, passing);
      const auto endpoint = DatagramEndpoint::Bind(
          *base, AddressOf("[::]:0"), {.socket = {.broadcast = true}});
      if (kernel.PlannedCalls(call) != 0) {
        EXPECT_TRUE(endpoint.ok());
        EXPECT_GE(passing, 1);
        break;
      }
      // Offloads are a matter of luck.
      if (endpoint.ok()) {
        EXPECT_EQ(call, Call::kSetSocketOption);
      } else {
        EXPECT_THAT(std::string(endpoint.status().message()),
                    HasSubstr("Input/output error"));
      }
    }
  }
}

}  // namespace
}  // namespace percore
