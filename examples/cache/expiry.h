// When an item stops to exist: memcached's rules for a client's "exptime".
//
// Time is whole seconds since 1970, and always an argument: nothing in this
// folder reads a clock.
//
// ```cpp
// const cache::UnixSeconds now = 1'700'000'000;
// cache::UnixSeconds expiry = cache::ExpiryOf(/*exptime=*/60, now);
// if (expiry <= now) return;  // no: it expires in one minute
// ```
#ifndef PERCORE_EXAMPLES_CACHE_EXPIRY_H_
#define PERCORE_EXAMPLES_CACHE_EXPIRY_H_

#include <cstdint>
#include <limits>

namespace percore::cache {

// Seconds since 1970-01-01 00:00 UTC.
using UnixSeconds = int64_t;

// An item is expired as soon as its expiry is not after the present. "Never" is
// the end of time, so that this one comparison decides every case.
inline constexpr UnixSeconds kNeverExpires =
    std::numeric_limits<UnixSeconds>::max();
inline constexpr UnixSeconds kAlreadyExpired =
    std::numeric_limits<UnixSeconds>::min();

// Up to this exptime a client means "from now"; above, a moment since 1970.
inline constexpr int64_t kMaxRelativeExptime = 60 * 60 * 24 * 30;

// The moment a client means by `exptime`: 0 is never, a negative one is over
// already. memcached 1.6.18 cuts exptime down to 32 bits, so that its items
// "until 2040" are expired when stored; ours are not.
constexpr UnixSeconds ExpiryOf(int64_t exptime, UnixSeconds now) {
  if (exptime == 0) return kNeverExpires;
  if (exptime < 0) return kAlreadyExpired;
  if (exptime <= kMaxRelativeExptime) return now + exptime;
  return exptime;
}

// The moment a client means by the delay of "flush_all", which is an exptime
// but for 0: that is now.
constexpr UnixSeconds FlushMomentOf(int64_t delay, UnixSeconds now) {
  return delay == 0 ? now : ExpiryOf(delay, now);
}

}  // namespace percore::cache

#endif  // PERCORE_EXAMPLES_CACHE_EXPIRY_H_
