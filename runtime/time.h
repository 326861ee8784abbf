// Time as Percore measures it: 64-bit nanoseconds of the monotonic clock, which
// no change of the wall clock moves.
//
// ```cpp
// using namespace std::chrono_literals;
// percore::Duration timeout = 250ms;
// percore::TimePoint deadline =
//     percore::AddSaturated(percore::TimePoint(), timeout);
// ```
#ifndef PERCORE_RUNTIME_TIME_H_
#define PERCORE_RUNTIME_TIME_H_

#include <chrono>

namespace percore {

// Any std::chrono duration of whole nanoseconds converts to it by itself.
using Duration = std::chrono::nanoseconds;

// A moment of the monotonic clock.
using TimePoint = std::chrono::time_point<std::chrono::steady_clock, Duration>;

// "Never", and "for ever".
inline constexpr TimePoint kInfiniteFuture = TimePoint::max();
inline constexpr Duration kForever = Duration::max();

// `time` + `duration`, where a sum out of range is the end of the range: a
// delay of 300 years is a legal way to say "never". A negative duration counts
// as zero.
constexpr TimePoint AddSaturated(TimePoint time, Duration duration) {
  if (duration <= Duration::zero()) return time;
  if (kInfiniteFuture - time <= duration) return kInfiniteFuture;
  return time + duration;
}

}  // namespace percore

#endif  // PERCORE_RUNTIME_TIME_H_
