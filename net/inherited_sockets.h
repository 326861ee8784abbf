// Sockets that were opened before the program started, and given to it.
//
// systemd can hold a service's sockets: the service is started by its first
// client, needs no privilege for its port, and loses no connection while it is
// restarted, since the clients wait in a backlog that never closes. The
// protocol is that of sd_listen_fds(3): descriptors from 3 on, and three
// variables in the environment. Other supervisors, and a parent of your own,
// can speak it too.
//
// ```cpp
// auto inherited = percore::InheritedSockets::TakeOver();
// if (!inherited.ok() || inherited->empty()) return;
// auto sockets = inherited->Take("http");
// if (!sockets.ok()) return;  // "no inherited socket is named 'http': ..."
// auto listen = percore::ListenSockets::Adopt(*std::move(sockets), 4);
// ```
//
// With `ReusePort=yes` and as many ListenStream= lines of one address as there
// are shards, each shard has a socket of its own; else they share what there
// is. UDP sockets, of ListenDatagram=, there must be as many as shards, for
// DatagramSockets::Adopt(). FileDescriptorName= is the name; without it all
// have that of the socket unit.
#ifndef PERCORE_NET_INHERITED_SOCKETS_H_
#define PERCORE_NET_INHERITED_SOCKETS_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "percore/net/listen_sockets.h"
#include "percore/net/socket_address.h"
#include "percore/net/unique_fd.h"
#include "percore/runtime/kernel.h"

namespace percore {

// What a supervisor says about the descriptors it gives.
struct InheritedEnvironment {
  std::string pid =
      {};  // LISTEN_PID: whom they are for; empty if there are none
  std::string count = {};  // LISTEN_FDS
  std::string names = {};  // LISTEN_FDNAMES: separated by colons; may be empty
  int first_descriptor = 3;

  // This process's. Not while another thread changes the environment.
  static InheritedEnvironment OfProcess();
};

// One thread at a time. Owns the sockets that were not taken.
class InheritedSockets {
 public:
  struct Socket {
    std::string name;  // "unknown" where the supervisor gave none
    SocketAddress address;
    UniqueFd fd;
  };

  enum class Variables {
    // A child of this process does not take them for its own.
    kRemove,
    kKeep,
  };

  // To be called once, before there are other threads. Finds none if the
  // variables are not there, or mean another process: a program that was
  // started by hand. The sockets are close-on-exec from here on. Errors:
  // InvalidArgument for variables that make no sense, and for a descriptor that
  // is neither a listening stream socket nor a datagram socket; what the kernel
  // says of one that is not open. No descriptor is taken over then, and none
  // closed; the variables are removed in any case.
  static absl::StatusOr<InheritedSockets> TakeOver(
      Variables variables = Variables::kRemove,
      Kernel& kernel = Kernel::Real());
  // The same for an environment of another origin.
  static absl::StatusOr<InheritedSockets> TakeOver(
      const InheritedEnvironment& environment, Kernel& kernel = Kernel::Real());

  // In the supervisor's order.
  const std::vector<Socket>& sockets() const { return sockets_; }
  bool empty() const { return sockets_.empty(); }

  // Gives away those with that name, one at least, for ListenSockets::Adopt(),
  // or DatagramSockets::Adopt().
  // Errors: NotFound, with the names that there are.
  absl::StatusOr<std::vector<UniqueFd>> Take(std::string_view name);
  // Gives all away that are left.
  std::vector<UniqueFd> TakeAll();

 private:
  std::vector<Socket> sockets_;
};

}  // namespace percore

#endif  // PERCORE_NET_INHERITED_SOCKETS_H_
