// The two timeouts of a connection. Each runs while the connection waits for
// bytes to arrive, or to leave, and starts anew when some do.
#ifndef PERCORE_NET_INTERNAL_TRANSFER_TIMEOUTS_H_
#define PERCORE_NET_INTERNAL_TRANSFER_TIMEOUTS_H_

#include "percore/runtime/event.h"
#include "percore/runtime/event_base.h"

namespace percore::internal {

class TransferTimeouts {
 public:
  enum class Progress { kNone, kMade };

  // `on_read` and `on_write` are called with `argument` when nothing has moved
  // for too long.
  TransferTimeouts(EventBase& base, Event::Callback on_read,
                   Event::Callback on_write, void* argument)
      : read_(Event::Timer(base, on_read, argument)),
        write_(Event::Timer(base, on_write, argument)) {}

  void SetPriority(int priority) {
    read_.set_priority(priority);
    write_.set_priority(priority);
  }
  void UpdateRead(bool waiting, Progress progress) {
    Update(read_, read_timeout, waiting, progress);
  }
  void UpdateWrite(bool waiting, Progress progress) {
    Update(write_, write_timeout, waiting, progress);
  }

  // Zero for none.
  Duration read_timeout{};
  Duration write_timeout{};

 private:
  // Extending a running timer is O(1).
  static void Update(Event& timer, Duration timeout, bool waiting,
                     Progress progress) {
    const bool running = Any(timer.Pending(EventFlags::kTimeout));
    if (!waiting || timeout <= Duration::zero()) {
      if (running) timer.Del();
    } else if (progress == Progress::kMade || !running) {
      // A pure timer: there is nothing that Add() could refuse.
      (void)timer.Add(timeout);
    }
  }

  Event read_;
  Event write_;
};

}  // namespace percore::internal

#endif  // PERCORE_NET_INTERNAL_TRANSFER_TIMEOUTS_H_
