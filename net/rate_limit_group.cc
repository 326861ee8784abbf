#include "percore/net/rate_limit_group.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "percore/net/internal/rate_limit_share.h"

namespace percore {
namespace {

using Lock = std::lock_guard<std::mutex>;
using internal::RateLimitShare;

// Changes of who contains whom, one at a time.
std::mutex& TreeMutex() {
  static auto& mutex = *new std::mutex;
  return mutex;
}

}  // namespace

absl::StatusOr<std::shared_ptr<RateLimitGroup>> RateLimitGroup::Create(
    const RateLimit& limit, Options options) {
  if (absl::Status status = limit.Check(); !status.ok()) return status;
  if (options.weight < 1 || options.weight > kMaxWeight) {
    return absl::InvalidArgumentError(absl::StrCat(
        "weight of ", options.weight, ": it must be from 1 to ", kMaxWeight));
  }
  if (options.min_share < 1) {
    return absl::InvalidArgumentError(absl::StrCat(
        "minimum share of ", options.min_share, ": it must be at least 1"));
  }
  if (options.parent != nullptr) {
    absl::Status status = options.parent->CheckDepth(1);
    if (!status.ok()) return status;
  }
  return std::shared_ptr<RateLimitGroup>(
      new RateLimitGroup(limit.WithBursts(), std::move(options)));
}

RateLimitGroup::RateLimitGroup(const RateLimit& limit, Options options)
    : name_(std::move(options.name)),
      weight_(options.weight),
      kernel_(*options.kernel),
      read_(limit.read, kernel_.Now()),
      write_(limit.write, kernel_.Now()),
      parent_(std::move(options.parent)),
      limit_(limit) {
  read_.set_tick(limit.tick);
  write_.set_tick(limit.tick);
  SetMinShare(options.min_share);
}

RateLimitGroup::~RateLimitGroup() = default;

std::shared_ptr<RateLimitGroup> RateLimitGroup::parent() const {
  const Lock lock(mutex_);
  return parent_;
}

absl::Status RateLimitGroup::SetParent(std::shared_ptr<RateLimitGroup> parent) {
  const Lock tree(TreeMutex());
  for (std::shared_ptr<RateLimitGroup> group = parent; group != nullptr;
       group = group->parent()) {
    if (group.get() == this) {
      return absl::InvalidArgumentError(
          absl::StrCat("rate-limit group '", name_, "' would contain itself"));
    }
  }
  if (parent != nullptr) {
    if (absl::Status status = parent->CheckDepth(1); !status.ok()) {
      return status;
    }
  }
  const Lock lock(mutex_);
  if (!shares_.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat("rate-limit group '", name_, "' has members"));
  }
  parent_ = std::move(parent);
  return absl::OkStatus();
}

absl::Status RateLimitGroup::CheckDepth(int inside) const {
  int depth = 1 + inside;
  for (std::shared_ptr<RateLimitGroup> group = parent(); group != nullptr;
       group = group->parent()) {
    ++depth;
  }
  if (depth <= kMaxDepth) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("rate-limit groups nested more than ", kMaxDepth, " deep"));
}

absl::Status RateLimitGroup::SetLimit(const RateLimit& limit) {
  if (absl::Status status = limit.Check(); !status.ok()) return status;
  const Lock lock(mutex_);
  limit_ = limit.WithBursts();
  const TimePoint now = kernel_.Now();
  read_.Change(limit_.read, now);
  write_.Change(limit_.write, now);
  read_.set_tick(limit_.tick);
  write_.set_tick(limit_.tick);
  PostChange();
  return absl::OkStatus();
}

RateLimit RateLimitGroup::limit() const {
  const Lock lock(mutex_);
  return limit_;
}

void RateLimitGroup::SetMinShare(int64_t bytes) {
  read_.set_min_share(std::max<int64_t>(bytes, 1));
  write_.set_min_share(std::max<int64_t>(bytes, 1));
}

void RateLimitGroup::Pause(EventFlags which) { SetPaused(which, true); }
void RateLimitGroup::Resume(EventFlags which) { SetPaused(which, false); }

