// One thing to wait for: a descriptor, a signal, a timeout, or a combination.
//
// An Event is libevent's `struct event`: a small record that the user keeps
// inside an object of their own, with a function to call and an argument to
// call it with. It starts out initialised; Add() makes it pending; when what it
// waits for happens it is active, its callback runs, and a persistent event is
// pending again. What waits for a descriptor alone is a BasicEvent.
//
// ```cpp
// auto base = percore::EventBase::Create({});
// if (!base.ok()) return;
// int ticks = 0;
// percore::Event timer = percore::Event::Timer(
//     **base,
//     [](int, percore::EventFlags, void* ticks) { ++*static_cast<int*>(ticks);
//     }, &ticks);
// if (!timer.Add(std::chrono::milliseconds(5)).ok()) return;
// if (!(*base)->Run().ok()) return;  // returns once nothing is pending
// ```
#ifndef PERCORE_RUNTIME_EVENT_H_
#define PERCORE_RUNTIME_EVENT_H_

#include <cstdint>

#include "absl/status/status.h"
#include "percore/runtime/basic_event.h"
#include "percore/runtime/event_flags.h"
#include "percore/runtime/internal/timer_entry.h"
#include "percore/runtime/intrusive_list.h"
#include "percore/runtime/time.h"

namespace percore {

namespace internal {
class TimerHeap;
class TimerQueue;
class TimerWheel;
}  // namespace internal

// Thread, ownership, cost: as of a BasicEvent, which has all of an Event that
// is not about timeouts, signals and the end.
class Event : public BasicEvent {
 public:
  // Called by Finalize() with the event, which may then be destroyed and freed.
  using Finalizer = void (*)(Event& event, void* argument);

  // As of a BasicEvent, and `interest` may also be kSignal alone.
  Event(EventBase& base, int fd, EventFlags interest, Callback callback,
        void* argument)
      : BasicEvent(base, fd, interest, callback, argument) {
    interest_ = interest;
  }
  ~Event() { Retire(); }

  // An event that only times out.
  static Event Timer(EventBase& base, Callback callback, void* argument,
                     EventFlags flags = EventFlags::kNone);
  // An event for signal number `signal`. Stays pending until deleted.
  static Event Signal(EventBase& base, int signal, Callback callback,
                      void* argument);

  using BasicEvent::Add;
  // Makes the event pending with a timeout, counted from the loop's cached
  // time; of a pending event, sets a new one, and takes back one that has run
  // out but whose callback has not run yet. A persistent event with a timeout
  // above zero starts it anew before each callback. Zero and negative timeouts
  // fire in the next round, once. Errors: as of Add().
  absl::Status Add(Duration timeout);

  // Del() for good: from now on Add() is refused (FailedPrecondition) and
  // Activate() does nothing. `finalizer` is called from the loop, in this round
  // or the next, when nothing of the event is running any more: there it may be
  // freed, even if this was called in its own callback. A base that is
  // destroyed calls the finalizers that are left; an event that is destroyed
  // before then is not finalized.
  void Finalize(Finalizer finalizer);
  // Takes away the timeout alone.
  void RemoveTimer();

  // When the timeout runs out; kInfiniteFuture if none is pending.
  TimePoint deadline() const;
  // How long that is from the loop's cached time on, zero if it is overdue;
  // kForever if none is pending.
  Duration remaining() const;

 private:
  friend class EventBase;
  friend class internal::SignalEvents;
  friend class internal::TimerHeap;
  friend class internal::TimerQueue;
  friend class internal::TimerWheel;

  absl::Status AddUnchecked(Duration timeout);

  // What extending a timeout touches comes first.
  uint32_t timer_place_ = internal::kNoTimerPlace;
  uint32_t signal_count_ = 0;  // deliveries that the active callback stands for
  TimePoint deadline_;
  uint64_t sequence_ = 0;  // orders equal deadlines
  Duration timeout_{};     // what a persistent event starts anew
  ListLink<Event> timer_link_;
  Finalizer finalizer_ = nullptr;

  using TimerList = IntrusiveList<Event, &Event::timer_link_>;
  using FinalizerList = IntrusiveList<Event, &Event::timer_link_>;
};

static_assert(sizeof(Event) <= 112);

}  // namespace percore

#endif  // PERCORE_RUNTIME_EVENT_H_
