// The events that watch one descriptor, or one signal, in the order in which
// they came.
//
// Every descriptor has such a list, and nearly always it has one event: so the
// list itself is a single pointer. The last event is found through the first,
// which has it as the one in front of it.
#ifndef PERCORE_RUNTIME_INTERNAL_WATCH_LIST_H_
#define PERCORE_RUNTIME_INTERNAL_WATCH_LIST_H_

#include <utility>

#include "percore/runtime/basic_event.h"

namespace percore::internal {

// One thread. Owns nothing; an event is in one list at most.
class WatchList {
 public:
  bool empty() const { return first_ == nullptr; }
  // Null if empty.
  BasicEvent* first() const { return first_; }
  // Null for the last event.
  static BasicEvent* Next(const BasicEvent* event) {
    return event->watch_link_.next;
  }

  void PushBack(BasicEvent* event) {
    if (first_ == nullptr) {
      first_ = event;
      event->watch_link_ = {.previous = event, .next = nullptr};
      return;
    }
    BasicEvent* const last = std::exchange(first_->watch_link_.previous, event);
    last->watch_link_.next = event;
    event->watch_link_ = {.previous = last, .next = nullptr};
  }

  // The event is in this list.
  void Remove(BasicEvent* event) {
    const auto [previous, next] = std::exchange(event->watch_link_, {});
    (event == first_ ? first_ : previous->watch_link_.next) = next;
    // Behind the last comes the first.
    BasicEvent* const behind = next != nullptr ? next : first_;
    if (behind != nullptr) behind->watch_link_.previous = previous;
  }

 private:
  BasicEvent* first_ = nullptr;
};

}  // namespace percore::internal

#endif  // PERCORE_RUNTIME_INTERNAL_WATCH_LIST_H_
