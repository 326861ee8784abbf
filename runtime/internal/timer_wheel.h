// Events by the tick in which their deadline lies, unsorted within.
//
// Time is counted in ticks of about a millisecond. A tick's number, written
// with digits of 256, names its slot: the wheel has one row of 256 slots for
// each digit, and an event lies in the row of the highest digit in which its
// tick differs from the horizon, under that digit. So everything in a row is
// earlier than everything in the rows above, and within a row a slot is earlier
// than the next. When the horizon reaches a slot of a higher row, the slot's
// events are spread over the rows below.
#ifndef PERCORE_RUNTIME_INTERNAL_TIMER_WHEEL_H_
#define PERCORE_RUNTIME_INTERNAL_TIMER_WHEEL_H_

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "percore/runtime/event.h"
#include "percore/runtime/internal/timer_entry.h"
#include "percore/runtime/time.h"

namespace percore::internal {

// One thread. Allocates nothing. The key of an event in the wheel may be put
// off (Event::deadline_ grows) without a word to the wheel: it is then found in
// the slot where it was.
class TimerWheel {
 public:
  using List = Event::TimerList;

  explicit TimerWheel(TimePoint now) : horizon_(TickOf(now)) {}

  static uint64_t TickOf(TimePoint time) {
    return static_cast<uint64_t>(time.time_since_epoch().count()) >> kTickShift;
  }

  bool empty() const { return occupied_slots_ == 0; }
  // Whether a deadline belongs into the wheel: one before the horizon does not.
  bool Covers(TimePoint deadline) const { return TickOf(deadline) >= horizon_; }

  // By the event's deadline, which the wheel covers.
  void Insert(Event* event) {
    const uint64_t tick = TickOf(event->deadline_);
    const size_t slot = SlotOf(tick, RowOf(tick ^ horizon_));
    if (slots_[slot].empty()) Mark(slot);
    slots_[slot].PushBack(event);
    event->timer_place_ = TimerPlace::Make(TimerPlace::kWheel, slot);
  }
  void Remove(Event* event) {
    const size_t slot = TimerPlace::IndexOf(event->timer_place_);
    slots_[slot].Remove(event);
    if (slots_[slot].empty()) Unmark(slot);
    event->timer_place_ = kNoTimerPlace;
  }

  // The slot of the earliest events. The wheel is not empty.
  struct Slot {
    const List& events;
    uint64_t first_tick;
    uint64_t end_tick;

    TimePoint start() const {
      return TimePoint(
          Duration(static_cast<Duration::rep>(first_tick << kTickShift)));
    }
    // False for an event whose deadline has been put off.
    bool Has(TimePoint deadline) const { return TickOf(deadline) < end_tick; }
  };
  Slot First() const;

  // Moves the horizon towards `end`: past the first tick that has events, which
  // are taken out and returned; to `end`, returning nothing, if there is none.
  List TakeBefore(uint64_t end);

  // Calls `visit` with each event until it returns false; returns whether it
  // never did.
  template <typename Visit>
  bool ForEach(Visit visit) const {
    for (const List& list : slots_) {
      for (Event* event = list.first(); event != nullptr;
           event = List::Next(event)) {
        if (!visit(event)) return false;
      }
    }
    return true;
  }

 private:
  static constexpr int kTickShift = 20;  // a tick is 2^20 ns
  static constexpr int kDigitBits = 8;
  static constexpr size_t kRowSlots = size_t{1} << kDigitBits;
  // Enough for every deadline there is: 63 bits of nanoseconds.
  static constexpr int kRows = 6;
  static constexpr size_t kWordBits = 64;

  static int RowOf(uint64_t difference) {
    return (std::bit_width(difference | 1) - 1) / kDigitBits;
  }
  static size_t SlotOf(uint64_t tick, int row) {
    const uint64_t digit = tick >> (row * kDigitBits) & (kRowSlots - 1);
    return static_cast<size_t>(row) * kRowSlots + digit;
  }

  void Mark(size_t slot) {
    occupied_[slot / kWordBits] |= uint64_t{1} << (slot % kWordBits);
    ++occupied_slots_;
  }
  void Unmark(size_t slot) {
    occupied_[slot / kWordBits] &= ~(uint64_t{1} << (slot % kWordBits));
    --occupied_slots_;
  }

  size_t FirstSlot() const;
  List TakeSlot(size_t slot);
  void MoveHorizon(uint64_t tick);

  uint64_t horizon_;
  size_t occupied_slots_ = 0;
  std::array<uint64_t, kRows* kRowSlots / kWordBits> occupied_ = {};
  std::array<List, kRows * kRowSlots> slots_;
};

}  // namespace percore::internal

#endif  // PERCORE_RUNTIME_INTERNAL_TIMER_WHEEL_H_
