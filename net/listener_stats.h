// What a listener and the connections it accepted count, on one shard.
//
// ```cpp
// percore::ListenerStats stats;
// stats.accepted.Add();                      // the shard
// int64_t open = stats.connections_open();   // any thread
// ```
#ifndef PERCORE_NET_LISTENER_STATS_H_
#define PERCORE_NET_LISTENER_STATS_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "percore/runtime/stats.h"

namespace percore {

// Why accept() failed.
enum class AcceptError {
  kNoDescriptors,  // EMFILE, ENFILE
  kNoMemory,       // ENOBUFS, ENOMEM
  kAborted,        // the peer gave up before it was accepted
  kOther,
};
inline constexpr size_t kAcceptErrorCount = 4;

// Why a connection was accepted only to be closed at once, so that its client
// need not wait for an answer that does not come.
enum class RejectReason {
  kNoDescriptors,  // it has had the listener's reserve
  kLimit,          // there were as many connections as there may be
};
inline constexpr size_t kRejectReasonCount = 2;

// Why a connection was closed.
enum class CloseReason : uint8_t {
  kEndOfFile,  // the peer finished
  kLocal,      // the application closed it
  kError,      // reset, or another error of the socket
  kTimeout,
  kDrained,  // the server stopped, and finished it first
  kCutOff,   // the server stopped, and could not wait
};
inline constexpr size_t kCloseReasonCount = 6;

// Written by the shard's thread, read by any. accepted is the sum of the open
// and the closed connections; rejected ones are not among them.
struct ListenerStats {
  Counter accepted;
  std::array<Counter, kAcceptErrorCount> accept_errors;  // by AcceptError
  std::array<Counter, kRejectReasonCount> rejected;      // by RejectReason
  // 1 while the listener rests because accept() ran out of something.
  Gauge paused;
  // 1 while it waits, at a limit, for a connection to be closed.
  Gauge full;
  std::array<Counter, kCloseReasonCount> closed;  // by CloseReason
  Counter received_bytes;
  Counter sent_bytes;

  int64_t connections_open() const {
    // Closed first: a connection that closes in between is not counted twice.
    uint64_t closed_connections = 0;
    for (const Counter& counter : closed) closed_connections += counter.Get();
    return static_cast<int64_t>(accepted.Get() - closed_connections);
  }
};

}  // namespace percore

#endif  // PERCORE_NET_LISTENER_STATS_H_
