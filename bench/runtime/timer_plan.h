// Which timers are set, and for when: the same in every program.
#ifndef PERCORE_BENCH_RUNTIME_TIMER_PLAN_H_
#define PERCORE_BENCH_RUNTIME_TIMER_PLAN_H_

#include <sys/time.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace percore::bench {

// Delays are timevals: no library's own, but libevent's, and those of the
// others are made of it without a division (libuv's by one).
class DelayPlan {
 public:
  // An endless sequence of delays from `min_us` to just below `max_us`, spread
  // evenly, the same for equal arguments.
  DelayPlan(int64_t min_us, int64_t max_us);

  timeval Next() { return delays_[next_++ % kCount]; }

 private:
  // Enough that a branch predictor does not learn them by heart, few enough to
  // stay in the cache.
  static constexpr size_t kCount = 16384;

  std::vector<timeval> delays_;
  size_t next_ = 0;
};

// Far enough that none runs out while it is measured, on the slowest machine.
inline constexpr int kMinPendingSeconds = 1000;
inline constexpr int kMaxPendingSeconds = 10'000;

inline DelayPlan PendingDelays() {
  return DelayPlan(kMinPendingSeconds * int64_t{1'000'000},
                   kMaxPendingSeconds * int64_t{1'000'000});
}

// Connections on which something happens, in random order: their idle timeouts
// are put off.
class RearmPlan {
 public:
  explicit RearmPlan(int timers);

  struct Rearm {
    int timer;
    // Later than whatever the timer was set to before.
    timeval delay;
  };
  Rearm Next();

 private:
  DelayPlan delays_;
  std::vector<int> order_;
  size_t next_ = 0;
  int later_seconds_ = 0;
};

}  // namespace percore::bench

#endif  // PERCORE_BENCH_RUNTIME_TIMER_PLAN_H_
