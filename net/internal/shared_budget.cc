#include "percore/net/internal/shared_budget.h"

#include <algorithm>
#include <chrono>

namespace percore::internal {
namespace {

TimePoint At(int64_t nanoseconds) { return TimePoint(Duration(nanoseconds)); }
int64_t Nanoseconds(TimePoint time) { return time.time_since_epoch().count(); }
int64_t Microseconds(TimePoint time) { return Nanoseconds(time) / 1000; }

// How many shards find nothing left, and for how long there have been some.
struct Exhaustion {
  static constexpr int kShardBits = 12;
  static constexpr int64_t kMostShards = (int64_t{1} << kShardBits) - 1;

  static Exhaustion Of(int64_t word) {
    return {.shards = word & kMostShards, .offset = word >> kShardBits};
  }
  int64_t word() const { return offset * (kMostShards + 1) + shards; }

  int64_t At(int64_t now) const { return shards == 0 ? offset : offset + now; }

  int64_t shards;
  // Microseconds: as long as it is, or, while there are shards, less the time.
  int64_t offset;
};

}  // namespace

SharedBudget::SharedBudget(const RateBudget& budget, TimePoint now)
    : rate_(budget.rate),
      burst_(budget.burst),
      since_(Nanoseconds(now)),
      spent_(-static_cast<uint64_t>(budget.burst)) {}

// The order of the stores is that of a sequence lock: nobody sees new terms
// under an old version.
void SharedBudget::Change(const RateBudget& budget, TimePoint now) {
  const TokenIncome old = income();
  const uint64_t before = old.At(now);
  if (old.budget.unlimited()) {
    // Nobody counted. It begins full.
    spent_.store(before - static_cast<uint64_t>(budget.burst));
  } else {
    RaiseSpentTo(before - static_cast<uint64_t>(old.budget.burst));
  }
  const uint32_t version = version_.load(std::memory_order_relaxed);
  version_.store(version + 1, std::memory_order_seq_cst);
  rate_.store(budget.rate);
  burst_.store(budget.burst);
  since_.store(Nanoseconds(now));
  before_.store(before);
  version_.store(version + 2, std::memory_order_seq_cst);
}

TokenIncome SharedBudget::income() const {
  while (true) {
    const uint32_t version = version_.load(std::memory_order_acquire);
    const TokenIncome income = {
        .budget = {.rate = rate_.load(std::memory_order_acquire),
                   .burst = burst_.load(std::memory_order_acquire)},
        .since = At(since_.load(std::memory_order_acquire)),
        .before = before_.load(std::memory_order_acquire)};
    if (version % 2 == 0 &&
        version_.load(std::memory_order_relaxed) == version) {
      return income;
    }
  }
}

TimePoint SharedBudget::LetRunOver(int64_t unreported, TimePoint now) {
  const TokenIncome income = this->income();
  const auto with_this =
      static_cast<uint64_t>(income.budget.burst + unreported);
  const uint64_t least = income.At(now) - with_this;
  RaiseSpentTo(least);
  const auto room = static_cast<int64_t>(spent_.load() - least);
  return AddSaturated(now, TimeFor(room, income.budget.rate));
}

void SharedBudget::RaiseSpentTo(uint64_t least) {
  uint64_t spent = spent_.load();
  while (static_cast<int64_t>(least - spent) > 0) {
    if (spent_.compare_exchange_weak(spent, least)) return;
  }
}

int64_t SharedBudget::Borrow(int64_t most, int64_t unreported, TimePoint now) {
  LetRunOver(unreported, now);
  const uint64_t by_now = income().At(now);
  most = std::min(most,
                  static_cast<int64_t>(by_now - spent_.load()) - lent_.load());
  if (most <= 0) return 0;
  // Others may do the same: whoever finds that it was too much by then gives
  // back. Never is more kept than there is.
  const int64_t lent = lent_.fetch_add(most) + most;
  const int64_t excess = lent - static_cast<int64_t>(by_now - spent_.load());
  if (excess <= 0) return most;
  const int64_t back = std::min(excess, most);
  lent_.fetch_sub(back);
  return most - back;
}

// Spent first: in between there seems to be less than there is, never more.
void SharedBudget::Repay(int64_t spent, int64_t unused) {
  if (spent != 0) spent_.fetch_add(static_cast<uint64_t>(spent));
  if (spent + unused != 0) lent_.fetch_sub(spent + unused);
}

int64_t SharedBudget::Tokens(TimePoint now) const {
  const TokenIncome income = this->income();
  return std::min(static_cast<int64_t>(income.At(now) - spent_.load()),
                  income.budget.burst);
}

int64_t SharedBudget::Free(TimePoint now) const {
  return Tokens(now) - lent_.load();
}

void SharedBudget::BecomeExhausted(TimePoint now) {
  int64_t word = exhaustion_.load();
  Exhaustion next;
  do {
    next = Exhaustion::Of(word);
    if (next.shards == 0) next.offset -= Microseconds(now);
    ++next.shards;
  } while (!exhaustion_.compare_exchange_weak(word, next.word()));
}

void SharedBudget::EndExhausted(TimePoint now) {
  int64_t word = exhaustion_.load();
  Exhaustion next;
  do {
    next = Exhaustion::Of(word);
    --next.shards;
    if (next.shards == 0) next.offset += Microseconds(now);
  } while (!exhaustion_.compare_exchange_weak(word, next.word()));
}

Duration SharedBudget::exhausted(TimePoint now) const {
  const int64_t microseconds =
      Exhaustion::Of(exhaustion_.load()).At(Microseconds(now));
  return std::chrono::microseconds(std::max<int64_t>(microseconds, 0));
}

}  // namespace percore::internal
