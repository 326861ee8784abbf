// A rate-limit group's part on one loop: there as long as members are.
#ifndef PERCORE_NET_INTERNAL_RATE_LIMIT_SHARE_H_
#define PERCORE_NET_INTERNAL_RATE_LIMIT_SHARE_H_

#include <memory>

#include "percore/net/internal/rate_limit_lane.h"
#include "percore/net/rate_limit.h"
#include "percore/net/rate_limit_stats.h"
#include "percore/runtime/event_base.h"

namespace percore {

class RateLimitGroup;

namespace internal {

// Thread: the loop's, but for stats(). Kept by the members, and by the parts of
// the groups inside.
class RateLimitShare : public std::enable_shared_from_this<RateLimitShare> {
 public:
  // `outer` is the part of the group around, null if there is none.
  RateLimitShare(EventBase& base, std::shared_ptr<RateLimitGroup> group,
                 std::shared_ptr<RateLimitShare> outer);
  RateLimitShare(const RateLimitShare&) = delete;
  RateLimitShare& operator=(const RateLimitShare&) = delete;
  ~RateLimitShare();

  const std::shared_ptr<RateLimitGroup>& group() const { return group_; }
  const RateLimitStats& stats() const { return stats_; }
  RateLimitLane& lane(RateDirection direction) {
    return direction == RateDirection::kRead ? read_ : write_;
  }

  void AddMembers(int count);

  // Any thread, while the group's mutex is held: has both lanes look at the
  // terms again.
  void PostChange();

 private:
  EventBase& base_;
  const std::shared_ptr<RateLimitGroup> group_;
  const std::shared_ptr<RateLimitShare> outer_;
  RateLimitStats stats_;
  RateLimitLane read_;
  RateLimitLane write_;
};

}  // namespace internal
}  // namespace percore

#endif  // PERCORE_NET_INTERNAL_RATE_LIMIT_SHARE_H_
