#include "percore/examples/cache_service/stats_reply.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "percore/examples/cache_service/cache_service.h"

namespace percore::cache {
namespace {

using testing::EndsWith;
using testing::HasSubstr;

TEST(StatsReplyTest, ShowsTheServerAndTheSums) {
  CacheService::Report report;
  report.statistics.get_hits = 11;
  report.open_connections = 3;
  report.total_connections = 5;
  report.bytes_read = 100;
  report.bytes_written = 200;
  const std::string reply =
      GeneralStats(report, {.now = 1'700'000'000, .uptime = 60, .shards = 4});
  for (const char* line :
       {"STAT uptime 60\r\n", "STAT time 1700000000\r\n",
        "STAT version 1.6.18-percore\r\n", "STAT pointer_size 64\r\n",
        "STAT curr_connections 3\r\n", "STAT total_connections 5\r\n",
        "STAT bytes_read 100\r\n", "STAT bytes_written 200\r\n",
        "STAT threads 4\r\n", "STAT get_hits 11\r\n", "STAT rusage_user "}) {
    EXPECT_THAT(reply, HasSubstr(line));
  }
  EXPECT_THAT(reply, EndsWith("END\r\n"));
}

TEST(StatsReplyTest, ShowsTheSettings) {
  EXPECT_EQ(SettingsStats(64 << 20, 2),
            "STAT maxbytes 67108864\r\n"
            "STAT item_size_max 1048576\r\n"
            "STAT evictions on\r\n"
            "STAT cas_enabled yes\r\n"
            "STAT num_threads 2\r\n"
            "END\r\n");
}

}  // namespace
}  // namespace percore::cache
