// Wakes a loop that sleeps, and costs nothing while it does not.
//
// The loop announces that it is about to sleep, looks once more for work, and
// only then waits. A sender makes its work visible, then looks whether the loop
// sleeps. All four steps are sequentially consistent, so that at least one side
// sees the other: either the loop finds the work, or the sender the sleeper.
//
//      loop                          sender
//      sleeping = true               work is published
//      work? -> do not wait          sleeping? -> write to the eventfd
#ifndef PERCORE_RUNTIME_INTERNAL_NOTIFIER_H_
#define PERCORE_RUNTIME_INTERNAL_NOTIFIER_H_

#include <atomic>

#include "percore/runtime/kernel.h"

namespace percore::internal {

class Notifier {
 public:
  // Takes over `event_fd`.
  Notifier(Kernel& kernel, int event_fd)
      : kernel_(kernel), event_fd_(event_fd) {}
  Notifier(const Notifier&) = delete;
  Notifier& operator=(const Notifier&) = delete;
  ~Notifier() { kernel_.Close(event_fd_); }

  // To be watched edge-triggered: it is written to and never read.
  int event_fd() const { return event_fd_; }

  // The loop's thread.
  void PrepareToSleep() { sleeping_.store(true); }
  void Awake() { sleeping_.store(false, std::memory_order_relaxed); }

  // Any thread, after its work was published with a sequentially consistent
  // store. True if the loop slept and was woken by this call.
  bool WakeIfSleeping() {
    if (!sleeping_.load() || !sleeping_.exchange(false)) return false;
    Wake();
    return true;
  }

  // Any thread, signal handlers too.
  void Wake() {
    // Fails only if 2^64 - 2 wake-ups are unread (EAGAIN), and wakes all the
    // same then.
    const uint64_t one = 1;
    kernel_.Write(event_fd_, &one, sizeof(one));
  }

 private:
  Kernel& kernel_;
  const int event_fd_;
  std::atomic<bool> sleeping_{false};
};

}  // namespace percore::internal

#endif  // PERCORE_RUNTIME_INTERNAL_NOTIFIER_H_
