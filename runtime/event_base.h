// The loop: waits for what its events wait for, and runs their callbacks.
//
// libevent's `event_base`, for one thread. A round of it:
//
//   1. messages sent to other threads are published
//   2. gathered interest changes are made known to the kernel
//   3. prepare watchers run, and are told how long the loop is going to wait
//   4. the back end waits: not at all while there is work, else until the next
//      deadline
//   5. the clock is read, once, and cached; check watchers run
//   6. ready descriptors, expired timers and signals become active events
//   7. arrived messages and posted functions run
//   8. active events run, highest priority first; the scan restarts when a
//      higher priority becomes active. Each priority runs the events that it
//      had when its turn came: what a callback activates at its own priority
//      waits for the next round, so that no event can starve the rest
//   9. deferred callbacks run, a bounded number; the rest in the next round.
//      Then finalizers
//
// ```cpp
// auto base = percore::EventBase::Create({});
// if (!base.ok()) return;
// percore::Event quit = percore::Event::Signal(
//     **base, SIGUSR1,
//     [](int, percore::EventFlags, void* base) {
//       static_cast<percore::EventBase*>(base)->Exit();
//     },
//     base->get());
// if (!quit.Add().ok()) return;
// raise(SIGUSR1);
// if (!(*base)->Run().ok()) return;
// ```
#ifndef PERCORE_RUNTIME_EVENT_BASE_H_
#define PERCORE_RUNTIME_EVENT_BASE_H_

#include <algorithm>
#include <atomic>
#include <climits>
#include <cstddef>
#include <iosfwd>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "percore/runtime/backend_features.h"
#include "percore/runtime/basic_event.h"
#include "percore/runtime/deferred_callback.h"
#include "percore/runtime/event.h"
#include "percore/runtime/internal/active_queue.h"
#include "percore/runtime/internal/backend.h"
#include "percore/runtime/internal/descriptor_table.h"
#include "percore/runtime/internal/notifier.h"
#include "percore/runtime/internal/once_events.h"
#include "percore/runtime/internal/post_queue.h"
#include "percore/runtime/internal/signal_events.h"
#include "percore/runtime/internal/timer_queue.h"
#include "percore/runtime/internal/watch_list.h"
#include "percore/runtime/internal/watcher_set.h"
#include "percore/runtime/intrusive_list.h"
#include "percore/runtime/kernel.h"
#include "percore/runtime/loop_stats.h"
#include "percore/runtime/message_source.h"
#include "percore/runtime/ring.h"
#include "percore/runtime/watcher.h"

