#include "percore/runtime/event_base.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "percore/runtime/error.h"
#include "percore/runtime/internal/event_registry.h"
#include "percore/runtime/log.h"

namespace percore {
namespace {

constexpr EventFlags kDescriptorFlags =
    EventFlags::kRead | EventFlags::kWrite | EventFlags::kClosed;

// While the kernel is too short of memory to watch a descriptor, the loop asks
// again this often.
constexpr Duration kRetryInterval = std::chrono::milliseconds(10);

}  // namespace

void EventBase::Exit() {
  exit_.store(true);
  notifier_.WakeIfSleeping();
}

void EventBase::Break() {
  break_.store(true);
  notifier_.WakeIfSleeping();
}

void EventBase::Post(absl::AnyInvocable<void()> function) {
  posted_.Push(std::move(function));
  notifier_.WakeIfSleeping();
}

bool EventBase::WakeIfSleeping(EventBase& waker) {
  const int sleep = notifier_.EndSleep();
  if (sleep == internal::Notifier::kAwake) return false;
  // Prepare watchers run before the waker waits, and may take their time.
  const bool goes_with_wait = sleep != internal::Notifier::kOnEventFd &&
                              waker.ring_ != nullptr &&
                              waker.prepare_watchers_.empty() &&
                              waker.ring_->Wake(sleep, notifier_.event_fd());
  if (!goes_with_wait) notifier_.Wake();
  return true;
}

absl::Status EventBase::ExitAfter(Duration delay) {
  return exit_timer_.Add(delay);
}

void EventBase::ExitTimeCame(int /*fd*/, EventFlags /*what*/, void* base) {
  static_cast<EventBase*>(base)->Exit();
}

void EventBase::AddVirtual() {
  CheckThread();
  ++virtual_count_;
  NoteMaxima();
}

void EventBase::ResetMaxima() {
  maxima_ = {};
  NoteMaxima();
}

void EventBase::NoteMaxima() {
  NotePending();
  maxima_.active = std::max(maxima_.active, active_.size());
  maxima_.virtuals = std::max(maxima_.virtuals, virtual_count_);
}

bool EventBase::IsOwnThread() const {
  const std::thread::id owner = loop_thread_.load();
  return owner == std::thread::id() || owner == std::this_thread::get_id();
}

void EventBase::FailThreadCheck() {
  LogFatal(
      "an EventBase or one of its events was used by another thread than the "
      "one that runs it: Post() is the way in");
}

int EventBase::CloseDescriptor(int fd) {
  CheckThread();
  descriptors_.Forget(fd);
  const int result = kernel_.Close(fd);
  if (ring_ != nullptr) ring_->FlushUnlessRunning();
  return result;
}

void EventBase::CloseDescriptorSoon(int fd) {
  if (ring_ == nullptr) {
    CloseDescriptor(fd);
    return;
  }
  CheckThread();
  descriptors_.Forget(fd);
  ring_->Close(fd);
}

absl::Status EventBase::Once(
    int fd, EventFlags interest,
    absl::AnyInvocable<void(EventFlags what)> function) {
  return once_.Add(*this, fd, interest, std::nullopt, std::move(function));
}

absl::Status EventBase::Once(
    int fd, EventFlags interest, Duration timeout,
    absl::AnyInvocable<void(EventFlags what)> function) {
  return once_.Add(*this, fd, interest, timeout, std::move(function));
}

void EventBase::ActivateDescriptor(int fd, EventFlags what) {
  if (fd < 0) return;
  const internal::WatchList* events = descriptors_.EventsOn(fd);
  if (events != nullptr) ActivateAll(*events, what);
}

void EventBase::ActivateSignal(int signal) {
  if (!internal::SignalEvents::IsSignal(signal)) return;
  signals_.Deliver(signal, 1, [this](BasicEvent* event) {
    Activate(event, EventFlags::kSignal);
  });
}

absl::Status EventBase::Run(RunMode mode) {
  if (loop_thread_.load() != std::thread::id()) {
    return absl::FailedPreconditionError("the loop is already running");
  }
  loop_thread_ = std::this_thread::get_id();
  if (ring_ != nullptr) ring_->set_running(true);
  got_exit_ = false;
  got_break_ = false;
  absl::Status status;
  size_t ran = 0;
  while (status.ok()) {
    if (EndRequested()) break;
    if (mode != RunMode::kUntilExit && IsIdle()) break;
    if (const int error = RunRound(mode, &ran); error < 0) {
      status = SystemError(-error, "waiting for events");
      break;
    }
    if (mode == RunMode::kNonBlocking) break;
    if (mode == RunMode::kOnce && ran > 0) break;
  }
  // What was asked for in the last round has ended this Run(), not the next.
  EndRequested();
  if (ring_ != nullptr) ring_->set_running(false);
  loop_thread_ = std::thread::id();
  return status;
}

// The parts of a round are called from one place each: inline, they are one
// function, which spares a tenth of the instructions of a round.
// What every round pays is inlined into the loop.
[[gnu::always_inline]] inline int EventBase::RunRound(RunMode mode,
                                                      size_t* ran) {
  Duration timeout{};
  for (bool watched = prepare_watchers_.empty();; watched = true) {
    timeout = Prepare(mode);
    if (watched) break;
    // What they add or activate counts: once more.
    prepare_watchers_.Run(timeout);
  }
  if (const int error = Wait(timeout); error < 0) return error;
  continue_ = false;
  stats_->iterations.Add();
  check_watchers_.Run(now_ - wait_began_);
  active_.PromoteLater();
  ActivateReady();
  ActivateSignals();
  ActivateExpired();

  size_t messages = posted_.RunAll();
  if (message_source_ != nullptr) messages += message_source_->Deliver();
  if (messages > 0) stats_->message_events.Add(messages);

  *ran = messages;
  if (active_.size() > 0 && !MustStopRunning()) *ran += RunActive();
  if (deferred_count_ > 0 && !MustStopRunning()) *ran += RunDeferred();
  if (!finalizers_.empty()) RunFinalizers();

  stats_->timers_pending.Set(static_cast<int64_t>(timers_.size()));
  stats_->registered_descriptors.Set(
      static_cast<int64_t>(descriptors_.descriptor_count()));
  return 0;
}

// Makes known what has been gathered; returns how long to wait.
inline Duration EventBase::Prepare(RunMode mode) {
  if (message_source_ != nullptr) message_source_->Publish();
  bool changes_complete = true;
  if (descriptors_.HasChanges()) {
    changes_complete = descriptors_.Apply(broken_);
    for (BasicEvent* event : broken_) {
      const EventFlags what = event->interest() & kDescriptorFlags;
      if (Any(what)) Activate(event, what);
    }
    broken_.clear();
  }
  return WaitTime(mode, changes_complete);
}

internal::WatcherSet& EventBase::WatchersFor(Watcher::When when) {
  CheckThread();
  return when == Watcher::When::kPrepare ? prepare_watchers_ : check_watchers_;
}

inline bool EventBase::EndRequested() {
  if (!exit_.load() && !break_.load()) return false;
  got_exit_ = exit_.exchange(false);
  got_break_ = break_.exchange(false);
  return true;
}

// Nothing is there to do, and nothing can come.
inline bool EventBase::IsIdle() const {
  return pending_count() == 0 && virtual_count_ == 0 && !HasWork();
}

bool EventBase::HasWork() const {
  return active_.size() > 0 || deferred_count_ > 0 || !posted_.empty() ||
         !finalizers_.empty();
}

// What may have come from another thread since the loop announced its sleep.
inline bool EventBase::HasNews() const {
  return !posted_.empty() || signals_.pending() || exit_.load() ||
         break_.load() ||
         (message_source_ != nullptr && message_source_->HasArrived());
}

inline Duration EventBase::WaitTime(RunMode mode, bool changes_complete) {
  if (mode == RunMode::kNonBlocking || HasWork()) return Duration::zero();
  wait_began_ = kernel_.Now();
  const TimePoint deadline = timers_.NextDeadline();
  Duration wait = kForever;
  if (deadline != kInfiniteFuture) {
    wait = std::max(deadline - wait_began_, Duration::zero());
    if (timer_precision_ == TimerPrecision::kMillisecond) {
      wait = std::chrono::ceil<std::chrono::milliseconds>(wait);
    }
  }
  return changes_complete ? wait : std::min(wait, kRetryInterval);
}

inline int EventBase::Wait(Duration timeout) {
  const bool sleeps = timeout > Duration::zero();
  if (sleeps) {
    notifier_.PrepareToSleep(ring_ == nullptr ? internal::Notifier::kOnEventFd
                                              : ring_->message_fd());
    if (HasNews()) timeout = Duration::zero();
  }
  stats_->wait_calls.Add();
  int count = sleeps && ring_ != nullptr ? WaitWithRing(timeout)
                                         : backend_->Wait(timeout, ready_);
  notifier_.Awake();
  const TimePoint woke_before = std::exchange(woke_, kernel_.Now());
  now_ = woke_;

  // A round that does not sleep spares one look at the clock: it counts as busy
  // from end to end.
  if (!sleeps) wait_began_ = now_;
  stats_->busy_nanoseconds.Add(
      static_cast<uint64_t>((wait_began_ - woke_before).count()));
  stats_->poll_nanoseconds.Add(
      static_cast<uint64_t>((now_ - wait_began_).count()));
  return count == -EINTR ? 0 : std::min(count, 0);
}

// Not asleep, what is over at once is heard of at once.
inline int EventBase::WaitWithRing(Duration timeout) {
  ring_->ForgetTimers();
  if (ring_->first_over() == Ring::Over::kAtOnce) {
    const int count = backend_->Wait(Duration::zero(), ready_);
    if (count != 0 || HasWork() || ring_->timer_added() ||
        ring_->first_over() == Ring::Over::kAtOnce) {
      return count;
    }
    stats_->wait_calls.Add();
  }
  if (ring_->first_over() != Ring::Over::kLater) {
    timeout = std::min(timeout, Ring::kNotForLong);
  }
  return backend_->Wait(timeout, ready_);
}

inline void EventBase::ActivateReady() {
  const size_t told = ring_ == nullptr ? 0 : ring_->TakeToldCount();
  stats_->ready_descriptors.Set(static_cast<int64_t>(ready_.size() + told));
  for (const internal::ReadyDescriptor& ready : ready_) {
    if (ready.fd == notifier_.event_fd()) {
      stats_->wakeups.Add();
      // An edge has been reported and is over; a level lasts until it is read.
      if (!Any(backend_->features() & BackendFeatures::kEdgeTriggered)) {
        notifier_.Drain();
      }
    } else if (ready.fd == signals_.signal_fd()) {
      signals_.Drain();
    } else if (const internal::WatchList* events = descriptors_.Find(ready)) {
      ActivateAll(*events, ready.what);
    }
  }
}

void EventBase::ActivateAll(const internal::WatchList& events,
                            EventFlags what) {
  for (BasicEvent* event = events.first(); event != nullptr;
       event = internal::WatchList::Next(event)) {
    const EventFlags met = what & event->interest() & kDescriptorFlags;
    if (Any(met)) Activate(event, met);
  }
}

inline void EventBase::ActivateSignals() {
  signals_.TakeArrived(
      [this](BasicEvent* event) { Activate(event, EventFlags::kSignal); });
}

inline void EventBase::ActivateExpired() {
  while (Event* event = timers_.PopExpired(now_)) {
    Activate(event, EventFlags::kTimeout);
  }
}

inline size_t EventBase::RunActive() {
  counted_ = 0;
  return active_.RunAll([this](BasicEvent* event) { RunEvent(event); },
                        [this](int priority) {
                          return MustStopRunning() ||
                                 (limited_ && ReachedLimit(priority));
                        });
}

bool EventBase::ReachedLimit(int priority) {
  if (priority < limits_.from_priority) return false;
  if (++counted_ >= limits_.max_callbacks) return true;
  return limits_.max_interval != kForever &&
         kernel_.Now() >= AddSaturated(woke_, limits_.max_interval);
}

inline void EventBase::RunEvent(BasicEvent* event) {
  const EventFlags what = event->active_what_;
  const BasicEvent::Callback callback = event->callback_;
  void* const argument = event->argument_;
  const int fd = event->fd_;
  uint32_t calls = 1;
  if (Any(event->interest_ & EventFlags::kSignal)) [[unlikely]] {
    auto* const signal = static_cast<Event*>(event);
    calls = std::max(std::exchange(signal->signal_count_, 0), calls);
  }
  PrepareToRun(event, what);
  CountEvent(what);

  // From here on the event may be gone: only current_ tells.
  current_ = event;
  do {
    callback(fd, what, argument);
  } while (--calls > 0 && current_ == event);
  current_ = nullptr;
}

// The event has left the active queue: it leaves the rest too, or waits again.
inline void EventBase::PrepareToRun(BasicEvent* event, EventFlags what) {
  event->active_what_ = EventFlags::kNone;
  if (!Any(event->interest_ & EventFlags::kPersist)) {
    RemoveEvent(event);
  } else if (event->has_timer_) {
    RestartTimer(static_cast<Event*>(event), what);
  }
}

inline void EventBase::RestartTimer(Event* event, EventFlags what) {
  if (event->timeout_ <= Duration::zero()) return;
  // A tick counts from when it was due, so that a periodic timer does not
  // drift; one that is late by more than its period counts from now.
  TimePoint next = AddSaturated(now_, event->timeout_);
  if (Any(what & EventFlags::kTimeout)) {
    const TimePoint due = AddSaturated(event->deadline_, event->timeout_);
    if (due > now_) next = due;
  }
  timers_.Schedule(event, next);
}

inline void EventBase::CountEvent(EventFlags what) {
  if (Any(what & EventFlags::kRead)) {
    stats_->read_events.Add();
  } else if (Any(what & EventFlags::kWrite)) {
    stats_->write_events.Add();
  } else if (Any(what & EventFlags::kSignal)) {
    stats_->signal_events.Add();
  } else if (Any(what & EventFlags::kTimeout)) {
    stats_->timeout_events.Add();
  } else {
    stats_->other_events.Add();
  }
}

size_t EventBase::RunDeferred() {
  size_t ran = 0;
  const size_t limit =
      std::min(deferred_count_, static_cast<size_t>(deferred_per_round_));
  while (ran < limit && !deferred_.empty()) {
    DeferredCallback* deferred = deferred_.first();
    deferred->Cancel();
    ++ran;
    deferred->callback_(deferred->argument_);
    if (MustStopRunning()) break;
  }
  stats_->deferred_events.Add(ran);
  return ran;
}

// What is left when the loop ends runs at the latest when the base goes.
void EventBase::RunFinalizers() {
  while (!finalizers_.empty()) {
    Event* const event = finalizers_.PopFront();
    event->queue_ = BasicEvent::Queue::kFinalized;
    event->finalizer_(*event, event->argument_);
  }
}

absl::Status EventBase::Insert(BasicEvent* event) {
  CheckThread();
  absl::Status status = Any(event->interest_ & EventFlags::kSignal)
                            ? InsertSignal(event)
                            : InsertDescriptor(event);
  if (!status.ok()) return status;
  event->inserted_ = true;
  NotePending();
  return absl::OkStatus();
}

absl::Status EventBase::InsertDescriptor(BasicEvent* event) {
  if (event->fd_ < 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "an event without a timeout needs a descriptor, not ", event->fd_));
  }
  const internal::WatchList* others = descriptors_.EventsOn(event->fd_);
  if (others != nullptr && !others->empty() &&
      Any((others->first()->interest_ ^ event->interest_) &
          EventFlags::kEdgeTriggered)) {
    absl::Status status = absl::InvalidArgumentError(
        absl::StrCat("edge- and level-triggered events on one descriptor: ",
                     event->Describe(), "; and ", others->first()->Describe()));
    if (internal::EventRegistry::enabled()) {
      Log(LogLevel::kError, std::string(status.message()));
    }
    return status;
  }
  const int result = descriptors_.Insert(event);
  if (result < 0) {
    return SystemError(-result, "watching", absl::StrCat("fd ", event->fd_));
  }
  return absl::OkStatus();
}

