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
      : priority_count_(priorities), turns_(static_cast<size_t>(priorities)) {}

  int priority_count() const { return priority_count_; }
  // Those for the next round included.
  size_t size() const { return size_; }

  // The event is in no queue. It runs in this round; behind those that run
  // already at its priority, in the next.
  void Push(Event* event) {
    event->queue_ = Event::Queue::kActive;
    turns_[event->priority_].events.PushBack(event);
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
    if (event->queue_ == Event::Queue::kActive) {
      Turn& turn = turns_[event->priority_];
      if (event == turn.end) turn.end = Event::ActiveList::Previous(event);
      turn.events.Remove(event);
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
  // there when the turn of its priority begins. When a more urgent one comes
  // in, that one's priority has a turn first, and then the turn that was
  // interrupted goes on. Ends when `stop(priority)` is true after a call.
  // Returns the number of calls.
  template <typename Run, typename Stop>
  [[gnu::always_inline]] size_t RunAll(Run run, Stop stop) {
    size_t calls = 0;
    bool stopped = false;
    // With a single priority there is nobody to be interrupted by.
    if (priority_count_ == 1) {
      Turn& turn = turns_.front();
      turn.end = turn.events.last();
      while (turn.end != nullptr && !stopped) {
        run(turn.events.first());
        ++calls;
        stopped = stop(0);
      }
      turn.end = nullptr;
      return calls;
    }
    for (int priority = 0; priority < priority_count() && !stopped;
         ++priority) {
      Turn& turn = turns_[static_cast<size_t>(priority)];
      // What is activated while the turn lasts goes behind its end.
      if (!turn.interrupted) turn.end = turn.events.last();
      highest_pushed_ = priority_count();
      while (turn.end != nullptr && !stopped && highest_pushed_ >= priority) {
        run(turn.events.first());
        ++calls;
        stopped = stop(priority);
      }
      turn.interrupted = highest_pushed_ < priority;
      if (turn.interrupted) {
        any_interrupted_ = true;
        priority = highest_pushed_ - 1;
      }
    }
    if (stopped || any_interrupted_) EndTurns();
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
    return std::all_of(
               turns_.begin(), turns_.end(),
               [&](const Turn& turn) { return visit_list(turn.events); }) &&
           visit_list(later_);
  }

 private:
  // What a priority has to run.
  struct Turn {
    Event::ActiveList events;
    // The last event that runs in this turn; null when there is none left, and
    // outside of RunAll().
    Event* end = nullptr;
    bool interrupted = false;
  };

  void EndTurns() {
    for (Turn& turn : turns_) {
      turn.end = nullptr;
      turn.interrupted = false;
    }
    any_interrupted_ = false;
  }

  const int priority_count_;
  std::vector<Turn> turns_;  // by priority
  Event::ActiveList later_;
  size_t size_ = 0;
  // The most urgent priority that came in since RunAll() last looked.
  int highest_pushed_ = 0;
  bool any_interrupted_ = false;
};

}  // namespace percore::internal

#endif  // PERCORE_RUNTIME_INTERNAL_ACTIVE_QUEUE_H_
