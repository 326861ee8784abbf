// Membership in multicast groups, and what is sent to them.
//
// A socket gets what is sent to its port and a group once it has joined that,
// on one network interface: wildcard addresses listen to all groups that any
// socket of the machine has joined, a group's address to that one only. UDP
// without a group, broadcast, is IPv4's: SetBroadcast().
//
// ```cpp
// auto base = percore::EventBase::Create({});
// auto group = percore::SocketAddress::Parse("239.1.2.3:0");
// auto any = percore::SocketAddress::Parse("0.0.0.0:0");
// if (!base.ok()) return;
// auto endpoint = percore::DatagramEndpoint::Bind(**base, *any);
// if (!endpoint.ok()) return;
// absl::Status status = percore::JoinGroup((*endpoint)->fd(), *group);
// status.Update(percore::SetMulticastHops((*endpoint)->fd(), 4));
// ```
//
// Any thread. Each is one system call or two, allocates nothing unless it
// fails, and does not take the descriptor over. Interfaces are known by their
// numbers, as if_nametoindex(3) tells them; 0 lets the system choose one.
// Errors are what the kernel says, with the call, the option and the
// descriptor.
#ifndef PERCORE_NET_MULTICAST_H_
#define PERCORE_NET_MULTICAST_H_

#include <cstdint>

#include "absl/status/status.h"
#include "percore/net/socket_address.h"
#include "percore/net/socket_options.h"
#include "percore/runtime/kernel.h"

namespace percore {

// The group's port means nothing. A socket joins a group once on each
// interface: EADDRINUSE for the second time, EADDRNOTAVAIL for leaving what was
// not joined. Closing the socket leaves all.
absl::Status JoinGroup(int fd, const SocketAddress& group,
                       uint32_t interface = 0, Kernel& kernel = Kernel::Real());
absl::Status LeaveGroup(int fd, const SocketAddress& group,
                        uint32_t interface = 0,
                        Kernel& kernel = Kernel::Real());
// The same for what `source` sends to the group only.
absl::Status JoinSourceGroup(int fd, const SocketAddress& group,
                             const SocketAddress& source,
                             uint32_t interface = 0,
                             Kernel& kernel = Kernel::Real());
absl::Status LeaveSourceGroup(int fd, const SocketAddress& group,
                              const SocketAddress& source,
                              uint32_t interface = 0,
                              Kernel& kernel = Kernel::Real());

// By which interface multicasts leave.
absl::Status SetMulticastInterface(int fd, uint32_t interface,
                                   Kernel& kernel = Kernel::Real());
// Whether members on this machine get them, too. On by default.
absl::Status SetMulticastLoop(int fd, Switch setting,
                              Kernel& kernel = Kernel::Real());
// How many routers they may pass, plus one: 1 by default, 0 to 255. The kernel
// calls it the time to live.
absl::Status SetMulticastHops(int fd, int hops,
                              Kernel& kernel = Kernel::Real());
// The same for what is sent to one address; 1 to 255, or -1 for the system's
// default.
absl::Status SetHops(int fd, int hops, Kernel& kernel = Kernel::Real());

}  // namespace percore

#endif  // PERCORE_NET_MULTICAST_H_
