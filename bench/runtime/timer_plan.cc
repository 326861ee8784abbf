#include "percore/bench/runtime/timer_plan.h"

#include <algorithm>
#include <numeric>
#include <random>

namespace percore::bench {
namespace {

constexpr int64_t kMicrosecondsPerSecond = 1'000'000;
constexpr int kSeed = 1;

}  // namespace

DelayPlan::DelayPlan(int64_t min_us, int64_t max_us) {
  std::mt19937_64 random(kSeed);
  delays_.reserve(kCount);
  for (size_t i = 0; i < kCount; ++i) {
    const int64_t delay_us =
        min_us + static_cast<int64_t>(random() % (max_us - min_us));
    delays_.push_back({.tv_sec = delay_us / kMicrosecondsPerSecond,
                       .tv_usec = delay_us % kMicrosecondsPerSecond});
  }
}

RearmPlan::RearmPlan(int timers) : delays_(PendingDelays()), order_(timers) {
  std::iota(order_.begin(), order_.end(), 0);
  std::shuffle(order_.begin(), order_.end(), std::mt19937_64(kSeed));
}

RearmPlan::Rearm RearmPlan::Next() {
  // Every round through all timers puts them off by more than they lie apart.
  if (next_ == order_.size()) next_ = 0;
  if (next_ == 0) later_seconds_ += kMaxPendingSeconds - kMinPendingSeconds;
  Rearm rearm = {.timer = order_[next_++], .delay = delays_.Next()};
  rearm.delay.tv_sec += later_seconds_;
  return rearm;
}

}  // namespace percore::bench
