// What limits how fast one connection moves its bytes: a limit of its own, and
// that of a group.
//
// Every kind of connection has one, made when it is first asked for:
//
// ```cpp
// auto base = percore::EventBase::Create({});
// if (!base.ok()) return;
// percore::BufferEvent connection(**base);
// absl::Status status = connection.rate_limiter().SetLimit(
//     {.read = {.rate = 1'000'000, .burst = 64 * 1024}});
// ```
//
// A connection that may move nothing stops to read, or to write, and uses no
// CPU until it may: its socket fills, and the peer has to wait. Timeouts do not
// run meanwhile. Suspending and resuming allocates nothing.
//
// What an io_uring has received already, when the tokens are gone, is kept, and
// counts when it is delivered.
#ifndef PERCORE_NET_RATE_LIMITER_H_
#define PERCORE_NET_RATE_LIMITER_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "percore/net/internal/rate_limit_lane.h"
#include "percore/net/internal/token_bucket.h"
#include "percore/net/rate_limit.h"
#include "percore/net/rate_limit_group.h"
#include "percore/runtime/event.h"
#include "percore/runtime/event_base.h"

namespace percore {

// Thread: the base's. Belongs to the connection.
class RateLimiter {
 public:
  // Called from the loop when a connection that waits may go on.
  using OnTokens = void (*)(RateDirection direction, void* connection);

  RateLimiter(EventBase& base, OnTokens on_tokens, void* connection);
  RateLimiter(const RateLimiter&) = delete;
  RateLimiter& operator=(const RateLimiter&) = delete;
  ~RateLimiter();

  // The connection's own limit. One that there was before is changed: tokens
  // and debts stay, as far as there is room for them. Errors: as
  // RateLimit::Check().
  absl::Status SetLimit(const RateLimit& limit);
  void ClearLimit();
  // Null for none.
  const RateLimit* limit() const { return limit_.get(); }

  // Makes it a member of that group, and of none other. Errors: InvalidArgument
  // for no group, for one that is nested too deeply, and for a weight that is
  // not from 1 to RateLimitGroup::kMaxWeight.
  absl::Status Join(const std::shared_ptr<RateLimitGroup>& group,
                    int weight = 1);
  void Leave();
  // Null for none.
  std::shared_ptr<RateLimitGroup> group() const;
  int weight() const { return weight_; }
  // Beside the group's other members. Errors: as of Join().
  absl::Status SetWeight(int weight);

  // Of its own limit; negative if more has moved than was allowed.
  // RateBudget::kUnlimited without one.
  int64_t Tokens(RateDirection direction);
  // Takes tokens of its own limit as if so many bytes had moved; a negative
  // number puts some in.
  void Take(RateDirection direction, int64_t bytes);
  // As many bytes as could be moved now if there were any: what its own limit
  // and those of its groups allow.
  int64_t MaxNow(RateDirection direction);

  // Whether it waits for tokens.
  bool waiting(RateDirection direction) const {
    return side(direction).waiting();
  }

  // For the connection: of `wanted`, as many bytes as may be moved now. If that
  // is 0 it waits from then on, until it is called.
  size_t Room(RateDirection direction, size_t wanted) {
    return side(direction).Room(wanted);
  }
  // So many were moved.
  void Count(RateDirection direction, size_t bytes) {
    side(direction).Count(bytes);
  }
  // So many are about to be: others do not get them. The next Count() tells how
  // many it were.
  void Reserve(RateDirection direction, size_t bytes) {
    side(direction).Reserve(bytes);
  }

 private:
  class Side final : public internal::RateLimitTaker {
   public:
    Side(RateLimiter& limiter, RateDirection direction)
        : limiter_(limiter), direction_(direction) {}

    void SetLimit(const RateBudget& budget, Duration tick);
    void Join(internal::RateLimitLane& lane, int weight);
    void Leave();
    // For good: nobody is called.
    void Abandon();
    void SetWeight(int weight);

    int64_t Tokens();
    void Take(int64_t tokens);
    int64_t MaxNow();
    size_t Room(size_t wanted);
    void Count(size_t bytes);
    void Reserve(size_t bytes);
    bool waiting() const { return waiting_; }

   private:
    // Of a limit of its own.
    struct Own {
      Own(Side& side, const RateBudget& budget);

      internal::TokenBucket bucket;
      Duration tick{};
      Event timer;
    };

    void OnGrant() override;
    void MoveTo(internal::RateLimitLane* lane);
    void Wait();
    int64_t Expected() const;
    // Whether there is something by now.
    void Retry();
    void Resume();
    TimePoint now() const { return limiter_.base_.Now(); }

    RateLimiter& limiter_;
    const RateDirection direction_;
    bool waiting_ = false;
    int64_t most_ = 0;  // that it would move, while it waits
    // Of the last grant, and so much was moved since.
    int64_t granted_ = 0;
    int64_t used_ = 0;
    size_t reserved_ = 0;
    TimePoint since_;  // when it waits
    std::unique_ptr<Own> own_;
  };

  Side& side(RateDirection direction) {
    return direction == RateDirection::kRead ? read_ : write_;
  }
  const Side& side(RateDirection direction) const {
    return direction == RateDirection::kRead ? read_ : write_;
  }

  EventBase& base_;
  const OnTokens on_tokens_;
  void* const connection_;
  std::unique_ptr<RateLimit> limit_;
  std::shared_ptr<internal::RateLimitShare> share_;
  int weight_ = 1;
  Side read_{*this, RateDirection::kRead};
  Side write_{*this, RateDirection::kWrite};
};

}  // namespace percore

#endif  // PERCORE_NET_RATE_LIMITER_H_
