// One UDP socket for each shard, all on one address.
//
// With SO_REUSEPORT the kernel spreads peers over the sockets, by a hash of
// both addresses: what one peer sends arrives at one shard, which answers it
// without a lock or a hand-over.
//
// ```cpp
// auto sockets = percore::DatagramSockets::Open("127.0.0.1:0", 2);
// if (!sockets.ok()) return;  // "bind 127.0.0.1:53: Permission denied"
// percore::UniqueFd first = sockets->Take(0);
// std::string bound = sockets->address().ToString();
// ```
//
// From Open() on the kernel keeps what arrives at each of them: those that no
// shard takes swallow their share. A socket that is closed leaves its peers to
// the others, and theirs may change places, too.
#ifndef PERCORE_NET_DATAGRAM_SOCKETS_H_
#define PERCORE_NET_DATAGRAM_SOCKETS_H_

#include <cstddef>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "percore/net/listen_sockets.h"
#include "percore/net/socket_address.h"
#include "percore/net/unique_fd.h"
#include "percore/runtime/kernel.h"

namespace percore {

struct DatagramSocketOptions {
  // Whether another process of the same user may have sockets on the same
  // address at the same time: to take over from this one, or to get each
  // multicast as well.
  bool share_with_other_processes = false;
  // Whether "[::]:53" leaves IPv4 to "0.0.0.0:53", whatever the system's
  // default is. Else it takes both.
  bool ipv6_only = true;
  // Whether to send to broadcast addresses.
  bool broadcast = false;
  // What the kernel holds for each socket; 0 for its default, which some
  // hundred datagrams fill. See SetReceiveBufferSize().
  size_t receive_buffer_bytes = 0;
  size_t send_buffer_bytes = 0;
  // With kByCpu the socket is that of the CPU on which a datagram arrives, and
  // those of one peer are spread over all on whose CPUs they do. As in
  // ListenOptions; not with share_with_other_processes.
  CpuSteering cpu_steering = CpuSteering::kNone;
  std::vector<int> cpus = {};
};

// Opened before any thread starts, so that an address in use is an error of the
// start. Thread: Take() of different indexes from different threads.
class DatagramSockets {
 public:
  // Opens `count` sockets, non-blocking and close-on-exec. Port 0 lets the
  // kernel choose one, the same for all. Errors: InvalidArgument for a bad
  // address, a UNIX one among them, and for options that it cannot have; else
  // the call that failed, the address, and errno in words.
  static absl::StatusOr<DatagramSockets> Open(
      const SocketAddress& address, int count,
      const DatagramSocketOptions& options = {},
      Kernel& kernel = Kernel::Real());
  static absl::StatusOr<DatagramSockets> Open(
      std::string_view address, int count,
      const DatagramSocketOptions& options = {},
      Kernel& kernel = Kernel::Real());

  // UDP sockets that were opened elsewhere: inherited ones, say
  // (net/inherited_sockets.h), one for each shard, all with one address. They
  // are made non-blocking and close-on-exec. Unlike those that listen, a socket
  // is never shared by shards: two that answer a peer would do so in any order.
  // Errors: InvalidArgument for another number than `count`, for what is no UDP
  // socket, and for different addresses; what the kernel says. The sockets are
  // then closed.
  static absl::StatusOr<DatagramSockets> Adopt(std::vector<UniqueFd> sockets,
                                               int count,
                                               Kernel& kernel = Kernel::Real());

  // Where they are, with the real port.
  const SocketAddress& address() const { return address_; }
  int count() const { return static_cast<int>(sockets_.size()); }
  // Gives socket `index` away. Once for each index.
  UniqueFd Take(int index) { return std::move(sockets_[index]); }

 private:
  SocketAddress address_;
  std::vector<UniqueFd> sockets_;
};

}  // namespace percore

#endif  // PERCORE_NET_DATAGRAM_SOCKETS_H_
