#include "percore/net/connection_limit.h"

#include <algorithm>

#include "percore/net/internal/connection_quota.h"

namespace percore {
namespace {

// Slices that each listener could take before the limit is reached. One keeps
// less than two, so that less than a sixteenth of all places is idle.
constexpr int64_t kSlicesEach = 32;

}  // namespace

ConnectionLimit::ConnectionLimit(int64_t maximum)
    : maximum_(std::max<int64_t>(maximum, 1)), free_(maximum_) {}

int64_t ConnectionLimit::Take(int64_t most) {
  int64_t free = free_.load();
  while (free > 0) {
    const int64_t taken = std::min(free, most);
    if (free_.compare_exchange_weak(free, free - taken)) return taken;
  }
  return 0;
}

void ConnectionLimit::Give(int64_t places) {
  free_.fetch_add(places);
  if (waiting_count_.load() == 0) return;
  const std::lock_guard<std::mutex> lock(mutex_);
  Match();
}

bool ConnectionLimit::Ample() const {
  return free_.load(std::memory_order_relaxed) >=
         ample_.load(std::memory_order_relaxed);
}

void ConnectionLimit::Update() {
  const auto members = static_cast<int64_t>(members_.size());
  const int64_t slice = std::clamp<int64_t>(
      maximum_ / (kSlicesEach * std::max<int64_t>(members, 1)), 1, kMaxSlice);
  slice_.store(slice, std::memory_order_relaxed);
  ample_.store(4 * slice * members, std::memory_order_relaxed);
}

void ConnectionLimit::Reclaim(Quota* asking) {
  for (Quota* member : members_) {
    if (member->asked_) continue;
    member->asked_ = true;
    if (member == asking) {
      member->scarce_ = true;
      continue;
    }
    member->answers_ = true;
    ++unanswered_;
    member->Poke();
  }
}

void ConnectionLimit::Match() {
  while (!waiting_.empty() && Take(1) > 0) {
    Quota* quota = waiting_.front();
    RemoveWaiting(quota);
    ++quota->granted_;
    quota->woken_ = true;
    quota->Poke();
  }
}

void ConnectionLimit::TellThereIsNone() {
  const std::deque<Quota*> waiting = waiting_;
  for (Quota* quota : waiting) {
    if (quota->want_ == Quota::Want::kPlace) continue;
    RemoveWaiting(quota);
    quota->woken_ = true;
    quota->Poke();
  }
}

void ConnectionLimit::AddWaiting(Quota* quota) {
  if (quota->waiting_) return;
  quota->waiting_ = true;
  waiting_.push_back(quota);
  waiting_count_.store(static_cast<int64_t>(waiting_.size()));
}

void ConnectionLimit::RemoveWaiting(Quota* quota) {
  if (!quota->waiting_) return;
  quota->waiting_ = false;
  std::erase(waiting_, quota);
  waiting_count_.store(static_cast<int64_t>(waiting_.size()));
}

}  // namespace percore
