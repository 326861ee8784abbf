// What the members of a rate-limit group count, on one shard.
//
// ```cpp
// percore::RateLimitStats stats;
// stats.read.bytes.Add(100);                    // the shard
// uint64_t seen = stats.read.bytes.Get();       // any thread
// ```
#ifndef PERCORE_NET_RATE_LIMIT_STATS_H_
#define PERCORE_NET_RATE_LIMIT_STATS_H_

#include "percore/net/rate_limit.h"
#include "percore/runtime/stats.h"

namespace percore {

// Written by the shard's thread, read by any.
struct RateDirectionStats {
  Counter bytes;
  // Times that a member began to wait for tokens, and members that do.
  Counter suspensions;
  Gauge suspended;
  // How long members waited, all together.
  Counter throttled_nanoseconds;
};

struct RateLimitStats {
  const RateDirectionStats& of(RateDirection direction) const {
    return direction == RateDirection::kRead ? read : write;
  }

  RateDirectionStats read;
  RateDirectionStats write;
  // Those of groups inside are among them.
  Gauge members;
};

}  // namespace percore

#endif  // PERCORE_NET_RATE_LIMIT_STATS_H_
