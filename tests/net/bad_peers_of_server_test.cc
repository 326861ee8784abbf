// A server whose clients do not behave: they reset their connections at a bad
// moment, send a byte at a time, never read, or come in greater numbers than
// there are descriptors. All are accounted for, and nothing is left of them.
#include <gtest/gtest.h>

#include <latch>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "percore/buffer/buffer_memory_stats.h"
#include "percore/net/tcp_server.h"
#include "percore/tests/support/descriptors.h"
#include "percore/tests/support/running_server.h"
#include "percore/tests/support/test_kernel.h"

namespace percore {
namespace {

class Echo final : public Connection {
 public:
  using Connection::Connection;
  void OnRead() override { io().output().Append(std::move(io().input())); }
};

// A TcpServer on a thread of its own that accepts only when it is told to.
class BadPeersOfAServerTest : public testing::Test {
 protected:
  void Start(const TcpServerOptions& options = {}) {
    descriptors_before_ = OpenDescriptors();
    RuntimeOptions runtime;
    runtime.base.kernel = &kernel_;
    server_.emplace(
        1,
        [this, options](Shard& shard, UniqueFd socket)
            -> absl::StatusOr<std::unique_ptr<Service>> {
          go_.wait();
          auto server = TcpServer::Create(
              shard, std::move(socket),
              [](Connection::Accepted accepted) {
                return std::make_unique<Echo>(std::move(accepted));
              },
              options);
          if (!server.ok()) return server.status();
          stats_ = (*server)->stats();
          memory_ = BufferMemoryStats::OfThisThread();
          started_.count_down();
          return *std::move(server);
        },
        runtime);
  }
  void Go() {
    go_.count_down();
    started_.wait();
  }
  // Everything that was accepted has been closed, and nothing is left of it.
  void StopAndExpectNothingLeft() {
    EXPECT_TRUE(server_->Stop().ok());
    EXPECT_EQ(stats_->connections_open(), 0);
    EXPECT_EQ(memory_->bytes_in_use.Get(), 0);
    EXPECT_EQ(memory_->segments_in_use.Get(), 0);
    server_.reset();
    EXPECT_EQ(OpenDescriptors(), descriptors_before_);
  }
  uint64_t Closed(CloseReason reason) const {
    return stats_->closed[static_cast<size_t>(reason)].Get();
  }
  uint64_t Rejected() const {
    return stats_->rejected[static_cast<size_t>(RejectReason::kNoDescriptors)]
        .Get();
  }
  template <typename Condition>
  static void Await(Condition condition) {
    while (!condition()) std::this_thread::yield();
  }

