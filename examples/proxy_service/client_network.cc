#include "percore/examples/proxy_service/client_network.h"

#include <netinet/in.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "percore/runtime/error.h"

namespace percore::proxy {
namespace {

constexpr int kIpv4Bits = 32;
constexpr int kIpv6Bits = 128;

absl::StatusOr<int> ParseBits(std::string_view text, int most) {
  int bits = 0;
  if (!absl::SimpleAtoi(ToAbsl(text), &bits) || bits < 0 || bits > most) {
    return absl::InvalidArgumentError(absl::StrCat(
        "'", ToAbsl(text), "' is no prefix: 0 to ", most, " bits"));
  }
  return bits;
}

void KeepFirst(int bits, std::span<uint8_t> address) {
  for (uint8_t& byte : address) {
    const int kept = std::clamp(bits, 0, 8);
    byte &= static_cast<uint8_t>(0xff00 >> kept);
    bits -= kept;
  }
}

template <typename Native>
SocketAddress AddressOf(const Native& native) {
  sockaddr_storage storage = {};
  std::memcpy(&storage, &native, sizeof(native));
  // Made of what was an address.
  return *SocketAddress::FromNative(reinterpret_cast<const sockaddr*>(&storage),
                                    sizeof(native));
}

SocketAddress Ipv4Network(std::span<const uint8_t> address, int bits) {
  sockaddr_in native = {};
  native.sin_family = AF_INET;
  const std::span<uint8_t> bytes(reinterpret_cast<uint8_t*>(&native.sin_addr),
                                 sizeof(native.sin_addr));
  std::copy(address.begin(), address.end(), bytes.begin());
  KeepFirst(bits, bytes);
  return AddressOf(native);
}

}  // namespace

absl::StatusOr<NetworkPrefix> ParseNetworkPrefix(std::string_view text) {
  NetworkPrefix prefix;
  const size_t slash = text.find('/');
  const absl::StatusOr<int> ipv4 = ParseBits(text.substr(0, slash), kIpv4Bits);
  if (!ipv4.ok()) return ipv4.status();
  prefix.ipv4 = *ipv4;
  if (slash == std::string_view::npos) return prefix;
  const absl::StatusOr<int> ipv6 = ParseBits(text.substr(slash + 1), kIpv6Bits);
  if (!ipv6.ok()) return ipv6.status();
  prefix.ipv6 = *ipv6;
  return prefix;
}

SocketAddress NetworkOf(const SocketAddress& client,
                        const NetworkPrefix& prefix) {
  if (client.family() == AF_INET) {
    sockaddr_in native = {};
    std::memcpy(&native, client.native(), sizeof(native));
    return Ipv4Network({reinterpret_cast<const uint8_t*>(&native.sin_addr),
                        sizeof(native.sin_addr)},
                       prefix.ipv4);
  }
  if (client.family() == AF_INET6) {
    sockaddr_in6 native = {};
    std::memcpy(&native, client.native(), sizeof(native));
    const std::span<uint8_t> bytes(native.sin6_addr.s6_addr);
    if (IN6_IS_ADDR_V4MAPPED(&native.sin6_addr)) {
      return Ipv4Network(bytes.subspan(12), prefix.ipv4);
    }
    native.sin6_port = 0;
    KeepFirst(prefix.ipv6, bytes);
    return AddressOf(native);
  }
  // One for all: paths tell nothing of who came.
  return *SocketAddress::OfAbstractName("clients");
}

}  // namespace percore::proxy
