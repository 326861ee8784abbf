// Pending deadlines: to the nanosecond in order, equal ones in the order they
// were set; setting, extending and deleting one is O(1) with a million pending.
//
// A timing wheel alone is O(1) and rough: it knows the tick of a deadline, not
// the order within. A heap alone is exact and O(log n), for those deadlines too
// that are deleted long before they come up, as most are. So what is far lies
// in a wheel, and what is near, in order:
//
//      run (sorted array)
//      heap (the odd ones)  |  wheel, by tick
//      ---------------------+-----------------------------> time
//                        horizon
//
//  - As time passes, the ticks before the horizon are taken out of the wheel,
//    each is sorted and appended to the run.
//  - A new deadline before the horizon is appended to the run if it comes after
//    all that is there, which it does as a rule, and goes into the heap if not.
//  - Extending a deadline, which is what every idle timeout does for every
//    message, only writes the new deadline into the event. Its entry stays
//    where it is, too early, and is moved when it comes up.
#ifndef PERCORE_RUNTIME_INTERNAL_TIMER_QUEUE_H_
#define PERCORE_RUNTIME_INTERNAL_TIMER_QUEUE_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "percore/runtime/event.h"
#include "percore/runtime/internal/timer_entry.h"
#include "percore/runtime/internal/timer_heap.h"
#include "percore/runtime/internal/timer_wheel.h"
#include "percore/runtime/time.h"

namespace percore::internal {

// One thread. The events are not owned; Remove() one before it goes. Allocates
// for near deadlines alone, and keeps what it has.
class TimerQueue {
 public:
  explicit TimerQueue(TimePoint now) : wheel_(now) {}

  static bool Contains(const Event* event) {
    return event->timer_place_ != kNoTimerPlace;
  }

  // Sets the event's deadline, whether it is in the queue already or not.
  void Schedule(Event* event, TimePoint deadline) {
    if (Contains(event)) {
      if (deadline >= event->deadline_) {
        bound_is_tight_ &= event->deadline_ != bound_;
        event->deadline_ = deadline;
        event->sequence_ = next_sequence_++;
        return;
      }
      Remove(event);
    }
    event->deadline_ = deadline;
    event->sequence_ = next_sequence_++;
    ++size_;
    Insert(event);
  }
  // The event must be in the queue.
  void Remove(Event* event);

  // Until when nothing is due: the earliest deadline, or, where many lie close
  // together in the wheel, the beginning of their slot. Whoever waits until
  // then and asks again comes to the deadline in a few steps. kInfiniteFuture
  // when empty.
  TimePoint NextDeadline() {
    if (!bound_is_tight_) Tighten();
    return bound_;
  }

  // Takes out the first event whose deadline is not after `now`; null if there
  // is none.
  Event* PopExpired(TimePoint now) {
    return bound_ > now ? nullptr : PopNear(now);
  }

  // Calls `visit` with each event, in no order, until it returns false; returns
  // whether it never did.
  template <typename Visit>
  bool ForEach(Visit visit) const {
    for (const std::vector<TimerEntry>* entries : {&run_, &heap_.entries()}) {
      for (const TimerEntry& entry : *entries) {
        if (entry.event != nullptr && !visit(entry.event)) return false;
      }
    }
    return wheel_.ForEach(visit);
  }

  size_t size() const { return size_; }
  // Of the array that near deadlines lie in: for tests.
  size_t near_capacity() const { return run_.capacity(); }

 private:
  void Insert(Event* event);
  void TakeOut(Event* event);
  Event* PopNear(TimePoint now);
  void Tighten();
  TimePoint FirstInWheel();

  // The first of run and heap whose key is its event's; null if there is none.
  const TimerEntry* FirstNear();
  const TimerEntry* EarlierFront() const;
  void TakeFromWheel(TimePoint now);
  void AppendTick(const TimerWheel::List& tick);
  void AppendOrPutBack(Event* event, std::vector<TimerEntry>& entries);
  void AppendToRun(const TimerEntry& entry);
  void DropDeadEnds();
  void CompactRun();
  void SetPlaces(size_t begin);

  TimerWheel wheel_;
  TimerHeap heap_;
  // Sorted, from run_first_ on; a deleted entry has no event. The first entry
  // that is left is never one of those, nor is the last.
  std::vector<TimerEntry> run_;
  std::vector<TimerEntry> from_back_;  // while a tick is appended
  size_t run_first_ = 0;
  size_t run_live_ = 0;

  size_t size_ = 0;
  uint64_t next_sequence_ = 0;
  // Nothing is due before; tight if it is what NextDeadline() promises.
  TimePoint bound_ = kInfiniteFuture;
  bool bound_is_tight_ = true;
};

}  // namespace percore::internal

#endif  // PERCORE_RUNTIME_INTERNAL_TIMER_QUEUE_H_
