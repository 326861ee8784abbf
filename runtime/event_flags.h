// What an event waits for, and what happened: libevent's EV_* bits as a type.
//
// ```cpp
// using percore::EventFlags;
// EventFlags interest = EventFlags::kRead | EventFlags::kPersist;
// bool reads = percore::Any(interest & EventFlags::kRead);  // true
// ```
#ifndef PERCORE_RUNTIME_EVENT_FLAGS_H_
#define PERCORE_RUNTIME_EVENT_FLAGS_H_

#include <cstdint>
#include <string>

#include "percore/runtime/bit_flags.h"

namespace percore {

enum class EventFlags : uint16_t {
  kNone = 0,
  // Reported only: the timeout given to Event::Add() ran out.
  kTimeout = 0x01,
  // The descriptor can be read: data, end of file, or an error to collect.
  kRead = 0x02,
  // The descriptor can be written, or has an error to collect.
  kWrite = 0x04,
  // The signal whose number stands in place of the descriptor arrived.
  kSignal = 0x08,
  // Asked for only: stay pending after the callback ran, until Event::Del().
  kPersist = 0x10,
  // Asked for only: report a change of readiness once, not as long as it
  // lasts (EPOLLET).
  kEdgeTriggered = 0x20,
  // The peer shut down its sending side (EPOLLRDHUP): seen without reading.
  kClosed = 0x80,
};

template <>
inline constexpr bool kIsBitFlags<EventFlags> = true;

// In words: "read, persist"; "none".
std::string ToString(EventFlags flags);

}  // namespace percore

#endif  // PERCORE_RUNTIME_EVENT_FLAGS_H_
