#include "percore/examples/cache_service/cache_stats.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>

namespace percore::cache {
namespace {

std::map<std::string, double> Values(const CacheCollector& collector) {
  std::map<std::string, double> values;
  for (const auto& family : collector.Collect()) {
    EXPECT_FALSE(family.help.empty());
    EXPECT_EQ(family.metric.size(), 1u);
    values[family.name] = family.type == prometheus::MetricType::Counter
                              ? family.metric[0].counter.value
                              : family.metric[0].gauge.value;
  }
  return values;
}

TEST(CacheStatsTest, SumsTheShards) {
  const auto first = std::make_shared<CacheStats>();
  const auto second = std::make_shared<CacheStats>();
  first->Publish({}, {.get_hits = 3, .cmd_set = 2, .curr_items = 5});
  second->Publish({}, {.get_hits = 4, .get_misses = 1, .curr_items = 6});
  const auto values = Values(CacheCollector({first, second}));
  EXPECT_EQ(values.at("percore_cache_hits_total"), 7);
  EXPECT_EQ(values.at("percore_cache_misses_total"), 1);
  EXPECT_EQ(values.at("percore_cache_stores_total"), 2);
  EXPECT_EQ(values.at("percore_cache_items"), 11);
}

TEST(CacheStatsTest, CountersGoOnAfterTheStatisticsWereReset) {
  const auto stats = std::make_shared<CacheStats>();
  Statistics before = {.get_hits = 3, .curr_items = 5};
  stats->Publish({}, before);
  before.Reset();
  Statistics now = before;
  now.get_hits = 2;
  stats->Publish(before, now);
  const auto values = Values(CacheCollector({stats}));
  EXPECT_EQ(values.at("percore_cache_hits_total"), 5);
  EXPECT_EQ(values.at("percore_cache_items"), 5);
}

TEST(CacheStatsTest, CountsWhatMadeRoom) {
  const auto stats = std::make_shared<CacheStats>();
  stats->Publish(
      {},
      {.evictions = 7, .reclaimed = 8, .bytes = 100, .limit_maxbytes = 200});
  const auto values = Values(CacheCollector({stats}));
  EXPECT_EQ(values.at("percore_cache_evictions_total"), 7);
  EXPECT_EQ(values.at("percore_cache_expirations_total"), 8);
  EXPECT_EQ(values.at("percore_cache_bytes"), 100);
  EXPECT_EQ(values.at("percore_cache_limit_bytes"), 200);
}

}  // namespace
}  // namespace percore::cache
