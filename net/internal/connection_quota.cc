#include "percore/net/internal/connection_quota.h"

#include <mutex>
#include <utility>

namespace percore::internal {

using Lock = std::lock_guard<std::mutex>;

class ConnectionQuota::Delivery {
 public:
  explicit Delivery(ConnectionQuota* quota) : quota_(quota) {}
  void operator()() { quota_.release()->Deliver(); }

 private:
  // The loop is gone, and so is the listener: nobody is there to be woken.
  struct Drop {
    void operator()(ConnectionQuota* quota) const {
      {
        const Lock lock(quota->limit_->mutex_);
        quota->poked_ = false;
      }
      quota->DeleteIfUnused();
    }
  };

  std::unique_ptr<ConnectionQuota, Drop> quota_;
};

ConnectionQuota::ConnectionQuota(EventBase& base, int64_t own_maximum,
                                 std::shared_ptr<ConnectionLimit> limit,
                                 Wake wake, void* listener)
    : base_(base),
      own_maximum_(own_maximum > 0 ? own_maximum : INT64_MAX),
      limit_(std::move(limit)),
      wake_(wake),
      listener_(listener) {
  if (limit_ == nullptr) return;
  const Lock lock(limit_->mutex_);
  limit_->members_.push_back(this);
  limit_->Update();
  // What waits already has asked those who were there.
  scarce_ = asked_ = !limit_->waiting_.empty();
}

bool ConnectionQuota::TryTake() {
  if (used_ >= own_maximum_ || (limit_ != nullptr && !TakeShared())) {
    return false;
  }
  ++used_;
  return true;
}

bool ConnectionQuota::TakeShared() {
  if (idle_ == 0) {
    idle_ = limit_->Take(scarce_ ? 1 : limit_->slice());
    if (idle_ == 0) return false;
    if (scarce_ && limit_->Ample()) LeaveScarcity();
  }
  --idle_;
  return true;
}

void ConnectionQuota::LeaveScarcity() {
  const Lock lock(limit_->mutex_);
  if (limit_->waiting_.empty()) scarce_ = asked_ = false;
}

void ConnectionQuota::Return() {
  --used_;
  if (limit_ != nullptr) {
    ++idle_;
    Settle();
  }
  if (detached_) {
    DeleteIfUnused();
  } else if (waits_for_own_) {
    waits_for_own_ = false;
    wake_(listener_);
  }
}

void ConnectionQuota::Settle() {
  if (idle_ == 0) return;
  const int64_t slice = limit_->slice();
  const int64_t keep = scarce_ || slice == 1 ? 0 : slice;
  // Not at each place too many: a connection that comes and one that goes, in
  // turn, leave the shared word alone.
  if (keep > 0 && idle_ < 2 * keep) return;
  limit_->Give(std::exchange(idle_, keep) - keep);
}

bool ConnectionQuota::Wait(Want want) {
  if (used_ >= own_maximum_) {
    waits_for_own_ = want == Want::kPlace;
    return waits_for_own_;
  }
  const Lock lock(limit_->mutex_);
  want_ = want;
  limit_->AddWaiting(this);
  limit_->Reclaim(this);
  limit_->Match();
  if (want == Want::kPlace || !waiting_ || limit_->unanswered_ > 0) return true;
  limit_->RemoveWaiting(this);
  return false;
}

void ConnectionQuota::StopWaiting() {
  waits_for_own_ = false;
  if (limit_ == nullptr) return;
  {
    const Lock lock(limit_->mutex_);
    limit_->RemoveWaiting(this);
    idle_ += std::exchange(granted_, 0);
    woken_ = false;
  }
  Settle();
}

void ConnectionQuota::Detach() {
  detached_ = scarce_ = true;
  StopWaiting();
  if (limit_ != nullptr) {
    {
      const Lock lock(limit_->mutex_);
      std::erase(limit_->members_, this);
      limit_->Update();
    }
    GiveAnswer();
  }
  DeleteIfUnused();
}

void ConnectionQuota::Poke() {
  if (std::exchange(poked_, true)) return;
  base_.Post(Delivery(this));
}

void ConnectionQuota::Deliver() {
  int64_t granted;
  bool woken;
  {
    const Lock lock(limit_->mutex_);
    poked_ = false;
    granted = std::exchange(granted_, 0);
    woken = std::exchange(woken_, false);
    scarce_ = asked_ || detached_;
  }
  Settle();
  idle_ += granted;
  GiveAnswer();
  if (detached_) {
    DeleteIfUnused();
  } else if (woken) {
    wake_(listener_);
  }
}

void ConnectionQuota::GiveAnswer() {
  const Lock lock(limit_->mutex_);
  if (!std::exchange(answers_, false)) return;
  if (--limit_->unanswered_ == 0) limit_->TellThereIsNone();
}

void ConnectionQuota::DeleteIfUnused() {
  if (!detached_ || used_ > 0) return;
  if (limit_ != nullptr) {
    const Lock lock(limit_->mutex_);
    if (poked_) return;
  }
  delete this;
}

}  // namespace percore::internal
