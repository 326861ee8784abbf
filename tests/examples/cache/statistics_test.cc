#include "percore/examples/cache/statistics.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace percore::cache {
namespace {

// Statistics whose every field is different.
Statistics Distinct() {
  Statistics statistics;
  auto* fields = reinterpret_cast<uint64_t*>(&statistics);
  for (size_t i = 0; i < sizeof(statistics) / sizeof(*fields); ++i) {
    fields[i] = 100 + i;
  }
  return statistics;
}

TEST(StatisticsTest, StartAtZero) {
  std::string lines;
  AppendStatLines(Statistics(), &lines);
  EXPECT_EQ(std::ranges::count(lines, '\n'), std::ranges::count(lines, '0'));
}

TEST(StatisticsTest, SumUpFieldByField) {
  Statistics sum = Distinct();
  sum += Distinct();
  EXPECT_EQ(sum.cmd_get, 2 * Distinct().cmd_get);
  EXPECT_EQ(sum.evictions, 2 * Distinct().evictions);
  EXPECT_EQ(sum.limit_maxbytes, 2 * Distinct().limit_maxbytes);
  const auto* before = reinterpret_cast<const uint64_t*>(&sum);
  for (size_t i = 0; i < sizeof(sum) / sizeof(*before); ++i) {
    EXPECT_EQ(before[i], 2 * (100 + i)) << i;
  }
}

TEST(StatisticsTest, ResetKeepsThePresentState) {
  Statistics statistics = Distinct();
  statistics.Reset();
  EXPECT_EQ(statistics.curr_items, Distinct().curr_items);
  EXPECT_EQ(statistics.bytes, Distinct().bytes);
  EXPECT_EQ(statistics.limit_maxbytes, Distinct().limit_maxbytes);
  EXPECT_EQ(statistics.cmd_get, 0);
  EXPECT_EQ(statistics.total_items, 0);
  EXPECT_EQ(statistics.reclaimed, 0);
}

TEST(StatisticsTest, AreSaidUnderTheNamesOfMemcached) {
  Statistics statistics;
  statistics.cmd_get = 18446744073709551615u;
  statistics.curr_items = 17;
  std::string lines = "before\r\n";
  AppendStatLines(statistics, &lines);
  EXPECT_TRUE(lines.starts_with(
      "before\r\nSTAT cmd_get 18446744073709551615\r\nSTAT cmd_set 0\r\n"));
  EXPECT_NE(lines.find("\r\nSTAT curr_items 17\r\n"), lines.npos);
  EXPECT_TRUE(lines.ends_with("\r\nSTAT reclaimed 0\r\n"));
}

TEST(StatisticsTest, EveryFieldHasALineOfItsOwn) {
  std::string lines;
  AppendStatLines(Distinct(), &lines);
  for (size_t i = 0; i < sizeof(Statistics) / sizeof(uint64_t); ++i) {
    EXPECT_NE(lines.find(" " + std::to_string(100 + i) + "\r\n"), lines.npos)
        << i;
  }
}

TEST(StatisticsTest, OtherLinesCanBeAdded) {
  std::string lines;
  AppendStatLine("version", "1.6.18", &lines);
  AppendStatLine("threads", 4, &lines);
  EXPECT_EQ(lines, "STAT version 1.6.18\r\nSTAT threads 4\r\n");
}

}  // namespace
}  // namespace percore::cache
