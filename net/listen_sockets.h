// One listening socket for each shard, all on one address.
//
// With SO_REUSEPORT the kernel spreads new connections over the sockets, and
// each shard accepts its own without a lock or a hand-over.
//
// ```cpp
// auto sockets = percore::ListenSockets::Open("127.0.0.1:0", 2);
// if (!sockets.ok()) return;  // "bind 127.0.0.1:80: Permission denied"
// percore::UniqueFd first = sockets->Take(0);
// std::string bound = sockets->address().ToString();
// ```
//
// With CpuSteering::kByCpu the socket is that of the CPU on which the
// connection arrives. The sockets then live and end together: the kernel counts
// them, in the order in which they began to listen, and closing one moves
// another to its place.
//
// UNIX sockets, for clients of this machine:
//
// ```cpp
// auto sockets = percore::ListenSockets::Open(
//     "unix:/run/cache/cache.sock", 2, {.permissions = 0660});
// ```
//
// - They have no SO_REUSEPORT. All shards get descriptors of the same socket:
//   a new connection wakes every shard that sleeps, the first one has it, and
//   the others go back to sleep. Where that costs too much, open one socket,
//   and let its shard hand connections on.
// - A path that a server left behind when it was killed is removed before the
//   new one is bound. To find out that nobody listens there, Open() connects to
//   it; a server that does listen sees a connection that ends at once. Files
//   that are no sockets stay. Two servers that start on one path in the same
//   moment are not told apart.
// - The path goes with the ListenSockets object, not with its sockets: let it
//   live as long as the server. A relative path is found again only from the
//   folder it was made in. Abstract names go with the last socket, and know no
//   permissions.
#ifndef PERCORE_NET_LISTEN_SOCKETS_H_
#define PERCORE_NET_LISTEN_SOCKETS_H_

#include <sys/types.h>

#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "percore/net/internal/bound_path.h"
#include "percore/net/socket_address.h"
#include "percore/net/unique_fd.h"
#include "percore/runtime/kernel.h"
#include "percore/runtime/time.h"

namespace percore {

// Which socket, and so which shard, has a new connection.
enum class CpuSteering {
  // That is the kernel's choice, by a hash of the addresses: even, and blind.
  kNone,
  // That of the CPU which handled the connection's first packet, so that a
  // connection stays where the network card delivers it. It pays where the
  // card's queues are spread over the shards' CPUs; clients that all arrive on
  // one CPU are all served by one shard.
  kByCpu,
};

struct ListenOptions {
  // Connections that the kernel completes ahead of accept(), for each socket.
  // The kernel bounds it by net.core.somaxconn.
  int backlog = 4096;
  // Whether another process may listen on the same address at the same time, to
  // take over from this one. Not for UNIX addresses.
  bool share_with_other_processes = false;
  // Whether "[::]:80" leaves IPv4 to "0.0.0.0:80", whatever the system's
  // default is. Else it takes both.
  bool ipv6_only = true;
  // Whether a port may be bound while connections of an earlier run are in
  // TIME_WAIT.
  bool reuse_address = true;
  // If not zero: a connection is there for accept() once its first bytes are,
  // or so much time has passed; see SetDeferredAccept().
  Duration deferred_accept{};
  // If not zero: so many connections may wait that came with data in their
  // first packet; see SetFastOpen().
  int fast_open = 0;
  // Takes the port for itself: with share_with_other_processes it is refused.
  CpuSteering cpu_steering = CpuSteering::kNone;
  // For kByCpu: on which CPU the shard of each socket runs (Shard::cpu()).
  // Packets of other CPUs, and of CPUs that several shards share, are spread
  // over all sockets. If empty, CPU c goes to socket c modulo the number of
  // sockets.
  std::vector<int> cpus = {};
  // Who may connect to a UNIX path: those who may write to it. The process's
  // umask does not count. By default the server's own user alone.
  mode_t permissions = 0600;
  // Outlives the ListenSockets.
  Kernel* kernel = &Kernel::Real();
};

// Opened before any thread starts, so that an address in use is an error of the
// start. Thread: Take() of different indexes from different threads.
class ListenSockets {
 public:
  // Opens `count` sockets. Port 0 lets the kernel choose one, the same for all.
  // Errors: InvalidArgument for a bad address, and for options that it cannot
  // have; else the call that failed, the address, and errno in words.
  static absl::StatusOr<ListenSockets> Open(const SocketAddress& address,
                                            int count,
                                            const ListenOptions& options = {});
  static absl::StatusOr<ListenSockets> Open(std::string_view address, int count,
                                            const ListenOptions& options = {});

  // Sockets that were opened elsewhere and listen already: inherited ones, say
  // (net/inherited_sockets.h). All have one address. There are `count`
  // afterwards: of fewer sockets, several shards get descriptors of the same
  // one (see UNIX sockets above). They are made non-blocking and close-on-exec;
  // a UNIX path stays whoever's it is. Errors: InvalidArgument for none or more
  // than `count` of them, for what is not a listening stream socket, and for
  // different addresses; what the kernel says. The sockets are then closed.
  static absl::StatusOr<ListenSockets> Adopt(std::vector<UniqueFd> sockets,
                                             int count,
                                             Kernel& kernel = Kernel::Real());

  // Where they listen, with the real port.
  const SocketAddress& address() const { return address_; }
  int count() const { return static_cast<int>(sockets_.size()); }
  // Gives socket `index` away. Once for each index.
  UniqueFd Take(int index) { return std::move(sockets_[index]); }

 private:
  static absl::StatusOr<ListenSockets> OpenTcp(const SocketAddress& address,
                                               int count,
                                               const ListenOptions& options);
  static absl::StatusOr<ListenSockets> OpenUnix(const SocketAddress& address,
                                                int count,
                                                const ListenOptions& options);
  // Adds descriptors of the sockets there are, in turn, until there are
  // `count`.
  absl::Status Duplicate(int count, Kernel& kernel);

  SocketAddress address_;
  std::vector<UniqueFd> sockets_;
  std::unique_ptr<internal::BoundPath> path_;
};

}  // namespace percore

#endif  // PERCORE_NET_LISTEN_SOCKETS_H_
