// One thing to wait for: a descriptor, a signal, a timeout, or a combination.
//
// An Event is libevent's `struct event`: a small record that the user keeps
// inside an object of their own, with a function to call and an argument to
// call it with. It starts out initialised; Add() makes it pending; when what it
// waits for happens it is active, its callback runs, and a persistent event is
// pending again.
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
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "percore/runtime/event_flags.h"
#include "percore/runtime/internal/timer_entry.h"
#include "percore/runtime/intrusive_list.h"
#include "percore/runtime/time.h"

namespace percore {

class EventBase;

namespace internal {
class ActiveQueue;
class ActiveRing;
class DescriptorTable;
class SignalEvents;
class TimerHeap;
class TimerQueue;
class TimerWheel;
}  // namespace internal

// Thread: every call from the thread that runs the event's base, or from any
// one thread while the base does not run.
//
// Ownership: the user's. An Event stays where it is while it exists (it is
// neither copied nor moved) and must not outlive its base. It may be destroyed
// at any time, inside its own callback too: it is then no longer called.
//
// Cost: Add(), Del() and Activate() allocate nothing once the base has seen as
// many descriptors and timers before. The first Add() for a descriptor makes
// one system call; changes after it are gathered and made once a round.
class Event {
 public:
  // `fd` is the descriptor, the signal number for a signal event, -1 for a pure
  // timer. `what` tells which of the asked-for conditions came true.
  using Callback = void (*)(int fd, EventFlags what, void* argument);

  // Called by Finalize() with the event, which may then be destroyed and freed.
  using Finalizer = void (*)(Event& event, void* argument);

  // Waits for `interest` (kRead, kWrite, kClosed, and kSignal alone) on `fd`,
  // which stays the user's: delete the event before closing the descriptor, or
  // close it with EventBase::CloseDescriptor().
  Event(EventBase& base, int fd, EventFlags interest, Callback callback,
        void* argument);
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  ~Event();

  // To be given as the argument of an event that is to be its own argument.
  static void* SelfArgument();

  // An event that only times out.
  static Event Timer(EventBase& base, Callback callback, void* argument,
                     EventFlags flags = EventFlags::kNone);
  // An event for signal number `signal`. Stays pending until deleted.
  static Event Signal(EventBase& base, int signal, Callback callback,
                      void* argument);

  // Makes the event pending. Of a pending event, the first form changes
  // nothing; the second sets a new timeout, counted from the loop's cached
  // time, and takes back one that has run out but whose callback has not run
  // yet. A persistent event with a timeout above zero starts it anew before
  // each callback. Zero and negative timeouts fire in the next round, once.
  //
  // Errors: InvalidArgument for a negative descriptor without a timeout, a bad
  // signal number, or an event that is to be edge-triggered on a descriptor
  // that others watch for its level, or the other way round; FailedPrecondition
  // after Finalize(); what the kernel says when it refuses the descriptor
  // (EBADF, ENOMEM, ENOSPC; EOPNOTSUPP for kClosed where the back end cannot
  // see it) or the signal. The event is then as before.
  absl::Status Add();
  absl::Status Add(Duration timeout);

  // Takes the event out of everything: it is neither pending nor active.
  void Del();
  // Del() for good: from now on Add() is refused (FailedPrecondition) and
  // Activate() does nothing. `finalizer` is called from the loop, in this round
  // or the next, when nothing of the event is running any more: there it may be
  // freed, even if this was called in its own callback. A base that is
  // destroyed calls the finalizers that are left; an event that is destroyed
  // before then is not finalized.
  void Finalize(Finalizer finalizer);
  // Takes away the timeout alone.
  void RemoveTimer();

  // Changes what a descriptor event waits for, pending or not, keeping its
  // timeout. kRead, kWrite and kClosed only; kNone keeps the event pending
  // without watching.
  void SetInterest(EventFlags interest);

  // Makes the event active by hand: its callback runs with `what` in this
  // round, or, when called from a callback of the same priority, in the next.
  void Activate(EventFlags what);
  // As above, but in the next round in any case: to let the loop look for other
  // events in between. An event that is active already stays where it is.
  void ActivateLater(EventFlags what);

  // 0 runs first; a new event has the middle priority, n / 2 of n. Priorities
  // beyond the base's number count as its last. An active event goes behind
  // those that are active at its new priority.
  void set_priority(int priority);

  // The event in words, for people: what it waits for, what is pending.
  std::string Describe() const;

  // Which of `flags` (kRead, kWrite, kClosed, kSignal, kTimeout) are waited
  // for, or are active, now.
  EventFlags Pending(EventFlags flags) const;
  // When the timeout runs out; kInfiniteFuture if none is pending.
  TimePoint deadline() const;
  // How long that is from the loop's cached time on, zero if it is overdue;
  // kForever if none is pending.
  Duration remaining() const;

  int fd() const { return fd_; }
  EventFlags interest() const { return interest_; }
  EventBase& base() const { return *base_; }
  // Null once Finalize() was called.
  Callback callback() const { return finalized() ? nullptr : callback_; }
  void* argument() const { return argument_; }
  int priority() const { return priority_; }

 private:
  friend class EventBase;
  friend class internal::ActiveQueue;
  friend class internal::ActiveRing;
  friend class internal::DescriptorTable;
  friend class internal::SignalEvents;
  friend class internal::TimerHeap;
  friend class internal::TimerQueue;
  friend class internal::TimerWheel;

  // What it waits in.
  enum class Queue : uint8_t {
    kNone,
    kActive,
    kLater,
    kFinalizing,  // through timer_link_
    kFinalized,   // in none, and for good
  };

  bool active() const {
    return queue_ == Queue::kActive || queue_ == Queue::kLater;
  }
  bool finalized() const { return queue_ >= Queue::kFinalizing; }
  bool NeedsCheck() const;
  absl::Status AddChecked(std::optional<Duration> timeout);
  absl::Status AddUnchecked();
  absl::Status AddUnchecked(Duration timeout);

  // What every change of a timer touches comes first, side by side: with a
  // million of them, a cache line is what it costs.
  EventBase* base_;
  uint32_t timer_place_ = internal::kNoTimerPlace;
  Queue queue_ = Queue::kNone;
  bool inserted_ = false;  // in its descriptor's or signal's list
  EventFlags active_what_ = EventFlags::kNone;
  TimePoint deadline_;
  uint64_t sequence_ = 0;  // orders equal deadlines
  ListLink<Event> timer_link_;
  Duration timeout_{};  // what a persistent event starts anew
  int fd_;
  EventFlags interest_;  // with kPersist and kEdgeTriggered
  uint8_t priority_;
  union {
    Callback callback_;
    Finalizer finalizer_;  // while finalizing
  };
  void* argument_;
  uint32_t signal_count_ = 0;  // deliveries that the active callback stands for
  uint32_t active_place_ = 0;  // in an internal::ActiveRing
  ListLink<Event> watch_link_;

  using WatchList = IntrusiveList<Event, &Event::watch_link_>;
  using TimerList = IntrusiveList<Event, &Event::timer_link_>;
  using FinalizerList = IntrusiveList<Event, &Event::timer_link_>;
};

static_assert(sizeof(Event) <= 128, "an event is at most two cache lines");

}  // namespace percore

#endif  // PERCORE_RUNTIME_EVENT_H_
