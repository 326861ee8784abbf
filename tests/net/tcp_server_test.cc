#include "percore/net/tcp_server.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "percore/net/rate_limit_group.h"
#include "percore/net/socket_address.h"
#include "percore/tests/support/running_server.h"
#include "percore/tests/support/test_kernel.h"

namespace percore {
namespace {

class Echo final : public Connection {
 public:
  using Connection::Connection;
  void OnRead() override { io().output().Append(std::move(io().input())); }
};

// Answers every line, and knows a few words.
class Talker final : public Connection {
 public:
  using Connection::Connection;
  void OnRead() override {
    Buffer& input = io().input();
    while (const auto end = input.FindLineEnd(EndOfLine::kLf)) {
      const std::string line(input.Pullup(end->offset));
      input.Drain(end->offset + end->size);
      if (line == "finish") return Finish(CloseReason::kLocal);
      if (line == "close") return Close(CloseReason::kLocal);
      io().output().Append(line + "!\n");
    }
  }
};

// Tells every client who that is.
class Mirror final : public Connection {
 public:
  using Connection::Connection;
  void OnRead() override {
    io().output().Append(peer().ToString());
    Finish(CloseReason::kLocal);
  }
};

class TcpServerTest : public testing::Test {
 protected:
  template <typename ConnectionType>
  std::unique_ptr<RunningServer> Start(
      int shards, RuntimeOptions options = {},
      const TcpServerOptions& server_options = {}) {
    return std::make_unique<RunningServer>(
        shards,
        [this, server_options](Shard& shard, UniqueFd socket)
            -> absl::StatusOr<std::unique_ptr<Service>> {
          auto server = TcpServer::Create(
              shard, std::move(socket),
              [](Connection::Accepted accepted) {
                return std::make_unique<ConnectionType>(std::move(accepted));
              },
              server_options);
          if (!server.ok()) return server.status();
          const std::lock_guard<std::mutex> lock(mutex_);
          stats_.push_back((*server)->stats());
          return *std::move(server);
        },
        options);
  }

  // Sums what `count` tells of each shard's listener.
  template <typename Count>
  int64_t Sum(Count count) {
    const std::lock_guard<std::mutex> lock(mutex_);
    int64_t sum = 0;
    for (const auto& stats : stats_) sum += static_cast<int64_t>(count(*stats));
    return sum;
  }
  int64_t Accepted() {
    return Sum([](const ListenerStats& stats) { return stats.accepted.Get(); });
  }
  int64_t Closed(CloseReason reason) {
    return Sum([reason](const ListenerStats& stats) {
      return stats.closed[static_cast<size_t>(reason)].Get();
    });
  }
  int64_t OutOfDescriptors() {
    return Sum([](const ListenerStats& stats) {
      return stats
          .accept_errors[static_cast<size_t>(AcceptError::kNoDescriptors)]
          .Get();
    });
  }
  int64_t Open() {
    return Sum(
        [](const ListenerStats& stats) { return stats.connections_open(); });
  }

