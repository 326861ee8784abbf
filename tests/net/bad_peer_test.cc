// Peers that do not behave, over real TCP: those that reset a connection at a
// bad moment, vanish without a word, send a byte at a time, never read, or come
// in greater numbers than there are descriptors. The user is told what
// happened, what is held for them stays bounded, and nothing of them is left
// behind.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "percore/buffer/buffer_memory_stats.h"
#include "percore/net/buffer_event.h"
#include "percore/net/filter.h"
#include "percore/net/listen_sockets.h"
#include "percore/net/listener.h"
#include "percore/net/socket_options.h"
#include "percore/tests/net/connection_side.h"
#include "percore/tests/support/blocking_client.h"
#include "percore/tests/support/descriptors.h"
#include "percore/tests/support/test_kernel.h"

namespace percore {
namespace {

using std::chrono::seconds;
using testing::AnyOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

using Side = ConnectionSide;

// One loop, on which the connections of `side_` and `sides_` live. However a
// test goes, descriptors and buffer memory are at the end what they were
// before.
class BadPeerTest : public testing::Test {
 protected:
  void TearDown() override {
    peer_.reset();
    side_.connection = nullptr;
    sides_.clear();
    sockets_.reset();
    listening_.Reset();
    base_ = nullptr;
    EXPECT_EQ(OpenDescriptors(), descriptors_before_);
    EXPECT_EQ(memory_->bytes_in_use.Get(), bytes_before_);
    EXPECT_EQ(memory_->segments_in_use.Get(), segments_before_);
  }

  // A peer, and the connection that was accepted from it.
  void ConnectPeer() {
    sockets_ = *ListenSockets::Open("127.0.0.1:0", 1);
    listening_ = sockets_->Take(0);
    peer_.emplace(sockets_->address());
    side_.Take(std::make_unique<BufferEvent>(*base_, AcceptSocket()));
    ASSERT_TRUE(side_.connection->Enable(EventFlags::kRead).ok());
  }
  // A listener's: the connection becomes one more of `sides_`.
  static void OnAccept(UniqueFd socket, const SocketAddress&, void* test) {
    auto& self = *static_cast<BadPeerTest*>(test);
    Side& side = *self.sides_.emplace_back(std::make_unique<Side>());
    side.Take(std::make_unique<BufferEvent>(*self.base_, std::move(socket)));
    if (self.echoes_) side.on_read = [&side] { side.Echo(); };
    EXPECT_TRUE(side.connection->Enable(EventFlags::kRead).ok());
  }
  UniqueFd AcceptSocket() {
    UniqueFd socket(accept4(listening_.get(), nullptr, nullptr,
                            SOCK_NONBLOCK | SOCK_CLOEXEC));
    EXPECT_TRUE(socket.valid());
    return socket;
  }

  // Until nothing more happens.
  void Run(int rounds = 40) {
    for (int i = 0; i < rounds; ++i) {
      ASSERT_TRUE(base_->Run(RunMode::kNonBlocking).ok());
    }
  }
  bool RunUntil(const std::function<bool()>& condition) {
    for (int i = 0; i < 2'000'000; ++i) {
      if (condition()) return true;
      if (!base_->Run(RunMode::kNonBlocking).ok()) return false;
    }
    return false;
  }
  bool RunUntilEvents(size_t count) {
    return RunUntil([&] { return side_.events.size() >= count; });
  }
  void Pass(Duration duration) {
    kernel_.Advance(duration);
    base_->UpdateNow();
    Run();
  }
  // A broken connection is looked at no more: the loop has nothing to do.
  void ExpectToRest() {
    Run();
    const int before = kernel_.Count(TestKernel::Call::kRead) +
                       kernel_.Count(TestKernel::Call::kWritev) +
                       kernel_.Count(TestKernel::Call::kEpollCtl);
    const size_t events = side_.events.size();
    Run();
    EXPECT_EQ(kernel_.Count(TestKernel::Call::kRead) +
                  kernel_.Count(TestKernel::Call::kWritev) +
                  kernel_.Count(TestKernel::Call::kEpollCtl),
              before);
    EXPECT_EQ(side_.events.size(), events);
  }
  // Has the peer send until nobody takes it any more. What is held for it never
  // exceeds `bound`. Returns how much it could send.
  size_t SendUntilNobodyReads(int64_t bound) {
    const std::string bytes(1 << 16, 'x');
    size_t sent = 0;
    for (int stalls = 0; stalls < 50 && sent < (size_t{1} << 30); ++stalls) {
      if (const size_t some = peer_->SendSome(bytes); some > 0) {
        sent += some;
        stalls = 0;
      }
      Run(3);
      EXPECT_LE(Held(), bound);
    }
    EXPECT_LT(sent, size_t{1} << 30);
    return sent;
  }
  // Has the connection write until the peer's kernel takes no more.
  void WriteUntilNobodyReads() {
    side_.connection->output().Append(std::string(16 << 20, 'x'));
    size_t left = 0;
    do {
      left = side_.connection->output().size();
      Run();
    } while (side_.connection->output().size() < left);
    EXPECT_GT(left, 0u);
  }
  int64_t Held() const { return memory_->bytes_in_use.Get() - bytes_before_; }

