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
#ifndef PERCORE_NET_LISTEN_SOCKETS_H_
#define PERCORE_NET_LISTEN_SOCKETS_H_

#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "percore/net/socket_address.h"
#include "percore/net/unique_fd.h"
#include "percore/runtime/kernel.h"

namespace percore {

struct ListenOptions {
  // Connections that the kernel completes ahead of accept(), for each socket.
  // The kernel bounds it by net.core.somaxconn.
  int backlog = 4096;
  // Whether another process may listen on the same address at the same time, to
  // take over from this one.
  bool share_with_other_processes = false;
  Kernel* kernel = &Kernel::Real();
};

// Opened before any thread starts, so that a port in use is an error of the
// start. Thread: Take() of different indexes from different threads.
class ListenSockets {
 public:
  // Opens `count` sockets. Port 0 lets the kernel choose one, the same for all.
  // Errors: InvalidArgument for a bad address, else the call that failed, the
  // address, and errno in words.
  static absl::StatusOr<ListenSockets> Open(const SocketAddress& address,
                                            int count,
                                            const ListenOptions& options = {});
  static absl::StatusOr<ListenSockets> Open(std::string_view address, int count,
                                            const ListenOptions& options = {});

  // Where they listen, with the real port.
  const SocketAddress& address() const { return address_; }
  int count() const { return static_cast<int>(sockets_.size()); }
  // Gives socket `index` away. Once for each index.
  UniqueFd Take(int index) { return std::move(sockets_[index]); }

 private:
  SocketAddress address_;
  std::vector<UniqueFd> sockets_;
};

}  // namespace percore

#endif  // PERCORE_NET_LISTEN_SOCKETS_H_
