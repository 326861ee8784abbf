// A deadline in one of the arrays of a TimerQueue, with its own key, so that
// sorting stays inside the array; and where an event's entry stands.
#ifndef PERCORE_RUNTIME_INTERNAL_TIMER_ENTRY_H_
#define PERCORE_RUNTIME_INTERNAL_TIMER_ENTRY_H_

#include <cstddef>
#include <cstdint>

#include "percore/runtime/time.h"

namespace percore {

class Event;

namespace internal {

struct TimerEntry {
  TimePoint deadline;
  uint64_t sequence;  // orders equal deadlines
  Event* event;

  bool Before(const TimerEntry& other) const {
    return deadline != other.deadline ? deadline < other.deadline
                                      : sequence < other.sequence;
  }
};

// What Event::timer_place_ says: in which part of the queue, and where there.
class TimerPlace {
 public:
  enum Part : uint32_t { kRun, kHeap, kWheel, kNowhere };

  static constexpr uint32_t Make(Part part, size_t index) {
    return static_cast<uint32_t>(part) << kIndexBits |
           static_cast<uint32_t>(index);
  }
  static constexpr Part PartOf(uint32_t place) {
    return static_cast<Part>(place >> kIndexBits);
  }
  static constexpr size_t IndexOf(uint32_t place) { return place & kIndexMask; }

 private:
  static constexpr int kIndexBits = 30;
  static constexpr uint32_t kIndexMask = (uint32_t{1} << kIndexBits) - 1;
};

inline constexpr uint32_t kNoTimerPlace =
    TimerPlace::Make(TimerPlace::kNowhere, 0);

}  // namespace internal
}  // namespace percore

#endif  // PERCORE_RUNTIME_INTERNAL_TIMER_ENTRY_H_
