// A limit that many connections share, on whatever shards they are.
//
// What a server may use of a network is not a matter of one connection, and not
// of one CPU. A RateLimitGroup has one budget for all its members, which is
// kept to exactly; the shards borrow from it in slices and lock nothing. Groups
// nest: a tenant's inside a listener's inside the whole server's, and the bytes
// of a connection have to find room in each.
//
// ```cpp
// auto server = percore::RateLimitGroup::Create(
//     {.write = {.rate = 100'000'000}}, {.name = "server"});
// if (!server.ok()) return;
// auto tenant = percore::RateLimitGroup::Create(
//     {.write = {.rate = 30'000'000}}, {.name = "tenant", .parent = *server});
// auto base = percore::EventBase::Create({});
// if (!base.ok() || !tenant.ok()) return;
// percore::BufferEvent connection(**base);
// absl::Status status = connection.rate_limiter().Join(*tenant);
// ```
//
// Who wants more than there is waits, without using the CPU, and all who do are
// served in turn: each gets the same, or in proportion to its weight, but not
// less than the minimum share at a time. Those who do not use their part leave
// it to the others. A group inside another is one member of that, with a weight
// of its own, however many members it has.
//
// The tick is how often those who wait are served: ten milliseconds are smooth
// enough for most, and cost little. A burst of two ticks' worth and more keeps
// the rate whole where several shards share it: of a smaller one some runs over
// while tokens are on loan.
#ifndef PERCORE_NET_RATE_LIMIT_GROUP_H_
#define PERCORE_NET_RATE_LIMIT_GROUP_H_

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "percore/net/internal/shared_budget.h"
#include "percore/net/rate_limit.h"
#include "percore/runtime/event_base.h"
#include "percore/runtime/event_flags.h"
#include "percore/runtime/kernel.h"

namespace percore {

namespace internal {
class RateLimitShare;
}  // namespace internal

class RateLimitGroup;

struct RateLimitGroupOptions {
  // Under which the group is shown to Prometheus; not at all if empty.
  std::string name = {};
  // The group around it.
  std::shared_ptr<RateLimitGroup> parent = {};
  // Beside the other members of `parent`. 1 to RateLimitGroup::kMaxWeight.
  int weight = 1;
  // Bytes that a member is given at least when it is its turn, as far as it
  // wants as many: smaller pieces cost more than they bring. At least 1.
  int64_t min_share = 64;
  // Whose clock it goes by: that of the members' loops.
  Kernel* kernel = &Kernel::Real();
};

// Thread: any. A mutex is locked where something is changed, and where a member
// comes; never where bytes move.
//
// Ownership: shared, also by the members. A group that nobody else holds any
// more goes on until the last of them has left.
class RateLimitGroup : public std::enable_shared_from_this<RateLimitGroup> {
 public:
  using Options = RateLimitGroupOptions;

  static constexpr int kMaxWeight = 10'000;
  // Groups around each other.
  static constexpr int kMaxDepth = 8;

  // Errors: InvalidArgument for what RateLimit::Check() refuses, a weight or a
  // minimum share out of range, groups nested too deeply.
  static absl::StatusOr<std::shared_ptr<RateLimitGroup>> Create(
      const RateLimit& limit, Options options = {});

  RateLimitGroup(const RateLimitGroup&) = delete;
  RateLimitGroup& operator=(const RateLimitGroup&) = delete;
  ~RateLimitGroup();

  const std::string& name() const { return name_; }
  int weight() const { return weight_; }
  std::shared_ptr<RateLimitGroup> parent() const;
  // Null for none. Errors: InvalidArgument if that would make a group contain
  // itself, or nest this one too deeply (of those inside, who joins is told
  // so); FailedPrecondition while there are members.
  absl::Status SetParent(std::shared_ptr<RateLimitGroup> parent);

  // Takes effect at once: members that wait for more than they now would are
  // looked at again. Tokens and debts stay, as far as there is room for them.
  // Errors: as RateLimit::Check().
  absl::Status SetLimit(const RateLimit& limit);
  RateLimit limit() const;
  // At least 1 byte; less is taken for 1.
  void SetMinShare(int64_t bytes);
  int64_t min_share() const { return read_.min_share(); }

  // kRead, kWrite or both: nothing moves until it is resumed. Members keep
  // their connections, and their timeouts do not run.
  void Pause(EventFlags which = EventFlags::kRead | EventFlags::kWrite);
  void Resume(EventFlags which = EventFlags::kRead | EventFlags::kWrite);
  bool paused(RateDirection direction) const {
    return budget(direction).paused();
  }

  // What could move at once; negative if more has moved than was allowed.
  // RateBudget::kUnlimited without a limit. What shards have moved in the last
  // tick may be missing.
  int64_t Tokens(RateDirection direction) const;
  // Takes tokens as if so many bytes had moved; a negative number puts some in.
  void Take(RateDirection direction, int64_t bytes);

  // Bytes that have moved since the beginning, or ResetTotals().
  struct Totals {
    uint64_t read = 0;
    uint64_t written = 0;
  };
  Totals totals() const;
  void ResetTotals();

  // For statistics. Counters only ever grow.
  struct DirectionState {
    RateBudget budget;
    int64_t tokens = 0;
    uint64_t bytes = 0;
    uint64_t suspensions = 0;
    int64_t suspended = 0;
    Duration throttled{};  // members waited, all together
    Duration exhausted{};  // there were none to be had, and somebody waited
  };
  struct State {
    const DirectionState& of(RateDirection direction) const {
      return direction == RateDirection::kRead ? read : write;
    }

    DirectionState read;
    DirectionState write;
    int64_t members = 0;  // those of groups inside, too
  };
  State state() const;

 private:
  friend class RateLimiter;
  friend class internal::RateLimitShare;

  RateLimitGroup(const RateLimit& limit, Options options);

  // On the thread of `base`: its part there, which is made if there is none.
  std::shared_ptr<internal::RateLimitShare> ShareOn(EventBase& base);
  void Forget(EventBase& base, const internal::RateLimitShare& share);

  // InvalidArgument if it is nested too deeply for so many levels inside.
  absl::Status CheckDepth(int inside) const;
  void SetPaused(EventFlags which, bool paused);
  void PostChange();  // with mutex_ held
  const internal::SharedBudget& budget(RateDirection direction) const {
    return direction == RateDirection::kRead ? read_ : write_;
  }
  DirectionState StateOf(RateDirection direction) const;

  const std::string name_;
  const int weight_;
  Kernel& kernel_;
  internal::SharedBudget read_;
  internal::SharedBudget write_;

  mutable std::mutex mutex_;  // guards what follows
  std::shared_ptr<RateLimitGroup> parent_;
  RateLimit limit_;
  std::map<EventBase*, internal::RateLimitShare*> shares_;
  // Of parts that are gone.
  struct Past {
    uint64_t bytes = 0;
    uint64_t suspensions = 0;
    uint64_t throttled_nanoseconds = 0;
  };
  Past past_read_;
  Past past_write_;
  Totals reset_at_;
  // What was told last: the clocks of loops are behind that of who asks.
  mutable std::array<Duration, 2> exhausted_told_ = {};
};

}  // namespace percore

#endif  // PERCORE_NET_RATE_LIMIT_GROUP_H_
