// What a datagram endpoint counts.
//
// ```cpp
// percore::DatagramStats stats;
// stats.received.Add(64);                   // the shard
// uint64_t seen = stats.received.Get();     // any thread
// ```
#ifndef PERCORE_NET_DATAGRAM_STATS_H_
#define PERCORE_NET_DATAGRAM_STATS_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "percore/runtime/stats.h"

namespace percore {

// Why sending failed.
enum class DatagramSendError : uint8_t {
  kTooLarge,      // EMSGSIZE: for the path, or for UDP
  kRefused,       // ECONNREFUSED: nobody listens there
  kUnreachable,   // EHOSTUNREACH, ENETUNREACH, EHOSTDOWN, ENETDOWN
  kNotPermitted,  // EPERM, EACCES: a packet filter; broadcast without the
                  // option
  kNoMemory,      // ENOBUFS, ENOMEM: not lost, but tried again
  kOther,
};
inline constexpr size_t kDatagramSendErrorCount = 6;

// `error` is a positive errno. Any thread.
DatagramSendError DatagramSendErrorOf(int error);

// Written by the endpoint's thread, read by any.
struct DatagramStats {
  Counter received;  // datagrams
  Counter received_bytes;
  Counter truncated;       // of those received
  Counter receive_errors;  // ICMP's too
  Counter sent;
  Counter sent_bytes;
  // Calls that failed, by DatagramSendError. Each but the first of a connected
  // endpoint, which may speak of a datagram sent before, and those for want of
  // memory, is a datagram that is not sent.
  std::array<Counter, kDatagramSendErrorCount> send_errors;
  // Datagrams that were not sent for such an error.
  Counter lost;
  // System calls that received something, and that sent something: how well
  // batches are filled.
  Counter receive_calls;
  Counter send_calls;
};

}  // namespace percore

#endif  // PERCORE_NET_DATAGRAM_STATS_H_
