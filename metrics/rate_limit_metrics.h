// What Prometheus is shown of rate-limit groups: percore_ratelimit_*.
//
// ```cpp
// auto group = percore::RateLimitGroup::Create({}, {.name = "server"});
// percore::RateLimitMetrics metrics(256);
// if (group.ok()) metrics.Add(*group);
// std::vector<prometheus::MetricFamily> families;
// metrics.AppendTo(families);
// ```
//
// Groups under one label add up. Of counters that is what it says. Of gauges it
// is what the groups that there are now have together: members, and what all of
// them may move. If one of them has no limit, all of them together have none.
#ifndef PERCORE_METRICS_RATE_LIMIT_METRICS_H_
#define PERCORE_METRICS_RATE_LIMIT_METRICS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "percore/metrics/bounded_labels.h"
#include "percore/net/rate_limit_group.h"
#include "percore/runtime/time.h"
#include "prometheus/metric_family.h"

namespace percore {

// One thread at a time; the groups may be in use on any.
//
// Cost: memory for the groups that are in use, and for the labels. Those that
// nobody else holds any more are let go of, and what they counted is kept.
class RateLimitMetrics {
 public:
  // Groups that are shown under their own names; see BoundedLabels.
  explicit RateLimitMetrics(size_t most_names) : labels_(most_names) {}

  // Once, however often it is added. Null adds nothing, nor does a group
  // without a name.
  void Add(std::shared_ptr<RateLimitGroup> group);

  // Nothing without groups.
  void AppendTo(std::vector<prometheus::MetricFamily>& families);

  // Those that are held on to.
  size_t group_count() const { return group_count_; }

 private:
  // Of one direction.
  struct Counts {
    uint64_t bytes = 0;
    uint64_t suspensions = 0;
    Duration throttled{};
    Duration exhausted{};

    void Add(const RateLimitGroup::DirectionState& state);
  };
  struct Gauges {
    // Of these three, one that is infinite stays so.
    double rate = 0;
    double burst = 0;
    double tokens = 0;
    int64_t suspended = 0;

    void Add(const RateLimitGroup::DirectionState& state);
  };
  // All groups with one label.
  struct Labelled {
    std::set<std::shared_ptr<RateLimitGroup>> groups;
    std::map<RateDirection, Counts> past;  // of those that are gone
  };
  struct Sums {
    std::map<RateDirection, Counts> counts;
    std::map<RateDirection, Gauges> gauges;
    int64_t members = 0;
    bool in_use = false;  // there is a group
  };

  void LetGoOfThoseGone();
  static Sums SumsOf(const Labelled& labelled);

  BoundedLabels labels_;
  std::map<std::string, Labelled> groups_;  // by label
  size_t group_count_ = 0;
  size_t next_look_ = 1;  // at those that are gone: at so many groups
};

}  // namespace percore

#endif  // PERCORE_METRICS_RATE_LIMIT_METRICS_H_