absl::Status EventBase::InsertSignal(BasicEvent* event) {
  if (!internal::SignalEvents::IsSignal(event->fd_) ||
      Any(event->interest_ & kDescriptorFlags)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a signal event needs a signal number and waits for nothing else, not ",
        event->fd_));
  }
  const int result = signals_.Insert(event);
  if (result < 0) {
    return SystemError(-result, "handling signal", absl::StrCat(event->fd_));
  }
  return absl::OkStatus();
}

void EventBase::RemoveEvent(BasicEvent* event) {
  CheckThread();
  if (current_ == event) current_ = nullptr;
  if (event->has_timer_) RemoveTimer(static_cast<Event*>(event));
  Deactivate(event);
  RemoveWatch(event);
  if (internal::EventRegistry::enabled()) {
    internal::EventRegistry::NotPending(event);
  }
}

void EventBase::RemoveWatch(BasicEvent* event) {
  if (!event->inserted_) return;
  event->inserted_ = false;
  if (Any(event->interest_ & EventFlags::kSignal)) {
    signals_.Remove(event);
  } else {
    descriptors_.Remove(event);
  }
}

void EventBase::RemoveTimer(Event* event) {
  CheckThread();
  event->has_timer_ = false;
  event->timeout_ = Duration::zero();
  if (internal::TimerQueue::Contains(event)) timers_.Remove(event);
}

