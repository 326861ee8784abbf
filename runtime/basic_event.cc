#include "percore/runtime/basic_event.h"

#include <algorithm>
#include <chrono>

#include "absl/strings/str_cat.h"
#include "percore/runtime/event.h"
#include "percore/runtime/event_base.h"
#include "percore/runtime/internal/event_registry.h"
#include "percore/runtime/internal/timer_queue.h"

namespace percore {
namespace {

// Its address is an argument that nobody else has.
char self_argument;

}  // namespace

BasicEvent::BasicEvent(EventBase& base, int fd, EventFlags interest,
                       Callback callback, void* argument)
    : callback_(callback),
      argument_(argument == &self_argument ? this : argument),
      base_(&base),
      fd_(fd),
      interest_(interest & ~EventFlags::kSignal),
      priority_(static_cast<uint8_t>(base.priority_count() / 2)) {
  if (internal::EventRegistry::enabled()) {
    internal::EventRegistry::Constructed(this);
  }
}

void BasicEvent::Retire() {
  if (internal::EventRegistry::enabled()) {
    internal::EventRegistry::Destroyed(this, Describe());
  }
  base_->RemoveEvent(this);
  base_ = nullptr;
}

void* BasicEvent::SelfArgument() { return &self_argument; }

absl::Status BasicEvent::Add() {
  return NeedsCheck() ? AddChecked([this] { return AddUnchecked(); })
                      : AddUnchecked();
}

absl::Status BasicEvent::AddUnchecked() {
  const bool is_pending_timer = fd_ < 0 && pending_timer() != nullptr;
  if (inserted_ || is_pending_timer) return absl::OkStatus();
  return base_->Insert(this);
}

bool BasicEvent::NeedsCheck() const {
  return internal::EventRegistry::enabled() || finalized();
}

absl::Status BasicEvent::AddChecked(absl::FunctionRef<absl::Status()> add) {
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
  absl::Status status = add();
  if (debug && status.ok()) {
    internal::EventRegistry::Pending(this, Describe());
  }
  return status;
}

void BasicEvent::Del() {
  if (!finalized()) base_->RemoveEvent(this);
}

void BasicEvent::SetInterest(EventFlags interest) {
  constexpr EventFlags kChangeable =
      EventFlags::kRead | EventFlags::kWrite | EventFlags::kClosed;
  const EventFlags changed =
      (interest_ & ~kChangeable) | (interest & kChangeable);
  if (changed == interest_) return;
  base_->CheckThread();
  interest_ = changed;
  if (inserted_) base_->descriptors_.Changed(this);
}

void BasicEvent::Activate(EventFlags what) { base_->Activate(this, what); }

void BasicEvent::ActivateLater(EventFlags what) {
  base_->ActivateLater(this, what);
}

void BasicEvent::set_priority(int priority) {
  base_->SetPriority(this,
                     std::clamp(priority, 0, base_->priority_count() - 1));
}

const Event* BasicEvent::pending_timer() const {
  if (!has_timer_) return nullptr;
  const auto* const event = static_cast<const Event*>(this);
  return internal::TimerQueue::Contains(event) ? event : nullptr;
}

EventFlags BasicEvent::Pending(EventFlags flags) const {
  EventFlags pending = active() ? active_what_ : EventFlags::kNone;
  if (inserted_) {
    pending |= interest_ & ~(EventFlags::kPersist | EventFlags::kEdgeTriggered);
  }
  if (pending_timer() != nullptr) pending |= EventFlags::kTimeout;
  return pending & flags;
}

std::string BasicEvent::Describe() const {
  std::string text = Any(interest_ & EventFlags::kSignal)
                         ? absl::StrCat("signal ", fd_)
                     : fd_ >= 0 ? absl::StrCat("fd ", fd_)
                                : "timer";
  if (Any(interest_)) absl::StrAppend(&text, " (", ToString(interest_), ")");
  const Event* const timer = pending_timer();
  if (timer != nullptr) {
    const std::chrono::duration<double> left = timer->deadline() - base_->Now();
    absl::StrAppend(&text, ", due in ", left.count(), " s");
  }
  if (!inserted_ && timer == nullptr && !active()) {
    absl::StrAppend(&text, ", not pending");
  }
  if (active()) absl::StrAppend(&text, ", active: ", ToString(active_what_));
  absl::StrAppend(&text, ", priority ", static_cast<int>(priority_));
  return text;
}

}  // namespace percore
