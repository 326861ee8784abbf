// What can be set on a socket, one function each, with errors in words.
//
// setsockopt(2) wants a level, a name and an int by address, and answers -1.
// These want what is meant, and answer "setsockopt TCP_NODELAY fd 7: Operation
// not supported". They are for sockets that come from elsewhere: those of
// ListenSockets and Listener are non-blocking, close-on-exec and without delay
// from the start.
//
// ```cpp
// percore::Kernel& kernel = percore::Kernel::Real();
// percore::UniqueFd fd(kernel.Socket(AF_INET, SOCK_STREAM, 0));
// absl::Status status = percore::SetNoDelay(fd.get());
// status.Update(percore::SetKeepAlive(
//     fd.get(), {.idle = std::chrono::seconds(30), .probes = 2}));
// status.Update(percore::SetReusePort(fd.get(), percore::Switch::kOff));
// ```
//
// Any thread. Each is one system call or two (SetKeepAlive(): four), allocates
// nothing unless it fails, and does not take the descriptor over. Errors are
// what the kernel says, with the call, the option and the descriptor.
#ifndef PERCORE_NET_SOCKET_OPTIONS_H_
#define PERCORE_NET_SOCKET_OPTIONS_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "percore/runtime/kernel.h"
#include "percore/runtime/time.h"

namespace percore {

enum class Switch : uint8_t { kOff, kOn };

// --- Any descriptor ---

// Whether calls that would wait return EAGAIN. Of the open file: descriptors
// that were dup'ed from one another share it.
absl::Status SetNonBlocking(int fd, Switch setting = Switch::kOn,
                            Kernel& kernel = Kernel::Real());
// Whether the descriptor is closed in a program started by exec().
absl::Status SetCloseOnExec(int fd, Switch setting = Switch::kOn,
                            Kernel& kernel = Kernel::Real());

// --- Before bind() ---

// Whether a port may be bound while connections of an earlier run are in
// TIME_WAIT (SO_REUSEADDR).
absl::Status SetReuseAddress(int fd, Switch setting = Switch::kOn,
                             Kernel& kernel = Kernel::Real());
// Whether other sockets of the same user may be bound to the same port, and
// share its connections (SO_REUSEPORT). Not for UNIX sockets.
absl::Status SetReusePort(int fd, Switch setting = Switch::kOn,
                          Kernel& kernel = Kernel::Real());
// Whether a socket on [::] leaves IPv4 alone. What is not set is decided by
// net.ipv6.bindv6only.
absl::Status SetIpv6Only(int fd, Switch setting = Switch::kOn,
                         Kernel& kernel = Kernel::Real());

// --- Of listening TCP sockets ---

// A connection is accepted only when its first bytes are there, or `wait` has
// passed, in whole seconds rounded up; zero for at once. For protocols where
// the client speaks first.
absl::Status SetDeferredAccept(int fd, Duration wait,
                               Kernel& kernel = Kernel::Real());
// How many connections may wait that came with data in their first packet (RFC
// 7413); 0 for none. The data may arrive twice: for requests that do no harm
// then. net.ipv4.tcp_fastopen has to allow it for servers, too.
absl::Status SetFastOpen(int fd, int queue_length,
                         Kernel& kernel = Kernel::Real());

// --- Of TCP connections; accepted ones inherit it ---

// Whether small writes leave at once instead of waiting for the peer to
// acknowledge those before (RFC 896, which TCP_NODELAY turns off).
absl::Status SetNoDelay(int fd, Switch setting = Switch::kOn,
                        Kernel& kernel = Kernel::Real());

// Whether closing the socket resets the connection (SO_LINGER of zero): what
// was not sent yet is dropped, and the peer has an error instead of an orderly
// end. So that whoever passes bytes on does not make a broken stream look
// whole.
absl::Status SetResetOnClose(int fd, Switch setting = Switch::kOn,
                             Kernel& kernel = Kernel::Real());

// How a peer that vanished without a word is found. With these values after two
// minutes of silence; the kernel's own take more than two hours.
struct KeepAlive {
  // How long nothing arrives until the peer is asked, and how long until it is
  // asked again: whole seconds, at least one.
  std::chrono::seconds idle{60};
  std::chrono::seconds interval{20};
  // Questions without an answer until the connection is broken.
  int probes = 3;
};
absl::Status SetKeepAlive(int fd, const KeepAlive& settings = {},
                          Kernel& kernel = Kernel::Real());
absl::Status DisableKeepAlive(int fd, Kernel& kernel = Kernel::Real());

// --- Of all sockets ---

// What the kernel holds for the socket at most. It doubles the number, for its
// own books, and bounds it by net.core.wmem_max and rmem_max; once set, it does
// not adapt it any more. The getters tell what it made of it.
absl::Status SetSendBufferSize(int fd, size_t size,
                               Kernel& kernel = Kernel::Real());
absl::Status SetReceiveBufferSize(int fd, size_t size,
                                  Kernel& kernel = Kernel::Real());
absl::StatusOr<size_t> SendBufferSize(int fd, Kernel& kernel = Kernel::Real());
absl::StatusOr<size_t> ReceiveBufferSize(int fd,
                                         Kernel& kernel = Kernel::Real());

// --- Of datagram sockets ---

// Whether datagrams may be sent to a broadcast address (IPv4).
absl::Status SetBroadcast(int fd, Switch setting = Switch::kOn,
                          Kernel& kernel = Kernel::Real());
// How many datagrams the kernel has dropped since the socket was made, because
// nobody took those before out of its receive buffer, or their checksum was
// wrong. The number starts again at 2^32.
absl::StatusOr<uint32_t> DroppedDatagrams(int fd,
                                          Kernel& kernel = Kernel::Real());

// The error that waits at the socket (SO_ERROR), as "connect fd 7: Connection
// refused" after a non-blocking connect(), with `call` what is to be blamed; OK
// if there is none. Asking clears it.
absl::Status PendingError(int fd, std::string_view call = "socket",
                          Kernel& kernel = Kernel::Real());

}  // namespace percore

#endif  // PERCORE_NET_SOCKET_OPTIONS_H_
