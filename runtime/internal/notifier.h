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

#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <utility>

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

  // To be watched edge-triggered, and then never read; or level-triggered, and
  // drained when it is ready.
  int event_fd() const { return event_fd_; }

  // The loop's thread.
  void PrepareToSleep() { sleeping_.store(true); }
  void Awake() { sleeping_.store(false, std::memory_order_relaxed); }
  // In a child of fork(): takes over `event_fd` for the old one, which is the
  // parent's to be woken with.
  void Replace(int event_fd) {
    kernel_.Close(std::exchange(event_fd_, event_fd));
    process_ = getpid();
  }
  void Drain() {
    uint64_t count = 0;
    kernel_.Read(event_fd_, &count, sizeof(count));
  }

  // Any thread, after its work was published with a sequentially consistent
  // store. True if the loop slept and was woken by this call.
  bool WakeIfSleeping() {
    if (!sleeping_.load() || !sleeping_.exchange(false)) return false;
    Wake();
    return true;
  }

  // False in a child of fork() until Replace().
  bool IsOwn() const { return process_ == getpid(); }

  // Any thread, signal handlers too.
  void Wake() {
    // Fails only if 2^64 - 2 wake-ups are unread (EAGAIN), and wakes all the
    // same then.
    const uint64_t one = 1;
    kernel_.Write(event_fd_, &one, sizeof(one));
  }

 private:
  Kernel& kernel_;
  int event_fd_;
  pid_t process_ = getpid();
  std::atomic<bool> sleeping_{false};
};

}  // namespace percore::internal

#endif  // PERCORE_RUNTIME_INTERNAL_NOTIFIER_H_
