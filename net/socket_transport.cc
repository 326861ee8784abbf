#include "percore/net/socket_transport.h"

#include <sys/socket.h>

#include <utility>

#include "percore/net/internal/completion_transport.h"
#include "percore/net/internal/readiness_transport.h"
#include "percore/runtime/error.h"

namespace percore {

TransportPtr MakeSocketTransport(EventBase& base, UniqueFd socket) {
  if (internal::CompletionTransport::Suits(base, socket.get())) {
    return TransportPtr(
        new internal::CompletionTransport(base, std::move(socket)));
  }
  return TransportPtr(
      new internal::ReadinessTransport(base, std::move(socket)));
}

absl::StatusOr<TransportPtr> OpenSocketTransport(EventBase& base,
                                                 const SocketAddress& peer) {
  UniqueFd socket(base.kernel().Socket(peer.family(), SOCK_STREAM, 0));
  if (!socket.valid()) {
    return SystemError(-socket.get(), "socket", peer.ToString());
  }
  return MakeSocketTransport(base, std::move(socket));
}

}  // namespace percore