namespace percore {

// How long active events run before the loop looks for new ones. Without limits
// it runs all that were active at the beginning of the round: with many of
// them, or slow ones, something more urgent that becomes ready meanwhile waits.
struct DispatchLimits {
  // Events of this priority and of less urgent ones count.
  int from_priority = 0;
  // So many callbacks, and so long, in a round.
  int max_callbacks = INT_MAX;
  Duration max_interval = kForever;
};

enum class SignalMethod {
  // A handler, which notes the signal and wakes the loop.
  kHandler,
  // signalfd(2): the signals of this loop's events are blocked in its thread,
  // and interrupt none of its system calls. For that, block them in all other
  // threads too (before those are started, best); where they are not, it is as
  // with a handler.
  kSignalFd,
};

enum class TimerPrecision {
  // Timers fire to the microsecond, or what the kernel makes of it.
  kPrecise,
  // The wait before a timer is rounded up to whole milliseconds: fewer wake-ups
  // where timers lie close together and nobody minds.
  kMillisecond,
};

struct EventBaseOptions {
  // The back end by name; empty chooses the best that meets the demands below.
  std::string backend = {};
  // Back ends, by name, not to choose.
  std::vector<std::string> avoid_backends = {};
  // What the back end must be able to do.
  BackendFeatures require = BackendFeatures::kNone;
  // One thread makes the loop, runs it and destroys it, as a shard's does. Then
  // io_uring is the best back end, where the system has all of it (Linux 6.1,
  // and nobody has switched it off; else the log says so, once): connections
  // cost less there. For other loops epoll is, whose descriptor is everybody's.
  bool one_thread = false;
  // Unless `backend` names one, the variables PERCORE_NOEPOLL,
  // PERCORE_NOIO_URING, PERCORE_NOPOLL and PERCORE_NOSELECT in the environment
  // avoid theirs.
  bool ignore_environment = false;
  // Number of priorities, 1 to 256.
  int priorities = 1;
  DispatchLimits limits = {};
  SignalMethod signals = SignalMethod::kHandler;
  TimerPrecision timers = TimerPrecision::kPrecise;
  // Deferred callbacks run in one round before the loop looks for new events.
  int deferred_per_round = 256;
  // Where the loop counts its work; made by the loop if null.
  std::shared_ptr<LoopStats> stats = nullptr;
  // The seam to the system; must outlive the base.
  Kernel* kernel = &Kernel::Real();
};

enum class RunMode {
  // Until Exit() or Break(), even when nothing is pending.
  kUntilExit,
  // Until no event is pending or active and nothing is queued. This ends the
  // modes below as well.
  kUntilEmpty,
  // Waits for work, runs it once, returns.
  kOnce,
  // Runs what is ready now, returns without waiting.
  kNonBlocking,
};

// Thread: a method may be called from the thread that runs the loop only (from
// any one thread while none does), unless its own comment says otherwise. Debug
// builds check that, for the base and its events, and abort with a word on it.
class EventBase {
 public:
  // Errors: InvalidArgument for a back end that this build does not have (the
  // message lists those it has) and for numbers out of range;
  // FailedPrecondition when no back end meets the demands (the message says of
  // each what is in its way); the system's word when it gives no descriptors.
  static absl::StatusOr<std::unique_ptr<EventBase>> Create(
      const EventBaseOptions& options);
  EventBase(const EventBase&) = delete;
  EventBase& operator=(const EventBase&) = delete;
  // Its events and deferred callbacks must be gone, but for those that are
  // being finalized: their finalizers are called here. Functions still posted,
  // and those of Once(), are destroyed without being run.
  ~EventBase();

  // The back ends of this build, best first.
  static const std::vector<std::string>& SupportedBackends();

  // To be called in a child of fork() before the base is used there: the base
  // gets descriptors of its own, and the parent's loop is not disturbed by what
  // the child does. Its events are as they were; signals that have arrived in
  // the child since the fork are not lost. Functions posted before the fork run
  // in both. Errors: the system's word when it gives no descriptors; try again,
  // or destroy the base.
  absl::Status ReinitAfterFork();

  // Runs rounds. Errors: FailedPrecondition when the loop is running already;
  // the system's word when it refuses to wait.
  absl::Status Run(RunMode mode = RunMode::kUntilEmpty);

  // Any thread. Ends the loop: Exit() after the current round, Break() after
  // the current callback. What is left stays active for the next Run(). Called
  // before Run(), they end that Run() at once; libevent forgets such a request.
  void Exit();
  void Break();
  // Does what Exit() does once `delay` has passed, and keeps the loop running
  // until then. Asking again sets a new delay.
  absl::Status ExitAfter(Duration delay);
  // In a callback: looks for new events after it, before the active ones and
  // the deferred callbacks that are left run.
  void Continue() {
    CheckThread();
    continue_ = true;
  }
  // Whether the last Run(), or the one at work, was told to end.
  bool got_exit() const { return got_exit_ || exit_.load(); }
  bool got_break() const { return got_break_ || break_.load(); }

  // Any thread, and the one way in from outside the runtime: queues `function`
  // to run on the loop, first in first out. Allocates one node. Inside the
  // runtime, Shard::Post() does it without allocating. The base must not be
  // destroyed before the call returns, not by what `function` sets off either.
  void Post(absl::AnyInvocable<void()> function);

  // Any thread: the loop makes another round, whether there is something to do
  // in it or not. Watchers see it.
  void Wakeup() { notifier_.Wake(); }

  // An event that nobody needs to keep: waits for `interest` on `fd` (as Event
  // does; a signal's number and kSignal; -1 and kNone for a timer), or for the
  // timeout, and calls `function` once with what came true. Allocates. Errors:
  // those of Event::Add(), and InvalidArgument for kPersist.
  absl::Status Once(int fd, EventFlags interest,
                    absl::AnyInvocable<void(EventFlags what)> function);
  absl::Status Once(int fd, EventFlags interest, Duration timeout,
                    absl::AnyInvocable<void(EventFlags what)> function);

