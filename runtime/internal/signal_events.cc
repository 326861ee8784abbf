#include "percore/runtime/internal/signal_events.h"

namespace percore::internal {

int SignalEvents::Insert(BasicEvent* event) {
  const int signal = event->fd();
  WatchList& list = events_[static_cast<size_t>(signal)];
  if (list.empty()) {
    const int subscribed = SignalHub::Subscribe(signal, &mailbox_);
    if (subscribed < 0) return subscribed;
    const int watched = signal_fd() < 0 ? 0 : signal_fd_.Watch(signal);
    if (watched < 0) {
      SignalHub::Unsubscribe(signal, &mailbox_);
      return watched;
    }
  }
  list.PushBack(event);
  ++event_count_;
  return 0;
}

void SignalEvents::Remove(BasicEvent* event) {
  const int signal = event->fd();
  WatchList& list = events_[static_cast<size_t>(signal)];
  list.Remove(event);
  --event_count_;
  if (!list.empty()) return;
  // First, so that a signal that is blocked and pending finds the handler.
  if (signal_fd() >= 0) signal_fd_.Unwatch(signal);
  SignalHub::Unsubscribe(signal, &mailbox_);
}

}  // namespace percore::internal
