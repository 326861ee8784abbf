// Events whose callbacks are to run, by priority: 0 first.
//
// They stand in rings of pointers, and an event knows its place: that takes 4
// bytes of it, where the links of a list take 16, and whoever comes or goes
// touches no other event.
#ifndef PERCORE_RUNTIME_INTERNAL_ACTIVE_QUEUE_H_
#define PERCORE_RUNTIME_INTERNAL_ACTIVE_QUEUE_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "percore/runtime/basic_event.h"

namespace percore::internal {

// First in, first out, in turns; any of them may leave before. One thread.
// Allocates while there are more at once than ever before.
class ActiveRing {
 public:
  void PushBack(BasicEvent* event) {
    if (end_ - begin_ == size_) [[unlikely]] {
      PushBackSlow(event);
      return;
    }
    event->active_place_ = end_;
    At(end_++) = event;
  }
  // The event is in this ring.
  void Remove(BasicEvent* event) { At(event->active_place_) = nullptr; }

  // A turn has the events that are there when it begins.
  void BeginTurn() { turn_end_ = end_; }
  // Takes out the next one of the turn; null if there is none left.
  BasicEvent* PopOfTurn() {
    while (begin_ != turn_end_) {
      BasicEvent* const event = At(begin_++);
      if (event != nullptr) return event;
    }
    return nullptr;
  }

  // Calls `visit` with each event until it returns false; returns whether it
  // never did.
  template <typename Visit>
  bool ForEach(Visit visit) const {
    for (uint32_t place = begin_; place != end_; ++place) {
      BasicEvent* const event = At(place);
      if (event != nullptr && !visit(event)) return false;
    }
    return true;
  }

  size_t capacity() const { return size_; }

 private:
  BasicEvent*& At(uint32_t place) const { return slots_[place & (size_ - 1)]; }

  void PushBackSlow(BasicEvent* event);
  // Closes the gaps. Where those are few, the ring gets twice as large.
  void MakeRoom();

  // Null where an event was removed.
  std::unique_ptr<BasicEvent*[]> slots_;
  // Of slots_, a power of two: places are counted on and on, and stand for
  // their remainder.
  uint32_t size_ = 0;
  uint32_t begin_ = 0;
  uint32_t turn_end_ = 0;  // never in front of begin_
  uint32_t end_ = 0;
};

// One thread.
class ActiveQueue {
 public:
  explicit ActiveQueue(int priorities)
      : priority_count_(priorities), turns_(static_cast<size_t>(priorities)) {}

  int priority_count() const { return priority_count_; }
  // Those for the next round included.
  size_t size() const { return size_; }

  // The event is in no queue. It runs in this round; behind those that run
  // already at its priority, in the next.
  void Push(BasicEvent* event) {
    event->queue_ = BasicEvent::Queue::kActive;
    highest_pushed_ = std::min<int>(highest_pushed_, event->priority_);
    ++size_;
    turns_[event->priority_].events.PushBack(event);
  }
  // It runs in the next round whatever its priority.
  void PushLater(BasicEvent* event) {
    event->queue_ = BasicEvent::Queue::kLater;
    ++size_;
    later_.PushBack(event);
  }
  // The event is in this queue.
  void Remove(BasicEvent* event) {
    (event->queue_ == BasicEvent::Queue::kActive
         ? turns_[event->priority_].events
         : later_)
        .Remove(event);
    event->queue_ = BasicEvent::Queue::kNone;
    --size_;
  }

  // A new round: what was for later is for now.
  void PromoteLater() {
    later_.BeginTurn();
    while (BasicEvent* const event = PopOfTurn(later_)) Push(event);
  }

  // Takes out every event that is there when the turn of its priority begins,
  // and calls `run(event)`. When a more urgent one comes in, that one's
  // priority has a turn first, and then the turn that was interrupted goes on.
  // Ends when `stop(priority)` is true after a call. Returns the number of
  // calls.
  template <typename Run, typename Stop>
  [[gnu::always_inline]] size_t RunAll(Run run, Stop stop) {
    size_t calls = 0;
    bool stopped = false;
    // With a single priority there is nobody to be interrupted by.
    if (priority_count_ == 1) {
      ActiveRing& events = turns_.front().events;
      events.BeginTurn();
      while (!stopped) {
        BasicEvent* const event = PopOfTurn(events);
        if (event == nullptr) break;
        run(event);
        ++calls;
        stopped = stop(0);
      }
      return calls;
    }
    for (int priority = 0; priority < priority_count() && !stopped;
         ++priority) {
      Turn& turn = turns_[static_cast<size_t>(priority)];
      // What is activated while the turn lasts goes behind its end.
      if (!turn.interrupted) turn.events.BeginTurn();
      highest_pushed_ = priority_count();
      while (!stopped && highest_pushed_ >= priority) {
        BasicEvent* const event = PopOfTurn(turn.events);
        if (event == nullptr) break;
        run(event);
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
    return std::all_of(
               turns_.begin(), turns_.end(),
               [&](const Turn& turn) { return turn.events.ForEach(visit); }) &&
           later_.ForEach(visit);
  }

  // Of all rings: for tests.
  size_t capacity() const {
    size_t sum = later_.capacity();
    for (const Turn& turn : turns_) sum += turn.events.capacity();
    return sum;
  }

 private:
  // What a priority has to run.
  struct Turn {
    ActiveRing events;
    bool interrupted = false;
  };

  BasicEvent* PopOfTurn(ActiveRing& events) {
    BasicEvent* const event = events.PopOfTurn();
    if (event == nullptr) return nullptr;
    event->queue_ = BasicEvent::Queue::kNone;
    --size_;
    return event;
  }

  void EndTurns() {
    for (Turn& turn : turns_) turn.interrupted = false;
    any_interrupted_ = false;
  }

  const int priority_count_;
  std::vector<Turn> turns_;  // by priority
  ActiveRing later_;
  size_t size_ = 0;
  // The most urgent priority that came in since RunAll() last looked.
  int highest_pushed_ = 0;
  bool any_interrupted_ = false;
};

}  // namespace percore::internal

#endif  // PERCORE_RUNTIME_INTERNAL_ACTIVE_QUEUE_H_
