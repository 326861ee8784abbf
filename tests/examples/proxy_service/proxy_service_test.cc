// The proxy between a client and an upstream that the test plays.
#include "percore/examples/proxy_service/proxy_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "percore/examples/proxy_service/control_command.h"
#include "percore/net/listen_sockets.h"
#include "percore/net/rate_limit_group.h"
#include "percore/tests/support/running_server.h"

namespace percore::proxy {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

// Bytes of which no piece looks like another.
std::string Bytes(size_t size) {
  std::string bytes;
  bytes.reserve(size + 8);
  for (uint64_t i = 0; bytes.size() < size; ++i) {
    const uint64_t mixed = i * 0x9e3779b97f4a7c15;
    bytes.append(reinterpret_cast<const char*>(&mixed), sizeof(mixed));
  }
  bytes.resize(size);
  return bytes;
}

class ProxyServiceTest : public testing::Test {
 protected:
  void Start(ProxyCluster::Options options = {}, int shards = 1,
             RuntimeOptions runtime = {}) {
    options.upstream = *Upstream::Resolve(upstream_.address().ToString());
    cluster_ = std::make_unique<ProxyCluster>(shards, std::move(options));
    server_ = std::make_unique<RunningServer>(
        shards,
        [this](Shard& shard,
               UniqueFd socket) -> absl::StatusOr<std::unique_ptr<Service>> {
          auto service =
              ProxyService::Create(shard, std::move(socket), *cluster_);
          if (!service.ok()) return service.status();
          if (shard.index() == 0) {
            const absl::Status status =
                (*service)->ListenForOperators(control_.Take(0));
            if (!status.ok()) return status;
          }
          const std::lock_guard<std::mutex> lock(mutex_);
          stats_.push_back((*service)->listener_stats());
          return *std::move(service);
        },
        std::move(runtime));
  }

  struct Ends {
    BlockingClient client;
    BlockingClient upstream;
  };
  Ends Connect() {
    BlockingClient client = server_->Connect();
    return {std::move(client), BlockingClient::Accept(upstream_socket_.get())};
  }

  std::string Command(std::string_view lines) {
    BlockingClient client(control_.address());
    client.Send(lines);
    client.FinishSending();
    return client.ReadToEnd();
  }

  // Both ends are done, in whatever order. A connection that has gone is
  // counted once its shard has seen it.
  void WaitForClosed(CloseReason reason, uint64_t count) {
    while (Closed(reason) != count) std::this_thread::yield();
  }
  uint64_t Closed(CloseReason reason) {
    const std::lock_guard<std::mutex> lock(mutex_);
    uint64_t closed = 0;
    for (const auto& stats : stats_) {
      closed += stats->closed[static_cast<size_t>(reason)].Get();
    }
    return closed;
  }