  TestKernel kernel_{TestKernel::Clock::kManual};
  int descriptors_before_ = 0;
  std::latch go_{1};
  std::latch started_{1};
  std::shared_ptr<ListenerStats> stats_;
  std::shared_ptr<const BufferMemoryStats> memory_;
  std::optional<RunningServer> server_;
};

TEST_F(BadPeersOfAServerTest, ResetInTheBacklog) {
  constexpr uint64_t kClients = 100;
  Start();
  for (uint64_t i = 0; i < kClients; ++i) {
    BlockingClient client = server_->Connect();
    if (i % 2 == 0) client.Send("hello");
    client.Reset();
  }
  Go();
  const Counter& aborted =
      stats_->accept_errors[static_cast<size_t>(AcceptError::kAborted)];
  Await([&] {
    return stats_->accepted.Get() + aborted.Get() == kClients &&
           stats_->connections_open() == 0;
  });
  EXPECT_EQ(Closed(CloseReason::kError), stats_->accepted.Get());
  StopAndExpectNothingLeft();
}

TEST_F(BadPeersOfAServerTest, ResetWithTheAnswerUnread) {
  constexpr uint64_t kClients = 50;
  Start({.write_high = 64 << 10});
  Go();
  const std::string bytes(1 << 20, 'x');
  std::vector<BlockingClient> clients;
  for (uint64_t i = 0; i < kClients; ++i) {
    clients.push_back(server_->Connect());
    clients.back().SendSome(bytes);
  }
  Await([&] { return stats_->accepted.Get() == kClients; });
  for (BlockingClient& client : clients) {
    // Until the answer is on its way.
    EXPECT_EQ(client.Read(1), "x");
    client.Reset();
  }
  Await([&] { return stats_->connections_open() == 0; });
  EXPECT_EQ(Closed(CloseReason::kError), kClients);
  StopAndExpectNothingLeft();
}

TEST_F(BadPeersOfAServerTest, NeverReadingCostsEachABoundedAmount) {
  constexpr int kClients = 8;
  // The watermark, what one read adds to it, what a ring has received
  // meanwhile (twice that), and as much as half of that for room that segments
  // leave unused.
  constexpr int64_t kEach = 6 * (64 << 10);
  Start({.write_high = 64 << 10});
  Go();
  const std::string bytes(1 << 20, 'x');
  std::vector<BlockingClient> clients;
  clients.reserve(kClients);
  for (int i = 0; i < kClients; ++i) clients.push_back(server_->Connect());
  for (int stalls = 0; stalls < 50; ++stalls) {
    for (BlockingClient& client : clients) {
      if (client.SendSome(bytes) > 0) stalls = 0;
    }
    EXPECT_LE(memory_->bytes_in_use.Get(), (kClients + 1) * kEach);
    // One more, who is served: the server has had its turn.
    BlockingClient other = server_->Connect();
    other.Send("hello");
    EXPECT_EQ(other.Read(5), "hello");
  }
  for (BlockingClient& client : clients) client.Reset();
  Await([&] { return stats_->connections_open() == 0; });
  EXPECT_EQ(Closed(CloseReason::kError), uint64_t{kClients});
  StopAndExpectNothingLeft();
}

TEST_F(BadPeersOfAServerTest, AByteAtATimeFromMany) {
  constexpr int kClients = 20;
  Start();
  Go();
  std::vector<BlockingClient> clients;
  clients.reserve(kClients);
  for (int i = 0; i < kClients; ++i) clients.push_back(server_->Connect());
  std::string sent;
  for (int i = 0; i < 100; ++i) {
    sent += static_cast<char>('a' + i % 26);
    for (BlockingClient& client : clients) {
      client.Send(std::string_view(&sent.back(), 1));
    }
  }
  for (BlockingClient& client : clients) {
    client.FinishSending();
    EXPECT_EQ(client.ReadToEnd(), sent);
  }
  Await([&] { return stats_->connections_open() == 0; });
  EXPECT_EQ(Closed(CloseReason::kEndOfFile), uint64_t{kClients});
  EXPECT_EQ(stats_->received_bytes.Get(), kClients * sent.size());
  EXPECT_EQ(stats_->sent_bytes.Get(), kClients * sent.size());
  clients.clear();
  StopAndExpectNothingLeft();
}

// Each is served or told; the server comes back each time there is room.
TEST_F(BadPeersOfAServerTest, MoreClientsThanDescriptors) {
  constexpr uint64_t kClients = 60;
  Start();
  std::vector<BlockingClient> clients;
  for (uint64_t i = 0; i < kClients; ++i) {
    clients.push_back(server_->Connect());
    clients.back().Send("hello");
  }
  uint64_t served = 0;
  {
    // The listener's reserve is one of them.
    const DescriptorLimit limit(11);
    Go();
    Await([&] { return Rejected() > 0; });
    for (BlockingClient& client : clients) {
      client.FinishSending();
      const std::string answer = client.ReadToEnd();
      if (answer == "hello") {
        ++served;
      } else {
        EXPECT_EQ(answer, "");
      }
    }
    Await([&] { return stats_->connections_open() == 0; });
  }
  EXPECT_GT(served, 0u);
  EXPECT_EQ(stats_->accepted.Get(), served);
  EXPECT_EQ(stats_->accepted.Get() + Rejected(), kClients);
  EXPECT_EQ(Closed(CloseReason::kEndOfFile), served);
  clients.clear();
  StopAndExpectNothingLeft();
}

}  // namespace
}  // namespace percore
