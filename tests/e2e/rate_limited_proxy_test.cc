// The proxy as a user runs it: real tools and real load through it, commands
// while that goes on, and a page of metrics that agrees with the wire.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "percore/tests/e2e/server_process.h"

namespace percore {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

constexpr char kProgram[] = "examples/rate_limited_proxy";

std::string HostAndPortOf(const std::string& url) {
  const std::string rest = url.substr(std::string("http://").size());
  return rest.substr(0, rest.find('/'));
}

// A page of metrics, read once: its series are of one moment.
class Page {
 public:
  explicit Page(const std::string& url)
      : text_("\n" + RunProgram({"curl", "-sS", url})) {}

  // 0 if the page does not have it.
  uint64_t operator()(const std::string& series) const {
    const std::string line = "\n" + series + " ";
    const size_t begin = text_.find(line);
    if (begin == std::string::npos) return 0;
    return static_cast<uint64_t>(
        std::strtod(text_.c_str() + begin + line.size(), nullptr));
  }
  // Over all of its labels.
  uint64_t Sum(const std::string& family) const {
    uint64_t sum = 0;
    for (const absl::string_view line : absl::StrSplit(text_, '\n')) {
      if (!absl::StartsWith(line, family + "{")) continue;
      const std::string value(line.substr(line.rfind(' ') + 1));
      sum += static_cast<uint64_t>(std::strtod(value.c_str(), nullptr));
    }
    return sum;
  }
  uint64_t Moved(const std::string& group, const std::string& direction) const {
    return (*this)("percore_ratelimit_bytes_total{group=\"" + group +
                   "\",direction=\"" + direction + "\"}");
  }
  const std::string& text() const { return text_; }

 private:
  const std::string text_;
};

// A proxy in front of an echo server.
class RateLimitedProxyTest : public testing::Test {
 protected:
  static std::vector<std::string> Flags(std::vector<std::string> flags,
                                        const std::string& upstream) {
    flags.push_back("--shards=2");
    flags.push_back("--upstream=" + upstream);
    flags.push_back("--control=127.0.0.1:0");
    return flags;
  }

  // Sends lines to --control, returns what comes back.
  static std::string Command(ServerProcess& proxy, const std::string& control,
                             std::string_view lines) {
    EXPECT_FALSE(proxy.process().Ended());
    BlockingClient client(*SocketAddress::Parse(control));
    client.Send(lines);
    client.FinishSending();
    return client.ReadToEnd();
  }

