#include "percore/net/internal/shared_budget.h"

#include <algorithm>

namespace percore::internal {
namespace {

TimePoint At(int64_t nanoseconds) { return TimePoint(Duration(nanoseconds)); }
int64_t Nanoseconds(TimePoint time) { return time.time_since_epoch().count(); }

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
  const auto with_this = static_cast<uint64_t>(income.budget.burst + unreported);
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
  if (exhausted_shards_.fetch_add(1) == 0) {
    exhausted_since_.store(Nanoseconds(now));
  }
}

void SharedBudget::EndExhausted(TimePoint now) {
  const int64_t since = exhausted_since_.load();
  if (exhausted_shards_.fetch_sub(1) == 1) {
    exhausted_before_.fetch_add(std::max<int64_t>(Nanoseconds(now) - since, 0));
  }
}

Duration SharedBudget::exhausted(TimePoint now) const {
  const int64_t before = exhausted_before_.load();
  if (exhausted_shards_.load() == 0) return Duration(before);
  return Duration(before + std::max<int64_t>(
                               Nanoseconds(now) - exhausted_since_.load(), 0));
}

}  // namespace percore::internal
