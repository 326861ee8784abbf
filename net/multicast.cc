#include "percore/net/multicast.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "percore/runtime/error.h"

namespace percore {
namespace {

// An option as each family has it.
struct Option {
  std::string_view text;
  int of_ipv4;
  int of_ipv6;
};

constexpr Option kJoin = {"MCAST_JOIN_GROUP", MCAST_JOIN_GROUP,
                          MCAST_JOIN_GROUP};
constexpr Option kLeave = {"MCAST_LEAVE_GROUP", MCAST_LEAVE_GROUP,
                           MCAST_LEAVE_GROUP};
constexpr Option kJoinSource = {"MCAST_JOIN_SOURCE_GROUP",
                                MCAST_JOIN_SOURCE_GROUP,
                                MCAST_JOIN_SOURCE_GROUP};
constexpr Option kLeaveSource = {"MCAST_LEAVE_SOURCE_GROUP",
                                 MCAST_LEAVE_SOURCE_GROUP,
                                 MCAST_LEAVE_SOURCE_GROUP};
constexpr Option kInterface = {"multicast interface", IP_MULTICAST_IF,
                               IPV6_MULTICAST_IF};
constexpr Option kLoop = {"multicast loop", IP_MULTICAST_LOOP,
                          IPV6_MULTICAST_LOOP};
constexpr Option kMulticastHops = {"multicast hops", IP_MULTICAST_TTL,
                                   IPV6_MULTICAST_HOPS};
constexpr Option kHops = {"hops", IP_TTL, IPV6_UNICAST_HOPS};

absl::Status Set(Kernel& kernel, int fd, int family, const Option& option,
                 const void* value, socklen_t size) {
  const bool is_ipv6 = family == AF_INET6;
  const int result = kernel.SetSocketOption(
      fd, is_ipv6 ? IPPROTO_IPV6 : IPPROTO_IP,
      is_ipv6 ? option.of_ipv6 : option.of_ipv4, value, size);
  if (result == 0) return absl::OkStatus();
  return SystemError(-result, absl::StrCat("setsockopt ", ToAbsl(option.text)),
                     absl::StrCat("fd ", fd));
}

absl::StatusOr<int> FamilyOf(Kernel& kernel, int fd) {
  int family = 0;
  socklen_t size = sizeof(family);
  const int result =
      kernel.GetSocketOption(fd, SOL_SOCKET, SO_DOMAIN, &family, &size);
  if (result == 0) return family;
  return SystemError(-result, "getsockopt SO_DOMAIN", absl::StrCat("fd ", fd));
}

absl::Status SetNumber(Kernel& kernel, int fd, const Option& option,
                       int value) {
  const absl::StatusOr<int> family = FamilyOf(kernel, fd);
  if (!family.ok()) return family.status();
  return Set(kernel, fd, *family, option, &value, sizeof(value));
}

absl::Status SetMembership(Kernel& kernel, int fd, const Option& option,
                           const SocketAddress& group, uint32_t interface) {
  group_req request = {};
  request.gr_interface = interface;
  std::memcpy(&request.gr_group, group.native(), group.native_size());
  return Set(kernel, fd, group.family(), option, &request, sizeof(request));
}

absl::Status SetMembership(Kernel& kernel, int fd, const Option& option,
                           const SocketAddress& group,
                           const SocketAddress& source, uint32_t interface) {
  group_source_req request = {};
  request.gsr_interface = interface;
  std::memcpy(&request.gsr_group, group.native(), group.native_size());
  std::memcpy(&request.gsr_source, source.native(), source.native_size());
  return Set(kernel, fd, group.family(), option, &request, sizeof(request));
}

}  // namespace

absl::Status JoinGroup(int fd, const SocketAddress& group, uint32_t interface,
                       Kernel& kernel) {
  return SetMembership(kernel, fd, kJoin, group, interface);
}

absl::Status LeaveGroup(int fd, const SocketAddress& group, uint32_t interface,
                        Kernel& kernel) {
  return SetMembership(kernel, fd, kLeave, group, interface);
}

absl::Status JoinSourceGroup(int fd, const SocketAddress& group,
                             const SocketAddress& source, uint32_t interface,
                             Kernel& kernel) {
  return SetMembership(kernel, fd, kJoinSource, group, source, interface);
}

absl::Status LeaveSourceGroup(int fd, const SocketAddress& group,
                              const SocketAddress& source, uint32_t interface,
                              Kernel& kernel) {
  return SetMembership(kernel, fd, kLeaveSource, group, source, interface);
}

absl::Status SetMulticastInterface(int fd, uint32_t interface, Kernel& kernel) {
  const absl::StatusOr<int> family = FamilyOf(kernel, fd);
  if (!family.ok()) return family.status();
  if (*family == AF_INET6) {
    return Set(kernel, fd, *family, kInterface, &interface, sizeof(interface));
  }
  ip_mreqn request = {};
  request.imr_ifindex = static_cast<int>(interface);
  return Set(kernel, fd, *family, kInterface, &request, sizeof(request));
}

absl::Status SetMulticastLoop(int fd, Switch setting, Kernel& kernel) {
  return SetNumber(kernel, fd, kLoop, setting == Switch::kOn ? 1 : 0);
}

absl::Status SetMulticastHops(int fd, int hops, Kernel& kernel) {
  return SetNumber(kernel, fd, kMulticastHops, hops);
}

absl::Status SetHops(int fd, int hops, Kernel& kernel) {
  return SetNumber(kernel, fd, kHops, hops);
}

}  // namespace percore
