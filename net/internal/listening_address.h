// Whether a descriptor that came from elsewhere is what it was said to be.
#ifndef PERCORE_NET_INTERNAL_LISTENING_ADDRESS_H_
#define PERCORE_NET_INTERNAL_LISTENING_ADDRESS_H_

#include "absl/status/statusor.h"
#include "percore/net/socket_address.h"
#include "percore/runtime/kernel.h"

namespace percore::internal {

// Where the stream socket `fd` listens. Errors: InvalidArgument if it is no
// stream socket, or does not listen; what the kernel says if it is no socket.
// Any thread.
absl::StatusOr<SocketAddress> ListeningAddress(int fd, Kernel& kernel);

// The same, and where the datagram socket `fd` is.
absl::StatusOr<SocketAddress> ServingAddress(int fd, Kernel& kernel);

}  // namespace percore::internal

#endif  // PERCORE_NET_INTERNAL_LISTENING_ADDRESS_H_
