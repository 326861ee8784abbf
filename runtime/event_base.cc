#include "percore/runtime/event_base.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "percore/runtime/error.h"
#include "percore/runtime/internal/epoll_backend.h"

namespace percore {
namespace {

using std::chrono::duration_cast;
using std::chrono::nanoseconds;

constexpr EventFlags kDescriptorFlags =
    EventFlags::kRead | EventFlags::kWrite | EventFlags::kClosed;

// While the kernel is too short of memory to watch a descriptor, the loop asks
// again this often.
constexpr Duration kRetryInterval = std::chrono::milliseconds(10);

absl::StatusOr<std::unique_ptr<internal::Backend>> MakeBackend(
    const std::string& name, Kernel& kernel) {
  if (name.empty() || name == "epoll") {
    return internal::EpollBackend::Create(kernel);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("unknown back end '", name, "': this build has ",
                   absl::StrJoin(EventBase::SupportedBackends(), ", ")));
}

}  // namespace

const std::vector<std::string>& EventBase::SupportedBackends() {
  static const auto& names = *new std::vector<std::string>{"epoll"};
  return names;
}

absl::StatusOr<std::unique_ptr<EventBase>> EventBase::Create(
    const EventBaseOptions& options) {
  if (options.priorities < 1 || options.priorities > 256) {
    return absl::InvalidArgumentError(
        absl::StrCat("priorities must be 1 to 256, not ", options.priorities));
  }
  if (options.deferred_per_round < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("deferred_per_round must be at least 1, not ",
                     options.deferred_per_round));
  }
  Kernel& kernel = *options.kernel;
  absl::StatusOr<std::unique_ptr<internal::Backend>> backend =
      MakeBackend(options.backend, kernel);
  if (!backend.ok()) return backend.status();

  const int event_fd = kernel.EventFd();
  if (event_fd < 0) return SystemError(-event_fd, "eventfd");
  std::unique_ptr<EventBase> base(
      new EventBase(options, event_fd, *std::move(backend)));
  const int watched = base->descriptors_.WatchWakeup();
  if (watched < 0) {
    return SystemError(-watched, "watching the wake-up descriptor");
  }
  return base;
}

EventBase::EventBase(const EventBaseOptions& options, int event_fd,
                     std::unique_ptr<internal::Backend> backend)
    : kernel_(*options.kernel),
      deferred_per_round_(options.deferred_per_round),
      stats_(options.stats != nullptr ? options.stats
                                      : std::make_shared<LoopStats>()),
      notifier_(kernel_, event_fd),
      backend_(std::move(backend)),
      descriptors_(*backend_, event_fd, stats_->change_calls),
      signals_(notifier_),
      active_(options.priorities),
      now_(kernel_.Now()),
      woke_(now_) {}

EventBase::~EventBase() = default;

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

int EventBase::CloseDescriptor(int fd) {
  descriptors_.Forget(fd);
  return kernel_.Close(fd);
}

size_t EventBase::pending_count() const {
  return descriptors_.event_count() + signal_event_count_ + timers_.size();
}

absl::Status EventBase::Run(RunMode mode) {
  if (running_) {
    return absl::FailedPreconditionError("the loop is already running");
  }
  running_ = true;
  absl::Status status;
  size_t ran = 0;
  while (status.ok()) {
    if (EndRequested()) break;
    if (mode != RunMode::kUntilExit && pending_count() == 0 && !HasWork()) {
      break;
    }
    status = RunRound(mode, &ran);
    if (mode == RunMode::kNonBlocking) break;
    if (mode == RunMode::kOnce && ran > 0) break;
  }
  running_ = false;
  return status;
}

absl::Status EventBase::RunRound(RunMode mode, size_t* ran) {
  if (message_source_ != nullptr) message_source_->Publish();
  const bool changes_complete = descriptors_.Apply(broken_);
  for (Event* event : broken_) {
    const EventFlags what = event->interest() & kDescriptorFlags;
    if (Any(what)) Activate(event, what);
  }
  broken_.clear();

  if (absl::Status status = Wait(WaitTime(mode, changes_complete));
      !status.ok()) {
    return status;
  }
  stats_->iterations.Add();
  ActivateReady();
  ActivateSignals();
  ActivateExpired();

  size_t messages = posted_.RunAll();
  if (message_source_ != nullptr) messages += message_source_->Deliver();
  stats_->message_events.Add(messages);

  *ran = messages + RunActive();
  if (!break_.load(std::memory_order_relaxed)) *ran += RunDeferred();

  stats_->timers_pending.Set(static_cast<int64_t>(timers_.size()));
  stats_->registered_descriptors.Set(
      static_cast<int64_t>(descriptors_.descriptor_count()));
  return absl::OkStatus();
}

