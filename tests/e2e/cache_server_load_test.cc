// Ten thousand idle clients, clients beyond the limit, and greedy ones, while
// others work.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "percore/tests/e2e/server_process.h"

namespace percore {
namespace {

size_t ResidentBytes(pid_t pid) {
  std::ifstream file(absl::StrCat("/proc/", pid, "/status"));
  for (std::string word; file >> word;) {
    size_t kilobytes = 0;
    if (word == "VmRSS:" && file >> kilobytes) return kilobytes * 1024;
  }
  ADD_FAILURE() << "no VmRSS";
  return 0;
}

// The descriptors that this process and the server may each have.
size_t RaiseDescriptorLimit() {
  rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

void ExpectToServe(BlockingClient& client, int number) {
  client.Send(absl::StrCat("set k", number, " 0 0 5\r\nhello\r\nget k", number,
                           "\r\n"));
  EXPECT_EQ(client.ReadLine(), "STORED\r\n");
  EXPECT_EQ(client.ReadLine(), absl::StrCat("VALUE k", number, " 0 5\r\n"));
  EXPECT_EQ(client.Read(12), "hello\r\nEND\r\n");
}

TEST(CacheServerLoadTest, HoldsTenThousandIdleConnectionsWhileALoadRuns) {
  constexpr int kIdle = 10000;
  ASSERT_GE(RaiseDescriptorLimit(), kIdle + 100u)
      << "the hard limit of descriptors (ulimit -Hn) is too low";
  ServerProcess server("examples/cache_server", {"--shards=2"});
  const size_t before = ResidentBytes(server.process().pid());
  std::vector<BlockingClient> idle;
  idle.reserve(kIdle);
  for (int i = 0; i < kIdle; ++i) idle.push_back(server.Connect());

  RunProgram({"memcaslap", "--servers=" + server.listen(), "--threads=1",
              "--concurrency=16", "--execute_number=50000"});
  // All are there; the load's own are gone once their shards have seen it.
  const std::string expected =
      absl::StrCat("STAT curr_connections ", kIdle + 1, "\r\n");
  while (server.Ask("stats\r\nquit\r\n").find(expected) == std::string::npos) {
    std::this_thread::yield();
  }
  const size_t after = ResidentBytes(server.process().pid());
  RecordProperty("resident_bytes_per_idle_connection",
                 absl::StrCat((after - before) / kIdle));
  // The load's items included.
  EXPECT_LT(after - before, size_t{200} << 20);
  for (int i = 0; i < kIdle; i += 100) ExpectToServe(idle[i], i);
}

// More clients than descriptors: one at a time is turned away, the others wait.
TEST(CacheServerLoadTest, BacksOffWhenOutOfDescriptorsAndRecovers) {
  ServerProcess server("examples/cache_server", {"--shards=1"},
                       {"prlimit", "--nofile=40:40"});
  std::vector<std::unique_ptr<BlockingClient>> clients;
  clients.reserve(60);
  for (int i = 0; i < 60; ++i) {
    clients.push_back(std::make_unique<BlockingClient>(server.address()));
  }
  ExpectToServe(*clients[0], 0);
  // curl needs a descriptor of the server as well: these make room.
  for (int i = 1; i <= 10; ++i) clients[i].reset();
  const std::string errors =
      "percore_listener_accept_errors_total{listener=\"cache_server\","
      "reason=\"no_descriptors\"}";
  ExpectToServe(*clients[0], 0);
  for (int i = 11; i < 55; ++i) clients[i].reset();
  // Those who still wait in the backlog are served now.
  for (int i = 55; i < 60; ++i) ExpectToServe(*clients[i], i);
  const double rejected = server.Metric(
      "percore_listener_rejected_total{listener=\"cache_server\","
      "reason=\"no_descriptors\"}");
  // The first in the queue had the reserve. The next time there may be none:
  // the metrics page takes descriptors of the same process.
  EXPECT_GT(rejected, 0);
  EXPECT_LE(rejected, server.Metric(errors));
}

// A client that asks for much and never reads.
TEST(CacheServerLoadTest, AClientThatNeverReadsCostsABoundedAmountOfMemory) {
  ServerProcess server("examples/cache_server", {"--shards=2"});
  BlockingClient other = server.Connect();
  const std::string value(1 << 20, 'v');
  for (int i = 0; i < 8; ++i) {
    other.Send(absl::StrCat("set large", i, " 0 0 ", value.size(), "\r\n",
                            value, "\r\n"));
    EXPECT_EQ(other.ReadLine(), "STORED\r\n");
  }
  const size_t before = ResidentBytes(server.process().pid());
  std::vector<std::unique_ptr<BlockingClient>> greedy;
  std::string requests;
  for (int i = 0; i < 2000; ++i) {
    absl::StrAppend(&requests, "get large", i % 8, "\r\n");
  }
  for (int i = 0; i < 20; ++i) {
    greedy.push_back(std::make_unique<BlockingClient>(server.address()));
    greedy.back()->SendSome(requests);
  }
  for (int i = 0; i < 100; ++i) ExpectToServe(other, i);
  // Asked for: 20 x 2 GB. The values are sent from where they lie, so that not
  // even the requests under way cost a copy.
  EXPECT_LT(ResidentBytes(server.process().pid()), before + (64u << 20));
  for (auto& client : greedy) client->Reset();
  ExpectToServe(other, 0);
}

}  // namespace
}  // namespace percore