  // Activate(), with those of `what` that they wait for, all events that are
  // pending for this descriptor or this signal.
  void ActivateDescriptor(int fd, EventFlags what);
  void ActivateSignal(int signal);

  // The time of this round: read once after the wait.
  TimePoint Now() const { return now_; }
  // Reads the clock again, for callbacks that ran long.
  void UpdateNow() {
    CheckThread();
    now_ = kernel_.Now();
  }

  // Closes a descriptor and with it its registration, which spares the system
  // call that would undo it. Its events must be deleted. Returns 0 or -errno.
  // With io_uring the number is free at once, and what it stood for closed by
  // the end of the round.
  int CloseDescriptor(int fd);
  // The same, but the number too may be in use until the end of the round: with
  // io_uring that spares the call.
  void CloseDescriptorSoon(int fd);

  // Conditions waited for: a descriptor, a signal, a timeout. An event that
  // waits for a descriptor with a timeout counts twice.
  size_t pending_count() const {
    return descriptors_.event_count() + signals_.event_count() +
           timers_.size() + (ring_ == nullptr ? 0 : ring_->pending_count());
  }
  size_t active_count() const { return active_.size(); }
  size_t virtual_count() const { return virtual_count_; }
  // The most there were of each, at any time since ResetMaxima().
  struct Maxima {
    size_t pending = 0;
    size_t active = 0;
    size_t virtuals = 0;
  };
  const Maxima& maxima() const { return maxima_; }
  void ResetMaxima();

  // A virtual event keeps RunMode::kUntilEmpty running while something is
  // awaited that is no event of this base: an answer of another thread, say,
  // that comes by Post(). Each AddVirtual() needs a RemoveVirtual().
  void AddVirtual();
  void RemoveVirtual() {
    CheckThread();
    --virtual_count_;
  }

  // The event whose callback runs; null outside of one, or once it was deleted
  // in its own callback.
  BasicEvent* running_event() const { return current_; }

  // Calls `function` with every event that is pending or active, each once,
  // until it returns false. It must not add or delete events.
  void ForEachEvent(absl::FunctionRef<bool(BasicEvent&)> function);
  // Writes a line about the base, and one about every event, for people.
  void Dump(std::ostream& out);

  int priority_count() const { return active_.priority_count(); }
  const char* backend_name() const { return backend_->name(); }
  BackendFeatures backend_features() const { return backend_->features(); }
  SignalMethod signal_method() const {
    return signals_.signal_fd() < 0 ? SignalMethod::kHandler
                                    : SignalMethod::kSignalFd;
  }
  Kernel& kernel() { return kernel_; }
  // Where requests are put in for the kernel to carry out; null unless the back
  // end is io_uring.
  Ring* ring() { return ring_; }
  // Any thread; stays valid after the base is gone.
  std::shared_ptr<const LoopStats> stats() const { return stats_; }

  // Plugs in the messages of a shard; null takes them out. Not owned.
  void set_message_source(MessageSource* source) { message_source_ = source; }
  // Any thread: wakes the loop if it sleeps; true if it did. What it is to find
  // must have been published with a sequentially consistent store.
  bool WakeIfSleeping() { return notifier_.WakeIfSleeping(); }
  // The same, in the Publish() of `waker`'s message source. If both loops are
  // on io_uring it makes no system call: the wake-up goes with the one by which
  // `waker` waits. This base must not be destroyed before.
  bool WakeIfSleeping(EventBase& waker);

 private:
  friend class BasicEvent;
  friend class Event;
  friend class DeferredCallback;
  friend class Watcher;
  using DeferredList =
      IntrusiveList<DeferredCallback, &DeferredCallback::link_>;

  EventBase(const EventBaseOptions& options, int event_fd,
            std::unique_ptr<internal::Backend> backend);
  absl::Status WatchInternals();

  void CheckThread() const {
#ifndef NDEBUG
    if (!IsOwnThread()) FailThreadCheck();
#endif
  }
  bool IsOwnThread() const;
  [[noreturn]] static void FailThreadCheck();

