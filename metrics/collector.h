// Shows Prometheus what shards, listeners, buffers and rate-limit groups count.
//
// The rooms below know nothing of Prometheus: they count in plain structs that
// one thread writes. A Collector is told which structs there are, and reads
// them when a scrape comes, on the scraper's thread. A shard never waits for a
// scrape, and does not even notice it.
//
// ```cpp
// percore::Collector collector;
// auto loop = std::make_shared<const percore::LoopStats>();
// auto mailboxes = std::make_shared<const percore::MailboxStats>();
// collector.AddShard(0, loop, mailboxes);
// size_t families = collector.Collect().size();
// ```
//
// docs/metrics.md lists the families.
#ifndef PERCORE_METRICS_COLLECTOR_H_
#define PERCORE_METRICS_COLLECTOR_H_

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "percore/buffer/buffer_memory_stats.h"
#include "percore/metrics/bounded_labels.h"
#include "percore/metrics/rate_limit_metrics.h"
#include "percore/net/listener_stats.h"
#include "percore/net/rate_limit_group.h"
#include "percore/runtime/loop_stats.h"
#include "percore/runtime/mailbox_stats.h"
#include "prometheus/collectable.h"
#include "prometheus/metric_family.h"

namespace percore {

// Thread: any, at any time, while scrapes run too. Statistics that were added
// stay: a counter does not go back, nor away, when what it counted is gone.
class Collector : public prometheus::Collectable {
 public:
  // Listeners that are shown under their own names; the rest add up under
  // "_other", so that no configuration makes the page grow without bound.
  static constexpr size_t kMaxListeners = 64;
  // The same for names of rate-limit groups.
  static constexpr size_t kMaxRateLimitGroups = 256;

  // What was added for that shard before (by a runtime that has ended, say)
  // stays in its counters; gauges are those of the newest, but for the memory
  // of buffers, which may be freed by another thread than counted it. The same
  // statistics count once, however often they are added; null adds nothing.
  void AddShard(int shard, std::shared_ptr<const LoopStats> loop,
                std::shared_ptr<const MailboxStats> mailboxes);
  void AddBufferMemory(int shard,
                       std::shared_ptr<const BufferMemoryStats> memory);
  // Adds to what the listener of that name counts on that shard. `name` is the
  // label. Bytes in it that are not printable ASCII are shown as '?'; listeners
  // whose names are the same then add up, too.
  void AddListener(const std::string& name, int shard,
                   std::shared_ptr<const ListenerStats> listener);

  // A group without a name is not shown, and no matter how often it is added it
  // counts once. Those with the same name, and those under "_other", add up:
  // see metrics/rate_limit_metrics.h. A group that is held by nobody but this
  // is gone: what it counted stays, its gauges do not, and no std::weak_ptr is
  // to bring it back.
  void AddRateLimitGroup(std::shared_ptr<RateLimitGroup> group);

  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  // All that were added under a key, oldest first.
  template <typename Key, typename Stats>
  using Sources = std::map<Key, std::vector<std::shared_ptr<const Stats>>>;
  using ListenerKey = std::pair<std::string, int>;  // label and shard

  mutable std::mutex mutex_;  // guards all that follows
  Sources<int, LoopStats> loops_;
  Sources<int, MailboxStats> mailboxes_;
  Sources<int, BufferMemoryStats> memory_;
  Sources<ListenerKey, ListenerStats> listeners_;
  BoundedLabels listener_labels_{kMaxListeners};
  mutable RateLimitMetrics rate_limits_{kMaxRateLimitGroups};
};

}  // namespace percore

#endif  // PERCORE_METRICS_COLLECTOR_H_
