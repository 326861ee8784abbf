#include "percore/runtime/event.h"

#include <algorithm>

#include "percore/runtime/event_base.h"
#include "percore/runtime/internal/timer_queue.h"

namespace percore {

Event Event::Timer(EventBase& base, Callback callback, void* argument,
                   EventFlags flags) {
  return Event(base, -1, flags, callback, argument);
}

Event Event::Signal(EventBase& base, int signal, Callback callback,
                    void* argument) {
  return Event(base, signal, EventFlags::kSignal | EventFlags::kPersist,
               callback, argument);
}

absl::Status Event::Add(Duration timeout) {
  return NeedsCheck()
             ? AddChecked([this, timeout] { return AddUnchecked(timeout); })
             : AddUnchecked(timeout);
}

absl::Status Event::AddUnchecked(Duration timeout) {
  if (fd() >= 0 && !inserted_) {
    if (absl::Status status = base_->Insert(this); !status.ok()) return status;
  }
  base_->ScheduleTimer(this, timeout);
  return absl::OkStatus();
}

void Event::Finalize(Finalizer finalizer) { base_->Finalize(this, finalizer); }

void Event::RemoveTimer() { base_->RemoveTimer(this); }

TimePoint Event::deadline() const {
  return internal::TimerQueue::Contains(this) ? deadline_ : kInfiniteFuture;
}

Duration Event::remaining() const {
  const TimePoint when = deadline();
  if (when == kInfiniteFuture) return kForever;
  return std::max(when - base_->Now(), Duration::zero());
}

}  // namespace percore