void RateLimitGroup::SetPaused(EventFlags which, bool paused) {
  const Lock lock(mutex_);
  if (Any(which & EventFlags::kRead)) read_.set_paused(paused);
  if (Any(which & EventFlags::kWrite)) write_.set_paused(paused);
  PostChange();
}

void RateLimitGroup::PostChange() {
  for (const auto& [base, share] : shares_) share->PostChange();
}

int64_t RateLimitGroup::Tokens(RateDirection direction) const {
  const internal::SharedBudget& budget = this->budget(direction);
  return budget.unlimited() ? RateBudget::kUnlimited
                            : budget.Tokens(kernel_.Now());
}

void RateLimitGroup::Take(RateDirection direction, int64_t bytes) {
  internal::SharedBudget& budget =
      direction == RateDirection::kRead ? read_ : write_;
  // From a full one, not from what would have run over.
  if (!budget.unlimited()) budget.LetRunOver(0, kernel_.Now());
  budget.Take(bytes);
  if (bytes >= 0) return;
  const Lock lock(mutex_);
  PostChange();
}

RateLimitGroup::Totals RateLimitGroup::totals() const {
  const Lock lock(mutex_);
  return {.read = StateOf(RateDirection::kRead).bytes - reset_at_.read,
          .written = StateOf(RateDirection::kWrite).bytes - reset_at_.written};
}

void RateLimitGroup::ResetTotals() {
  const Lock lock(mutex_);
  reset_at_ = {.read = StateOf(RateDirection::kRead).bytes,
               .written = StateOf(RateDirection::kWrite).bytes};
}

RateLimitGroup::State RateLimitGroup::state() const {
  const Lock lock(mutex_);
  State state = {.read = StateOf(RateDirection::kRead),
                 .write = StateOf(RateDirection::kWrite)};
  for (const auto& [base, share] : shares_) {
    state.members += share->stats().members.Get();
  }
  return state;
}

RateLimitGroup::DirectionState RateLimitGroup::StateOf(
    RateDirection direction) const {
  const bool reads = direction == RateDirection::kRead;
  const Past& past = reads ? past_read_ : past_write_;
  Duration& exhausted = exhausted_told_[static_cast<size_t>(direction)];
  exhausted = std::max(exhausted, budget(direction).exhausted(kernel_.Now()));
  DirectionState state = {.budget = limit_.budget(direction),
                          .tokens = Tokens(direction),
                          .bytes = past.bytes,
                          .suspensions = past.suspensions,
                          .exhausted = exhausted};
  uint64_t throttled = past.throttled_nanoseconds;
  for (const auto& [base, share] : shares_) {
    const RateDirectionStats& stats = share->stats().of(direction);
    state.bytes += stats.bytes.Get();
    state.suspensions += stats.suspensions.Get();
    state.suspended += stats.suspended.Get();
    throttled += stats.throttled_nanoseconds.Get();
  }
  state.throttled = Duration(static_cast<int64_t>(throttled));
  return state;
}

// Mutexes are locked from the inside out.
std::shared_ptr<RateLimitShare> RateLimitGroup::ShareOn(EventBase& base) {
  const Lock lock(mutex_);
  if (const auto found = shares_.find(&base); found != shares_.end()) {
    return found->second->shared_from_this();
  }
  auto share = std::make_shared<RateLimitShare>(
      base, shared_from_this(),
      parent_ == nullptr ? nullptr : parent_->ShareOn(base));
  shares_[&base] = share.get();
  return share;
}

// What it counted stays.
void RateLimitGroup::Forget(EventBase& base, const RateLimitShare& share) {
  const Lock lock(mutex_);
  shares_.erase(&base);
  for (const RateDirection direction : kRateDirections) {
    const RateDirectionStats& stats = share.stats().of(direction);
    Past& past = direction == RateDirection::kRead ? past_read_ : past_write_;
    past.bytes += stats.bytes.Get();
    past.suspensions += stats.suspensions.Get();
    past.throttled_nanoseconds += stats.throttled_nanoseconds.Get();
  }
}

}  // namespace percore
