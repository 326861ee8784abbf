// memcached's own tools, and netcat and curl, against the cache server.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "percore/tests/e2e/server_process.h"

namespace percore {
namespace {

using testing::HasSubstr;
using testing::Not;

class CacheServerToolsTest : public testing::TestWithParam<const char*> {
 protected:
  std::string servers() const { return "--servers=" + server_.listen(); }
  std::string port() const { return std::to_string(server_.address().port()); }
  double SumOverShards(const std::string& family) const {
    double sum = 0;
    for (const char* shard : {"0", "1", "2"}) {
      sum += server_.Metric(absl::StrCat(
          family, "{listener=\"cache_server\",shard=\"", shard, "\"}"));
    }
    return sum;
  }

  ServerProcess server_{"examples/cache_server", {GetParam()}};
};

INSTANTIATE_TEST_SUITE_P(Shards, CacheServerToolsTest,
                         testing::Values("--shards=1", "--shards=3"));

TEST_P(CacheServerToolsTest, PassesEveryTestOfMemccapable) {
  Subprocess tool({"memccapable", "-h", "127.0.0.1", "-p", port(), "-a"});
  EXPECT_EQ(tool.Wait(), 0) << tool.Errors();
  const std::string output = tool.Output() + tool.Errors();
  size_t passed = 0;
  for (size_t at = 0; (at = output.find("[pass]", at)) != std::string::npos;
       ++at) {
    ++passed;
  }
  EXPECT_EQ(passed, 27u);
  EXPECT_THAT(output, HasSubstr("All tests passed"));
}

TEST_P(CacheServerToolsTest, CopiesShowsAndRemovesFiles) {
  const std::string path = testing::TempDir() + "/greeting";
  std::ofstream(path) << "hello, world";
  RunProgram({"memccp", servers(), path});
  EXPECT_EQ(RunProgram({"memccat", servers(), "greeting"}), "hello, world\n");
  RunProgram({"memcexist", servers(), "greeting"});
  RunProgram({"memctouch", servers(), "--expire=100", "greeting"});
  RunProgram({"memcrm", servers(), "greeting"});
  Subprocess gone({"memcexist", servers(), "greeting"});
  EXPECT_NE(gone.Wait(), 0);
}

TEST_P(CacheServerToolsTest, ShowsItsStatisticsToMemcstat) {
  server_.Ask("set a 0 0 1\r\nx\r\nget a\r\nquit\r\n");
  const std::string stats = RunProgram({"memcstat", servers()});
  EXPECT_THAT(stats, HasSubstr("version: 1.6.18-percore"));
  EXPECT_THAT(stats, HasSubstr("get_hits: 1"));
  EXPECT_THAT(stats, HasSubstr("curr_items: 1"));
  RunProgram({"memcping", servers()});
  RunProgram({"memcflush", servers()});
}

TEST_P(CacheServerToolsTest, TakesTheLoadOfMemcslap) {
  const std::string output =
      RunProgram({"memcslap", servers(), "--concurrency=8",
                  "--execute-number=500", "--test=set"});
  EXPECT_THAT(output, HasSubstr("4000 keys"));
  EXPECT_THAT(server_.Ask("stats\r\nquit\r\n"), HasSubstr("STAT cmd_set 4000"));
}

TEST_P(CacheServerToolsTest, TakesTheLoadOfMemcaslap) {
  const std::string output =
      RunProgram({"memcaslap", servers(), "--threads=1", "--concurrency=16",
                  "--execute_number=20000"});
  EXPECT_THAT(output, HasSubstr("cmd_set:"));
  EXPECT_THAT(output, Not(HasSubstr("failed")));
}

TEST_P(CacheServerToolsTest, TalksToNetcat) {
  EXPECT_EQ(RunProgram({"nc", "-N", "127.0.0.1", port()},
                       "set greeting 0 0 5\r\nhello\r\nget greeting\r\n"),
            "STORED\r\nVALUE greeting 0 5\r\nhello\r\nEND\r\n");
}

TEST_P(CacheServerToolsTest, ShowsItsMetricsToCurlAndPromtool) {
  server_.Ask("set a 0 0 1\r\nx\r\nget a b\r\nquit\r\n");
  const std::string page = RunProgram({"curl", "-sS", server_.metrics_url()});
  EXPECT_THAT(page, HasSubstr("\npercore_cache_items 1\n"));
  EXPECT_THAT(page, HasSubstr("\npercore_cache_hits_total 1\n"));
  EXPECT_THAT(page, HasSubstr("\npercore_cache_misses_total 1\n"));
  EXPECT_EQ(RunProgram({"promtool", "check", "metrics"}, page), "");
}

TEST_P(CacheServerToolsTest, CountsItsConnectionsAndBytes) {
  server_.Ask("version\r\nquit\r\n");
  BlockingClient open = server_.Connect();
  open.Send("version\r\n");
  open.ReadLine();
  // The first is closed once its shard has seen the end of it.
  while (SumOverShards("percore_connections_open") > 1) {
    std::this_thread::yield();
  }
  EXPECT_EQ(SumOverShards("percore_listener_accepted_total"), 2);
  EXPECT_EQ(SumOverShards("percore_connection_received_bytes_total"),
            9 + 6 + 9);
  EXPECT_EQ(SumOverShards("percore_connection_sent_bytes_total"),
            2 * std::string("VERSION 1.6.18-percore\r\n").size());
}

}  // namespace
}  // namespace percore