  // What events stand on.
  absl::Status Insert(BasicEvent* event);
  absl::Status InsertDescriptor(BasicEvent* event);
  absl::Status InsertSignal(BasicEvent* event);
  void RemoveEvent(BasicEvent* event);
  void RemoveWatch(BasicEvent* event);
  void RemoveTimer(Event* event);
  void ScheduleTimer(Event* event, Duration timeout) {
    CheckThread();
    const bool is_new = !internal::TimerQueue::Contains(event);
    if (Any(event->active_what_ & EventFlags::kTimeout)) TakeBackTimeout(event);
    event->has_timer_ = true;
    event->timeout_ = timeout;
    timers_.Schedule(event, AddSaturated(now_, timeout));
    if (ring_ != nullptr) ring_->NoteTimer();
    if (is_new) NotePending();
  }
  void Activate(BasicEvent* event, EventFlags what);
  void ActivateLater(BasicEvent* event, EventFlags what);
  void Deactivate(BasicEvent* event);
  void TakeBackTimeout(Event* event);
  void SetPriority(BasicEvent* event, int priority);
  void Finalize(Event* event, Event::Finalizer finalizer);

  // What Watcher stands on.
  internal::WatcherSet& WatchersFor(Watcher::When when);

  static void ExitTimeCame(int fd, EventFlags what, void* base);
  bool EndRequested();
  bool IsIdle() const;
  bool HasWork() const;
  bool HasNews() const;
  bool MustStopRunning() const {
    return continue_ || break_.load(std::memory_order_relaxed);
  }
  void NotePending() {
    maxima_.pending = std::max(maxima_.pending, pending_count());
  }
  void NoteMaxima();

  // One round of the loop, in order of use. 0 or -errno of the wait.
  int RunRound(RunMode mode, size_t* ran);
  Duration Prepare(RunMode mode);
  Duration WaitTime(RunMode mode, bool changes_complete);
  int Wait(Duration timeout);
  int WaitWithRing(Duration timeout);
  void ActivateReady();
  void ActivateAll(const internal::WatchList& events, EventFlags what);
  void ActivateSignals();
  void ActivateExpired();
  size_t RunActive();
  bool ReachedLimit(int priority);
  void RunEvent(BasicEvent* event);
  void PrepareToRun(BasicEvent* event, EventFlags what);
  void RestartTimer(Event* event, EventFlags what);
  void CountEvent(EventFlags what);
  size_t RunDeferred();
  void RunFinalizers();

  Kernel& kernel_;
  const int deferred_per_round_;
  const DispatchLimits limits_;
  const bool limited_;  // by limits_
  int counted_ = 0;     // of limits_.max_callbacks, in this round
  const TimerPrecision timer_precision_;
  std::shared_ptr<LoopStats> stats_;
  internal::Notifier notifier_;
  std::unique_ptr<internal::Backend> backend_;
  Ring* const ring_;  // the back end's
  internal::DescriptorTable descriptors_;
  internal::TimerQueue timers_{kernel_.Now()};
  internal::SignalEvents signals_;
  internal::ActiveQueue active_;
  BasicEvent* current_ =
      nullptr;  // whose callback runs; null once it was deleted
  size_t virtual_count_ = 0;
  Maxima maxima_;

  Event::FinalizerList finalizers_;
  internal::WatcherSet prepare_watchers_;
  internal::WatcherSet check_watchers_;
  DeferredList deferred_;
  size_t deferred_count_ = 0;
  internal::PostQueue posted_;
  MessageSource* message_source_ = nullptr;

  internal::ReadyList ready_;
  std::vector<BasicEvent*> broken_;
  TimePoint now_;
  TimePoint wait_began_;
  TimePoint woke_;  // when the last wait ended
  // The thread in Run(); none while nobody runs the loop.
  std::atomic<std::thread::id> loop_thread_{};
  bool continue_ = false;
  bool got_exit_ = false;
  bool got_break_ = false;
  std::atomic<bool> exit_{false};
  std::atomic<bool> break_{false};
  internal::OnceEvents once_;
  // Of ExitAfter().
  Event exit_timer_{*this, -1, EventFlags::kNone, &EventBase::ExitTimeCame,
                    this};
};

}  // namespace percore

#endif  // PERCORE_RUNTIME_EVENT_BASE_H_
