// Pending deadlines, earliest first, equal ones in the order they were set.
//
// A 4-ary heap of small entries that hold their own key, so that sifting stays
// inside one array. Extending a deadline, which is what every idle timeout does
// for every message, only writes the new deadline into the event: the entry
// keeps its old, earlier key, and moves when that key comes up.
#ifndef PERCORE_RUNTIME_INTERNAL_TIMER_HEAP_H_
#define PERCORE_RUNTIME_INTERNAL_TIMER_HEAP_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "percore/runtime/event.h"
#include "percore/runtime/time.h"

namespace percore::internal {

// One thread. The events are not owned; Remove() one before it goes.
class TimerHeap {
 public:
  // Sets the event's deadline, whether it is in the heap already or not.
  // Extending is O(1), shortening and adding O(log n) at worst.
  void Schedule(Event* event, TimePoint deadline);
  // The event must be in the heap.
  void Remove(Event* event);

  static bool Contains(const Event* event) {
    return event->heap_index_ != Event::kNotInHeap;
  }

  // kInfiniteFuture when empty.
  TimePoint NextDeadline();
  // Takes out the first event whose deadline is not after `now`; null if there
  // is none.
  Event* PopExpired(TimePoint now);

  size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    TimePoint deadline;
    uint64_t sequence;
    Event* event;

    bool Before(const Entry& other) const {
      return deadline != other.deadline ? deadline < other.deadline
                                        : sequence < other.sequence;
    }
  };

  void Place(size_t index, const Entry& entry);
  void SiftUp(size_t index, const Entry& entry);
  void SiftDown(size_t index, const Entry& entry);
  // Brings the first entry's key up to its event's deadline until they agree.
  void Settle();

  std::vector<Entry> entries_;
  uint64_t next_sequence_ = 0;
};

}  // namespace percore::internal

#endif  // PERCORE_RUNTIME_INTERNAL_TIMER_HEAP_H_
