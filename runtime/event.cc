#include "percore/runtime/event.h"

#include <algorithm>
#include <type_traits>

#include "percore/runtime/event_base.h"
#include "percore/runtime/internal/timer_heap.h"

namespace percore {

static_assert(std::is_standard_layout_v<Event>,
              "a C API keeps an Event inside a C struct");

Event::Event(EventBase& base, int fd, EventFlags interest, Callback callback,
             void* argument)
    : base_(&base),
      callback_(callback),
      argument_(argument),
      fd_(fd),
      interest_(interest),
      priority_(static_cast<uint8_t>(base.priority_count() / 2)) {}

Event::~Event() { Del(); }

Event Event::Timer(EventBase& base, Callback callback, void* argument,
                   EventFlags flags) {
  return Event(base, -1, flags, callback, argument);
}

Event Event::Signal(EventBase& base, int signal, Callback callback,
                    void* argument) {
  return Event(base, signal, EventFlags::kSignal | EventFlags::kPersist,
               callback, argument);
}

absl::Status Event::Add() { return base_->Insert(this); }

absl::Status Event::Add(Duration timeout) {
  if (fd_ >= 0) {
    if (absl::Status status = base_->Insert(this); !status.ok()) return status;
  }
  base_->ScheduleTimer(this, timeout);
  return absl::OkStatus();
}

void Event::Del() { base_->RemoveEvent(this); }

void Event::RemoveTimer() { base_->RemoveTimer(this); }

void Event::SetInterest(EventFlags interest) {
  constexpr EventFlags kChangeable =
      EventFlags::kRead | EventFlags::kWrite | EventFlags::kClosed;
  const EventFlags changed =
      (interest_ & ~kChangeable) | (interest & kChangeable);
  if (changed == interest_) return;
  interest_ = changed;
  if (inserted_) base_->descriptors_.Changed(this);
}

void Event::Activate(EventFlags what) { base_->Activate(this, what); }

void Event::set_priority(int priority) {
  base_->SetPriority(this,
                     std::clamp(priority, 0, base_->priority_count() - 1));
}

EventFlags Event::Pending(EventFlags flags) const {
  EventFlags pending = active_ ? active_what_ : EventFlags::kNone;
  if (inserted_) {
    pending |= interest_ & ~(EventFlags::kPersist | EventFlags::kEdgeTriggered);
  }
  if (internal::TimerHeap::Contains(this)) pending |= EventFlags::kTimeout;
  return pending & flags;
}

TimePoint Event::deadline() const {
  return internal::TimerHeap::Contains(this) ? deadline_ : kInfiniteFuture;
}

}  // namespace percore
