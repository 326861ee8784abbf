#include "percore/net/internal/rate_limit_lane.h"

#include <algorithm>
#include <utility>

namespace percore::internal {
namespace {

constexpr int64_t kUnlimited = RateBudget::kUnlimited;

int64_t Part(int64_t whole, int64_t weight, int64_t all) {
  return static_cast<int64_t>(static_cast<__int128>(whole) * weight / all);
}

}  // namespace

void RateLimitTaker::SetOuter(RateLimitLane* outer) {
  StopWaitingForGrant();
  outer_ = outer;
}

void RateLimitTaker::SetWeight(int64_t weight) {
  if (place_ == Place::kWaiting) outer_->waiting_weight_ += weight - weight_;
  if (place_ == Place::kGranted) outer_->granted_weight_ += weight - weight_;
  weight_ = weight;
}

int64_t RateLimitTaker::OfferedOf(int64_t most) {
  if (outer_ == nullptr || granted_ >= most) return most;
  return granted_ + outer_->Offer(most - granted_);
}

int64_t RateLimitTaker::AllowedOf(int64_t most) const {
  if (outer_ == nullptr || granted_ >= most) return most;
  return granted_ + outer_->Allow(most - granted_);
}

void RateLimitTaker::Pay(int64_t tokens, uint64_t moved) {
  if (outer_ == nullptr) return;
  const int64_t granted = std::min(granted_, std::max<int64_t>(tokens, 0));
  granted_ -= granted;
  outer_->PayFor(granted, tokens - granted, moved);
}

void RateLimitTaker::WaitForGrant(int64_t wanted, int64_t least) {
  outer_->AddWaiting(*this, wanted, least);
}

void RateLimitTaker::StopWaitingForGrant() {
  if (outer_ == nullptr) return;
  outer_->Remove(*this);
  if (granted_ > 0) outer_->Release(std::exchange(granted_, 0));
}

RateLimitLane::RateLimitLane(EventBase& base, SharedBudget& budget,
                             RateDirectionStats& stats, RateLimitLane* outer,
                             int weight)
    : base_(base),
      budget_(budget),
      stats_(stats),
      full_weight_(weight * kWeightUnit),
      timer_(Event::Timer(
          base,
          [](int, EventFlags, void* lane) {
            static_cast<RateLimitLane*>(lane)->Deal();
          },
          this)) {
  SetOuter(outer);
  SetWeight(full_weight_);
}

// Whoever took from it holds its group, and has left.
RateLimitLane::~RateLimitLane() {
  SetOuter(nullptr);
  TellBudget();
  PublishWeight(0);
  SetExhausted(false);
}

void RateLimitLane::CountSuspended() {
  stats_.suspensions.Add();
  stats_.suspended.Add(1);
  if (outer() != nullptr) outer()->CountSuspended();
}

void RateLimitLane::CountResumed(Duration waited) {
  stats_.throttled_nanoseconds.Add(static_cast<uint64_t>(waited.count()));
  stats_.suspended.Add(-1);
  if (outer() != nullptr) outer()->CountResumed(waited);
}

int64_t RateLimitLane::Offer(int64_t most) {
  if (closed()) return 0;
  const int64_t offered = OfferedOf(std::min(most, Stock(most)));
  return offered < most && offered < LeastGrant() ? 0 : offered;
}

int64_t RateLimitLane::Allow(int64_t most) const {
  if (closed()) return 0;
  const int64_t stock =
      budget_.unlimited()
          ? kUnlimited
          : std::max<int64_t>(
                tokens_ + std::max<int64_t>(budget_.Free(now()), 0), 0);
  const int64_t allowed = AllowedOf(std::min(most, stock));
  return allowed < std::min(most, LeastGrant()) ? 0 : allowed;
}

int64_t RateLimitLane::Stock(int64_t most) {
  if (budget_.unlimited()) return kUnlimited;
  if (tokens_ < most) {
    // A part of what others can have as well, and not so small that it has to
    // be asked for at each read.
    constexpr int64_t kSlices = 64;
    const int64_t slice = budget_.burst() / kSlices;
    const int64_t lent =
        budget_.Borrow(std::max(most - tokens_, slice), spent_, now());
    tokens_ += lent;
    lent_ += lent;
    StartTimer(budget_.tick());
  }
  return std::max<int64_t>(tokens_, 0);
}

void RateLimitLane::PayFor(int64_t granted, int64_t rest, uint64_t moved) {
  stats_.bytes.Add(moved);
  reserved_ -= granted;
  if (!budget_.unlimited()) {
    if (now() >= full_at_) full_at_ = budget_.LetRunOver(spent_, now());
    // What comes back fills it earlier.
    if (rest < 0) full_at_ = TimePoint();
    tokens_ -= rest;
    if (spent_ == 0) StartTimer(budget_.tick());
    spent_ += granted + rest;
  }
  if (outer() == nullptr) return;
  const int64_t own = std::min(granted_, std::max<int64_t>(rest, 0));
  granted_ -= own;
  outer()->PayFor(granted + own, rest - own, moved);
}

void RateLimitLane::Reserve(int64_t tokens) {
  reserved_ += tokens;
  if (!budget_.unlimited()) tokens_ -= tokens;
  if (outer() == nullptr) return;
  const int64_t own = std::min(granted_, tokens);
  granted_ -= own;
  if (tokens == own) return;
  outer()->Reserve(tokens - own);
  outer()->NoteGrant(*this);
}

void RateLimitLane::Release(int64_t tokens) {
  reserved_ -= tokens;
  if (!budget_.unlimited()) tokens_ += tokens;
  StartTimer(budget_.tick());
  if (outer() == nullptr) return;
  granted_ += tokens;
  outer()->NoteGrant(*this);
}

void RateLimitLane::AddWaiting(RateLimitTaker& taker, int64_t wanted,
                               int64_t least) {
  taker.wanted_ = wanted;
  taker.least_ = least;
  if (taker.place_ == RateLimitTaker::Place::kWaiting) return;
  Remove(taker);
  const bool first = waiting_.empty();
  waiting_.PushBack(&taker);
  taker.place_ = RateLimitTaker::Place::kWaiting;
  waiting_weight_ += taker.weight_;
  // Those who were granted something this tick, and wait no more, still count.
  if (published_weight_ == 0) dealt_at_ = now();
  PublishWeight(std::max(DemandOf(waiting_weight_), published_weight_));
  if (first) {
    // What is here, and does not suffice, is not missing elsewhere.
    TellBudget();
    WaitForMore();
  } else if (place_ == Place::kWaiting) {
    wanted_ += wanted;
  }
}

void RateLimitLane::Remove(RateLimitTaker& taker) {
  switch (std::exchange(taker.place_, RateLimitTaker::Place::kNone)) {
    case RateLimitTaker::Place::kNone:
      return;
    case RateLimitTaker::Place::kWaiting:
      waiting_.Remove(&taker);
      waiting_weight_ -= taker.weight_;
      // Other shards are to know that nobody waits here.
      if (waiting_.empty()) StartTimer(budget_.tick());
      return;
    case RateLimitTaker::Place::kGranted:
      granted_takers_.Remove(&taker);
      granted_weight_ -= taker.weight_;
      return;
  }
}

void RateLimitLane::NoteGrant(RateLimitTaker& taker) {
  if (taker.place_ != RateLimitTaker::Place::kNone) return;
  granted_takers_.PushBack(&taker);
  granted_weight_ += taker.weight_;
  taker.place_ = RateLimitTaker::Place::kGranted;
  StartTimer(budget_.tick());
}

void RateLimitLane::Deal() {
  timer_.Del();
  // Those who were granted something the last time, and have not come back yet:
  // a loop that is busy has not come to all of them yet.
  absent_weight_ = granted_weight_;
  short_ = short_ && absent_weight_ > 0;
  TakeBackGrants();
  TellBudget();
  PublishWeight(DemandOf(waiting_weight_ + absent_weight_));
  if (!waiting_.empty() && !budget_.paused()) DistributeAndTell(Supply());
  // With enough for all nobody has to wait for others, on other shards neither.
  if (waiting_.empty() && !short_) PublishWeight(0);
  // What is left after that is for whoever needs it first.
  TellBudget();
  WaitForMore();
}

void RateLimitLane::TakeBackGrants() {
  while (!granted_takers_.empty()) {
    RateLimitTaker& taker = *granted_takers_.first();
    taker.BeforeTakingBack();
    Remove(taker);
    if (taker.granted_ > 0) Release(std::exchange(taker.granted_, 0));
  }
  // A lane that waits for more may have some.
  for (RateLimitTaker* taker = waiting_.first(); taker != nullptr;
       taker = Takers::Next(taker)) {
    taker->BeforeTakingBack();
    if (taker->granted_ > 0) Release(std::exchange(taker->granted_, 0));
  }
}

void RateLimitLane::TellBudget() {
  // A debt is the budget's from then on.
  tokens_ = 0;
  budget_.Repay(spent_, lent_ - spent_ - reserved_);
  lent_ = reserved_;
  spent_ = 0;
  full_at_ = TimePoint();
}

int64_t RateLimitLane::Supply() {
  const int64_t wanted = Wanted();
  int64_t supply = wanted;
  if (!budget_.unlimited()) {
    const int64_t free = std::max<int64_t>(budget_.Free(now()), 0);
    supply = std::min(wanted, PartOfWaiting(std::min(Entitlement(), free)));
    tokens_ = budget_.Borrow(supply, spent_, now());
    lent_ += tokens_;
    supply = tokens_;
  }
  const int64_t offered = OfferedOf(supply);
  return offered < supply ? PartOfWaiting(offered) : offered;
}

// The absent keep theirs.
int64_t RateLimitLane::PartOfWaiting(int64_t supply) const {
  return std::max(
      Part(supply, waiting_weight_, waiting_weight_ + absent_weight_),
      std::min(supply, LeastGrantTo(*waiting_.first())));
}

// The part of what has come in since something was last dealt that is this
// shard's, and the same part of what the others have left.
int64_t RateLimitLane::Entitlement() {
  const int64_t all = budget_.waiting_weight();
  if (all <= published_weight_) return kUnlimited;
  const int64_t rate = budget_.budget().rate;
  const auto income = static_cast<int64_t>(BytesIn(now() - dealt_at_, rate));
  const int64_t left =
      budget_.Free(now()) - static_cast<int64_t>(BytesIn(budget_.tick(), rate));
  return Part(income + std::max<int64_t>(left, 0), published_weight_, all);
}

void RateLimitLane::DistributeAndTell(int64_t supply) {
  int64_t left = supply;
  int64_t weight = waiting_weight_;
  while (left > 0 && weight > 0) {
    const int64_t before = left;
    left = DistributeOnce(left, weight);
    if (left == before) break;
  }
  short_ = weight > 0;
  NoteDemand(supply - left, weight);
  RateLimitTaker* const last_before = granted_takers_.last();
  for (RateLimitTaker* taker = waiting_.first(); taker != nullptr;) {
    RateLimitTaker* const next = Takers::Next(taker);
    if (taker->granted_ > 0) {
      Remove(*taker);
      NoteGrant(*taker);
      dealt_at_ = now();
    }
    taker = next;
  }
  RateLimitTaker* taker = last_before == nullptr ? granted_takers_.first()
                                                 : Takers::Next(last_before);
  while (taker != nullptr) {
    // It may wait again at once.
    RateLimitTaker* const next = Takers::Next(taker);
    taker->OnGrant();
    taker = next;
  }
}

// Of the supply, everybody who wants more has a claim to what it was not given
// before; what nobody has a claim to is shared out by weight. Whoever has a
// claim gets that, or the least that is of use: then it has none for a while.
// Returns what is left, and leaves in `weight`, which is that of those who want
// more, the weight of those who still do.
int64_t RateLimitLane::DistributeOnce(int64_t supply, int64_t& weight) {
  int64_t unclaimed = supply;
  for (const RateLimitTaker* taker = waiting_.first(); taker != nullptr;
       taker = Takers::Next(taker)) {
    if (taker->wanted_ > 0) unclaimed -= taker->claim_;
  }
  unclaimed = std::max<int64_t>(unclaimed, 0);
  const int64_t all = weight;
  int64_t left = supply;
  for (RateLimitTaker* taker = waiting_.first(); taker != nullptr;
       taker = Takers::Next(taker)) {
    if (taker->wanted_ == 0) continue;
    taker->claim_ += Part(unclaimed, taker->weight_, all);
    const int64_t least = LeastGrantTo(*taker);
    const int64_t tokens =
        std::min({std::max(taker->claim_, least), taker->wanted_, left});
    if (taker->claim_ > 0 && tokens >= least) left -= Grant(*taker, tokens);
    if (taker->wanted_ > 0) continue;
    weight -= taker->weight_;
    taker->claim_ = std::min<int64_t>(taker->claim_, 0);
  }
  return left;
}

int64_t RateLimitLane::Grant(RateLimitTaker& taker, int64_t tokens) {
  Reserve(tokens);
  taker.granted_ += tokens;
  taker.wanted_ -= tokens;
  taker.claim_ -= tokens;
  return tokens;
}

// Beside those who want more than they get, others weigh only as much as they
// take: what they leave is not for this shard alone. `granted` was given to all
// who waited, and those of the weight `short_weight` want more.
void RateLimitLane::NoteDemand(int64_t granted, int64_t short_weight) {
  int64_t granted_to_short = 0;
  for (const RateLimitTaker* taker = waiting_.first(); taker != nullptr;
       taker = Takers::Next(taker)) {
    if (taker->wanted_ > 0) granted_to_short += taker->granted_;
  }
  if (granted_to_short == 0) return;
  const int64_t demand =
      std::min(Part(granted, short_weight, granted_to_short), waiting_weight_);
  demand_ratio_ = Part(kWeightUnit, demand, waiting_weight_);
}

int64_t RateLimitLane::DemandOf(int64_t weight) const {
  if (weight == 0) return 0;
  return std::max<int64_t>(Part(weight, demand_ratio_, kWeightUnit), 1);
}

void RateLimitLane::PublishWeight(int64_t weight) {
  if (weight == published_weight_) return;
  budget_.AddWaitingWeight(weight - published_weight_);
  published_weight_ = weight;
}

void RateLimitLane::SetExhausted(bool exhausted) {
  if (exhausted == exhausted_) return;
  exhausted_ = exhausted;
  if (exhausted) {
    budget_.BecomeExhausted(now());
  } else {
    budget_.EndExhausted(now());
  }
}

void RateLimitLane::WaitForMore() {
  if (waiting_.empty() || budget_.paused()) {
    SetExhausted(false);
    if (place_ == Place::kWaiting) LeaveQueue();
    if (granted_weight_ + absent_weight_ > 0) StartTimer(budget_.tick());
    return;
  }
  const int64_t short_by =
      budget_.unlimited()
          ? 0
          : LeastGrantTo(*waiting_.first()) - budget_.Free(now());
  SetExhausted(short_by > 0);
  if (short_by <= 0 && outer() != nullptr) {
    // A part of its group's weight: the rest is that of other shards.
    const int64_t all = std::max(budget_.waiting_weight(), published_weight_);
    SetWeight(std::max<int64_t>(Part(full_weight_, published_weight_, all), 1));
    WaitForGrant(Wanted(), LeastGrantTo(*waiting_.first()));
    if (!granted_takers_.empty()) StartTimer(budget_.tick());
    return;
  }
  if (place_ == Place::kWaiting) LeaveQueue();
  // What others have borrowed may come back with the next tick.
  StartTimer(std::max(budget_.tick(),
                      short_by > 0 ? TimeFor(LeastGrantTo(*waiting_.first()) -
                                                 budget_.Tokens(now()),
                                             budget_.budget().rate)
                                   : Duration::zero()));
}

// What those inside still have of the lane around is taken back in time.
void RateLimitLane::LeaveQueue() {
  outer()->Remove(*this);
  outer()->NoteGrant(*this);
}

// Not later than it would already.
void RateLimitLane::StartTimer(Duration delay) {
  if (timer_.remaining() <= delay) return;
  // A pure timer: there is nothing that Add() could refuse.
  (void)timer_.Add(delay);
}

int64_t RateLimitLane::Wanted() const {
  int64_t wanted = 0;
  for (const RateLimitTaker* taker = waiting_.first(); taker != nullptr;
       taker = Takers::Next(taker)) {
    wanted += taker->wanted_;
  }
  return wanted;
}

int64_t RateLimitLane::LeastGrant() const {
  return std::min(budget_.min_share(), MostAtOnce());
}

int64_t RateLimitLane::LeastGrantTo(const RateLimitTaker& taker) const {
  const int64_t least =
      std::max(budget_.min_share(), taker.granted_ > 0 ? 1 : taker.least_);
  return std::min({least, taker.wanted_, MostAtOnce()});
}

int64_t RateLimitLane::MostAtOnce() const {
  const int64_t here = budget_.unlimited() ? kUnlimited : budget_.burst();
  return outer() == nullptr ? here : std::min(here, outer()->MostAtOnce());
}

}  // namespace percore::internal
