#include "percore/net/socket_transport.h"

#include <utility>

#include "percore/net/internal/readiness_transport.h"

namespace percore {

TransportPtr MakeSocketTransport(EventBase& base, UniqueFd socket) {
  return TransportPtr(
      new internal::ReadinessTransport(base, std::move(socket)));
}

}  // namespace percore
