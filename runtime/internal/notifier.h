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
//
// A loop that waits in a ring of io_uring(7) says in which with the same word.
// A sender that has a ring as well then may send a message there instead.
// Should the loop meanwhile have woken up by itself, and made another ring,
// then it has found the work.
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

  // How a loop sleeps: where it is not one of these, in the ring that has this
  // descriptor.
  static constexpr int kAwake = -2;
  static constexpr int kOnEventFd = -1;

  // The loop's thread.
  void PrepareToSleep(int sleep) { sleep_.store(sleep); }
  void Awake() { sleep_.store(kAwake, std::memory_order_relaxed); }
  // In a child of fork(): takes over `event_fd` for the old one, which is the
  // parent's to be woken with.
  void Replace(int event_fd) {
    kernel_.Close(std::exchange(event_fd_, event_fd));
    process_ = getpid();
    Awake();
  }
  void Drain() {
    uint64_t count = 0;
    kernel_.Read(event_fd_, &count, sizeof(count));
  }

  // Any thread, after its work was published with a sequentially consistent
  // store. True if the loop slept and was woken by this call.
  bool WakeIfSleeping() {
    if (EndSleep() == kAwake) return false;
    Wake();
    return true;
  }
  // The same, but it is left to the caller to wake the loop if it slept, and
  // how it did. Nobody else wakes it from now on.
  int EndSleep() {
    return sleep_.load() == kAwake ? kAwake : sleep_.exchange(kAwake);
  }

  // False in a child of fork() until Replace().
  bool IsOwn() const { return process_ == getpid(); }

  // Any thread, signal handlers too.
  void Wake() { Wake(kernel_, event_fd_); }
  // The one with this eventfd.
  static void Wake(Kernel& kernel, int event_fd) {
    // Fails only if 2^64 - 2 wake-ups are unread (EAGAIN), and wakes all the
    // same then.
    const uint64_t one = 1;
    kernel.Write(event_fd, &one, sizeof(one));
  }

 private:
  Kernel& kernel_;
  int event_fd_;
  pid_t process_ = getpid();
  std::atomic<int> sleep_{kAwake};
};

}  // namespace percore::internal

#endif  // PERCORE_RUNTIME_INTERNAL_NOTIFIER_H_
