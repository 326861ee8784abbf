// An event that waits for a descriptor and never times out: what a connection
// keeps for its socket, in half the bytes of an Event.
//
// Servers have connections by the ten thousand, of which next to none is active
// at a time. What each of them holds for the loop is what the server costs. A
// BasicEvent has what every event has; an Event is one, to which timeouts,
// signals and finalizers are added.
//
// ```cpp
// auto base = percore::EventBase::Create({});
// int ends[2];
// if (!base.ok() || pipe(ends) != 0) return;
// percore::BasicEvent readable(
//     **base, ends[0], percore::EventFlags::kRead,
//     [](int fd, percore::EventFlags, void*) {
//       char byte;
//       (void)!read(fd, &byte, 1);
//     },
//     nullptr);
// if (!readable.Add().ok() || write(ends[1], "x", 1) != 1) return;
// if (!(*base)->Run().ok()) return;  // returns once nothing is pending
// ```
#ifndef PERCORE_RUNTIME_BASIC_EVENT_H_
#define PERCORE_RUNTIME_BASIC_EVENT_H_

#include <cstdint>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "percore/runtime/event_flags.h"
#include "percore/runtime/intrusive_list.h"

namespace percore {

class Event;
class EventBase;

namespace internal {
class ActiveQueue;
class ActiveRing;
class DescriptorTable;
class SignalEvents;
class WatchList;
}  // namespace internal

// Thread: every call from the thread that runs the event's base, or from any
// one thread while the base does not run.
//
// Ownership: the user's. An event stays where it is while it exists (it is
// neither copied nor moved) and must not outlive its base. It may be destroyed
// at any time, inside its own callback too: it is then no longer called.
//
// Cost: Add(), Del() and Activate() allocate nothing once the base has seen as
// many descriptors, timers and active events before. The first Add() for a
// descriptor makes one system call; changes after it are gathered and made once
// a round.
class BasicEvent {
 public:
  // `fd` is the descriptor, the signal number for a signal event, -1 for a pure
  // timer. `what` tells which of the asked-for conditions came true.
  using Callback = void (*)(int fd, EventFlags what, void* argument);

  // Waits for `interest` (kRead, kWrite, kClosed) on `fd`, which stays the
  // user's: delete the event before closing the descriptor, or close it with
  // EventBase::CloseDescriptor(). kSignal is an Event's, and is left out.
  BasicEvent(EventBase& base, int fd, EventFlags interest, Callback callback,
             void* argument);
  BasicEvent(const BasicEvent&) = delete;
  BasicEvent& operator=(const BasicEvent&) = delete;
  ~BasicEvent() {
    if (base_ != nullptr) Retire();
  }

  // To be given as the argument of an event that is to be its own argument.
  static void* SelfArgument();

  // Makes the event pending; nothing changes if it is.
  //
  // Errors: InvalidArgument for a negative descriptor without a timeout, a bad
  // signal number, or an event that is to be edge-triggered on a descriptor
  // that others watch for its level, or the other way round; FailedPrecondition
  // after Event::Finalize(); what the kernel says when it refuses the
  // descriptor (EBADF, ENOMEM, ENOSPC; EOPNOTSUPP for kClosed where the back
  // end cannot see it) or the signal. The event is then as before.
  absl::Status Add();

  // Takes the event out of everything: it is neither pending nor active.
  void Del();

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

  int fd() const { return fd_; }
  EventFlags interest() const { return interest_; }
  EventBase& base() const { return *base_; }
  // Null once Event::Finalize() was called.
  Callback callback() const { return finalized() ? nullptr : callback_; }
  void* argument() const { return argument_; }
  int priority() const { return priority_; }

 private:
  friend class Event;
  friend class EventBase;
  friend class internal::ActiveQueue;
  friend class internal::ActiveRing;
  friend class internal::DescriptorTable;
  friend class internal::SignalEvents;
  friend class internal::WatchList;

  // What it waits in.
  enum class Queue : uint8_t {
    kNone,
    kActive,
    kLater,
    // An Event's.
    kFinalizing,
    kFinalized,  // in none, and for good
  };

  bool active() const {
    return queue_ == Queue::kActive || queue_ == Queue::kLater;
  }
  bool finalized() const { return queue_ >= Queue::kFinalizing; }
  // The event itself if it has a timeout pending, or null.
  const Event* pending_timer() const;

  bool NeedsCheck() const;
  absl::Status AddChecked(absl::FunctionRef<absl::Status()> add);
  absl::Status AddUnchecked();
  // The end of it. An Event ends as a whole, before it is a BasicEvent again.
  void Retire();

  ListLink<BasicEvent> watch_link_;
  Callback callback_;
  void* argument_;
  // An Event's timer comes after these, and every change of it touches them:
  // with a million timers, a cache line is what it costs.
  EventBase* base_;            // null after Retire()
  uint32_t active_place_ = 0;  // in an internal::ActiveRing
  int fd_;
  EventFlags interest_;  // with kPersist and kEdgeTriggered
  EventFlags active_what_ = EventFlags::kNone;
  uint8_t priority_;
  Queue queue_ = Queue::kNone;
  bool inserted_ = false;   // in its descriptor's or signal's list
  bool has_timer_ = false;  // an Event that was given a timeout
};

static_assert(sizeof(BasicEvent) == 56, "every connection has one");

}  // namespace percore

#endif  // PERCORE_RUNTIME_BASIC_EVENT_H_
