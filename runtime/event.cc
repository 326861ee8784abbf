#include "percore/runtime/event.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <type_traits>

#include "absl/strings/str_cat.h"
#include "percore/runtime/event_base.h"
#include "percore/runtime/internal/event_registry.h"
#include "percore/runtime/internal/timer_queue.h"

namespace percore {

static_assert(std::is_standard_layout_v<Event>,
              "a C API keeps an Event inside a C struct");

namespace {

// Its address is an argument that nobody else has.
char self_argument;

}  // namespace

Event::Event(EventBase& base, int fd, EventFlags interest, Callback callback,
             void* argument)
    : base_(&base),
      fd_(fd),
      interest_(interest),
      priority_(static_cast<uint8_t>(base.priority_count() / 2)),
      callback_(callback),
      argument_(argument == &self_argument ? this : argument) {
  if (internal::EventRegistry::enabled()) {
    internal::EventRegistry::Constructed(this);
  }
}

Event::~Event() {
  if (internal::EventRegistry::enabled()) {
    internal::EventRegistry::Destroyed(this, Describe());
  }
  base_->RemoveEvent(this);
}

void* Event::SelfArgument() { return &self_argument; }

Event Event::Timer(EventBase& base, Callback callback, void* argument,
                   EventFlags flags) {
  return Event(base, -1, flags, callback, argument);
}

Event Event::Signal(EventBase& base, int signal, Callback callback,
                    void* argument) {
  return Event(base, signal, EventFlags::kSignal | EventFlags::kPersist,
               callback, argument);
}

absl::Status Event::Add() {
  return NeedsCheck() ? AddChecked(std::nullopt) : AddUnchecked();
}

absl::Status Event::Add(Duration timeout) {
  return NeedsCheck() ? AddChecked(timeout) : AddUnchecked(timeout);
}

absl::Status Event::AddUnchecked() {
  const bool is_pending_timer = fd_ < 0 && internal::TimerQueue::Contains(this);
  if (inserted_ || is_pending_timer) return absl::OkStatus();
  return base_->Insert(this);
}

absl::Status Event::AddUnchecked(Duration timeout) {
  if (fd_ >= 0 && !inserted_) {
    if (absl::Status status = base_->Insert(this); !status.ok()) return status;
  }
  base_->ScheduleTimer(this, timeout);
  return absl::OkStatus();
}

bool Event::NeedsCheck() const {
  return internal::EventRegistry::enabled() || finalized();
}

absl::Status Event::AddChecked(std::optional<Duration> timeout) {
  const bool debug = internal::EventRegistry::enabled();
  // First: of an event that is gone nothing else can be trusted.
  if (debug) {
    if (absl::Status status = internal::EventRegistry::CheckAlive(this);
        !status.ok()) {
      return status;
    }
  }
  if (finalized()) {
    return absl::FailedPreconditionError(
        absl::StrCat("the event was finalized: ", Describe()));
  }
  absl::Status status =
      timeout.has_value() ? AddUnchecked(*timeout) : AddUnchecked();
  if (debug && status.ok()) {
    internal::EventRegistry::Pending(this, Describe());
  }
  return status;
}

void Event::Del() {
  if (!finalized()) base_->RemoveEvent(this);
}

void Event::Finalize(Finalizer finalizer) { base_->Finalize(this, finalizer); }

void Event::RemoveTimer() { base_->RemoveTimer(this); }

void Event::SetInterest(EventFlags interest) {
  constexpr EventFlags kChangeable =
      EventFlags::kRead | EventFlags::kWrite | EventFlags::kClosed;
  const EventFlags changed =
      (interest_ & ~kChangeable) | (interest & kChangeable);
  if (changed == interest_) return;
  base_->CheckThread();
  interest_ = changed;
  if (inserted_) base_->descriptors_.Changed(this);
}

void Event::Activate(EventFlags what) { base_->Activate(this, what); }

void Event::ActivateLater(EventFlags what) { base_->ActivateLater(this, what); }

void Event::set_priority(int priority) {
  base_->SetPriority(this,
                     std::clamp(priority, 0, base_->priority_count() - 1));
}

EventFlags Event::Pending(EventFlags flags) const {
  EventFlags pending = active() ? active_what_ : EventFlags::kNone;
  if (inserted_) {
    pending |= interest_ & ~(EventFlags::kPersist | EventFlags::kEdgeTriggered);
  }
  if (internal::TimerQueue::Contains(this)) pending |= EventFlags::kTimeout;
  return pending & flags;
}

TimePoint Event::deadline() const {
  return internal::TimerQueue::Contains(this) ? deadline_ : kInfiniteFuture;
}

Duration Event::remaining() const {
  const TimePoint when = deadline();
  if (when == kInfiniteFuture) return kForever;
  return std::max(when - base_->Now(), Duration::zero());
}

std::string Event::Describe() const {
  std::string text = Any(interest_ & EventFlags::kSignal)
                         ? absl::StrCat("signal ", fd_)
                     : fd_ >= 0 ? absl::StrCat("fd ", fd_)
                                : "timer";
  if (Any(interest_)) absl::StrAppend(&text, " (", ToString(interest_), ")");
  if (deadline() != kInfiniteFuture) {
    const std::chrono::duration<double> left = deadline() - base_->Now();
    absl::StrAppend(&text, ", due in ", left.count(), " s");
  }
  if (!inserted_ && deadline() == kInfiniteFuture && !active()) {
    absl::StrAppend(&text, ", not pending");
  }
  if (active()) absl::StrAppend(&text, ", active: ", ToString(active_what_));
  absl::StrAppend(&text, ", priority ", static_cast<int>(priority_));
  return text;
}

}  // namespace percore
