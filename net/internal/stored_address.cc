#include "percore/net/internal/stored_address.h"

#include <sys/socket.h>

namespace percore::internal {

StoredAddress::StoredAddress(const SocketAddress& address)
    : bits_(address.family() == AF_INET
                ? Pack(*reinterpret_cast<const sockaddr_in*>(address.native()))
                : reinterpret_cast<uint64_t>(new SocketAddress(address))) {}

SocketAddress StoredAddress::Get() const {
  if (!is_ipv4()) return *elsewhere();
  sockaddr_in native = {};
  native.sin_family = AF_INET;
  native.sin_addr.s_addr = static_cast<in_addr_t>(bits_ >> kAddressShift);
  native.sin_port = static_cast<in_port_t>(bits_ >> kPortShift);
  // The size is right: there is nothing to be refused.
  return *SocketAddress::FromNative(reinterpret_cast<const sockaddr*>(&native),
                                    sizeof(native));
}

uint64_t StoredAddress::Pack(const sockaddr_in& native) {
  return uint64_t{native.sin_addr.s_addr} << kAddressShift |
         uint64_t{native.sin_port} << kPortShift | kIpv4;
}

}  // namespace percore::internal
