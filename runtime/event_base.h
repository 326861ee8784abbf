// The loop: waits for what its events wait for, and runs their callbacks.
//
// libevent's `event_base`, for one thread. A round of it:
//
//   1. messages sent to other threads are published
//   2. gathered interest changes are made known to the kernel
//   3. the back end waits: not at all while there is work, else until the next
//      deadline
//   4. the clock is read, once, and cached
//   5. ready descriptors, expired timers and signals become active events
//   6. arrived messages and posted functions run
//   7. active events run, highest priority first; the scan restarts when a
//      higher priority becomes active. Each priority runs the events that it
//      had when its turn came: what a callback activates at its own priority
//      waits for the next round, so that no event can starve the rest
//   8. deferred callbacks run, a bounded number; the rest in the next round
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

#include <signal.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "percore/runtime/deferred_callback.h"
#include "percore/runtime/event.h"
#include "percore/runtime/internal/backend.h"
#include "percore/runtime/internal/descriptor_table.h"
#include "percore/runtime/internal/notifier.h"
#include "percore/runtime/internal/post_queue.h"
#include "percore/runtime/internal/signal_hub.h"
#include "percore/runtime/internal/timer_heap.h"
#include "percore/runtime/intrusive_list.h"
#include "percore/runtime/kernel.h"
#include "percore/runtime/loop_stats.h"
#include "percore/runtime/message_source.h"

namespace percore {

struct EventBaseOptions {
  // The back end by name; empty chooses the best there is.
  std::string backend = {};
  // Number of priorities, 1 to 256.
  int priorities = 1;
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
// any one thread while none does), unless its own comment says otherwise.
class EventBase {
 public:
  // Errors: InvalidArgument for a back end that this build does not have (the
  // message lists those it has) and for numbers out of range; the system's word
  // when it gives no descriptors.
  static absl::StatusOr<std::unique_ptr<EventBase>> Create(
      const EventBaseOptions& options);
  EventBase(const EventBase&) = delete;
  EventBase& operator=(const EventBase&) = delete;
  // Its events and deferred callbacks must be gone. Functions still posted are
  // destroyed without being run.
  ~EventBase();

  // The back ends of this build, best first.
  static const std::vector<std::string>& SupportedBackends();

  // Runs rounds. Errors: FailedPrecondition when the loop is running already;
  // the system's word when it refuses to wait.
  absl::Status Run(RunMode mode = RunMode::kUntilEmpty);

  // Any thread. Ends the loop: Exit() after the current round, Break() after
  // the current callback. What is left stays active for the next Run(). Called
  // before Run(), they end that Run() at once.
  void Exit();
  void Break();

  // Any thread, and the one way in from outside the runtime: queues `function`
  // to run on the loop, first in first out. Allocates one node. Inside the
  // runtime, Shard::Post() does it without allocating.
  void Post(absl::AnyInvocable<void()> function);

  // The time of this round: read once after the wait.
  TimePoint Now() const { return now_; }
  // Reads the clock again, for callbacks that ran long.
  void UpdateNow() { now_ = kernel_.Now(); }

  // Closes a descriptor and with it its registration, which spares the system
  // call that would undo it. Its events must be deleted. Returns 0 or -errno.
  int CloseDescriptor(int fd);

  // Conditions waited for: a descriptor, a signal, a timeout. An event that
  // waits for a descriptor with a timeout counts twice.
  size_t pending_count() const;
  size_t active_count() const { return active_count_; }
  int priority_count() const { return static_cast<int>(active_.size()); }

  const char* backend_name() const { return backend_->name(); }
  Kernel& kernel() { return kernel_; }
  // Any thread; stays valid after the base is gone.
  std::shared_ptr<const LoopStats> stats() const { return stats_; }

  // Plugs in the messages of a shard; null takes them out. Not owned.
  void set_message_source(MessageSource* source) { message_source_ = source; }
  // Any thread: wakes the loop if it sleeps; true if it did. What it is to find
  // must have been published with a sequentially consistent store.
  bool WakeIfSleeping() { return notifier_.WakeIfSleeping(); }

 private:
  friend class Event;
  friend class DeferredCallback;

  using DeferredList =
      IntrusiveList<DeferredCallback, &DeferredCallback::link_>;

  EventBase(const EventBaseOptions& options, int event_fd,
            std::unique_ptr<internal::Backend> backend);

  // What Event and DeferredCallback stand on.
  absl::Status Insert(Event* event);
  absl::Status InsertSignal(Event* event);
  void RemoveEvent(Event* event);
  void RemoveWatch(Event* event);
  void RemoveTimer(Event* event);
  void ScheduleTimer(Event* event, Duration timeout);
  void Activate(Event* event, EventFlags what);
  void Deactivate(Event* event);
  void SetPriority(Event* event, int priority);

  absl::Status RunRound(RunMode mode, size_t* ran);
  bool EndRequested();
  bool HasWork() const;
  bool HasNews() const;
  Duration WaitTime(RunMode mode, bool changes_complete);
  absl::Status Wait(Duration timeout);
  void ActivateReady();
  void ActivateSignals();
  void ActivateExpired();
  size_t RunActive();
  void RunEvent(Event* event);
  void PrepareToRun(Event* event, EventFlags what);
  void CountEvent(EventFlags what);
  size_t RunDeferred();

  Kernel& kernel_;
  const int deferred_per_round_;
  std::shared_ptr<LoopStats> stats_;
  internal::Notifier notifier_;
  std::unique_ptr<internal::Backend> backend_;
  internal::DescriptorTable descriptors_;
  internal::TimerHeap timers_;
  internal::SignalMailbox signals_;
  std::array<Event::WatchList, internal::kSignalLimit> signal_events_;
  size_t signal_event_count_ = 0;

  std::vector<Event::ActiveList> active_;  // by priority
  size_t active_count_ = 0;
  // The highest priority that became active since the scan last looked.
  int highest_activated_ = 0;
  Event* current_ = nullptr;  // whose callback runs; null once it was deleted

  DeferredList deferred_;
  size_t deferred_count_ = 0;
  internal::PostQueue posted_;
  MessageSource* message_source_ = nullptr;

  std::vector<internal::ReadyDescriptor> ready_;
  std::vector<Event*> broken_;
  TimePoint now_;
  TimePoint woke_;  // when the last wait ended
  bool running_ = false;
  std::atomic<bool> exit_{false};
  std::atomic<bool> break_{false};
  // Ends the part of an active list that runs in this round.
  Event marker_{*this, -1, EventFlags::kNone, nullptr, nullptr};
};

}  // namespace percore

#endif  // PERCORE_RUNTIME_EVENT_BASE_H_
