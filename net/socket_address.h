// An IPv4 or IPv6 address with a port, as a value.
//
// ```cpp
// absl::StatusOr<percore::SocketAddress> address =
//     percore::SocketAddress::Parse("[::1]:8080");
// if (!address.ok()) return;
// std::string text = address->ToString();  // "[::1]:8080"
// ```
#ifndef PERCORE_NET_SOCKET_ADDRESS_H_
#define PERCORE_NET_SOCKET_ADDRESS_H_

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace percore {

// Any thread, as any value.
class SocketAddress {
 public:
  // 0.0.0.0:0
  SocketAddress();

  // Reads "127.0.0.1:80" and "[::1]:80". Numbers only: names are a resolver's
  // business. InvalidArgument, with the text and what is wrong about it.
  static absl::StatusOr<SocketAddress> Parse(std::string_view text);
  // From what accept(2) or getsockname(2) gave. InvalidArgument for another
  // family than AF_INET and AF_INET6.
  static absl::StatusOr<SocketAddress> FromNative(const sockaddr* address,
                                                  socklen_t size);
  // The address that the socket `fd` is bound to.
  static absl::StatusOr<SocketAddress> OfSocket(int fd);

  int family() const { return native_.base.sa_family; }
  uint16_t port() const;
  // The same address with another port.
  SocketAddress WithPort(uint16_t port) const;

  // As Parse() reads it.
  std::string ToString() const;

  // For system calls.
  const sockaddr* native() const { return &native_.base; }
  socklen_t native_size() const {
    return family() == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
  }

  friend bool operator==(const SocketAddress& a, const SocketAddress& b);

 private:
  union {
    sockaddr base;
    sockaddr_in v4;
    sockaddr_in6 v6;
  } native_;
};

}  // namespace percore

#endif  // PERCORE_NET_SOCKET_ADDRESS_H_
