// What Prometheus is shown of a shard's cache.
#ifndef PERCORE_EXAMPLES_CACHE_SERVICE_CACHE_STATS_H_
#define PERCORE_EXAMPLES_CACHE_SERVICE_CACHE_STATS_H_

#include <memory>
#include <vector>

#include "percore/examples/cache/statistics.h"
#include "percore/runtime/stats.h"
#include "prometheus/collectable.h"
#include "prometheus/metric_family.h"

namespace percore::cache {

// Written by the shard's thread, read by any. Unlike the numbers of "stats",
// the counters here are never reset.
struct CacheStats {
  // Adds to the counters what was counted from `before` to `now`.
  void Publish(const Statistics& before, const Statistics& now);

  Counter get_hits;
  Counter get_misses;
  Counter stores;
  Counter evictions;
  Counter expirations;
  Gauge items;
  Gauge bytes;
  Gauge limit_bytes;
};

// The sums over all shards as metrics, percore_cache_*. Thread-safe.
class CacheCollector : public prometheus::Collectable {
 public:
  explicit CacheCollector(std::vector<std::shared_ptr<CacheStats>> shards)
      : shards_(std::move(shards)) {}

  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  const std::vector<std::shared_ptr<CacheStats>> shards_;
};

}  // namespace percore::cache

#endif  // PERCORE_EXAMPLES_CACHE_SERVICE_CACHE_STATS_H_