  ListenSockets upstream_ = *ListenSockets::Open("127.0.0.1:0", 1);
  UniqueFd upstream_socket_ = upstream_.Take(0);
  ListenSockets control_ = *ListenSockets::Open("127.0.0.1:0", 1);
  std::mutex mutex_;  // guards stats_, which the shards fill as they start
  std::vector<std::shared_ptr<ListenerStats>> stats_;
  std::unique_ptr<ProxyCluster> cluster_;
  std::unique_ptr<RunningServer> server_;
};

TEST_F(ProxyServiceTest, PassesBytesBothWays) {
  Start();
  Ends ends = Connect();
  ends.client.Send("question");
  EXPECT_EQ(ends.upstream.Read(8), "question");
  ends.upstream.Send("answer");
  EXPECT_EQ(ends.client.Read(6), "answer");
}

TEST_F(ProxyServiceTest, WhoSpeaksFirstMayBeTheUpstream) {
  Start();
  Ends ends = Connect();
  ends.upstream.Send("220 ready\r\n");
  EXPECT_EQ(ends.client.ReadLine(), "220 ready\r\n");
}

TEST_F(ProxyServiceTest, TheClientsEndIsPassedOnAndTheAnswerComesBack) {
  Start();
  Ends ends = Connect();
  ends.client.Send("question");
  ends.client.FinishSending();
  EXPECT_EQ(ends.upstream.ReadToEnd(), "question");
  ends.upstream.Send("answer");
  EXPECT_EQ(ends.client.Read(6), "answer");
  ends.upstream.FinishSending();
  EXPECT_EQ(ends.client.ReadToEnd(), "");
  WaitForClosed(CloseReason::kEndOfFile, 1);
}

TEST_F(ProxyServiceTest, TheUpstreamsEndIsPassedOnAndTheClientMayGoOn) {
  Start();
  Ends ends = Connect();
  ends.upstream.Send("all I have to say");
  ends.upstream.FinishSending();
  EXPECT_EQ(ends.client.ReadToEnd(), "all I have to say");
  ends.client.Send("but I");
  EXPECT_EQ(ends.upstream.Read(5), "but I");
  ends.client.FinishSending();
  EXPECT_EQ(ends.upstream.ReadToEnd(), "");
  WaitForClosed(CloseReason::kEndOfFile, 1);
}

// The upstream is through, and has not yet read what the client sent before.
TEST_F(ProxyServiceTest, BothEndsDoNotCutOffWhatIsOnItsWay) {
  Start();
  Ends ends = Connect();
  const std::string upload = Bytes(8 << 20);
  ends.upstream.FinishSending();
  EXPECT_EQ(ends.client.ReadToEnd(), "");
  std::thread client([&] {
    ends.client.Send(upload);
    ends.client.FinishSending();
  });
  EXPECT_EQ(ends.upstream.ReadToEnd(), upload);
  client.join();
  WaitForClosed(CloseReason::kEndOfFile, 1);
}

TEST_F(ProxyServiceTest, ManyBytesBothWaysAtOnceArriveAsTheyAre) {
  Start();
  Ends ends = Connect();
  const std::string upload = Bytes(20 << 20);
  const std::string download = upload.substr(1 << 20) + "end";
  std::thread client([&] {
    ends.client.Send(upload);
    ends.client.FinishSending();
  });
  std::thread upstream([&] {
    ends.upstream.Send(download);
    ends.upstream.FinishSending();
  });
  std::thread reader([&] { EXPECT_EQ(ends.upstream.ReadToEnd(), upload); });
  EXPECT_EQ(ends.client.ReadToEnd(), download);
  client.join();
  upstream.join();
  reader.join();
  WaitForClosed(CloseReason::kEndOfFile, 1);
  const RateLimitGroup::State state = cluster_->server->state();
  EXPECT_EQ(state.read.bytes, upload.size());
  EXPECT_EQ(state.write.bytes, download.size());
}

// Sends until nothing more goes, while the loop has nothing to do but to pass
// it on.
size_t SendAsMuchAsGoes(BlockingClient& sender, std::string_view piece) {
  size_t sent = 0;
  for (int idle = 0; idle < 1000;) {
    const size_t more = sender.SendSome(piece);
    sent += more;
    idle = more > 0 ? 0 : idle + 1;
    std::this_thread::yield();
  }
  return sent;
}

TEST_F(ProxyServiceTest, AClientThatDoesNotReadStopsItsUpstreamAndNoMore) {
  Start();
  Ends ends = Connect();
  const size_t sent = SendAsMuchAsGoes(ends.upstream, Bytes(64 << 10));
  // What two sockets and the proxy hold; with no bound it never stops.
  EXPECT_LT(sent, size_t{64} << 20);
  // It can still speak, and others are served.
  ends.client.Send("I only talk");
  EXPECT_EQ(ends.upstream.Read(11), "I only talk");
  Ends others = Connect();
  others.client.Send("x");
  EXPECT_EQ(others.upstream.Read(1), "x");
  // All of it arrives, once it reads.
  ends.upstream.FinishSending();
  EXPECT_EQ(ends.client.ReadToEnd().size(), sent);
}

TEST_F(ProxyServiceTest, AnUpstreamThatDoesNotReadStopsItsClient) {
  Start();
  Ends ends = Connect();
  const size_t sent = SendAsMuchAsGoes(ends.client, Bytes(64 << 10));
  EXPECT_LT(sent, size_t{64} << 20);
  ends.upstream.Send("I only talk");
  EXPECT_EQ(ends.client.Read(11), "I only talk");
  ends.client.FinishSending();
  EXPECT_EQ(ends.upstream.ReadToEnd().size(), sent);
}

TEST_F(ProxyServiceTest, AResetIsPassedOn) {
  Start();
  Ends first = Connect();
  first.client.Send("half of");
  EXPECT_EQ(first.upstream.Read(7), "half of");
  first.client.Reset();
  EXPECT_TRUE(first.upstream.EndsWithReset());
  Ends second = Connect();
  second.upstream.Send("half of");
  EXPECT_EQ(second.client.Read(7), "half of");
  second.upstream.Reset();
  EXPECT_TRUE(second.client.EndsWithReset());
  WaitForClosed(CloseReason::kError, 2);
}

TEST_F(ProxyServiceTest, WithoutAnUpstreamTheClientIsReset) {
  Start();
  upstream_socket_.Reset();
  BlockingClient client = server_->Connect();
  EXPECT_TRUE(client.EndsWithReset());
  WaitForClosed(CloseReason::kError, 1);
}

TEST_F(ProxyServiceTest, AClientHasItsBurstAndThenWaits) {
  Start({.connection_limit = {.read = {.rate = 1, .burst = 1000}}});
  Ends ends = Connect();
  ends.client.Send(std::string(5000, 'x'));
  EXPECT_EQ(ends.upstream.Read(1000).size(), 1000u);
  while (cluster_->server->state().read.suspended == 0) {
    std::this_thread::yield();
  }
  // The other direction has no limit.
  ends.upstream.Send(std::string(5000, 'y'));
  EXPECT_EQ(ends.client.Read(5000).size(), 5000u);
  // Lest the stop waits for the rest.
  EXPECT_EQ(Command("set connection none\n"), "OK\n");
}

TEST_F(ProxyServiceTest, ALimitOfConnectionsIsChangedOnAllShardsAtOnce) {
  Start({.connection_limit = {.read = {.rate = 1, .burst = 1000}}}, 3);
  std::vector<Ends> all;
  for (int i = 0; i < 12; ++i) {
    all.push_back(Connect());
    all.back().client.Send(std::string(5000, 'x'));
    EXPECT_EQ(all.back().upstream.Read(1000).size(), 1000u);
  }
  EXPECT_EQ(Command("set connection none\n"), "OK\n");
  for (Ends& ends : all) {
    EXPECT_EQ(ends.upstream.Read(4000).size(), 4000u);
  }
  // Those who come later have it as well.
  EXPECT_EQ(Command("set connection 1 10\n"), "OK\n");
  Ends later = Connect();
  later.client.Send(std::string(5000, 'x'));
  EXPECT_EQ(later.upstream.Read(10).size(), 10u);
  EXPECT_EQ(Command("set connection none\n"), "OK\n");
  EXPECT_EQ(later.upstream.Read(4990).size(), 4990u);
}

TEST_F(ProxyServiceTest, AllClientsOfANetworkShareItsBudget) {
  Start({.network_limit = {.read = {.rate = 1, .burst = 1000}}}, 2);
  Ends first = Connect();
  first.client.Send(std::string(1000, 'x'));
  EXPECT_EQ(first.upstream.Read(1000).size(), 1000u);
  Ends second = Connect();
  second.client.Send(std::string(1000, 'x'));
  while (cluster_->server->state().read.suspended == 0) {
    std::this_thread::yield();
  }
  EXPECT_LT(cluster_->server->state().read.bytes, 1100u);
  EXPECT_THAT(Command("show\n"),
              HasSubstr("network rate 1/none burst 1k/none networks 1\n"));
  EXPECT_EQ(Command("set network none\n"), "OK\n");
  EXPECT_EQ(second.upstream.Read(1000).size(), 1000u);
}

TEST_F(ProxyServiceTest, APausedServerMovesNothingUntilItIsResumed) {
  Start();
  Ends ends = Connect();
  ends.client.Send("a");
  EXPECT_EQ(ends.upstream.Read(1), "a");
  EXPECT_EQ(Command("pause server read\n"), "OK\n");
  ends.client.Send("b");
  while (cluster_->server->state().read.suspended == 0) {
    std::this_thread::yield();
  }
  EXPECT_EQ(cluster_->server->state().read.bytes, 1u);
  EXPECT_THAT(Command("show\n"), HasSubstr(" waiting 1/0 paused read\n"));
  ends.upstream.Send("c");
  EXPECT_EQ(ends.client.Read(1), "c");
  EXPECT_EQ(Command("resume server\n"), "OK\n");
  EXPECT_EQ(ends.upstream.Read(1), "b");
}

TEST_F(ProxyServiceTest, ShowsWhatIsSetAndWhatGoesOn) {
  Start({.server_limit = {.read = {.rate = 1'000'000}}}, 2);
  EXPECT_EQ(Command("show\n"),
            "server rate 1M/none burst 100k/none tokens 100000/none bytes 0/0 "
            "connections 0 waiting 0/0 paused none\n"
            "network rate none burst none networks 0\n"
            "connection rate none burst none\n"
            "END\n");
  Ends ends = Connect();
  ends.upstream.Send("four");
  EXPECT_EQ(ends.client.Read(4), "four");
  EXPECT_EQ(Command("set server none\nset network 10M/5M 2M\n"
                    "set connection 100k/none 30k\nshow\n"),
            "OK\nOK\nOK\n"
            "server rate none burst none tokens none/none bytes 0/4 "
            "connections 1 waiting 0/0 paused none\n"
            "network rate 10M/5M burst 2M networks 1\n"
            "connection rate 100k/none burst 30k/none\n"
            "END\n");
}

TEST_F(ProxyServiceTest, CommandsAreAnsweredInTheirOrder) {
  Start({}, 2);
  std::string commands;
  std::string answers;
  for (int i = 0; i < 1000; ++i) {
    absl::StrAppend(&commands, "set connection 1M\r\nset server 2M\nwhat\n");
    absl::StrAppend(&answers, "OK\nOK\n",
                    "ERROR unknown command 'what': help lists those there "
                    "are\n");
  }
  EXPECT_EQ(Command(commands), answers);
}

TEST_F(ProxyServiceTest, TheLastLineMayDoWithoutItsEnd) {
  Start();
  EXPECT_EQ(Command("set server 2M"), "OK\n");
  EXPECT_EQ(Command(""), "");
}

TEST_F(ProxyServiceTest, QuitEndsTheConnectionAndNothingAfterItIsDone) {
  Start();
  BlockingClient client(control_.address());
  client.Send("set server 2M\nquit\nset server 3M\n");
  EXPECT_EQ(client.ReadToEnd(), "OK\n");
  EXPECT_THAT(Command("show\n"), StartsWith("server rate 2M "));
}

TEST_F(ProxyServiceTest, ALineThatIsTooLongIsRefused) {
  Start();
  constexpr size_t kMost = ControlCommand::kMaxLine;
  EXPECT_EQ(Command("set server 2M" + std::string(kMost - 13, ' ') + "\n"),
            "OK\n");
  for (const size_t size : {kMost + 1, size_t{1} << 20}) {
    BlockingClient client(control_.address());
    client.SendSome("show\n" + std::string(size, 'x'));
    const std::string answer = client.ReadToEnd();
    EXPECT_THAT(answer, HasSubstr("END\nERROR line of more than 256 bytes\n"));
  }
}

TEST_F(ProxyServiceTest, AnOperatorThatDoesNotReadCostsLittle) {
  Start();
  BlockingClient client(control_.address());
  std::string shows;
  for (int i = 0; i < 10'000; ++i) shows += "show\n";
  const size_t sent = SendAsMuchAsGoes(client, shows);
  EXPECT_LT(sent, size_t{32} << 20);
  EXPECT_THAT(Command("show\n"), HasSubstr("END\n"));
}

TEST_F(ProxyServiceTest, AStopLetsClientsGoOnUntilTheyAreDone) {
  Start();
  Ends ends = Connect();
  ends.client.Send("a");
  EXPECT_EQ(ends.upstream.Read(1), "a");
  server_->runtime().RequestStop();
  ends.client.Send("b");
  ends.client.FinishSending();
  EXPECT_EQ(ends.upstream.ReadToEnd(), "b");
  ends.upstream.Send("c");
  ends.upstream.FinishSending();
  EXPECT_EQ(ends.client.ReadToEnd(), "c");
  EXPECT_TRUE(server_->Wait().ok());
  EXPECT_EQ(server_->runtime().cut_off(), 0u);
  EXPECT_EQ(Closed(CloseReason::kEndOfFile), 1u);
}

TEST_F(ProxyServiceTest, WhoIsCutOffKnowsIt) {
  Start({}, 1, {.drain_deadline = Duration::zero()});
  Ends ends = Connect();
  ends.client.Send("half of");
  EXPECT_EQ(ends.upstream.Read(7), "half of");
  EXPECT_TRUE(server_->Stop().ok());
  EXPECT_TRUE(ends.upstream.EndsWithReset());
  EXPECT_TRUE(ends.client.EndsWithReset());
  EXPECT_EQ(Closed(CloseReason::kCutOff), 1u);
}

TEST_F(ProxyServiceTest, ANetworkIsThereAsLongAsItsClients) {
  std::atomic<int> groups{0};
  Start({.on_group =
             [&groups](const std::shared_ptr<RateLimitGroup>&) { ++groups; }},
        2);
  EXPECT_EQ(groups.load(), 1);  // the server's
  for (int round = 1; round <= 3; ++round) {
    Ends one = Connect();
    Ends two = Connect();
    one.client.Send("x");
    two.client.Send("x");
    EXPECT_EQ(one.upstream.Read(1), "x");
    EXPECT_EQ(two.upstream.Read(1), "x");
    EXPECT_EQ(cluster_->networks.size(), 1u);
    EXPECT_EQ(groups.load(), 1 + round);
    one.client.Reset();
    two.client.Reset();
    while (cluster_->networks.size() > 0) std::this_thread::yield();
  }
}

}  // namespace
}  // namespace percore::proxy
