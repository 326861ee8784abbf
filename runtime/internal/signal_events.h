// The signal events of one loop, by signal number.
#ifndef PERCORE_RUNTIME_INTERNAL_SIGNAL_EVENTS_H_
#define PERCORE_RUNTIME_INTERNAL_SIGNAL_EVENTS_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "percore/runtime/event.h"
#include "percore/runtime/internal/notifier.h"
#include "percore/runtime/internal/signal_fd.h"
#include "percore/runtime/internal/signal_hub.h"
#include "percore/runtime/internal/watch_list.h"
#include "percore/runtime/kernel.h"

namespace percore::internal {

// One thread: the loop's.
class SignalEvents {
 public:
  SignalEvents(Notifier& notifier, Kernel& kernel)
      : mailbox_(notifier), signal_fd_(kernel) {}

  static bool IsSignal(int number) {
    return number > 0 && number < kSignalLimit;
  }

  // From now on signals come through signalfd(2); again in a child of fork(). 0
  // or -errno.
  int OpenSignalFd() { return signal_fd_.Open(); }
  // What to watch for reading, and to Drain() then; -1 without OpenSignalFd().
  int signal_fd() const { return signal_fd_.fd(); }
  void Drain() { signal_fd_.Drain(); }

  // An Event for a signal. 0, or -errno when the system refuses it.
  int Insert(BasicEvent* event);
  void Remove(BasicEvent* event);

  // Whether a signal has arrived.
  bool pending() const { return mailbox_.pending(); }
  // Calls `activate(event)` for every event whose signal has arrived; the event
  // then stands for as many calls.
  template <typename Activate>
  void TakeArrived(Activate activate) {
    if (!mailbox_.StartTaking()) return;
    for (int signal = 1; signal < kSignalLimit; ++signal) {
      const uint32_t count = mailbox_.Take(signal);
      if (count > 0) Deliver(signal, count, activate);
    }
  }
  // As if `signal` had arrived `count` times.
  template <typename Activate>
  void Deliver(int signal, uint32_t count, Activate activate) {
    for (BasicEvent* event = events_[static_cast<size_t>(signal)].first();
         event != nullptr; event = WatchList::Next(event)) {
      activate(event);
      static_cast<Event*>(event)->signal_count_ += count;
    }
  }

  // Calls `visit` with the events of each signal until it returns false;
  // returns whether it never did.
  template <typename Visit>
  bool ForEachList(Visit visit) const {
    for (const WatchList& list : events_) {
      if (!visit(list)) return false;
    }
    return true;
  }

  size_t event_count() const { return event_count_; }

 private:
  SignalMailbox mailbox_;
  SignalFd signal_fd_;
  std::array<WatchList, kSignalLimit> events_;
  size_t event_count_ = 0;
};

}  // namespace percore::internal

#endif  // PERCORE_RUNTIME_INTERNAL_SIGNAL_EVENTS_H_
