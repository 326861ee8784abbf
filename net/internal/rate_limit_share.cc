#include "percore/net/internal/rate_limit_share.h"

#include <utility>

#include "percore/net/rate_limit_group.h"

namespace percore::internal {

RateLimitShare::RateLimitShare(EventBase& base,
                               std::shared_ptr<RateLimitGroup> group,
                               std::shared_ptr<RateLimitShare> outer)
    : base_(base),
      group_(std::move(group)),
      outer_(std::move(outer)),
      read_(base, group_->read_, stats_.read,
            outer_ == nullptr ? nullptr : &outer_->read_, group_->weight()),
      write_(base, group_->write_, stats_.write,
             outer_ == nullptr ? nullptr : &outer_->write_, group_->weight()) {}

RateLimitShare::~RateLimitShare() { group_->Forget(base_, *this); }

void RateLimitShare::AddMembers(int count) {
  stats_.members.Add(count);
  if (outer_ != nullptr) outer_->AddMembers(count);
}

void RateLimitShare::PostChange() {
  base_.Post([share = weak_from_this()] {
    const std::shared_ptr<RateLimitShare> here = share.lock();
    if (here == nullptr) return;
    here->read_.OnChanged();
    here->write_.OnChanged();
  });
}

}  // namespace percore::internal
