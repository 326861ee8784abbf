// Brings signals to any number of loops in one process.
//
// A process has one disposition per signal, and a handler may hardly do
// anything. The hub installs one handler per signal that somebody waits for; it
// counts the delivery in every subscribed mailbox and wakes that loop. The last
// to unsubscribe restores the disposition that the first one found.
#ifndef PERCORE_RUNTIME_INTERNAL_SIGNAL_HUB_H_
#define PERCORE_RUNTIME_INTERNAL_SIGNAL_HUB_H_

#include <signal.h>

#include <array>
#include <atomic>
#include <cstdint>

#include "percore/runtime/internal/notifier.h"

namespace percore::internal {

inline constexpr int kSignalLimit = NSIG;  // signals are 1 .. kSignalLimit - 1

// Where a loop's signals arrive. Written by the handler, emptied by the loop.
class SignalMailbox {
 public:
  explicit SignalMailbox(Notifier& notifier) : notifier_(notifier) {}

  // Async-signal-safe.
  void Deliver(int signal) {
    counts_[signal].fetch_add(1, std::memory_order_relaxed);
    pending_.store(true);
    // A child of fork() would wake its parent.
    if (notifier_.IsOwn()) notifier_.Wake();
  }

  bool pending() const { return pending_.load(); }
  // The loop: true if there is anything to Take().
  bool StartTaking() {
    return pending_.load(std::memory_order_relaxed) && pending_.exchange(false);
  }
  // How often `signal` was delivered since last taken.
  uint32_t Take(int signal) { return counts_[signal].exchange(0); }

 private:
  Notifier& notifier_;
  std::atomic<bool> pending_{false};
  std::array<std::atomic<uint32_t>, kSignalLimit> counts_{};
};

class SignalHub {
 public:
  // From now on `signal` is delivered to `mailbox`. 0, or -errno when the
  // system lets nobody handle that signal (EINVAL: SIGKILL, SIGSTOP).
  static int Subscribe(int signal, SignalMailbox* mailbox);
  // Once it returns no handler touches the mailbox. Subscribed before.
  static void Unsubscribe(int signal, SignalMailbox* mailbox);
  // Delivers a signal that came another way than to the handler. Any thread,
  // signal handlers too.
  static void Distribute(int signal);
};

}  // namespace percore::internal

#endif  // PERCORE_RUNTIME_INTERNAL_SIGNAL_HUB_H_
