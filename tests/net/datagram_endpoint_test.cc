#include "percore/net/datagram_endpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "percore/buffer/buffer_memory_stats.h"
#include "percore/tests/net/datagram_side.h"
#include "percore/tests/support/backends_here.h"
#include "percore/tests/support/test_kernel.h"

namespace percore {
namespace {

using Call = TestKernel::Call;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr ConnectionEvent kReadTimeout =
    ConnectionEvent::kReading | ConnectionEvent::kTimeout;
constexpr ConnectionEvent kWriteTimeout =
    ConnectionEvent::kWriting | ConnectionEvent::kTimeout;

class DatagramEndpointTest : public testing::TestWithParam<std::string> {
 protected:
  void RunOnce(int rounds = 1) {
    for (int i = 0; i < rounds; ++i) {
      ASSERT_TRUE(base_->Run(RunMode::kNonBlocking).ok());
    }
  }
  template <typename Condition>
  void RunUntil(Condition condition) {
    while (!condition()) RunOnce();
  }
  // It has arrived when the call returns.
  void PeerSends(std::string_view bytes) { peer_.SendTo(side_->fd(), bytes); }

  TestKernel kernel_{TestKernel::Clock::kManual};
  const std::unique_ptr<EventBase> base_ =
      *EventBase::Create({.backend = GetParam(), .kernel = &kernel_});
  PlainUdp peer_;
  DatagramSide side_{*base_};
};

INSTANTIATE_TEST_SUITE_P(AllBackends, DatagramEndpointTest,
                         testing::ValuesIn(BackendsHere()),
                         [](const auto& info) { return info.param; });

TEST_P(DatagramEndpointTest, TellsOfWhatArrivedAndFromWhere) {
  PeerSends("hello");
  RunUntil([&] { return side_.reads == 1; });
  ASSERT_EQ(side_.input().size(), 1u);
  const Datagram datagram = side_.input().Pop();
  EXPECT_EQ(datagram.payload.ToString(), "hello");
  EXPECT_EQ(datagram.peer, peer_.address());
  EXPECT_EQ(datagram.local, side_.address());
  EXPECT_FALSE(datagram.truncated());
}

TEST_P(DatagramEndpointTest, ReceivesABatchByOneCall) {
  for (int i = 0; i < 40; ++i) PeerSends(std::to_string(i));
  RunUntil([&] { return side_.input().size() == 40; });
  EXPECT_EQ(side_.reads, 1);
  EXPECT_EQ(kernel_.Count(Call::kReceiveMessages), 1);
  EXPECT_EQ(side_.TakeAll()[39], "39");
}

TEST_P(DatagramEndpointTest, SendsWhatIsQueuedOutsideOfCallbacksByOneCall) {
  for (int i = 0; i < 10; ++i) {
    EXPECT_TRUE(side_->Send(std::to_string(i), peer_.address()));
  }
  EXPECT_TRUE(peer_.HasNothing());  // not from inside Send()
  RunUntil([&] { return side_.output().empty(); });
  EXPECT_EQ(kernel_.Count(Call::kSendMessages), 1);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(peer_.Receive(), std::to_string(i));
  EXPECT_EQ(side_.writes, 1);
}

TEST_P(DatagramEndpointTest, EchoesWithTwoSystemCallsBesidesTheWait) {
  side_.on_read = [this] { side_.Echo(); };
  PeerSends("warm up");
  RunUntil([&] { return side_->stats()->sent.Get() == 1; });
  const int changes = kernel_.Count(Call::kEpollCtl);
  for (int i = 0; i < 10; ++i) {
    PeerSends("x");
    RunUntil([&] {
      return side_->stats()->sent.Get() == 2 + static_cast<uint64_t>(i);
    });
  }
  EXPECT_EQ(side_->stats()->receive_calls.Get(), 11u);
  EXPECT_EQ(kernel_.Count(Call::kSendMessages), 11);
  EXPECT_EQ(kernel_.Count(Call::kEpollCtl), changes);
}

TEST_P(DatagramEndpointTest, EmptyDatagramsComeAndGo) {
  side_.on_read = [this] { side_.Echo(); };
  PeerSends("");
  PeerSends("");
  RunUntil([&] { return side_->stats()->sent.Get() == 2; });
  EXPECT_EQ(peer_.Receive(), "");
  EXPECT_EQ(peer_.Receive(), "");
}

TEST_P(DatagramEndpointTest, SendsEverySize) {
  side_.on_read = [this] { side_.Echo(); };
  uint64_t sent = 0;
  for (const size_t size :
       {1, 447, 448, 449, 1472, 1984, 1985, 4096, 9000, 65472, 65473, 65507}) {
    std::string bytes(size, '\0');
    for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * 31);
    for (int i = 0; i < 3; ++i) {
      PeerSends(bytes);
      ++sent;
      RunUntil([&] { return side_->stats()->sent.Get() == sent; });
      EXPECT_EQ(peer_.Receive(), bytes) << size;
    }
  }
}

TEST_P(DatagramEndpointTest, SendsPayloadsOfManyPieces) {
  std::string expected;
  Datagram datagram = {.peer = peer_.address()};
  static const std::string piece(100, 'p');
  for (int i = 0; i < 100; ++i) {
    datagram.payload.AppendReference(piece.data(), piece.size(), nullptr,
                                     nullptr);
    expected += piece;
  }
  ASSERT_TRUE(side_.output().Push(std::move(datagram)));
  for (int i = 0; i < 20; ++i) {
    Datagram pieces = {.peer = peer_.address()};
    for (int j = 0; j < 20; ++j) {
      pieces.payload.AppendReference(piece.data(), piece.size(), nullptr,
                                     nullptr);
    }
    ASSERT_TRUE(side_.output().Push(std::move(pieces)));
  }
  RunUntil([&] { return side_.output().empty(); });
  EXPECT_EQ(peer_.Receive(), expected);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(peer_.Receive().size(), 20 * 100u);
}

TEST_P(DatagramEndpointTest, ReadsNothingWhileDisabled) {
  EXPECT_EQ(side_->enabled(), EventFlags::kRead | EventFlags::kWrite);
  side_->Disable(EventFlags::kRead);
  EXPECT_EQ(side_->enabled(), EventFlags::kWrite);
  PeerSends("x");
  RunOnce(3);
  EXPECT_EQ(side_.reads, 0);
  ASSERT_TRUE(side_->Enable(EventFlags::kRead).ok());
  RunUntil([&] { return side_.reads == 1; });
}

TEST_P(DatagramEndpointTest, SendsNothingWhileDisabled) {
  side_->Disable(EventFlags::kWrite);
  EXPECT_TRUE(side_->Send("x", peer_.address()));
  RunOnce(3);
  EXPECT_EQ(side_.output().size(), 1u);
  ASSERT_TRUE(side_->Enable(EventFlags::kWrite).ok());
  RunUntil([&] { return side_.output().empty(); });
  EXPECT_EQ(peer_.Receive(), "x");
}

TEST_P(DatagramEndpointTest, WaitsForTheReadLowWatermark) {
  side_->SetWatermarks(EventFlags::kRead, 3, 0);
  EXPECT_EQ(side_->limits().read.low, 3u);
  PeerSends("ab");
  RunUntil([&] { return side_.input().size() == 1; });
  EXPECT_EQ(side_.reads, 0);
  PeerSends("c");
  RunUntil([&] { return side_.reads == 1; });
  EXPECT_EQ(side_.input().size(), 2u);
}

TEST_P(DatagramEndpointTest, StopsReceivingAtTheReadHighWatermark) {
  side_->SetWatermarks(EventFlags::kRead, 0, 250);
  for (int i = 0; i < 200; ++i) PeerSends(std::string(100, 'x'));
  RunOnce(10);
  // It does not know the sizes before.
  EXPECT_GE(side_.input().bytes(), 250u);
  EXPECT_LE(side_.input().size(), 64u);
  const size_t held = side_.input().size();
  const int calls = kernel_.Count(Call::kReceiveMessages);
  RunOnce(10);
  EXPECT_EQ(kernel_.Count(Call::kReceiveMessages), calls);
  EXPECT_EQ(side_.input().size(), held);
  side_.input().Clear();  // outside of any callback
  RunUntil([&] { return side_.input().bytes() >= 250; });
  // Now it does.
  EXPECT_LE(side_.input().bytes(), 64 * 100u);
}

TEST_P(DatagramEndpointTest, StopsReceivingAtTheMemoryLimitOfItsInput) {
  // Bytes are no measure of empty ones.
  side_.input().SetMemoryLimit(DatagramQueue::kDatagramMemory);
  for (int i = 0; i < 100; ++i) PeerSends("");
  RunOnce(5);
  const size_t held = side_.input().size();
  EXPECT_GE(held, 1u);
  EXPECT_LE(held, 64u);
  RunOnce(5);
  EXPECT_EQ(side_.input().size(), held);
}

TEST_P(DatagramEndpointTest, StopsReceivingAtTheWriteHighWatermark) {
  side_->SetWatermarks(EventFlags::kWrite, 0, 10);
  side_->Disable(EventFlags::kWrite);
  EXPECT_TRUE(side_->Send("0123456789x", peer_.address()));
  PeerSends("x");
  RunOnce(3);
  EXPECT_EQ(side_.reads, 0);
  ASSERT_TRUE(side_->Enable(EventFlags::kWrite).ok());
  RunUntil([&] { return side_.reads == 1; });
}

TEST_P(DatagramEndpointTest, CallsTheWriteCallbackAtTheWriteLowWatermark) {
  side_->SetWatermarks(EventFlags::kWrite, 2, 0);
  // One a turn.
  side_->SetMaxSingle(EventFlags::kWrite, 1);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(side_->Send("x", peer_.address()));
  std::vector<size_t> left;
  side_.on_written = [&] { left.push_back(side_.output().size()); };
  RunUntil([&] { return side_.output().empty(); });
  EXPECT_THAT(left, ElementsAre(2, 1, 0));
}

TEST_P(DatagramEndpointTest, MovesNoMoreThanMaxSingleInATurn) {
  side_->SetMaxSingle(EventFlags::kRead, 1000);
  EXPECT_EQ(side_->limits().max_single_read, 1000u);
  for (int i = 0; i < 110; ++i) PeerSends(std::string(500, 'x'));
  RunUntil([&] { return side_.input().size() >= 64; });  // it learns the size
  int turns = 0;
  side_.on_read = [&] { ++turns; };
  RunUntil([&] { return side_.input().size() == 110; });
  EXPECT_GE(turns, 23);
  side_->SetMaxSingle(EventFlags::kRead, 0);
  EXPECT_EQ(side_->limits().max_single_read,
            DatagramEndpoint::kDefaultMaxSingle);
}

TEST_P(DatagramEndpointTest, RefusesWhatItsOutputHasNoRoomFor) {
  side_->Disable(EventFlags::kWrite);
  side_.output().SetMemoryLimit(1000);
  int taken = 0;
  while (side_->Send(std::string(72, 'x'), peer_.address())) ++taken;
  EXPECT_EQ(taken, 5);
}

TEST_P(DatagramEndpointTest, TimesOutWhenNothingArrives) {
  side_->SetTimeouts(seconds(5), Duration::zero());
  EXPECT_EQ(side_->read_timeout(), seconds(5));
  EXPECT_EQ(side_->write_timeout(), Duration::zero());
  const TimePoint start = kernel_.Now();
  RunOnce();
  kernel_.Advance(seconds(4));
  PeerSends("x");
  RunUntil([&] { return side_.reads == 1; });
  ASSERT_TRUE(base_->Run(RunMode::kOnce).ok());
  EXPECT_THAT(side_.events, ElementsAre(kReadTimeout));
  EXPECT_EQ(kernel_.Now() - start, seconds(9));
  EXPECT_EQ(side_->enabled(), EventFlags::kWrite);
}

TEST_P(DatagramEndpointTest, TimesOutWhenNothingLeaves) {
  kernel_.Fail(Call::kSendMessages, ENOBUFS, 1000);
  side_->SetTimeouts(Duration::zero(), seconds(3));
  EXPECT_TRUE(side_->Send("x", peer_.address()));
  while (side_.events.empty()) ASSERT_TRUE(base_->Run(RunMode::kOnce).ok());
  EXPECT_THAT(side_.events, ElementsAre(kWriteTimeout));
  EXPECT_EQ(side_->enabled(), EventFlags::kRead);
  EXPECT_EQ(side_.output().size(), 1u);
}

TEST_P(DatagramEndpointTest, ConnectedReceivesFromItsPeerOnly) {
  PlainUdp stranger;
  ASSERT_TRUE(side_->Connect(peer_.address()).ok());
  EXPECT_EQ(side_->peer_address(), peer_.address());
  stranger.Send("not you", side_.address());
  PeerSends("you");
  RunUntil([&] { return side_.reads == 1; });
  EXPECT_THAT(side_.TakeAll(), ElementsAre("you"));
  EXPECT_TRUE(side_->Send("to you"));
  EXPECT_TRUE(side_->Send("to a stranger", stranger.address()));
  EXPECT_TRUE(side_->Send("to you again", peer_.address()));
  RunUntil([&] { return side_.output().empty(); });
  EXPECT_EQ(peer_.Receive(), "to you");
  EXPECT_EQ(peer_.Receive(), "to you again");
  EXPECT_EQ(stranger.Receive(), "to a stranger");
}

TEST_P(DatagramEndpointTest, ConnectTellsWhatIsWrong) {
  EXPECT_THAT(std::string(side_->Connect(AddressOf("[::1]:7")).message()),
              HasSubstr("connect [::1]:7: "));
  EXPECT_EQ(side_->peer_address().port(), 0);
  kernel_.Fail(Call::kConnect, EINTR);
  EXPECT_TRUE(side_->Connect(peer_.address()).ok());
}

TEST_P(DatagramEndpointTest, MayBeDestroyedInEachCallback) {
  {
    DatagramSide side(*base_);
    side.on_read = [&] { side.endpoint = nullptr; };
    peer_.Send("x", side.address());
    RunUntil([&] { return side.endpoint == nullptr; });
  }
  {
    DatagramSide side(*base_);
    side.on_written = [&] { side.endpoint = nullptr; };
    EXPECT_TRUE(side->Send("x", peer_.address()));
    RunUntil([&] { return side.endpoint == nullptr; });
  }
  {
    // In the midst of sending, of which the read callback is the reason.
    DatagramSide side(*base_);
    side.on_read = [&] {
      side.Echo();
      EXPECT_TRUE(side->Send(std::string(70000, 'x'), peer_.address()));
      EXPECT_TRUE(side->Send("left", peer_.address()));
    };
    side.on_event = [&](ConnectionEvent) { side.endpoint = nullptr; };
    peer_.Send("x", side.address());
    RunUntil([&] { return side.endpoint == nullptr; });
  }
  {
    DatagramSide side(*base_);
    side->SetTimeouts(seconds(1), Duration::zero());
    side.on_event = [&](ConnectionEvent) { side.endpoint = nullptr; };
    kernel_.Advance(seconds(2));
    RunUntil([&] { return side.endpoint == nullptr; });
  }
  RunOnce(3);
}

TEST_P(DatagramEndpointTest, GivesItsSocketAway) {
  const SocketAddress address = side_.address();
  const UniqueFd socket = side_->Detach();
  EXPECT_EQ(side_->fd(), -1);
  EXPECT_FALSE(side_->Detach().valid());
  EXPECT_TRUE(side_->Send("x", peer_.address()));
  RunOnce(3);
  EXPECT_EQ(side_.output().size(), 1u);
  side_.endpoint = nullptr;
  peer_.Send("hello", address);
  AwaitReadable(socket.get());
}

TEST_P(DatagramEndpointTest, AdoptsUdpSocketsOnly) {
  EXPECT_THAT(std::string(DatagramEndpoint::Adopt(
                              *base_, UniqueFd(socket(AF_INET, SOCK_STREAM, 0)))
                              .status()
                              .message()),
              HasSubstr("is not a UDP socket"));
  EXPECT_THAT(
      std::string(
          DatagramEndpoint::Adopt(*base_, UniqueFd(dup(0))).status().message()),
      HasSubstr("getsockopt SO_PROTOCOL"));
  EXPECT_FALSE(DatagramEndpoint::Bind(*base_, side_.address()).ok());
}

TEST_P(DatagramEndpointTest, AdoptsAConnectedSocket) {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
  const SocketAddress to = peer_.address();
  ASSERT_EQ(connect(fd, to.native(), to.native_size()), 0);
  DatagramSide side;
  side.Take(*DatagramEndpoint::Adopt(*base_, UniqueFd(fd)));
  EXPECT_EQ(side->peer_address(), to);
  EXPECT_TRUE(side->Send("x"));
  RunUntil([&] { return side.output().empty(); });
  EXPECT_EQ(peer_.Receive(), "x");
}

TEST_P(DatagramEndpointTest, HasAPriority) {
  const auto base =
      *EventBase::Create({.backend = GetParam(), .priorities = 3});
  DatagramSide first(*base);
  DatagramSide second(*base);
  EXPECT_EQ(first->priority(), 1);
  second->SetPriority(0);
  EXPECT_EQ(second->priority(), 0);
  second->SetPriority(99);
  EXPECT_EQ(second->priority(), 2);
  second->SetPriority(0);
  std::string order;
  first.on_read = [&] { order += '1'; };
  second.on_read = [&] { order += '2'; };
  peer_.Send("x", first.address());
  peer_.Send("x", second.address());
  AwaitReadable(first->fd());
  AwaitReadable(second->fd());
  while (order.size() < 2) ASSERT_TRUE(base->Run(RunMode::kOnce).ok());
  EXPECT_EQ(order, "21");
}

TEST_P(DatagramEndpointTest, CountsWhatItDoes) {
  side_.on_read = [this] { side_.Echo(); };
  for (int i = 0; i < 5; ++i) PeerSends("12345");
  RunUntil([&] { return side_->stats()->sent.Get() == 5; });
  const auto stats = side_->stats();
  side_.endpoint = nullptr;
  EXPECT_EQ(stats->received.Get(), 5u);
  EXPECT_EQ(stats->received_bytes.Get(), 25u);
  EXPECT_EQ(stats->sent_bytes.Get(), 25u);
  EXPECT_EQ(stats->receive_calls.Get(), 1u);
  EXPECT_EQ(stats->send_calls.Get(), 1u);
  EXPECT_EQ(stats->truncated.Get(), 0u);
  EXPECT_EQ(stats->lost.Get(), 0u);
}

TEST_P(DatagramEndpointTest, AllocatesNothingInTheSteadyState) {
  side_.on_read = [this] { side_.Echo(); };
  const auto memory = BufferMemoryStats::OfThisThread();
  uint64_t misses = 0;
  for (int round = 0; round < 200; ++round) {
    // By then it has learned the size.
    if (round == 150) misses = memory->pool_misses.Get();
    for (int i = 0; i < 20; ++i) PeerSends("0123456789");
    const uint64_t sent = 20u * (static_cast<unsigned>(round) + 1);
    RunUntil([&] { return side_->stats()->sent.Get() == sent; });
    for (int i = 0; i < 20; ++i) peer_.Receive();
  }
  EXPECT_EQ(memory->pool_misses.Get(), misses);
}

}  // namespace
}  // namespace percore
