// Events whose callbacks are to run, by priority: 0 first.
#ifndef PERCORE_RUNTIME_INTERNAL_ACTIVE_QUEUE_H_
#define PERCORE_RUNTIME_INTERNAL_ACTIVE_QUEUE_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "percore/runtime/event.h"

namespace percore::internal {

// One thread. Each priority is a list, first in first out.
class ActiveQueue {
 public:
  explicit ActiveQueue(int priorities)
      : lists_(static_cast<size_t>(priorities)) {}

  int priority_count() const { return static_cast<int>(lists_.size()); }
  // Those for the next round included.
  size_t size() const { return size_; }

  // The event is in no queue. It runs in this round; behind those that run
  // already at its priority, in the next.
  void Push(Event* event) {
    event->queue_ = Event::Queue::kActive;
    lists_[event->priority_].PushBack(event);
    highest_pushed_ = std::min<int>(highest_pushed_, event->priority_);
    ++size_;
  }
  // It runs in the next round whatever its priority.
  void PushLater(Event* event) {
    event->queue_ = Event::Queue::kLater;
    later_.PushBack(event);
    ++size_;
  }
  // The event is in a list of this queue.
  void Remove(Event* event) {
    if (event == turn_end_) turn_end_ = Event::ActiveList::Previous(event);
    if (event->queue_ == Event::Queue::kActive) {
      lists_[event->priority_].Remove(event);
    } else {
      later_.Remove(event);
    }
    event->queue_ = Event::Queue::kNone;
    --size_;
  }

  // A new round: what was for later is for now.
  void PromoteLater() {
    while (!later_.empty()) {
      Event* const event = later_.first();
      Remove(event);
      Push(event);
    }
  }

  // Calls `run(event)`, which takes the event out, for every event that is
  // there when the turn of its priority comes, and anew from the top when a
  // more urgent one comes in. Ends when `stop(priority)` is true after a call.
  // Returns the number of calls.
  template <typename Run, typename Stop>
  size_t RunAll(Run run, Stop stop) {
    size_t calls = 0;
    for (int priority = 0; priority < priority_count(); ++priority) {
      Event::ActiveList& list = lists_[static_cast<size_t>(priority)];
      if (list.empty()) continue;
      // What is activated while the list runs goes behind this.
      turn_end_ = list.last();
      highest_pushed_ = priority_count();
      bool stopped = false;
      while (turn_end_ != nullptr) {
        run(list.first());
        ++calls;
        stopped = stop(priority);
        if (stopped || highest_pushed_ < priority) break;
      }
      turn_end_ = nullptr;
      if (stopped) break;
      if (highest_pushed_ < priority) priority = highest_pushed_ - 1;
    }
    return calls;
  }

  // Calls `visit` with each event until it returns false; returns whether it
  // never did.
  template <typename Visit>
  bool ForEach(Visit visit) const {
    const auto visit_list = [&](const Event::ActiveList& list) {
      for (Event* event = list.first(); event != nullptr;
           event = Event::ActiveList::Next(event)) {
        if (!visit(event)) return false;
      }
      return true;
    };
    return std::all_of(lists_.begin(), lists_.end(), visit_list) &&
           visit_list(later_);
  }

 private:
  std::vector<Event::ActiveList> lists_;
  // The last event that runs in this turn of its list; null when there is none
  // left, and outside of RunAll().
  Event* turn_end_ = nullptr;
  Event::ActiveList later_;
  size_t size_ = 0;
  // The most urgent priority that came in since RunAll() last looked.
  int highest_pushed_ = 0;
};

}  // namespace percore::internal

#endif  // PERCORE_RUNTIME_INTERNAL_ACTIVE_QUEUE_H_
