#include "percore/net/internal/datagram_socket.h"

#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "percore/runtime/error.h"

namespace percore::internal {
namespace {

absl::Status CallError(int error, std::string_view call, int fd) {
  return SystemError(error, call, absl::StrCat("fd ", fd));
}

absl::StatusOr<int> Ask(Kernel& kernel, int fd, int option,
                        std::string_view call) {
  int value = 0;
  socklen_t size = sizeof(value);
  const int result =
      kernel.GetSocketOption(fd, SOL_SOCKET, option, &value, &size);
  if (result < 0) return CallError(-result, call, fd);
  return value;
}

int Set(Kernel& kernel, int fd, int level, int option, int value) {
  return kernel.SetSocketOption(fd, level, option, &value, sizeof(value));
}

// Known for all of its life: what is connected later was bound before.
absl::Status AskForLocalAddresses(Kernel& kernel, int fd, int family) {
  const bool is_ipv6 = family == AF_INET6;
  const int result = is_ipv6
                         ? Set(kernel, fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1)
                         : Set(kernel, fd, IPPROTO_IP, IP_PKTINFO, 1);
  if (result == 0) return absl::OkStatus();
  return CallError(
      -result,
      is_ipv6 ? "setsockopt IPV6_RECVPKTINFO" : "setsockopt IP_PKTINFO", fd);
}

bool IsWildcard(const SocketAddress& address) {
  if (address.family() == AF_INET6) {
    const auto& native =
        *reinterpret_cast<const sockaddr_in6*>(address.native());
    return IN6_IS_ADDR_UNSPECIFIED(&native.sin6_addr) ||
           IN6_IS_ADDR_MULTICAST(&native.sin6_addr);
  }
  const auto& native = *reinterpret_cast<const sockaddr_in*>(address.native());
  const uint32_t number = ntohl(native.sin_addr.s_addr);
  return number == INADDR_ANY || IN_MULTICAST(number);
}

}  // namespace

absl::StatusOr<DatagramSocket> DatagramSocket::Examine(Kernel& kernel, int fd,
                                                       DatagramOffload receive,
                                                       DatagramOffload send) {
  const absl::StatusOr<int> protocol =
      Ask(kernel, fd, SO_PROTOCOL, "getsockopt SO_PROTOCOL");
  if (!protocol.ok()) return protocol.status();
  if (*protocol != IPPROTO_UDP) {
    return absl::InvalidArgumentError(
        absl::StrCat("fd ", fd, " is not a UDP socket"));
  }
  DatagramSocket socket;
  socket.fd = fd;
  if (absl::Status status = socket.UpdateLocal(kernel); !status.ok()) {
    return status;
  }
  absl::StatusOr<SocketAddress> peer = SocketAddress::OfPeer(fd, kernel);
  if (peer.ok()) socket.peer = *std::move(peer);

  if (socket.wildcard) {
    absl::Status status =
        AskForLocalAddresses(kernel, fd, socket.local.family());
    if (!status.ok()) return status;
  }
  // Linux 5.0.
  socket.coalesces = receive == DatagramOffload::kWherePossible &&
                     Set(kernel, fd, IPPROTO_UDP, UDP_GRO, 1) == 0;
  // Linux 4.18. An older one would ignore it, and send a run as one datagram.
  if (send == DatagramOffload::kOff ||
      Set(kernel, fd, IPPROTO_UDP, UDP_SEGMENT, 0) != 0) {
    socket.segment_limit = 0;
  }
  return socket;
}

absl::Status DatagramSocket::UpdateLocal(Kernel& kernel) {
  absl::StatusOr<SocketAddress> address = SocketAddress::OfSocket(fd, kernel);
  if (!address.ok()) return address.status();
  local = *std::move(address);
  wildcard = IsWildcard(local);
  return absl::OkStatus();
}

}  // namespace percore::internal