  ServerProcess echo_{"examples/echo_server", {"--shards=1"}};
};

TEST_F(RateLimitedProxyTest, CurlGetsAPageThroughIt) {
  ServerProcess proxy(kProgram, Flags({"--connection_rate=10M"},
                                      HostAndPortOf(echo_.metrics_url())));
  const std::string page =
      RunProgram({"curl", "-sS", "http://" + proxy.listen() + "/metrics"});
  EXPECT_THAT(page, HasSubstr("\npercore_listener_accepted_total{listener="
                              "\"echo_server\",shard=\"0\"} 0\n"));
}

TEST_F(RateLimitedProxyTest, NetcatSendsAFileThroughItAndBack) {
  ServerProcess proxy(kProgram, Flags({}, echo_.listen()));
  std::string file;
  for (int i = 0; i < 100'000; ++i) absl::StrAppend(&file, i, "\n");
  EXPECT_EQ(RunProgram({"nc", "-N", "127.0.0.1",
                        std::to_string(proxy.address().port())},
                       file),
            file);
}

TEST_F(RateLimitedProxyTest, ItsUpstreamMayHaveAName) {
  ServerProcess proxy(
      kProgram, Flags({}, absl::StrCat("localhost:", echo_.address().port())));
  EXPECT_EQ(RunProgram({"nc", "-N", "127.0.0.1",
                        std::to_string(proxy.address().port())},
                       "hello"),
            "hello");
}

// What the clients of a load have sent and received, so far.
struct Wire {
  std::atomic<uint64_t> sent{0};  // or is about to be
  std::atomic<uint64_t> received{0};
};

void SendAndReceive(BlockingClient& client, int rounds, int seed, Wire& wire) {
  std::string piece;
  for (int i = 0; piece.size() < 60'000; ++i) {
    absl::StrAppend(&piece, seed, ",", i, ";");
  }
  for (int round = 0; round < rounds; ++round) {
    wire.sent += piece.size();
    client.Send(piece);
    ASSERT_EQ(client.Read(piece.size()), piece);
    wire.received += piece.size();
  }
}

TEST_F(RateLimitedProxyTest, ScrapesDuringLoadAgreeWithTheBytesOnTheWire) {
  constexpr int kClients = 6;
  constexpr int kRounds = 60;
  constexpr uint64_t kRate = 40'000'000;
  constexpr uint64_t kBurst = 1'000'000;
  const auto start = std::chrono::steady_clock::now();
  ServerProcess proxy(
      kProgram, Flags({"--server_rate=40M", "--server_burst=1M",
                       "--network_rate=30M/none", "--connection_rate=20M"},
                      echo_.listen()));
  const std::string control = proxy.process().WaitForLine("control on ");
  Wire wire;
  std::atomic<int> working{kClients};
  std::vector<BlockingClient> clients;
  clients.reserve(kClients);
  // All are there, and known, before the first scrape.
  for (int i = 0; i < kClients; ++i) {
    clients.push_back(proxy.Connect());
    SendAndReceive(clients.back(), 1, i, wire);
  }
  std::vector<std::thread> threads;
  threads.reserve(kClients);
  for (int i = 0; i < kClients; ++i) {
    threads.emplace_back([&, i] {
      SendAndReceive(clients[static_cast<size_t>(i)], kRounds, i, wire);
      --working;
    });
  }

  int scrapes = 0;
  uint64_t last_read = 0;
  uint64_t last_written = 0;
  while (working.load() > 0) {
    const uint64_t received = wire.received.load();
    const Page page(proxy.metrics_url());
    const uint64_t sent = wire.sent.load();
    const auto elapsed =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start);
    const uint64_t read = page.Moved("server", "read");
    const uint64_t written = page.Moved("server", "write");
    // What came back to a client before the scrape has passed both ways before
    // it, and nothing has that was not sent before its end.
    EXPECT_GE(read, received);
    EXPECT_GE(written, received);
    EXPECT_LE(read, sent);
    EXPECT_LE(written, sent);
    EXPECT_GE(read, last_read);
    EXPECT_GE(written, last_written);
    // No more than the limit allows, however fast this machine is or slow.
    const auto allowed =
        static_cast<uint64_t>(elapsed.count() * double{kRate}) + kBurst;
    EXPECT_LE(read, allowed);
    EXPECT_LE(written, allowed);
    last_read = read;
    last_written = written;
    if (++scrapes == 1) {
      EXPECT_EQ(page("percore_ratelimit_members{group=\"server\"}"),
                uint64_t{kClients});
      EXPECT_EQ(page("percore_ratelimit_rate_bytes_per_second{group=\"server\","
                     "direction=\"read\"}"),
                kRate);
      // While it goes on, what is left of it may be as fast as it can.
      EXPECT_EQ(Command(proxy, control, "set connection none\n"), "OK\n");
    }
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(scrapes, 0);

  // All of it, to the byte, and at every level.
  const uint64_t total = wire.sent.load();
  EXPECT_EQ(wire.received.load(), total);
  const Page page(proxy.metrics_url());
  for (const char* group : {"server", "network"}) {
    EXPECT_EQ(page.Moved(group, "read"), total) << group;
    EXPECT_EQ(page.Moved(group, "write"), total) << group;
  }
  EXPECT_EQ(page.Sum("percore_connection_received_bytes_total"),
            total + std::string("set connection none\n").size());
  EXPECT_EQ(page.Sum("percore_connection_sent_bytes_total"), total + 3);
  // Of an address nothing is told.
  EXPECT_THAT(page.text(), Not(HasSubstr("group=\"127")));
}

TEST_F(RateLimitedProxyTest, CommandsChangeTheLimitsOfThoseWhoAreConnected) {
  // They wait for what they will never have seen.
  ServerProcess proxy(
      kProgram, Flags({"--server_rate=1", "--server_burst=1000",
                       "--network_rate=1", "--network_burst=1000",
                       "--connection_rate=1/none", "--connection_burst=1000"},
                      echo_.listen()));
  const std::string control = proxy.process().WaitForLine("control on ");
  BlockingClient client = proxy.Connect();
  const std::string bytes(100'000, 'x');
  client.Send(bytes);
  EXPECT_EQ(client.Read(1000).size(), 1000u);
  const std::string suspensions =
      "percore_ratelimit_suspensions_total{group=\"server\",direction="
      "\"read\"}";
  while (proxy.Metric(suspensions) == 0) std::this_thread::yield();
  EXPECT_THAT(Command(proxy, control, "show\n"),
              HasSubstr("\nnetwork rate 1 burst 1k networks 1\n"
                        "connection rate 1/none burst 1k/none\nEND\n"));
  EXPECT_EQ(Command(proxy, control,
                    "set server 100M\nset network none\nset connection 50M\n"),
            "OK\nOK\nOK\n");
  EXPECT_EQ(client.Read(99'000).size(), 99'000u);
  EXPECT_EQ(Command(proxy, control, "pause server\n"), "OK\n");
  client.Send("on its way");
  EXPECT_EQ(Command(proxy, control, "resume server\n"), "OK\n");
  EXPECT_EQ(client.Read(10), "on its way");
  EXPECT_THAT(Command(proxy, control, "set server fast\n"),
              StartsWith("ERROR 'fast' is no number of bytes"));
  EXPECT_EQ(proxy.Metric("percore_ratelimit_rate_bytes_per_second{group="
                         "\"server\",direction=\"write\"}"),
            100'000'000);
}

TEST_F(RateLimitedProxyTest, StopsWhenItsClientsAreDone) {
  ServerProcess proxy(kProgram, Flags({}, echo_.listen()));
  BlockingClient client = proxy.Connect();
  client.Send("a");
  EXPECT_EQ(client.Read(1), "a");
  proxy.process().Signal(SIGTERM);
  client.Send("b");
  EXPECT_EQ(client.Read(1), "b");
  client.FinishSending();
  EXPECT_EQ(client.ReadToEnd(), "");
  EXPECT_EQ(proxy.process().Wait(), 0);
  proxy.process().WaitForLine("stopped: 0 connections cut off");
}

TEST_F(RateLimitedProxyTest, RefusesWrongFlags) {
  struct Case {
    std::vector<std::string> flags;
    const char* complaint;
  };
  const Case cases[] = {
      {{"--server_rate=10m"},
       "--server_rate, --server_burst: '10m' is no number of bytes"},
      {{"--network_rate=10M/x"}, "--network_burst: 'x' is no number of bytes"},
      {{"--connection_rate=10M", "--connection_burst=1"},
       "--connection_burst: read burst of 1 bytes: a tick brings 100000"},
      {{"--network_prefix=33"}, "--network_prefix: '33' is no prefix"},
      {{"--upstream=nowhere"},
       "--upstream: 'nowhere' is neither HOST:PORT nor unix:PATH"},
      {{"--upstream=host.invalid:80"}, "--upstream: host.invalid"},
      {{"--control=nowhere"}, "bad address 'nowhere'"},
  };
  for (const Case& test : cases) {
    std::vector<std::string> command = {Runfile(kProgram),
                                        "--listen=127.0.0.1:0"};
    command.insert(command.end(), test.flags.begin(), test.flags.end());
    Subprocess proxy(command);
    EXPECT_EQ(proxy.Wait(), 2);
    const std::string errors = proxy.Errors();
    EXPECT_THAT(errors, HasSubstr(test.complaint));
    EXPECT_EQ(std::count(errors.begin(), errors.end(), '\n'), 1) << errors;
    EXPECT_EQ(proxy.Output(), "");
  }
}

}  // namespace
}  // namespace percore
