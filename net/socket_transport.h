// Carries the bytes of a connection through a socket.
//
// ```cpp
// auto base = percore::EventBase::Create({});
// percore::Kernel& kernel = percore::Kernel::Real();
// percore::UniqueFd fd(kernel.Socket(AF_INET, SOCK_STREAM, 0));
// if (!base.ok()) return;
// percore::BufferEvent connection(
//     **base, percore::MakeSocketTransport(**base, std::move(fd)));
// ```
#ifndef PERCORE_NET_SOCKET_TRANSPORT_H_
#define PERCORE_NET_SOCKET_TRANSPORT_H_

#include "absl/status/statusor.h"
#include "percore/net/socket_address.h"
#include "percore/net/transport.h"
#include "percore/net/unique_fd.h"
#include "percore/runtime/event_base.h"

namespace percore {

// For a stream socket that is non-blocking, and connected unless Connect()
// comes next; any descriptor that can be read and written will do. The
// transport owns it. Thread: the base's, which outlives it.
TransportPtr MakeSocketTransport(EventBase& base, UniqueFd socket);

// With a new stream socket, for Connect() to `peer`. Errors: what the kernel
// says when it gives no socket.
absl::StatusOr<TransportPtr> OpenSocketTransport(EventBase& base,
                                                 const SocketAddress& peer);

}  // namespace percore

#endif  // PERCORE_NET_SOCKET_TRANSPORT_H_
