// Entries in order of their keys, with the earliest at hand: a 4-ary heap.
#ifndef PERCORE_RUNTIME_INTERNAL_TIMER_HEAP_H_
#define PERCORE_RUNTIME_INTERNAL_TIMER_HEAP_H_

#include <cstddef>
#include <vector>

#include "percore/runtime/internal/timer_entry.h"

namespace percore::internal {

// One thread. Keeps its events' places up to date. O(log n).
class TimerHeap {
 public:
  bool empty() const { return entries_.empty(); }
  const TimerEntry& first() const { return entries_.front(); }

  void Insert(const TimerEntry& entry);
  void Remove(size_t index);

  // All of them, in no order.
  const std::vector<TimerEntry>& entries() const { return entries_; }

 private:
  void Put(size_t index, const TimerEntry& entry);
  void SiftUp(size_t index, const TimerEntry& entry);
  void SiftDown(size_t index, const TimerEntry& entry);

  std::vector<TimerEntry> entries_;
};

}  // namespace percore::internal

#endif  // PERCORE_RUNTIME_INTERNAL_TIMER_HEAP_H_