bool EventBase::EndRequested() {
  if (!exit_.load() && !break_.load()) return false;
  exit_.store(false);
  break_.store(false);
  return true;
}

bool EventBase::HasWork() const {
  return active_count_ > 0 || deferred_count_ > 0 || !posted_.empty();
}

// What may have come from another thread since the loop announced its sleep.
bool EventBase::HasNews() const {
  return !posted_.empty() || signals_.pending() || exit_.load() ||
         break_.load() ||
         (message_source_ != nullptr && message_source_->HasArrived());
}

Duration EventBase::WaitTime(RunMode mode, bool changes_complete) {
  if (mode == RunMode::kNonBlocking || HasWork()) return Duration::zero();
  const TimePoint deadline = timers_.NextDeadline();
  Duration wait = kForever;
  if (deadline != kInfiniteFuture) {
    wait = std::max(deadline - kernel_.Now(), Duration::zero());
  }
  return changes_complete ? wait : std::min(wait, kRetryInterval);
}

absl::Status EventBase::Wait(Duration timeout) {
  const bool sleeps = timeout > Duration::zero();
  TimePoint sleep_began;
  if (sleeps) {
    notifier_.PrepareToSleep();
    if (HasNews()) timeout = Duration::zero();
    sleep_began = kernel_.Now();
  }
  stats_->wait_calls.Add();
  const int count = backend_->Wait(timeout, ready_);
  notifier_.Awake();
  const TimePoint woke_before = std::exchange(woke_, kernel_.Now());
  now_ = woke_;

  // A round that does not sleep spares one look at the clock: it counts as busy
  // from end to end.
  const TimePoint busy_until = sleeps ? sleep_began : now_;
  stats_->busy_nanoseconds.Add(
      static_cast<uint64_t>((busy_until - woke_before).count()));
  stats_->poll_nanoseconds.Add(
      static_cast<uint64_t>((now_ - busy_until).count()));
  if (count < 0 && count != -EINTR) {
    return SystemError(-count, "waiting for events");
  }
  return absl::OkStatus();
}

void EventBase::ActivateReady() {
  stats_->ready_descriptors.Set(static_cast<int64_t>(ready_.size()));
  for (const internal::ReadyDescriptor& ready : ready_) {
    if (ready.fd == notifier_.event_fd()) {
      stats_->wakeups.Add();
      continue;
    }
    const Event::WatchList* events = descriptors_.Find(ready);
    if (events == nullptr) continue;
    for (Event* event = events->first(); event != nullptr;
         event = Event::WatchList::Next(event)) {
      const EventFlags what = ready.what & event->interest() & kDescriptorFlags;
      if (Any(what)) Activate(event, what);
    }
  }
}

void EventBase::ActivateSignals() {
  if (!signals_.StartTaking()) return;
  for (int signal = 1; signal < internal::kSignalLimit; ++signal) {
    const uint32_t count = signals_.Take(signal);
    if (count == 0) continue;
    for (Event* event = signal_events_[signal].first(); event != nullptr;
         event = Event::WatchList::Next(event)) {
      Activate(event, EventFlags::kSignal);
      event->signal_count_ += count;
    }
  }
}

void EventBase::ActivateExpired() {
  while (Event* event = timers_.PopExpired(now_)) {
    Activate(event, EventFlags::kTimeout);
  }
}

size_t EventBase::RunActive() {
  size_t ran = 0;
  const int priorities = priority_count();
  for (int priority = 0; priority < priorities; ++priority) {
    Event::ActiveList& list = active_[priority];
    if (list.empty()) continue;
    // Events activated while the list runs go to its end, behind this one.
    list.PushBack(&marker_);
    highest_activated_ = priorities;
    while (list.first() != &marker_) {
      RunEvent(list.first());
      ++ran;
      if (break_.load(std::memory_order_relaxed) ||
          highest_activated_ < priority) {
        break;
      }
    }
    list.Remove(&marker_);
    if (break_.load(std::memory_order_relaxed)) break;
    // A more urgent event became active: start again from the top.
    if (highest_activated_ < priority) priority = highest_activated_ - 1;
  }
  return ran;
}