void EventBase::Activate(BasicEvent* event, EventFlags what) {
  CheckThread();
  if (event->finalized()) return;
  event->active_what_ |= what;
  if (event->queue_ == BasicEvent::Queue::kActive) return;
  // What is to run now does not wait for the next round.
  if (event->queue_ == BasicEvent::Queue::kLater) active_.Remove(event);
  maxima_.active = std::max(maxima_.active, active_.size() + 1);
  active_.Push(event);
}

void EventBase::ActivateLater(BasicEvent* event, EventFlags what) {
  CheckThread();
  if (event->finalized()) return;
  event->active_what_ |= what;
  if (event->active()) return;
  maxima_.active = std::max(maxima_.active, active_.size() + 1);
  active_.PushLater(event);
}

void EventBase::Deactivate(BasicEvent* event) {
  if (event->queue_ == BasicEvent::Queue::kNone) return;
  event->active_what_ = EventFlags::kNone;
  if (Any(event->interest_ & EventFlags::kSignal)) {
    static_cast<Event*>(event)->signal_count_ = 0;
  }
  if (event->active()) {
    active_.Remove(event);
  } else if (event->queue_ == BasicEvent::Queue::kFinalizing) {
    finalizers_.Remove(static_cast<Event*>(event));
    event->queue_ = BasicEvent::Queue::kFinalized;
  }
}

// It has run out, but nobody has been told, and now it is set anew.
void EventBase::TakeBackTimeout(Event* event) {
  event->active_what_ &= ~EventFlags::kTimeout;
  if (!Any(event->active_what_)) Deactivate(event);
}

void EventBase::Finalize(Event* event, Event::Finalizer finalizer) {
  if (event->finalized()) return;
  RemoveEvent(event);
  event->queue_ = BasicEvent::Queue::kFinalizing;
  event->finalizer_ = finalizer;
  finalizers_.PushBack(event);
}

void EventBase::SetPriority(BasicEvent* event, int priority) {
  CheckThread();
  const bool moves = event->queue_ == BasicEvent::Queue::kActive;
  if (moves) active_.Remove(event);
  event->priority_ = static_cast<uint8_t>(priority);
  if (moves) active_.Push(event);
}

}  // namespace percore
