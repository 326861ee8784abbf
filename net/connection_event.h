// What happened to a connection, apart from bytes coming and going: libevent's
// BEV_EVENT_* bits as a type.
//
// ```cpp
// using percore::ConnectionEvent;
// ConnectionEvent what = ConnectionEvent::kReading | ConnectionEvent::kTimeout;
// bool ended = percore::Any(what & ConnectionEvent::kEndOfFile);  // false
// ```
#ifndef PERCORE_NET_CONNECTION_EVENT_H_
#define PERCORE_NET_CONNECTION_EVENT_H_

#include <cstdint>
#include <string>

#include "percore/runtime/bit_flags.h"

namespace percore {

// A set. One of the last four says what happened; of the first two, in which
// direction.
enum class ConnectionEvent : uint8_t {
  kNone = 0,
  kReading = 0x01,
  kWriting = 0x02,
  // The peer will send nothing more. With kReading.
  kEndOfFile = 0x10,
  // The connection is broken. With kReading, kWriting, or neither for one that
  // never came about.
  kError = 0x20,
  // Nothing arrived, or nothing left, for as long as SetTimeouts() says.
  kTimeout = 0x40,
  // Connect() succeeded.
  kConnected = 0x80,
};

template <>
inline constexpr bool kIsBitFlags<ConnectionEvent> = true;

// In words: "reading, timeout"; "none".
std::string ToString(ConnectionEvent events);

}  // namespace percore

#endif  // PERCORE_NET_CONNECTION_EVENT_H_
