// How many bytes may move in a given time.
//
// ```cpp
// // 10 MB a second are read, 1 MB at once if nothing came for a while.
// percore::RateLimit limit = {
//     .read = {.rate = 10'000'000, .burst = 1'000'000}};
// absl::Status possible = limit.Check();
// ```
//
// A limit is a token bucket for each direction: `rate` tokens are put into it
// every second, a byte that moves takes one out, and it holds no more than
// `burst`. It is full at the beginning. So in any stretch of time no more moves
// than rate x time + burst.
//
// Tokens come with the passing of time, not in lumps: half a tick brings half
// as many as a tick. The tick is how often those who wait for tokens are looked
// after.
#ifndef PERCORE_NET_RATE_LIMIT_H_
#define PERCORE_NET_RATE_LIMIT_H_

#include <chrono>
#include <cstdint>
#include <limits>

#include "absl/status/status.h"
#include "percore/runtime/time.h"

namespace percore {

enum class RateDirection : uint8_t { kRead, kWrite };
inline constexpr RateDirection kRateDirections[] = {RateDirection::kRead,
                                                    RateDirection::kWrite};

// One direction's.
struct RateBudget {
  static constexpr int64_t kUnlimited = std::numeric_limits<int64_t>::max();
  // More cannot be told apart from no limit: 128 GiB a second, or at once.
  static constexpr int64_t kMost = int64_t{1} << 37;

  int64_t rate = kUnlimited;  // bytes a second
  // Bytes. 0 for what a tenth of a second brings, or two ticks if that is more.
  int64_t burst = 0;

  bool unlimited() const { return rate == kUnlimited; }
  bool operator==(const RateBudget&) const = default;
};

struct RateLimit {
  static constexpr Duration kShortestTick = std::chrono::microseconds(100);
  static constexpr Duration kLongestTick = std::chrono::hours(1);

  RateBudget read = {};
  RateBudget write = {};
  Duration tick = std::chrono::milliseconds(10);

  const RateBudget& budget(RateDirection direction) const {
    return direction == RateDirection::kRead ? read : write;
  }

  // InvalidArgument for what no bucket can be: a tick out of range, a rate of
  // less than one byte a second, a burst below what one tick brings, a rate or
  // a burst above kMost.
  absl::Status Check() const;
  // With the bursts that 0 stands for. Check() has to be OK.
  RateLimit WithBursts() const;

  bool operator==(const RateLimit&) const = default;
};

}  // namespace percore

#endif  // PERCORE_NET_RATE_LIMIT_H_
