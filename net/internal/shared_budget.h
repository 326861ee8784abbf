// What the shards that share a group's limit have in common, for one direction.
//
// Tokens are lent: a shard borrows some, lets bytes move for them, and reports,
// once a tick, what was spent; the rest it gives back. So the words below are
// touched a few times in a tick, whatever moves.
//
//   income so far  --+-- spent (reported, or run over: never more than `burst`
//                    |          behind the income)
//                    +-- lent   (to shards, who may have spent it by now)
//                    +-- free
//
// The bucket runs over by what is spent alone, and each time before something
// is: what is lent and comes back is not put in a second time. What others have
// spent and not reported is not known then, and a little more may run over than
// has to. So whatever shards do, no more moves than rate x time + burst.
#ifndef PERCORE_NET_INTERNAL_SHARED_BUDGET_H_
#define PERCORE_NET_INTERNAL_SHARED_BUDGET_H_

#include <atomic>
#include <cstdint>

#include "percore/net/internal/token_bucket.h"
#include "percore/net/rate_limit.h"
#include "percore/runtime/time.h"

namespace percore::internal {

// Thread: any, without a lock, unless its comment says otherwise.
class SharedBudget {
 public:
  SharedBudget(const RateBudget& budget, TimePoint now);
  SharedBudget(const SharedBudget&) = delete;
  SharedBudget& operator=(const SharedBudget&) = delete;

  // One thread at a time.
  void Change(const RateBudget& budget, TimePoint now);
  RateBudget budget() const { return income().budget; }
  // Alone, which is less to read.
  int64_t burst() const { return burst_.load(std::memory_order_relaxed); }

  // From 0 to `most`, for a shard that has spent `unreported` since it last
  // repaid.
  int64_t Borrow(int64_t most, int64_t unreported, TimePoint now);
  // What came in by now and found no room is lost: before it is known that more
  // was spent. For the same shard. Until the time that is returned the bucket
  // does not run over.
  TimePoint LetRunOver(int64_t unreported, TimePoint now);
  // Of what was borrowed `spent` is gone, and `unused` comes back. Negative if
  // more was spent than borrowed: then `spent` has it, and all that was
  // borrowed is the sum of both.
  void Repay(int64_t spent, int64_t unused);
  // As if they were spent; a negative number puts some in.
  void Take(int64_t tokens) { Repay(tokens, -tokens); }

  // That nobody has borrowed. Negative if more was spent than there was.
  int64_t Free(TimePoint now) const;
  // The same, and what is lent.
  int64_t Tokens(TimePoint now) const;

  // The weight of those who wait, on all shards; what a shard adds to it, it
  // takes back.
  int64_t waiting_weight() const {
    return waiting_weight_.load(std::memory_order_relaxed);
  }
  void AddWaitingWeight(int64_t weight) {
    waiting_weight_.fetch_add(weight, std::memory_order_relaxed);
  }

  // A shard finds nothing left, or something again. For statistics: how long
  // there was one that found nothing, to the microsecond.
  void BecomeExhausted(TimePoint now);
  void EndExhausted(TimePoint now);
  // Of one clock it does not go back; of a loop's, which stands still in a
  // round, by no more than that.
  Duration exhausted(TimePoint now) const;

  bool unlimited() const {
    return rate_.load(std::memory_order_relaxed) == RateBudget::kUnlimited;
  }

  // How often those who wait are looked after.
  Duration tick() const {
    return Duration(tick_.load(std::memory_order_relaxed));
  }
  void set_tick(Duration tick) {
    tick_.store(tick.count(), std::memory_order_relaxed);
  }
  // Nobody is given less at a time, if he wants as much.
  int64_t min_share() const {
    return min_share_.load(std::memory_order_relaxed);
  }
  void set_min_share(int64_t bytes) {
    min_share_.store(bytes, std::memory_order_relaxed);
  }
  bool paused() const { return paused_.load(std::memory_order_relaxed); }
  void set_paused(bool paused) {
    paused_.store(paused, std::memory_order_relaxed);
  }

 private:
  TokenIncome income() const;
  void RaiseSpentTo(uint64_t least);

  // The terms. Odd while they are being changed: who reads them meanwhile reads
  // them again.
  std::atomic<uint32_t> version_{0};
  std::atomic<int64_t> rate_;
  std::atomic<int64_t> burst_;
  std::atomic<int64_t> since_;
  std::atomic<uint64_t> before_{0};

  // What is read wherever bytes move, and seldom written.
  std::atomic<int64_t> waiting_weight_{0};
  std::atomic<int64_t> tick_{0};
  std::atomic<int64_t> min_share_{1};
  std::atomic<bool> paused_{false};

  // On another line of the cache, what is written a few times in a tick: modulo
  // 2^64, as in a TokenBucket.
  alignas(64) std::atomic<uint64_t> spent_;
  std::atomic<int64_t> lent_{0};
  // An Exhaustion: in one word, so that whoever reads it sees all of it.
  std::atomic<int64_t> exhaustion_{0};
};

}  // namespace percore::internal

#endif  // PERCORE_NET_INTERNAL_SHARED_BUDGET_H_
