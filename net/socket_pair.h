// Two sockets that are connected with one another, and with nothing else.
//
// For a program that talks to its child, and for tests, which need no port
// then.
//
// ```cpp
// auto ends = percore::SocketPair();
// if (!ends.ok()) return;  // "socketpair: Too many open files"
// auto& [mine, yours] = *ends;
// int child_inherits = yours.Release();
// ```
#ifndef PERCORE_NET_SOCKET_PAIR_H_
#define PERCORE_NET_SOCKET_PAIR_H_

#include <array>
#include <cstdint>

#include "absl/status/statusor.h"
#include "percore/net/unique_fd.h"
#include "percore/runtime/kernel.h"

namespace percore {

enum class SocketPairType : uint8_t {
  kStream,          // bytes
  kDatagram,        // messages, each read whole, in order and never lost
  kSequencedPacket  // the same, and an end of file when the other end is closed
};

// Both non-blocking and close-on-exec; SetNonBlocking() and SetCloseOnExec()
// (net/socket_options.h) turn that off. Any thread. One system call.
absl::StatusOr<std::array<UniqueFd, 2>> SocketPair(
    SocketPairType type = SocketPairType::kStream,
    Kernel& kernel = Kernel::Real());

}  // namespace percore

#endif  // PERCORE_NET_SOCKET_PAIR_H_
