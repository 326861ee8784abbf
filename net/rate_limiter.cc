#include "percore/net/rate_limiter.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "percore/net/internal/rate_limit_share.h"

namespace percore {
namespace {

// At once. Sums of as many as there may be members stay in range.
constexpr size_t kMost = size_t{1} << 30;

// Who reads does not know how much there is.
constexpr int64_t kLeastExpected = 256;

absl::Status CheckWeight(int weight) {
  if (weight >= 1 && weight <= RateLimitGroup::kMaxWeight) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat("weight of ", weight,
                                                 ": it must be from 1 to ",
                                                 RateLimitGroup::kMaxWeight));
}

}  // namespace

RateLimiter::RateLimiter(EventBase& base, OnTokens on_tokens, void* connection)
    : base_(base), on_tokens_(on_tokens), connection_(connection) {}

RateLimiter::~RateLimiter() {
  for (const RateDirection direction : kRateDirections) {
    side(direction).Abandon();
  }
  if (share_ != nullptr) share_->AddMembers(-1);
}

absl::Status RateLimiter::SetLimit(const RateLimit& limit) {
  if (absl::Status status = limit.Check(); !status.ok()) return status;
  limit_ = std::make_unique<RateLimit>(limit.WithBursts());
  for (const RateDirection direction : kRateDirections) {
    side(direction).SetLimit(limit_->budget(direction), limit_->tick);
  }
  return absl::OkStatus();
}

void RateLimiter::ClearLimit() {
  limit_ = nullptr;
  for (const RateDirection direction : kRateDirections) {
    side(direction).SetLimit({}, {});
  }
}

absl::Status RateLimiter::Join(const std::shared_ptr<RateLimitGroup>& group,
                               int weight) {
  if (group == nullptr) {
    return absl::InvalidArgumentError("no rate-limit group");
  }
  if (absl::Status status = CheckWeight(weight); !status.ok()) return status;
  if (absl::Status status = group->CheckDepth(0); !status.ok()) return status;
  const std::shared_ptr<internal::RateLimitShare> old =
      std::exchange(share_, group->ShareOn(base_));
  weight_ = weight;
  share_->AddMembers(1);
  if (old != nullptr) old->AddMembers(-1);
  for (const RateDirection direction : kRateDirections) {
    side(direction).Join(share_->lane(direction), weight);
  }
  return absl::OkStatus();
}

void RateLimiter::Leave() {
  if (share_ == nullptr) return;
  for (const RateDirection direction : kRateDirections) {
    side(direction).Leave();
  }
  share_->AddMembers(-1);
  share_ = nullptr;
}

std::shared_ptr<RateLimitGroup> RateLimiter::group() const {
  return share_ == nullptr ? nullptr : share_->group();
}

absl::Status RateLimiter::SetWeight(int weight) {
  if (absl::Status status = CheckWeight(weight); !status.ok()) return status;
  weight_ = weight;
  for (const RateDirection direction : kRateDirections) {
    side(direction).SetWeight(weight);
  }
  return absl::OkStatus();
}

int64_t RateLimiter::Tokens(RateDirection direction) {
  return side(direction).Tokens();
}

void RateLimiter::Take(RateDirection direction, int64_t bytes) {
  side(direction).Take(bytes);
}

int64_t RateLimiter::MaxNow(RateDirection direction) {
  return side(direction).MaxNow();
}

RateLimiter::Side::Own::Own(Side& side, const RateBudget& budget)
    : bucket(budget, side.now()),
      timer(Event::Timer(
          side.limiter_.base_,
          [](int, EventFlags, void* side) {
            static_cast<Side*>(side)->Retry();
          },
          &side)) {}

void RateLimiter::Side::SetLimit(const RateBudget& budget, Duration tick) {
  if (budget.unlimited()) {
    own_ = nullptr;
  } else if (own_ == nullptr) {
    own_ = std::make_unique<Own>(*this, budget);
  } else {
    own_->bucket.Change(budget, now());
  }
  if (own_ != nullptr) own_->tick = tick;
  if (waiting_) Retry();
}

