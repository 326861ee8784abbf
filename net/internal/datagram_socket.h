// What an endpoint knows of its socket: which the receiver and the sender need
// for every datagram, and the kernel would have to be asked for.
#ifndef PERCORE_NET_INTERNAL_DATAGRAM_SOCKET_H_
#define PERCORE_NET_INTERNAL_DATAGRAM_SOCKET_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "percore/net/socket_address.h"
#include "percore/runtime/kernel.h"

namespace percore {

// Whether the kernel may take many datagrams for one on their way through it.
enum class DatagramOffload : uint8_t { kOff, kWherePossible };

namespace internal {

// One thread.
struct DatagramSocket {
  // Looks at `fd`, switches on what it takes to know where datagrams were sent
  // to, and finds out which offloads there are, of those that are wanted.
  // Errors: InvalidArgument for what is no UDP socket; what the kernel says.
  static absl::StatusOr<DatagramSocket> Examine(Kernel& kernel, int fd,
                                                DatagramOffload receive,
                                                DatagramOffload send);

  // Asks for `local` again, which connect() may change.
  absl::Status UpdateLocal(Kernel& kernel);

  int fd = -1;
  SocketAddress local;
  // Whom it is connected to; port 0 if to nobody.
  SocketAddress peer;
  // Whether `local` is no single address, so that each datagram says where it
  // was sent to, and from where it is to be sent.
  bool wildcard = false;
  // Whether datagrams may come several at a time (UDP_GRO).
  bool coalesces = false;
  // Datagrams of less than so many bytes may be sent several at a time
  // (UDP_SEGMENT): a device's limit, that is learned from its refusals.
  uint32_t segment_limit = UINT32_MAX;
};

}  // namespace internal
}  // namespace percore

#endif  // PERCORE_NET_INTERNAL_DATAGRAM_SOCKET_H_