  std::mutex mutex_;  // guards stats_, which the shards fill as they start
  std::vector<std::shared_ptr<ListenerStats>> stats_;
};

TEST_F(TcpServerTest, ServesClientsOnAllShards) {
  const auto server = Start<Echo>(2);
  for (int i = 0; i < 20; ++i) {
    BlockingClient client = server->Connect();
    client.Send("hello");
    EXPECT_EQ(client.Read(5), "hello");
    client.FinishSending();
    EXPECT_EQ(client.ReadToEnd(), "");
  }
  EXPECT_TRUE(server->Stop().ok());
  EXPECT_EQ(Accepted(), 20);
  EXPECT_EQ(Open(), 0);
  EXPECT_EQ(Closed(CloseReason::kEndOfFile), 20);
}

TEST_F(TcpServerTest, ConnectionsKnowTheirPeer) {
  const auto server = Start<Mirror>(1);
  BlockingClient client = server->Connect();
  client.Send("x");
  client.FinishSending();
  EXPECT_EQ(client.ReadToEnd(),
            SocketAddress::OfSocket(client.fd())->ToString());
}

TEST_F(TcpServerTest, EchoesMoreThanAnyBufferHolds) {
  const auto server = Start<Echo>(1);
  BlockingClient client = server->Connect();
  const std::string bytes(20 << 20, 'x');
  std::thread sender([&] {
    client.Send(bytes);
    client.FinishSending();
  });
  EXPECT_EQ(client.ReadToEnd().size(), bytes.size());
  sender.join();
}

// An echo server holds no more than the high watermark for one that never
// reads, and lets it wait.
TEST_F(TcpServerTest, AClientThatNeverReadsIsNoLongerReadFrom) {
  const auto server = Start<Echo>(1);
  BlockingClient greedy = server->Connect();
  const std::string bytes(1 << 20, 'x');
  int stalls = 0;
  while (stalls < 50) {
    if (greedy.SendSome(bytes) > 0) {
      stalls = 0;
      continue;
    }
    ++stalls;
    BlockingClient other = server->Connect();
    other.Send("hello");
    EXPECT_EQ(other.Read(5), "hello");
  }
  greedy.Reset();
}

TEST_F(TcpServerTest, FinishSendsWhatIsLeftAndWaitsForThePeer) {
  const auto server = Start<Talker>(1);
  BlockingClient client = server->Connect();
  client.Send("a\nfinish\nb\n");
  EXPECT_EQ(client.ReadToEnd(), "a!\n");
  client.Send("too late");
  client.FinishSending();
  EXPECT_TRUE(server->Stop().ok());
  EXPECT_EQ(Closed(CloseReason::kLocal), 1);
}

// It has more to do, of which its server knows nothing.
TEST_F(TcpServerTest, AConnectionThatFinishedBothWaysByItselfStaysOpen) {
  class Stays final : public Connection {
   public:
    using Connection::Connection;
    void OnRead() override {
      io().input().Clear();
      io().output().Append("x");
    }
    void OnWritten() override {
      if (io().output_finished()) shard().runtime().RequestStop();
    }
    void OnEndOfFile() override {
      io().output().Append("y");
      io().Flush(EventFlags::kWrite, FlushMode::kFinished);
    }
    void OnDrain() override { Close(CloseReason::kDrained); }
  };
  const auto server = Start<Stays>(1);
  BlockingClient client = server->Connect();
  client.Send("x");
  EXPECT_EQ(client.Read(1), "x");
  client.FinishSending();
  EXPECT_EQ(client.ReadToEnd(), "y");
  EXPECT_TRUE(server->Wait().ok());
  EXPECT_EQ(Closed(CloseReason::kDrained), 1);
}

TEST_F(TcpServerTest, AFinishingConnectionDoesNotWaitForEver) {
  TestKernel kernel(TestKernel::Clock::kManual);
  RuntimeOptions options;
  options.base.kernel = &kernel;
  const auto server = Start<Talker>(1, options);
  BlockingClient client = server->Connect();
  client.Send("finish\n");
  EXPECT_EQ(client.ReadToEnd(), "");
  // The clock jumps to the timeout as soon as the loop would sleep.
  while (Open() > 0) std::this_thread::yield();
  EXPECT_EQ(Closed(CloseReason::kTimeout), 1);
}

TEST_F(TcpServerTest, CloseDropsWhatIsLeft) {
  const auto server = Start<Talker>(1);
  BlockingClient client = server->Connect();
  client.Send("close\n");
  EXPECT_EQ(client.ReadToEnd(), "");
  EXPECT_TRUE(server->Stop().ok());
  EXPECT_EQ(Closed(CloseReason::kLocal), 1);
}

TEST_F(TcpServerTest, CountsAResetAsAnError) {
  const auto server = Start<Talker>(1);
  {
    BlockingClient client = server->Connect();
    client.Send("a\n");
    EXPECT_EQ(client.ReadLine(), "a!\n");
    client.Reset();
  }
  while (Open() > 0) std::this_thread::yield();
  EXPECT_EQ(Closed(CloseReason::kError), 1);
}

TEST_F(TcpServerTest, AStopLetsClientsFinish) {
  const auto server = Start<Talker>(2);
  std::vector<BlockingClient> clients;
  for (int i = 0; i < 4; ++i) {
    clients.push_back(server->Connect());
    clients.back().Send("a\n");
    EXPECT_EQ(clients.back().ReadLine(), "a!\n");
  }
  server->runtime().RequestStop();
  for (BlockingClient& client : clients) {
    EXPECT_EQ(client.ReadToEnd(), "");
    client.FinishSending();
  }
  EXPECT_TRUE(server->Wait().ok());
  EXPECT_EQ(Closed(CloseReason::kDrained), 4);
  EXPECT_EQ(server->runtime().cut_off(), 0u);
}

TEST_F(TcpServerTest, TheDrainDeadlineCutsOffClientsThatStay) {
  TestKernel kernel(TestKernel::Clock::kManual);
  RuntimeOptions options;
  options.base.kernel = &kernel;
  options.drain_deadline = std::chrono::milliseconds(100);
  const auto server = Start<Talker>(1, options);
  BlockingClient client = server->Connect();
  client.Send("a\n");
  EXPECT_EQ(client.ReadLine(), "a!\n");
  EXPECT_TRUE(server->Stop().ok());  // although the client never finishes
  EXPECT_EQ(static_cast<int64_t>(server->runtime().cut_off()) +
                Closed(CloseReason::kTimeout),
            1);
}

TEST_F(TcpServerTest, SurvivesRunningOutOfDescriptors) {
  TestKernel kernel;
  RuntimeOptions options;
  options.base.kernel = &kernel;
  // With a limit it calls accept() itself: a ring's request could not be made
  // to fail once the kernel has it.
  const auto server =
      Start<Talker>(1, options, {.listener = {.max_connections = 100}});
  BlockingClient first = server->Connect();
  first.Send("a\n");
  EXPECT_EQ(first.ReadLine(), "a!\n");

  // Two times without a descriptor for the reserve's sake either, then with.
  kernel.Fail(TestKernel::Call::kAccept, EMFILE, 5);
  BlockingClient second = server->Connect();
  first.Send("b\n");  // who is in is served
  EXPECT_EQ(first.ReadLine(), "b!\n");
  EXPECT_EQ(second.ReadToEnd(), "");  // who has waited longest is told
  BlockingClient third = server->Connect();
  third.Send("c\n");  // who waits is served later
  EXPECT_EQ(third.ReadLine(), "c!\n");
  EXPECT_EQ(OutOfDescriptors(), 3);
}

// Counts how many of its kind there are, and the most there were.
class Counted final : public Connection {
 public:
  struct Count {
    std::atomic<int> now{0};
    std::atomic<int> most{0};
  };
  Counted(Accepted accepted, Count& count)
      : Connection(std::move(accepted)), count_(count) {
    const int now = ++count_.now;
    int most = count_.most;
    while (now > most && !count_.most.compare_exchange_weak(most, now)) {
    }
  }
  ~Counted() override { --count_.now; }
  void OnRead() override { io().output().Append(std::move(io().input())); }