void RateLimiter::Side::Join(internal::RateLimitLane& lane, int weight) {
  MoveTo(&lane);
  SetWeight(weight);
  if (waiting_) Retry();
}

void RateLimiter::Side::Leave() {
  MoveTo(nullptr);
  if (waiting_) Retry();
}

void RateLimiter::Side::Abandon() {
  MoveTo(nullptr);
  waiting_ = false;
}

// Each group counts the time that was spent in it.
void RateLimiter::Side::MoveTo(internal::RateLimitLane* lane) {
  if (waiting_ && outer() != nullptr) outer()->CountResumed(now() - since_);
  SetOuter(lane);
  if (waiting_ && lane != nullptr) {
    lane->CountSuspended();
    since_ = now();
  }
}

void RateLimiter::Side::SetWeight(int weight) {
  RateLimitTaker::SetWeight(weight * kWeightUnit);
}

int64_t RateLimiter::Side::Tokens() {
  return own_ == nullptr ? RateBudget::kUnlimited : own_->bucket.Tokens(now());
}

void RateLimiter::Side::Take(int64_t tokens) {
  if (own_ == nullptr) return;
  // From a full one, not from what would have run over.
  own_->bucket.LetRunOver(now());
  own_->bucket.Take(tokens);
  if (waiting_) Retry();
}

int64_t RateLimiter::Side::MaxNow() {
  const int64_t own = Tokens();
  return waiting_ || own <= 0 ? 0 : AllowedOf(own);
}

size_t RateLimiter::Side::Room(size_t wanted) {
  if (waiting_ || wanted == 0) return 0;
  most_ = static_cast<int64_t>(std::min(wanted, kMost));
  const int64_t own = std::min(most_, Tokens());
  const int64_t room = own <= 0 ? 0 : OfferedOf(own);
  if (room > 0) return static_cast<size_t>(room);
  waiting_ = true;
  since_ = now();
  if (outer() != nullptr) outer()->CountSuspended();
  Wait();
  return 0;
}

void RateLimiter::Side::Count(size_t bytes) {
  const int64_t tokens = static_cast<int64_t>(bytes) -
                         static_cast<int64_t>(std::exchange(reserved_, 0));
  if (own_ != nullptr) own_->bucket.Take(tokens);
  used_ += static_cast<int64_t>(bytes);
  Pay(tokens, bytes);
}

void RateLimiter::Side::Reserve(size_t bytes) {
  reserved_ += bytes;
  const auto tokens = static_cast<int64_t>(bytes);
  if (own_ != nullptr) own_->bucket.Take(tokens);
  Pay(tokens, 0);
}

void RateLimiter::Side::Wait() {
  if (const int64_t tokens = Tokens(); tokens > 0) {
    WaitForGrant(std::min({most_, tokens, Expected()}), 1);
    return;
  }
  StopWaitingForGrant();
  // A pure timer: there is nothing that Add() could refuse.
  (void)own_->timer.Add(std::max(own_->tick, own_->bucket.TimeUntil(1, now())));
}

// What it leaves of a grant nobody has for a tick: who left some of the last
// one asks for no more than twice what it used.
int64_t RateLimiter::Side::Expected() const {
  return used_ < granted_ ? std::max(2 * used_, kLeastExpected)
                          : RateBudget::kUnlimited;
}

void RateLimiter::Side::OnGrant() {
  granted_ = granted();
  used_ = 0;
  Resume();
}

void RateLimiter::Side::Retry() {
  if (Tokens() > 0 &&
      (outer() == nullptr || OfferedOf(std::min(most_, Tokens())) > 0)) {
    Resume();
  } else {
    Wait();
  }
}

void RateLimiter::Side::Resume() {
  waiting_ = false;
  if (own_ != nullptr) own_->timer.Del();
  if (outer() != nullptr) outer()->CountResumed(now() - since_);
  limiter_.on_tokens_(direction_, limiter_.connection_);
}

}  // namespace percore
