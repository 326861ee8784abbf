#include "percore/bench/load/schedule.h"

#include "percore/bench/load/clock.h"

namespace percore::bench {

Schedule::Schedule(double rate, Arrivals arrivals, uint64_t seed)
    : mean_distance_ns_(kNanosecondsPerSecond / rate),
      arrivals_(arrivals),
      random_(seed),
      distance_(1 / mean_distance_ns_) {}

void Schedule::Start(int64_t now_ns) {
  start_ns_ = now_ns;
  next_due_ = Distance();
}

int64_t Schedule::next_due_ns() const {
  return start_ns_ + static_cast<int64_t>(next_due_);
}

void Schedule::Advance() { next_due_ += Distance(); }

double Schedule::Distance() {
  return arrivals_ == Arrivals::kEven ? mean_distance_ns_ : distance_(random_);
}

}  // namespace percore::bench