 private:
  Count& count_;
};

class ConnectionLimitOfARuntimeTest : public testing::TestWithParam<WhenFull> {
 protected:
  // How many clients were served, of five times `clients`, by a server of
  // `shards` shards that serves `limit` at a time.
  int Serve(int shards, int limit, int clients) {
    TcpServerOptions options;
    options.listener = {.limit = std::make_shared<ConnectionLimit>(limit),
                        .when_full = GetParam()};
    int served = 0;
    {
      RunningServer server(
          shards,
          [&](Shard& shard,
              UniqueFd socket) -> absl::StatusOr<std::unique_ptr<Service>> {
            return TcpServer::Create(
                shard, std::move(socket),
                [this](Connection::Accepted accepted) {
                  return std::make_unique<Counted>(std::move(accepted), count_);
                },
                options);
          });
      for (int round = 0; round < 5; ++round) {
        std::vector<BlockingClient> waiting;
        for (int i = 0; i < clients; ++i) {
          waiting.push_back(server.Connect());
          waiting.back().SendSome("x");
          waiting.back().FinishSending();
        }
        for (BlockingClient& client : waiting) {
          served += client.ReadToEnd() == "x" ? 1 : 0;
        }
      }
      EXPECT_TRUE(server.Stop().ok());
    }
    EXPECT_EQ(options.listener.limit->taken(), 0);
    return served;
  }

