#include "percore/runtime/deferred_callback.h"

#include "percore/runtime/event_base.h"

namespace percore {

void DeferredCallback::Schedule() {
  base_.CheckThread();
  if (scheduled_) return;
  scheduled_ = true;
  base_.deferred_.PushBack(this);
  ++base_.deferred_count_;
}

void DeferredCallback::Cancel() {
  if (!scheduled_) return;
  base_.CheckThread();
  scheduled_ = false;
  base_.deferred_.Remove(this);
  --base_.deferred_count_;
}

}  // namespace percore
