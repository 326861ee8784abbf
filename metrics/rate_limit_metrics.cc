#include "percore/metrics/rate_limit_metrics.h"

#include <chrono>
#include <limits>
#include <utility>

#include "percore/metrics/family.h"

namespace percore {
namespace {

using prometheus::MetricType;

constexpr double kInfinite = std::numeric_limits<double>::infinity();

double Seconds(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

// Nobody can come to it any more. What the last of them counted is in it: they
// locked its mutex before they left, and state() does so afterwards.
bool IsGone(const std::shared_ptr<RateLimitGroup>& group) {
  return group.use_count() == 1;
}

}  // namespace

void RateLimitMetrics::Counts::Add(
    const RateLimitGroup::DirectionState& state) {
  bytes += state.bytes;
  suspensions += state.suspensions;
  throttled += state.throttled;
  exhausted += state.exhausted;
}

void RateLimitMetrics::Gauges::Add(
    const RateLimitGroup::DirectionState& state) {
  suspended += state.suspended;
  const bool limited = !state.budget.unlimited();
  rate += limited ? static_cast<double>(state.budget.rate) : kInfinite;
  burst += limited ? static_cast<double>(state.budget.burst) : kInfinite;
  tokens += limited ? static_cast<double>(state.tokens) : kInfinite;
}

void RateLimitMetrics::Add(std::shared_ptr<RateLimitGroup> group) {
  if (group == nullptr || group->name().empty()) return;
  // So that whoever makes groups without end needs no scrape to get rid of
  // them; each is looked at a few times at most.
  if (group_count_ >= next_look_) {
    LetGoOfThoseGone();
    next_look_ = 2 * group_count_ + 1;
  }
  Labelled& labelled = groups_[labels_.LabelOf(group->name())];
  if (labelled.groups.insert(std::move(group)).second) ++group_count_;
}

void RateLimitMetrics::LetGoOfThoseGone() {
  for (auto& [label, labelled] : groups_) {
    for (auto group = labelled.groups.begin();
         group != labelled.groups.end();) {
      if (!IsGone(*group)) {
        ++group;
        continue;
      }
      const RateLimitGroup::State state = (*group)->state();
      for (const RateDirection direction : kRateDirections) {
        labelled.past[direction].Add(state.of(direction));
      }
      group = labelled.groups.erase(group);
      --group_count_;
    }
  }
}

RateLimitMetrics::Sums RateLimitMetrics::SumsOf(const Labelled& labelled) {
  Sums sums = {.counts = labelled.past,
               .gauges = {},
               .members = 0,
               .in_use = !labelled.groups.empty()};
  for (const auto& group : labelled.groups) {
    const RateLimitGroup::State state = group->state();
    for (const RateDirection direction : kRateDirections) {
      sums.counts[direction].Add(state.of(direction));
      sums.gauges[direction].Add(state.of(direction));
    }
    sums.members += state.members;
  }
  return sums;
}

void RateLimitMetrics::AppendTo(
    std::vector<prometheus::MetricFamily>& families) {
  Family rate("percore_ratelimit_rate_bytes_per_second",
              "Bytes a second that may move.", MetricType::Gauge);
  Family burst("percore_ratelimit_burst_bytes",
               "Bytes that may move at once if none did for a while.",
               MetricType::Gauge);
  Family tokens("percore_ratelimit_tokens_bytes",
                "Bytes that may move now; negative is debt.",
                MetricType::Gauge);
  Family bytes("percore_ratelimit_bytes_total", "Bytes that members moved.",
               MetricType::Counter);
  Family members("percore_ratelimit_members",
                 "Connections in the group and in those inside of it.",
                 MetricType::Gauge);
  Family suspended("percore_ratelimit_suspended_members",
                   "Members that wait for tokens.", MetricType::Gauge);
  Family suspensions("percore_ratelimit_suspensions_total",
                     "Times that a member began to wait for tokens.",
                     MetricType::Counter);
  Family throttled("percore_ratelimit_throttled_seconds_total",
                   "How long members waited for tokens, all together.",
                   MetricType::Counter);
  Family exhausted(
      "percore_ratelimit_exhausted_seconds_total",
      "How long there were no tokens while a member waited for some.",
      MetricType::Counter);

  LetGoOfThoseGone();
  for (const auto& [label, labelled] : groups_) {
    Sums sums = SumsOf(labelled);
    members.Add(static_cast<double>(sums.members), {{"group", label}});
    for (const RateDirection direction : kRateDirections) {
      const Family::Labels labels = {
          {"group", label},
          {"direction", direction == RateDirection::kRead ? "read" : "write"}};
      const Counts& counts = sums.counts[direction];
      const Gauges& gauges = sums.gauges[direction];
      if (sums.in_use && gauges.rate != kInfinite) {
        rate.Add(gauges.rate, labels);
        burst.Add(gauges.burst, labels);
        tokens.Add(gauges.tokens, labels);
      }
      bytes.Add(static_cast<double>(counts.bytes), labels);
      suspended.Add(static_cast<double>(gauges.suspended), labels);
      suspensions.Add(static_cast<double>(counts.suspensions), labels);
      throttled.Add(Seconds(counts.throttled), labels);
      exhausted.Add(Seconds(counts.exhausted), labels);
    }
  }
  for (Family* family : {&rate, &burst, &tokens, &bytes, &members, &suspended,
                         &suspensions, &throttled, &exhausted}) {
    std::move(*family).AppendTo(families);
  }
}

}  // namespace percore
