// How the tokens of a group are shared out on one loop, for one direction.
//
// Groups nest: a lane takes from the lane of the group around it, as a
// connection does from the lane of its own group.
//
//              SharedBudget of the server's group, for all shards
//                    | borrowed, for a tick
//      this loop:  lane  ------ granted -----+
//                    | granted               |
//                  lane of a tenant       lane of another
//                 /  |  \ granted
//          connections
//
// As long as there is enough for all, and nobody waits, a connection just takes
// what it moves: at each level the lane has to have it. As soon as one finds
// nothing, it waits, and so does everybody who comes after it. Once a tick the
// lane then deals out what there is: to each of those who wait in proportion to
// its weight, and not less than the minimum share, in the order in which they
// came. Whoever gets more than its part that way has the next time to wait for
// longer. What one is granted is its own for that tick; what it leaves is taken
// back. So who is not busy costs the others nothing, and who is gets what all
// get who are.
//
// Between shards the same holds: each borrows in proportion to the weight of
// those who wait on it.
#ifndef PERCORE_NET_INTERNAL_RATE_LIMIT_LANE_H_
#define PERCORE_NET_INTERNAL_RATE_LIMIT_LANE_H_

#include <cstdint>

#include "percore/net/internal/shared_budget.h"
#include "percore/net/rate_limit_stats.h"
#include "percore/runtime/event.h"
#include "percore/runtime/event_base.h"
#include "percore/runtime/intrusive_list.h"

namespace percore::internal {

class RateLimitLane;

// Who takes tokens from a lane: a connection, or the lane of a group inside.
// Thread: the loop's.
class RateLimitTaker {
 public:
  RateLimitTaker(const RateLimitTaker&) = delete;
  RateLimitTaker& operator=(const RateLimitTaker&) = delete;

 protected:
  // So that even small parts of it can be told apart.
  static constexpr int64_t kWeightUnit = int64_t{1} << 16;

  RateLimitTaker() = default;
  ~RateLimitTaker() = default;

  // The lane to take from, null for none. Leaves the one before.
  void SetOuter(RateLimitLane* outer);
  RateLimitLane* outer() const { return outer_; }
  void SetWeight(int64_t weight);

  // Of `most`, what the lane around lets it have at once, grants included.
  int64_t OfferedOf(int64_t most);
  // The same, but nothing is borrowed for it.
  int64_t AllowedOf(int64_t most) const;
  // They were moved: taken from the grants, and then from the lane around.
  // Negative puts them back there. `moved` is counted at every level.
  void Pay(int64_t tokens, uint64_t moved);
  // With less than `least` of what is wanted it could do nothing.
  void WaitForGrant(int64_t wanted, int64_t least);
  void StopWaitingForGrant();
  int64_t granted() const { return granted_; }

 private:
  friend class RateLimitLane;

  enum class Place : uint8_t { kNone, kWaiting, kGranted };

  // It does not wait any more: it has been granted something.
  virtual void OnGrant() = 0;
  // What it has been granted is about to be taken back.
  virtual void BeforeTakingBack() {}

  RateLimitLane* outer_ = nullptr;
  ListLink<RateLimitTaker> link_;  // in one of the lists of outer_
  int64_t granted_ = 0;            // of outer_'s tokens, for this one alone
  int64_t wanted_ = 0;             // while it waits
  int64_t least_ = 1;              // of that
  // What it is due, and was not given; what it got more than that, if negative.
  int64_t claim_ = 0;
  int64_t weight_ = kWeightUnit;
  Place place_ = Place::kNone;
};

class RateLimitLane final : public RateLimitTaker {
 public:
  RateLimitLane(EventBase& base, SharedBudget& budget,
                RateDirectionStats& stats, RateLimitLane* outer, int weight);
  ~RateLimitLane();

  // The terms are others, or it is not paused any more.
  void OnChanged() { Deal(); }

  // A connection begins to wait, or does so no more after as long. Counted here
  // and around.
  void CountSuspended();
  void CountResumed(Duration waited);

 private:
  friend class RateLimitTaker;

  using Takers = IntrusiveList<RateLimitTaker, &RateLimitTaker::link_>;

  void OnGrant() override { Deal(); }
  void BeforeTakingBack() override { TakeBackGrants(); }

  int64_t Offer(int64_t most);
  int64_t Allow(int64_t most) const;
  bool closed() const { return budget_.paused() || scarce() || OthersWait(); }
  // Tokens to be had here, not looking at the lanes around.
  int64_t Stock(int64_t most);
  // Somebody waits, or was given less than it wanted when it was last dealt:
  // who comes meanwhile waits for the next time, or it would get what all the
  // others wait for.
  bool scarce() const {
    return !waiting_.empty() ||
           (short_ && granted_weight_ + absent_weight_ > 0);
  }
  bool OthersWait() const {
    return budget_.waiting_weight() > published_weight_;
  }
  void PayFor(int64_t granted, int64_t rest, uint64_t moved);
  // A grant to somebody inside, and one that comes back.
  void Reserve(int64_t tokens);
  void Release(int64_t tokens);

  void AddWaiting(RateLimitTaker& taker, int64_t wanted, int64_t least);
  void Remove(RateLimitTaker& taker);
  // So that it is taken back in time.
  void NoteGrant(RateLimitTaker& taker);

  void Deal();
  void TakeBackGrants();
  void TellBudget();
  // For those who wait.
  int64_t Supply();
  int64_t PartOfWaiting(int64_t supply) const;
  int64_t Entitlement();
  void DistributeAndTell(int64_t supply);
  int64_t DistributeOnce(int64_t supply, int64_t& weight);
  // Returns the number.
  int64_t Grant(RateLimitTaker& taker, int64_t tokens);
  void NoteDemand(int64_t granted, int64_t short_weight);
  // What other shards are to know of it.
  int64_t DemandOf(int64_t weight) const;
  void PublishWeight(int64_t weight);
  void SetExhausted(bool exhausted);
  void WaitForMore();
  void LeaveQueue();
  void StartTimer(Duration delay);
  int64_t Wanted() const;
  // Of less there is no use.
  int64_t LeastGrant() const;
  int64_t LeastGrantTo(const RateLimitTaker& taker) const;
  // However long it is saved for.
  int64_t MostAtOnce() const;
  TimePoint now() const { return base_.Now(); }

  EventBase& base_;
  SharedBudget& budget_;
  RateDirectionStats& stats_;
  const int64_t full_weight_;  // in the lane around, with all its shards
  int64_t tokens_ = 0;         // borrowed, and free; debts if negative
  int64_t reserved_ = 0;       // granted, and neither moved nor taken back
  int64_t spent_ = 0;          // since the budget was last told
  int64_t lent_ = 0;           // what it thinks is here
  int64_t waiting_weight_ = 0;
  int64_t granted_weight_ = 0;
  int64_t absent_weight_ = 0;  // granted something before, and not seen since
  int64_t published_weight_ = 0;
  int64_t demand_ratio_ = kWeightUnit;  // demand by weight, at the last deal
  TimePoint dealt_at_;
  TimePoint full_at_;  // not before then, as far as is known here
  Takers waiting_;
  Takers granted_takers_;
  bool exhausted_ = false;
  bool short_ = false;  // when it was last dealt
  Event timer_;
};

}  // namespace percore::internal

#endif  // PERCORE_NET_INTERNAL_RATE_LIMIT_LANE_H_
