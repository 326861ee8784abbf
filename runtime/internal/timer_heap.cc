#include "percore/runtime/internal/timer_heap.h"

#include <algorithm>

#include "percore/runtime/event.h"

namespace percore::internal {
namespace {

constexpr size_t kArity = 4;

constexpr size_t Parent(size_t index) { return (index - 1) / kArity; }
constexpr size_t FirstChild(size_t index) { return index * kArity + 1; }

}  // namespace

void TimerHeap::Insert(const TimerEntry& entry) {
  entries_.emplace_back();
  SiftUp(entries_.size() - 1, entry);
}

void TimerHeap::Remove(size_t index) {
  entries_[index].event->timer_place_ = kNoTimerPlace;
  const TimerEntry last = entries_.back();
  entries_.pop_back();
  if (index == entries_.size()) return;
  if (index > 0 && last.Before(entries_[Parent(index)])) {
    SiftUp(index, last);
  } else {
    SiftDown(index, last);
  }
}

void TimerHeap::Put(size_t index, const TimerEntry& entry) {
  entries_[index] = entry;
  entry.event->timer_place_ = TimerPlace::Make(TimerPlace::kHeap, index);
}

void TimerHeap::SiftUp(size_t index, const TimerEntry& entry) {
  while (index > 0 && entry.Before(entries_[Parent(index)])) {
    Put(index, entries_[Parent(index)]);
    index = Parent(index);
  }
  Put(index, entry);
}

void TimerHeap::SiftDown(size_t index, const TimerEntry& entry) {
  for (size_t child; (child = FirstChild(index)) < entries_.size();) {
    const size_t end = std::min(child + kArity, entries_.size());
    for (size_t other = child + 1; other < end; ++other) {
      if (entries_[other].Before(entries_[child])) child = other;
    }
    if (!entries_[child].Before(entry)) break;
    Put(index, entries_[child]);
    index = child;
  }
  Put(index, entry);
}

}  // namespace percore::internal