void EventBase::RunEvent(Event* event) {
  const EventFlags what = event->active_what_;
  const Event::Callback callback = event->callback_;
  void* const argument = event->argument_;
  const int fd = event->fd_;
  uint32_t calls = std::max<uint32_t>(event->signal_count_, 1);
  PrepareToRun(event, what);
  CountEvent(what);

  // From here on the event may be gone: only current_ tells.
  current_ = event;
  while (calls-- > 0 && current_ == event) callback(fd, what, argument);
  current_ = nullptr;
}

// Takes the event out of the active list, and out of or back into the rest.
void EventBase::PrepareToRun(Event* event, EventFlags what) {
  if (!Any(event->interest_ & EventFlags::kPersist)) {
    RemoveEvent(event);
    return;
  }
  Deactivate(event);
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

void EventBase::CountEvent(EventFlags what) {
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
    if (break_.load(std::memory_order_relaxed)) break;
  }
  stats_->deferred_events.Add(ran);
  return ran;
}

absl::Status EventBase::Insert(Event* event) {
  if (Any(event->interest_ & EventFlags::kSignal)) return InsertSignal(event);
  if (event->fd_ < 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "an event without a timeout needs a descriptor, not ", event->fd_));
  }
  if (event->inserted_) return absl::OkStatus();
  const int result = descriptors_.Insert(event);
  if (result < 0) {
    return SystemError(-result, "watching", absl::StrCat("fd ", event->fd_));
  }
  event->inserted_ = true;
  return absl::OkStatus();
}

absl::Status EventBase::InsertSignal(Event* event) {
  if (event->fd_ < 1 || event->fd_ >= internal::kSignalLimit ||
      Any(event->interest_ & kDescriptorFlags)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a signal event needs a signal number and waits for nothing else, not ",
        event->fd_));
  }
  if (event->inserted_) return absl::OkStatus();
  Event::WatchList& list = signal_events_[event->fd_];
  if (list.empty()) {
    const int result = internal::SignalHub::Subscribe(event->fd_, &signals_);
    if (result < 0) {
      return SystemError(-result, "handling signal", absl::StrCat(event->fd_));
    }
  }
  list.PushBack(event);
  ++signal_event_count_;
  event->inserted_ = true;
  return absl::OkStatus();
}

void EventBase::RemoveEvent(Event* event) {
  if (current_ == event) current_ = nullptr;
  RemoveTimer(event);
  Deactivate(event);
  RemoveWatch(event);
}

void EventBase::RemoveWatch(Event* event) {
  if (!event->inserted_) return;
  event->inserted_ = false;
  if (!Any(event->interest_ & EventFlags::kSignal)) {
    descriptors_.Remove(event);
    return;
  }
  Event::WatchList& list = signal_events_[event->fd_];
  list.Remove(event);
  --signal_event_count_;
  if (list.empty()) internal::SignalHub::Unsubscribe(event->fd_, &signals_);
}

void EventBase::RemoveTimer(Event* event) {
  event->timeout_ = Duration::zero();
  if (internal::TimerHeap::Contains(event)) timers_.Remove(event);
}

void EventBase::ScheduleTimer(Event* event, Duration timeout) {
  event->timeout_ = timeout;
  timers_.Schedule(event, AddSaturated(now_, timeout));
}

void EventBase::Activate(Event* event, EventFlags what) {
  event->active_what_ |= what;
  if (event->active_) return;
  event->active_ = true;
  active_[event->priority_].PushBack(event);
  ++active_count_;
  highest_activated_ = std::min<int>(highest_activated_, event->priority_);
}

void EventBase::SetPriority(Event* event, int priority) {
  if (event->active_) {
    active_[event->priority_].Remove(event);
    active_[priority].PushBack(event);
    highest_activated_ = std::min(highest_activated_, priority);
  }
  event->priority_ = static_cast<uint8_t>(priority);
}

void EventBase::Deactivate(Event* event) {
  event->active_what_ = EventFlags::kNone;
  event->signal_count_ = 0;
  if (!event->active_) return;
  event->active_ = false;
  active_[event->priority_].Remove(event);
  --active_count_;
}

}  // namespace percore
