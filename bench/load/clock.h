// The clocks of the load generator, in nanoseconds.
#ifndef PERCORE_BENCH_LOAD_CLOCK_H_
#define PERCORE_BENCH_LOAD_CLOCK_H_

#include <time.h>

#include <cstdint>

namespace percore::bench {

inline constexpr int64_t kNanosecondsPerSecond = 1'000'000'000;

// `clock` is one that clock_gettime(2) knows: CLOCK_MONOTONIC,
// CLOCK_THREAD_CPUTIME_ID, or a process' CPU clock. 0 if it is gone.
inline int64_t ReadClock(clockid_t clock) {
  timespec time = {};
  clock_gettime(clock, &time);
  return time.tv_sec * kNanosecondsPerSecond + time.tv_nsec;
}

inline int64_t MonotonicNow() { return ReadClock(CLOCK_MONOTONIC); }

}  // namespace percore::bench

#endif  // PERCORE_BENCH_LOAD_CLOCK_H_
