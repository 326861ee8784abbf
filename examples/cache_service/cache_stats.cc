#include "percore/examples/cache_service/cache_stats.h"

#include <string>

namespace percore::cache {
namespace {

struct CounterFamily {
  const char* name;
  const char* help;
  Counter CacheStats::*counter;
};

struct GaugeFamily {
  const char* name;
  const char* help;
  Gauge CacheStats::*gauge;
};

constexpr CounterFamily kCounters[] = {
    {"percore_cache_hits_total", "Keys that a get found.",
     &CacheStats::get_hits},
    {"percore_cache_misses_total", "Keys that a get did not find.",
     &CacheStats::get_misses},
    {"percore_cache_stores_total", "Commands that brought a value.",
     &CacheStats::stores},
    {"percore_cache_evictions_total",
     "Live items dropped to make room for new ones.", &CacheStats::evictions},
    {"percore_cache_expirations_total",
     "Expired or flushed items whose place was taken by new ones.",
     &CacheStats::expirations},
};

constexpr GaugeFamily kGauges[] = {
    {"percore_cache_items", "Items in the cache.", &CacheStats::items},
    {"percore_cache_bytes", "Memory that the items take.", &CacheStats::bytes},
    {"percore_cache_limit_bytes", "Memory that the items may take.",
     &CacheStats::limit_bytes},
};

}  // namespace

void CacheStats::Publish(const Statistics& before, const Statistics& now) {
  get_hits.Add(now.get_hits - before.get_hits);
  get_misses.Add(now.get_misses - before.get_misses);
  stores.Add(now.cmd_set - before.cmd_set);
  evictions.Add(now.evictions - before.evictions);
  expirations.Add(now.reclaimed - before.reclaimed);
  items.Set(static_cast<int64_t>(now.curr_items));
  bytes.Set(static_cast<int64_t>(now.bytes));
  limit_bytes.Set(static_cast<int64_t>(now.limit_maxbytes));
}

std::vector<prometheus::MetricFamily> CacheCollector::Collect() const {
  std::vector<prometheus::MetricFamily> families;
  for (const CounterFamily& family : kCounters) {
    prometheus::ClientMetric metric;
    for (const auto& shard : shards_) {
      metric.counter.value +=
          static_cast<double>((shard.get()->*family.counter).Get());
    }
    families.push_back({.name = family.name,
                        .help = family.help,
                        .type = prometheus::MetricType::Counter,
                        .metric = {metric}});
  }
  for (const GaugeFamily& family : kGauges) {
    prometheus::ClientMetric metric;
    for (const auto& shard : shards_) {
      metric.gauge.value +=
          static_cast<double>((shard.get()->*family.gauge).Get());
    }
    families.push_back({.name = family.name,
                        .help = family.help,
                        .type = prometheus::MetricType::Gauge,
                        .metric = {metric}});
  }
  return families;
}

}  // namespace percore::cache