  const std::shared_ptr<const BufferMemoryStats> memory_ =
      BufferMemoryStats::OfThisThread();
  const int64_t bytes_before_ = memory_->bytes_in_use.Get();
  const int64_t segments_before_ = memory_->segments_in_use.Get();
  const int descriptors_before_ = OpenDescriptors();
  TestKernel kernel_{TestKernel::Clock::kManual};
  std::unique_ptr<EventBase> base_ = *EventBase::Create({.kernel = &kernel_});
  std::optional<ListenSockets> sockets_;
  UniqueFd listening_;
  std::optional<BlockingClient> peer_;
  Side side_;
  std::vector<std::unique_ptr<Side>> sides_;
  bool echoes_ = false;  // those of `sides_`
};

// --- Reset during connect ---

class ResetDuringConnectTest : public BadPeerTest {
 protected:
  // Connects, with something to send, to a server that resets the connection
  // before the loop has seen it come about.
  void ConnectAndBeReset(const std::function<void()>& reset) {
    sockets_ = *ListenSockets::Open("127.0.0.1:0", 1);
    listening_ = sockets_->Take(0);
    side_.Take(std::make_unique<BufferEvent>(*base_));
    side_.connection->output().Append("hello");
    ASSERT_TRUE(side_.connection->Enable(EventFlags::kRead).ok());
    ASSERT_TRUE(side_.connection->Connect(sockets_->address()).ok());
    reset();
    ASSERT_TRUE(RunUntilEvents(1));
    ExpectToRest();
    // It never was connected.
    EXPECT_THAT(side_.events, ElementsAre(ConnectionEvent::kError));
    EXPECT_THAT(side_.error.message(), HasSubstr("connect"));
    EXPECT_THAT(side_.error.message(), HasSubstr("Connection reset by peer"));
    EXPECT_EQ(side_.connection->output().size(), 5u);
  }
};

TEST_F(ResetDuringConnectTest, ByAServerThatAcceptsAndAborts) {
  ConnectAndBeReset([&] {
    const UniqueFd socket = AcceptSocket();
    const linger abort = {.l_onoff = 1, .l_linger = 0};
    setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &abort, sizeof(abort));
  });
}

TEST_F(ResetDuringConnectTest, ByAServerThatGoesAwayWithItsBacklog) {
  ConnectAndBeReset([&] { listening_.Reset(); });
}

TEST_F(BadPeerTest, NobodyListens) {
  const SocketAddress address =
      ListenSockets::Open("127.0.0.1:0", 1)->address();
  side_.Take(std::make_unique<BufferEvent>(*base_));
  ASSERT_TRUE(side_.connection->Enable(EventFlags::kRead).ok());
  ASSERT_TRUE(side_.connection->Connect(address).ok());
  ASSERT_TRUE(RunUntilEvents(1));
  ExpectToRest();
  EXPECT_THAT(side_.events, ElementsAre(ConnectionEvent::kError));
  EXPECT_THAT(side_.error.message(), HasSubstr("Connection refused"));
}

// The kernel hands out connections that ended in the backlog.
TEST_F(BadPeerTest, AClientResetsBeforeItIsAccepted) {
  constexpr int kClients = 20;
  ListenSockets sockets = *ListenSockets::Open("127.0.0.1:0", 1);
  Listener listener(*base_, sockets.Take(0), &OnAccept, this);
  ASSERT_TRUE(listener.Enable().ok());
  for (int i = 0; i < kClients; ++i) {
    BlockingClient client(sockets.address());
    if (i % 2 == 0) client.Send("hello");
    client.Reset();
  }
  const ListenerStats& stats = *listener.stats();
  const Counter& aborted =
      stats.accept_errors[static_cast<size_t>(AcceptError::kAborted)];
  ASSERT_TRUE(RunUntil(
      [&] { return stats.accepted.Get() + aborted.Get() == kClients; }));
  Run();
  EXPECT_EQ(sides_.size(), stats.accepted.Get());
  for (const auto& side : sides_) {
    EXPECT_THAT(side->events, ElementsAre(kReadError));
    EXPECT_THAT(side->error.message(), HasSubstr("Connection reset by peer"));
  }
}

// --- Reset later ---

TEST_F(BadPeerTest, AResetIsAnErrorOnceAndTheLoopRests) {
  ConnectPeer();
  peer_->Reset();
  ASSERT_TRUE(RunUntilEvents(1));
  ExpectToRest();
  EXPECT_THAT(side_.events, ElementsAre(kReadError));
  EXPECT_EQ(side_.connection->enabled(), EventFlags::kNone);
}

TEST_F(BadPeerTest, BytesBeforeAResetAreDelivered) {
  ConnectPeer();
  peer_->Send("last words");
  ASSERT_TRUE(RunUntil([&] { return side_.reads > 0; }));
  peer_->Reset();
  ASSERT_TRUE(RunUntilEvents(1));
  EXPECT_THAT(side_.events, ElementsAre(kReadError));
  EXPECT_EQ(side_.connection->input().ToString(), "last words");
}

// Who does not read learns of it when it reads again, and costs no CPU until
// then.
TEST_F(BadPeerTest, AResetWhileReadingIsDisabledWaits) {
  ConnectPeer();
  side_.connection->Disable(EventFlags::kRead);
  peer_->Reset();
  ExpectToRest();
  EXPECT_THAT(side_.events, IsEmpty());
  ASSERT_TRUE(side_.connection->Enable(EventFlags::kRead).ok());
  ASSERT_TRUE(RunUntilEvents(1));
  EXPECT_THAT(side_.events, ElementsAre(kReadError));
}

TEST_F(BadPeerTest, AResetWhileOutputWaitsIsAnErrorOnce) {
  ConnectPeer();
  WriteUntilNobodyReads();
  peer_->Reset();
  ASSERT_TRUE(RunUntilEvents(1));
  ExpectToRest();
  EXPECT_THAT(side_.events, ElementsAre(AnyOf(kReadError, kWriteError)));
  EXPECT_GT(side_.connection->output().size(), 0u);
}

TEST_F(BadPeerTest, AResetAfterTheEndOfFileIsTold) {
  ConnectPeer();
  peer_->FinishSending();
  ASSERT_TRUE(RunUntilEvents(1));
  EXPECT_THAT(side_.events, ElementsAre(kEndOfFile));
  WriteUntilNobodyReads();
  peer_->Reset();
  ASSERT_TRUE(RunUntilEvents(2));
  ExpectToRest();
  EXPECT_THAT(side_.events, ElementsAre(kEndOfFile, kWriteError));
}

TEST_F(BadPeerTest, AResetReachesTheUserThroughFilters) {
  ConnectPeer();
  std::unique_ptr<BufferEvent> filtered = std::move(side_.connection);
  for (int i = 0; i < 2; ++i) {
    filtered = MakeFilteredBufferEvent(std::move(filtered), MakeFilter({}));
  }
  side_.Take(std::move(filtered));
  ASSERT_TRUE(side_.connection->Enable(EventFlags::kRead).ok());
  WriteUntilNobodyReads();
  peer_->Reset();
  ASSERT_TRUE(RunUntilEvents(1));
  ExpectToRest();
  EXPECT_THAT(side_.events, ElementsAre(AnyOf(kReadError, kWriteError)));
}

// --- Half-open ---

class HalfOpenTest : public BadPeerTest {
 protected:
  // The peer's machine lost its power: its socket is gone, and said nothing.
  bool Vanish() {
    const int on = 1;
    if (setsockopt(peer_->fd(), IPPROTO_TCP, TCP_REPAIR, &on, sizeof(on)) !=
        0) {
      return false;
    }
    peer_.reset();
    return true;
  }
};

TEST_F(HalfOpenTest, TheReadTimeoutFindsIt) {
  ConnectPeer();
  side_.connection->SetTimeouts(seconds(30), seconds(0));
  peer_->Send("hello");
  ASSERT_TRUE(RunUntil([&] { return side_.reads > 0; }));
  // Without the permission the peer is merely silent: the same to us.
  Vanish();
  Pass(seconds(29));
  EXPECT_THAT(side_.events, IsEmpty());
  Pass(seconds(1));
  EXPECT_THAT(side_.events, ElementsAre(kReadTimeout));
  EXPECT_FALSE(side_.connection->read_enabled());
  ExpectToRest();
}

TEST_F(HalfOpenTest, TheWriteTimeoutFindsIt) {
  ConnectPeer();
  side_.connection->SetTimeouts(seconds(0), seconds(10));
  WriteUntilNobodyReads();
  Pass(seconds(9));
  EXPECT_THAT(side_.events, IsEmpty());
  Pass(seconds(1));
  EXPECT_THAT(side_.events, ElementsAre(kWriteTimeout));
  EXPECT_FALSE(side_.connection->write_enabled());
}

TEST_F(HalfOpenTest, WritingToItIsAnError) {
  ConnectPeer();
  if (!Vanish()) GTEST_SKIP() << "TCP_REPAIR needs CAP_NET_ADMIN";
  side_.connection->output().Append("are you there?");
  ASSERT_TRUE(RunUntilEvents(1));
  ExpectToRest();
  EXPECT_THAT(side_.events, ElementsAre(AnyOf(kReadError, kWriteError)));
}

TEST_F(HalfOpenTest, KeepAliveIsAskedOfTheSocketOfAConnection) {
  ConnectPeer();
  const int fd = side_.connection->fd();
  ASSERT_TRUE(
      SetKeepAlive(fd,
                   {.idle = seconds(30), .interval = seconds(7), .probes = 2})
          .ok());
  const auto option = [fd](int level, int name) {
    int value = -1;
    socklen_t size = sizeof(value);
    EXPECT_EQ(getsockopt(fd, level, name, &value, &size), 0);
    return value;
  };
  EXPECT_EQ(option(SOL_SOCKET, SO_KEEPALIVE), 1);
  EXPECT_EQ(option(IPPROTO_TCP, TCP_KEEPIDLE), 30);
  EXPECT_EQ(option(IPPROTO_TCP, TCP_KEEPINTVL), 7);
  EXPECT_EQ(option(IPPROTO_TCP, TCP_KEEPCNT), 2);
}

// --- A byte at a time ---

TEST_F(BadPeerTest, AByteAtATimeCostsLittleMoreThanItsBytes) {
  constexpr size_t kBytes = 5000;
  ConnectPeer();
  ASSERT_TRUE(SetNoDelay(peer_->fd()).ok());
  std::string sent;
  for (size_t i = 0; i < kBytes; ++i) {
    sent += static_cast<char>('a' + i % 26);
    peer_->Send(std::string_view(&sent.back(), 1));
    ASSERT_TRUE(RunUntil(
        [&] { return side_.connection->input().size() == sent.size(); }));
    ASSERT_LE(Held(), static_cast<int64_t>(4 * sent.size() + 4096));
  }
  EXPECT_EQ(side_.reads, static_cast<int>(kBytes));
  EXPECT_TRUE(side_.connection->input().ToString() == sent);
  EXPECT_THAT(side_.events, IsEmpty());
}

TEST_F(BadPeerTest, AByteAtATimeIsAnsweredOnceThereIsEnough) {
  ConnectPeer();
  side_.connection->SetWatermarks(EventFlags::kRead, 100, 1000);
  ASSERT_TRUE(SetNoDelay(peer_->fd()).ok());
  for (size_t i = 1; i <= 100; ++i) {
    EXPECT_EQ(side_.reads, 0);
    peer_->Send("x");
    ASSERT_TRUE(
        RunUntil([&] { return side_.connection->input().size() == i; }));
  }
  EXPECT_EQ(side_.reads, 1);
}

// Each byte starts the timeout anew: who wants a bound on a whole request sets
// a timer of its own.
TEST_F(BadPeerTest, AByteAtATimeKeepsAConnectionAlive) {
  ConnectPeer();
  side_.connection->SetTimeouts(seconds(10), seconds(0));
  for (size_t i = 1; i <= 5; ++i) {
    Pass(seconds(9));
    peer_->Send("x");
    ASSERT_TRUE(
        RunUntil([&] { return side_.connection->input().size() == i; }));
  }
  EXPECT_THAT(side_.events, IsEmpty());
  Pass(seconds(10));
  EXPECT_THAT(side_.events, ElementsAre(kReadTimeout));
}

// --- Never reading, never taking ---

TEST_F(BadPeerTest, APeerThatNeverReadsIsNoLongerReadFrom) {
  constexpr size_t kHigh = 64 << 10;
  ConnectPeer();
  side_.on_read = [&] { side_.Echo(); };
  side_.connection->SetWatermarks(EventFlags::kWrite, 0, kHigh);
  // The watermark, what one read adds to it, and unused room of segments.
  const int64_t bound = kHigh + FlowLimits::kDefaultMaxSingleRead + (64 << 10);
  const size_t sent = SendUntilNobodyReads(bound);
  EXPECT_GT(side_.connection->output().size(), kHigh);
  EXPECT_THAT(side_.events, IsEmpty());
  ExpectToRest();

  // It thinks better of it, and has it all.
  std::string received;
  std::atomic<bool> done{false};
  std::thread reader([&] {
    received = peer_->Read(sent);
    done = true;
  });
  while (!done) Run(1);
  reader.join();
  EXPECT_TRUE(received == std::string(sent, 'x'));
}

TEST_F(BadPeerTest, WhatTheUserDoesNotTakeIsBounded) {
  constexpr size_t kHigh = 64 << 10;
  ConnectPeer();
  side_.connection->SetWatermarks(EventFlags::kRead, 0, kHigh);
  const size_t sent = SendUntilNobodyReads(kHigh + (64 << 10));
  EXPECT_EQ(side_.connection->input().size(), kHigh);
  ExpectToRest();
  // As it is taken, the rest comes.
  size_t taken = 0;
  ASSERT_TRUE(RunUntil([&] {
    taken += side_.connection->input().size();
    side_.connection->input().Clear();
    return taken == sent;
  }));
}

TEST_F(BadPeerTest, APeerThatNeverReadsIsBoundedThroughFilters) {
  ConnectPeer();
  FilterOptions options;
  options.max_pending_output = 64 << 10;
  side_.Take(MakeFilteredBufferEvent(std::move(side_.connection),
                                     MakeFilter({}), options));
  side_.on_read = [&] { side_.Echo(); };
  side_.connection->SetWatermarks(EventFlags::kWrite, 0, 64 << 10);
  ASSERT_TRUE(side_.connection->Enable(EventFlags::kRead).ok());
  SendUntilNobodyReads(1 << 20);
  ExpectToRest();
}

// --- More connections than descriptors ---

TEST_F(BadPeerTest, ConnectingWithoutADescriptorFailsAndLaterWorks) {
  ListenSockets sockets = *ListenSockets::Open("127.0.0.1:0", 1);
  const UniqueFd listening = sockets.Take(0);
  side_.Take(std::make_unique<BufferEvent>(*base_));
  side_.connection->output().Append("hello");
  {
    const DescriptorLimit limit(0);
    const absl::Status status = side_.connection->Connect(sockets.address());
    EXPECT_THAT(status.message(), HasSubstr("Too many open files"));
  }
  Run();
  EXPECT_THAT(side_.events, IsEmpty());
  ASSERT_TRUE(side_.connection->Connect(sockets.address()).ok());
  ASSERT_TRUE(RunUntilEvents(1));
  EXPECT_THAT(side_.events, ElementsAre(ConnectionEvent::kConnected));
  EXPECT_TRUE(RunUntil([&] { return side_.connection->output().empty(); }));
}

// Each of them is served, or told that it is not; those who are in go on.
TEST_F(BadPeerTest, MoreClientsThanDescriptors) {
  constexpr size_t kClients = 60;
  constexpr size_t kRoom = 10;
  echoes_ = true;
  ListenSockets sockets = *ListenSockets::Open("127.0.0.1:0", 1);
  Listener listener(*base_, sockets.Take(0), &OnAccept, this);
  ASSERT_TRUE(listener.Enable().ok());
  std::vector<BlockingClient> clients;
  clients.reserve(kClients);
  for (size_t i = 0; i < kClients; ++i) {
    clients.emplace_back(sockets.address()).Send("hello");
  }
  const ListenerStats& stats = *listener.stats();
  const Counter& rejected =
      stats.rejected[static_cast<size_t>(RejectReason::kNoDescriptors)];

  const DescriptorLimit limit(kRoom);
  size_t most = 0;
  while (stats.accepted.Get() + rejected.Get() < kClients) {
    ASSERT_TRUE(base_->Run(RunMode::kOnce).ok());
    most = std::max(most, sides_.size());
    EXPECT_LE(Held(), static_cast<int64_t>(kRoom * 4096));
    // Every other time who was served leaves, and makes room.
    if (rejected.Get() % 2 == 1 && sides_.size() == kRoom) {
      Run();
      for (const auto& side : sides_) EXPECT_THAT(side->events, IsEmpty());
      sides_.clear();
    }
  }
  Run();
  EXPECT_EQ(most, kRoom);
  EXPECT_GT(rejected.Get(), 0u);
  sides_.clear();
  size_t served = 0;
  for (BlockingClient& client : clients) {
    const std::string answer = client.ReadToEnd();
    if (answer == "hello") {
      ++served;
    } else {
      EXPECT_EQ(answer, "");
    }
  }
  EXPECT_EQ(served, stats.accepted.Get());
}

}  // namespace
}  // namespace percore
