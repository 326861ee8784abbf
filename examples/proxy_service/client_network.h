// The network that a client comes from: what its address begins with.
//
// Who is served together is a question of who pays, or who is to blame, and an
// address is a poor answer: a household has one IPv4 address and 2^64 of IPv6.
// So clients are counted by prefixes.
//
// ```cpp
// auto peer = percore::SocketAddress::Parse("192.0.2.77:1234");
// if (!peer.ok()) return;
// percore::SocketAddress network =
//     percore::proxy::NetworkOf(*peer, {.ipv4 = 24});  // 192.0.2.0:0
// ```
#ifndef PERCORE_EXAMPLES_PROXY_SERVICE_CLIENT_NETWORK_H_
#define PERCORE_EXAMPLES_PROXY_SERVICE_CLIENT_NETWORK_H_

#include <string_view>

#include "absl/status/statusor.h"
#include "percore/net/socket_address.h"

namespace percore::proxy {

// In bits.
struct NetworkPrefix {
  int ipv4 = 24;  // 0 to 32
  int ipv6 = 64;  // 0 to 128

  bool operator==(const NetworkPrefix&) const = default;
};

// "24" for IPv4 alone, "24/64" for both. InvalidArgument.
absl::StatusOr<NetworkPrefix> ParseNetworkPrefix(std::string_view text);

// The address with all bits behind the prefix, and the port, zero. An IPv4
// address in IPv6's clothes (::ffff:192.0.2.1) is an IPv4 address; link-local
// ones are of the interface they came by. All UNIX sockets are one network.
SocketAddress NetworkOf(const SocketAddress& client,
                        const NetworkPrefix& prefix);

}  // namespace percore::proxy

#endif  // PERCORE_EXAMPLES_PROXY_SERVICE_CLIENT_NETWORK_H_
