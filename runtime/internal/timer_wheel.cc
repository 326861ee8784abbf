#include "percore/runtime/internal/timer_wheel.h"

#include <bit>
#include <utility>

namespace percore::internal {

TimerWheel::Slot TimerWheel::First() const {
  const size_t slot = FirstSlot();
  const int shift = static_cast<int>(slot / kRowSlots) * kDigitBits;
  // The horizon's digits above the slot's own.
  const uint64_t above = horizon_ >> shift >> kDigitBits << kDigitBits;
  const uint64_t first = (above | slot % kRowSlots) << shift;
  return {.events = slots_[slot],
          .first_tick = first,
          .end_tick = first + (uint64_t{1} << shift)};
}

TimerWheel::List TimerWheel::TakeBefore(uint64_t end) {
  while (!empty()) {
    const Slot first = First();
    if (first.first_tick >= end) break;
    if (first.end_tick - first.first_tick == 1) {
      List taken = TakeSlot(FirstSlot());
      MoveHorizon(first.end_tick);
      return taken;
    }
    MoveHorizon(first.first_tick);
  }
  if (horizon_ < end) MoveHorizon(end);
  return {};
}

size_t TimerWheel::FirstSlot() const {
  size_t word = 0;
  while (occupied_[word] == 0) ++word;
  return word * kWordBits +
         static_cast<size_t>(std::countr_zero(occupied_[word]));
}

TimerWheel::List TimerWheel::TakeSlot(size_t slot) {
  Unmark(slot);
  return std::exchange(slots_[slot], {});
}

// Nothing in the wheel is before `tick`. A slot that the horizon has reached in
// a row above the first is spread: its events differ from the horizon in a
// lower digit from now on.
void TimerWheel::MoveHorizon(uint64_t tick) {
  const int highest = RowOf(std::exchange(horizon_, tick) ^ tick);
  for (int row = highest; row > 0; --row) {
    const size_t slot = SlotOf(tick, row);
    if (slots_[slot].empty()) continue;
    const List reached = TakeSlot(slot);
    for (Event* event = reached.first(); event != nullptr;) {
      Event* const next = List::Next(event);
      Insert(event);
      event = next;
    }
  }
}

}  // namespace percore::internal
