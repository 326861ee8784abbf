// The token bucket of one connection.
//
// What came in is never added up, in steps whose rounding would gather: it is
// rate x time since the beginning, in whole numbers. What is kept is how much
// of that is gone, used or run over. Both are counted modulo 2^64, and only
// their difference means something.
#ifndef PERCORE_NET_INTERNAL_TOKEN_BUCKET_H_
#define PERCORE_NET_INTERNAL_TOKEN_BUCKET_H_

#include <algorithm>
#include <cstdint>

#include "percore/net/rate_limit.h"
#include "percore/runtime/time.h"

namespace percore::internal {

// Rounded down.
inline uint64_t BytesIn(Duration time, int64_t rate) {
  return static_cast<uint64_t>(static_cast<unsigned __int128>(time.count()) *
                               static_cast<uint64_t>(rate) / 1'000'000'000);
}

// Rounded up: it brings at least as many. A year at most.
inline Duration TimeFor(int64_t bytes, int64_t rate) {
  constexpr unsigned __int128 kLongest = uint64_t{365} * 86400 * 1'000'000'000;
  if (bytes <= 0) return Duration::zero();
  const unsigned __int128 time =
      (static_cast<unsigned __int128>(bytes) * 1'000'000'000 +
       static_cast<uint64_t>(rate) - 1) /
      static_cast<uint64_t>(rate);
  return Duration(static_cast<int64_t>(std::min(time, kLongest)));
}

// What has come in by some time: the terms that are in force, and when they
// came into force.
struct TokenIncome {
  uint64_t At(TimePoint now) const {
    return now <= since ? before : before + BytesIn(now - since, budget.rate);
  }

  RateBudget budget;
  TimePoint since;
  uint64_t before = 0;
};

// One thread.
class TokenBucket {
 public:
  // Full.
  TokenBucket(const RateBudget& budget, TimePoint now)
      : income_{.budget = budget, .since = now},
        gone_(-static_cast<uint64_t>(budget.burst)) {}

  // What is in it stays, as far as it finds room.
  void Change(const RateBudget& budget, TimePoint now) {
    LetRunOver(now);
    income_ = {.budget = budget, .since = now, .before = income_.At(now)};
  }
  const RateBudget& budget() const { return income_.budget; }

  // Negative if more was taken than there was.
  int64_t Tokens(TimePoint now) {
    LetRunOver(now);
    return static_cast<int64_t>(income_.At(now) - gone_);
  }
  // A negative number puts some in. What ran over by now has to be gone.
  void Take(int64_t tokens) { gone_ += static_cast<uint64_t>(tokens); }
  Duration TimeUntil(int64_t tokens, TimePoint now) {
    return TimeFor(tokens - Tokens(now), budget().rate);
  }
  // As Tokens() and Change() do.
  void LetRunOver(TimePoint now) {
    const uint64_t least =
        income_.At(now) - static_cast<uint64_t>(budget().burst);
    if (static_cast<int64_t>(least - gone_) > 0) gone_ = least;
  }

 private:
  TokenIncome income_;
  uint64_t gone_;
};

}  // namespace percore::internal

#endif  // PERCORE_NET_INTERNAL_TOKEN_BUCKET_H_
