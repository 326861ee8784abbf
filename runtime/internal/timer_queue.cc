#include "percore/runtime/internal/timer_queue.h"

#include <algorithm>
#include <utility>

namespace percore::internal {
namespace {

// A slot with more events than this is not searched for its earliest: looking
// through them in every round would cost more than waking up once too often.
constexpr int kMostSearched = 16;

bool Earlier(const TimerEntry& a, const TimerEntry& b) { return a.Before(b); }

}  // namespace

void TimerQueue::Remove(Event* event) {
  bound_is_tight_ &= event->deadline_ != bound_;
  --size_;
  TakeOut(event);
}

void TimerQueue::Insert(Event* event) {
  bound_ = std::min(bound_, event->deadline_);
  if (wheel_.Covers(event->deadline_)) {
    wheel_.Insert(event);
    return;
  }
  const TimerEntry entry = {event->deadline_, event->sequence_, event};
  if (run_live_ == 0 || !entry.Before(run_.back())) {
    AppendToRun(entry);
  } else {
    heap_.Insert(entry);
  }
}

void TimerQueue::TakeOut(Event* event) {
  const size_t index = TimerPlace::IndexOf(event->timer_place_);
  switch (TimerPlace::PartOf(event->timer_place_)) {
    case TimerPlace::kRun:
      event->timer_place_ = kNoTimerPlace;
      run_[index].event = nullptr;
      --run_live_;
      DropDeadEnds();
      break;
    case TimerPlace::kHeap:
      heap_.Remove(index);
      break;
    case TimerPlace::kWheel:
      wheel_.Remove(event);
      break;
    case TimerPlace::kNowhere:
      break;
  }
}

Event* TimerQueue::PopNear(TimePoint now) {
  if (wheel_.Covers(now)) TakeFromWheel(now);
  const TimerEntry* const first = FirstNear();
  if (first == nullptr || first->deadline > now) {
    Tighten();
    return nullptr;
  }
  Event* const event = first->event;
  bound_is_tight_ = false;
  --size_;
  TakeOut(event);
  return event;
}

void TimerQueue::Tighten() {
  const TimerEntry* const first = FirstNear();
  bound_ = first != nullptr ? first->deadline : FirstInWheel();
  bound_is_tight_ = true;
}

TimePoint TimerQueue::FirstInWheel() {
  while (!wheel_.empty()) {
    const TimerWheel::Slot slot = wheel_.First();
    TimePoint earliest = kInfiniteFuture;
    int searched = 0;
    for (Event* event = slot.events.first(); event != nullptr;) {
      if (++searched > kMostSearched) return slot.start();
      Event* const next = TimerWheel::List::Next(event);
      if (slot.Has(event->deadline_)) {
        earliest = std::min(earliest, event->deadline_);
      } else {
        wheel_.Remove(event);
        wheel_.Insert(event);
      }
      event = next;
    }
    if (!slot.events.empty()) return earliest;
  }
  return kInfiniteFuture;
}

const TimerEntry* TimerQueue::FirstNear() {
  while (true) {
    const TimerEntry* const first = EarlierFront();
    if (first == nullptr) return nullptr;
    Event* const event = first->event;
    if (first->sequence == event->sequence_) return first;
    TakeOut(event);
    Insert(event);
  }
}

const TimerEntry* TimerQueue::EarlierFront() const {
  const TimerEntry* const run = run_live_ == 0 ? nullptr : &run_[run_first_];
  if (heap_.empty()) return run;
  const TimerEntry* const heap = &heap_.first();
  return run != nullptr && run->Before(*heap) ? run : heap;
}

void TimerQueue::TakeFromWheel(TimePoint now) {
  const uint64_t end = TimerWheel::TickOf(now) + 1;
  while (true) {
    const TimerWheel::List tick = wheel_.TakeBefore(end);
    if (tick.empty()) return;
    AppendTick(tick);
  }
}

void TimerQueue::AppendTick(const TimerWheel::List& tick) {
  const size_t begin = run_.size();
  // With very many timers every step along the list waits for memory: two
  // walks, from both ends, wait at the same time.
  Event* front = tick.first();
  Event* back = tick.last();
  while (true) {
    Event* const next = TimerWheel::List::Next(front);
    AppendOrPutBack(front, run_);
    if (front == back) break;
    Event* const previous = TimerWheel::List::Previous(back);
    AppendOrPutBack(back, from_back_);
    if (next == back) break;
    front = next;
    back = previous;
  }
  run_.insert(run_.end(), from_back_.rbegin(), from_back_.rend());
  from_back_.clear();
  // Timers that were set one after the other with one delay are sorted already.
  const auto first = run_.begin() + static_cast<std::ptrdiff_t>(begin);
  if (!std::is_sorted(first, run_.end(), Earlier)) {
    std::sort(first, run_.end(), Earlier);
  }
  run_live_ += run_.size() - begin;
  SetPlaces(begin);
}

// What has been put off since it was put into the wheel goes back there.
void TimerQueue::AppendOrPutBack(Event* event,
                                 std::vector<TimerEntry>& entries) {
  if (wheel_.Covers(event->deadline_)) {
    wheel_.Insert(event);
  } else {
    entries.push_back({event->deadline_, event->sequence_, event});
  }
}

void TimerQueue::AppendToRun(const TimerEntry& entry) {
  if (run_.size() == run_.capacity() && run_live_ <= run_.size() / 2) {
    CompactRun();
  }
  run_.push_back(entry);
  ++run_live_;
  SetPlaces(run_.size() - 1);
}

void TimerQueue::DropDeadEnds() {
  if (run_live_ == 0) {
    run_.clear();
    run_first_ = 0;
    return;
  }
  while (run_[run_first_].event == nullptr) ++run_first_;
  while (run_.back().event == nullptr) run_.pop_back();
}

void TimerQueue::CompactRun() {
  run_.erase(run_.begin(),
             run_.begin() + static_cast<std::ptrdiff_t>(run_first_));
  std::erase_if(run_,
                [](const TimerEntry& entry) { return entry.event == nullptr; });
  run_first_ = 0;
  SetPlaces(0);
}

void TimerQueue::SetPlaces(size_t begin) {
  for (size_t i = begin; i < run_.size(); ++i) {
    run_[i].event->timer_place_ = TimerPlace::Make(TimerPlace::kRun, i);
  }
}

}  // namespace percore::internal
