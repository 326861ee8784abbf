#include "percore/runtime/internal/timer_heap.h"

#include <algorithm>

namespace percore::internal {
namespace {

constexpr size_t kArity = 4;

constexpr size_t Parent(size_t index) { return (index - 1) / kArity; }
constexpr size_t FirstChild(size_t index) { return index * kArity + 1; }

}  // namespace

void TimerHeap::Schedule(Event* event, TimePoint deadline) {
  const bool extends =
      Contains(event) && deadline >= entries_[event->heap_index_].deadline;
  event->deadline_ = deadline;
  event->sequence_ = next_sequence_++;
  if (extends) return;

  size_t index = event->heap_index_;
  if (!Contains(event)) {
    index = entries_.size();
    entries_.emplace_back();
  }
  SiftUp(index, {deadline, event->sequence_, event});
}

void TimerHeap::Remove(Event* event) {
  const size_t index = event->heap_index_;
  event->heap_index_ = Event::kNotInHeap;
  const Entry last = entries_.back();
  entries_.pop_back();
  if (index == entries_.size()) return;
  if (index > 0 && last.Before(entries_[Parent(index)])) {
    SiftUp(index, last);
  } else {
    SiftDown(index, last);
  }
}

TimePoint TimerHeap::NextDeadline() {
  Settle();
  return entries_.empty() ? kInfiniteFuture : entries_.front().deadline;
}

Event* TimerHeap::PopExpired(TimePoint now) {
  if (entries_.empty() || entries_.front().deadline > now) return nullptr;
  if (NextDeadline() > now) return nullptr;
  Event* event = entries_.front().event;
  Remove(event);
  return event;
}

void TimerHeap::Settle() {
  while (!entries_.empty()) {
    Entry& first = entries_.front();
    const Event& event = *first.event;
    if (first.sequence == event.sequence_) return;
    SiftDown(0, {event.deadline_, event.sequence_, first.event});
  }
}

void TimerHeap::Place(size_t index, const Entry& entry) {
  entries_[index] = entry;
  entry.event->heap_index_ = static_cast<uint32_t>(index);
}

void TimerHeap::SiftUp(size_t index, const Entry& entry) {
  while (index > 0 && entry.Before(entries_[Parent(index)])) {
    Place(index, entries_[Parent(index)]);
    index = Parent(index);
  }
  Place(index, entry);
}

void TimerHeap::SiftDown(size_t index, const Entry& entry) {
  for (size_t child; (child = FirstChild(index)) < entries_.size();) {
    const size_t end = std::min(child + kArity, entries_.size());
    for (size_t other = child + 1; other < end; ++other) {
      if (entries_[other].Before(entries_[child])) child = other;
    }
    if (!entries_[child].Before(entry)) break;
    Place(index, entries_[child]);
    index = child;
  }
  Place(index, entry);
}

}  // namespace percore::internal