  Counted::Count count_;
};

INSTANTIATE_TEST_SUITE_P(WhenFull, ConnectionLimitOfARuntimeTest,
                         testing::Values(WhenFull::kWait, WhenFull::kRefuse));

TEST_P(ConnectionLimitOfARuntimeTest, IsNeverExceeded) {
  for (const int limit : {1, 3, 20, 1000}) {
    SCOPED_TRACE(limit);
    count_.most = 0;
    const int served = Serve(3, limit, 40);
    EXPECT_LE(count_.most, limit);
    EXPECT_EQ(count_.now, 0);
    if (GetParam() == WhenFull::kWait || limit == 1000) {
      EXPECT_EQ(served, 5 * 40);
    }
  }
}

TEST_F(TcpServerTest, AConnectionThatCannotBeWatchedIsClosedAndCounted) {
  TestKernel kernel;
  RuntimeOptions options;
  options.base.backend = "epoll";
  options.base.kernel = &kernel;
  const auto server = Start<Talker>(1, options);
  { server->Connect().Send(""); }
  while (Accepted() < 1 || Open() > 0) std::this_thread::yield();
  kernel.Fail(TestKernel::Call::kEpollCtl, ENOMEM);
  BlockingClient refused = server->Connect();
  EXPECT_EQ(refused.ReadToEnd(), "");
  EXPECT_EQ(Closed(CloseReason::kError), 1);
}

TEST_F(TcpServerTest, ConnectionsOfAllShardsAreMembersOfItsGroup) {
  auto group = *RateLimitGroup::Create({.write = {.rate = 1'000'000'000}});
  const auto server = Start<Echo>(2, {}, {.rate_limit_group = group});
  std::vector<BlockingClient> clients;
  for (int i = 0; i < 10; ++i) {
    clients.push_back(server->Connect());
    clients.back().Send("hello");
    EXPECT_EQ(clients.back().Read(5), "hello");
  }
  EXPECT_EQ(group->state().members, 10);
  clients.clear();
  EXPECT_TRUE(server->Stop().ok());
  EXPECT_EQ(group->totals().written, 50U);
  EXPECT_EQ(group->state().members, 0);
}

// Says of each connection how it is limited.
class LimitTeller final : public Connection {
 public:
  using Connection::Connection;
  void OnRead() override {
    const RateLimit* const limit = io().rate_limiter().limit();
    io().output().Append(limit == nullptr ? "none"
                                          : absl::StrCat(limit->read.rate));
    Finish(CloseReason::kLocal);
  }
};

TEST_F(TcpServerTest, EachConnectionHasItsOwnRateLimit) {
  const RateLimit limit = {.read = {.rate = 12345}};
  const auto server =
      Start<LimitTeller>(1, {}, {.connection_rate_limit = limit});
  BlockingClient client = server->Connect();
  client.Send("?");
  EXPECT_EQ(client.Read(5), "12345");
}

TEST_F(TcpServerTest, ImpossibleRateLimitsAreErrorsOfTheStart) {
  const RateLimit never = {.read = {.rate = 0}};
  const auto without_rate =
      Start<Talker>(1, {}, {.connection_rate_limit = never});
  EXPECT_EQ(without_rate->Wait().code(), absl::StatusCode::kInvalidArgument);

  // A chain that is as long as it may be, around another one.
  std::vector<std::shared_ptr<RateLimitGroup>> outer, inner;
  for (auto* chain : {&outer, &inner}) {
    for (int i = 0; i < RateLimitGroup::kMaxDepth - 1; ++i) {
      chain->push_back(*RateLimitGroup::Create(
          {}, {.parent = i == 0 ? nullptr : chain->back()}));
    }
  }
  ASSERT_TRUE(inner.front()->SetParent(outer.back()).ok());
  const auto too_deep =
      Start<Talker>(1, {}, {.rate_limit_group = inner.back()});
  EXPECT_EQ(too_deep->Wait().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(TcpServerTest, AConnectionThatCannotBeLimitedIsClosedAndCounted) {
  std::vector<std::shared_ptr<RateLimitGroup>> around;
  for (int i = 0; i < RateLimitGroup::kMaxDepth - 1; ++i) {
    around.push_back(*RateLimitGroup::Create(
        {}, {.parent = i == 0 ? nullptr : around.back()}));
  }
  auto outer = *RateLimitGroup::Create({});
  auto group = *RateLimitGroup::Create({}, {.parent = outer});
  const auto server = Start<Talker>(1, {}, {.rate_limit_group = group});
  {
    BlockingClient member = server->Connect();
    member.Send("hello\n");
    EXPECT_EQ(member.Read(7), "hello!\n");
  }
  // Refused until the client has left.
  while (!outer->SetParent(around.back()).ok()) std::this_thread::yield();
  BlockingClient refused = server->Connect();
  EXPECT_EQ(refused.ReadToEnd(), "");
  EXPECT_EQ(Closed(CloseReason::kError), 1);
}

TEST_F(TcpServerTest, AListenerThatCannotBeWatchedIsAnErrorOfTheStart) {
  TestKernel kernel;
  RuntimeOptions options;
  options.base.backend = "epoll";
  options.base.kernel = &kernel;
  // The control loop's and the shard's wake-up descriptors come first.
  kernel.Fail(TestKernel::Call::kEpollCtl, ENOMEM, 1, 2);
  const auto server = Start<Talker>(1, options);
  EXPECT_EQ(server->Wait().code(), absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace percore
