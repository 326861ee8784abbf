// Where a socket is, or its peer, as a value: an IPv4 or IPv6 address with a
// port, a UNIX path, or an abstract UNIX name. It compares, sorts, hashes, and
// has one way to be written down.
//
// ```cpp
// absl::StatusOr<percore::SocketAddress> address =
//     percore::SocketAddress::Parse("[::1]:8080");
// if (!address.ok()) return;  // "bad address '::1:8080': not an IPv4 address"
// std::string text = address->ToString();  // "[::1]:8080"
// bool here_only = address->is_loopback();
// ```
//
// As text:
//
//   127.0.0.1:80
//   [::1]:80             IPv6 in brackets
//   [fe80::1%eth0]:80    with the network interface of a link-local address;
//   [fe80::1%2]:80       its number will do
//   unix:/run/x.sock     a path, at most 107 bytes
//   unix:@name           an abstract name, at most 107 bytes: it is in no file
//                        system, and goes with its socket
//   unix:                nobody bound it: the peer of most UNIX connections.
//                        Formatted like this, but not read
//
// In paths and names \xHH stands for any byte; a backslash is \x5c, and \x40 a
// path that begins with @.
#ifndef PERCORE_NET_SOCKET_ADDRESS_H_
#define PERCORE_NET_SOCKET_ADDRESS_H_

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <compare>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "percore/runtime/kernel.h"

namespace percore {

// Any thread, as any value.
//
// Cost: 32 bytes, and no allocation but for a UNIX path or name, which is one.
// A copy of that allocates too.
class SocketAddress {
 public:
  // The longest UNIX path, and abstract name.
  static constexpr size_t kMaxUnixName = 107;

  // 0.0.0.0:0
  SocketAddress() : native_{.v6 = {}} { native_.base.sa_family = AF_INET; }
  SocketAddress(const SocketAddress& other) : native_(other.native_) {
    if (is_unix()) CopyUnixName();
  }
  // `other` is 0.0.0.0:0 afterwards.
  SocketAddress(SocketAddress&& other) noexcept : SocketAddress() {
    std::swap(native_, other.native_);
  }
  SocketAddress& operator=(SocketAddress other) noexcept {
    std::swap(native_, other.native_);
    return *this;
  }
  ~SocketAddress() {
    if (is_unix()) delete native_.local.name;
  }

  // Reads the forms above. Numbers only: names are a resolver's business.
  // InvalidArgument, with the text and what is wrong about it.
  static absl::StatusOr<SocketAddress> Parse(std::string_view text);
  // The same, and the port may be left out: "127.0.0.1", "[::1]" and "::1" are
  // read too. An IPv6 address without brackets has no port: "::1:80" is all
  // address.
  static absl::StatusOr<SocketAddress> Parse(std::string_view text,
                                             uint16_t default_port);
  // Of a path's, or a name's, own bytes, with nothing escaped. A path has no
  // NUL, and is not empty. InvalidArgument.
  static absl::StatusOr<SocketAddress> OfUnixPath(std::string_view path);
  static absl::StatusOr<SocketAddress> OfAbstractName(std::string_view name);
  // From what a system call gave. InvalidArgument for other families, and for
  // what is too short or too long. An IPv6 flow label is dropped.
  static absl::StatusOr<SocketAddress> FromNative(const sockaddr* address,
                                                  socklen_t size);
  // The same for an IPv4 or an IPv6 address, which is all that calls for an
  // internet socket give; 0.0.0.0:0 for anything else. Inline: a busy UDP
  // socket does little else with a datagram.
  static SocketAddress FromInternet(const sockaddr_in6& address) {
    SocketAddress result;
    if (address.sin6_family == AF_INET6) {
      result.native_.v6 = address;
      result.native_.v6.sin6_flowinfo = 0;
    } else if (address.sin6_family == AF_INET) {
      // Both begin with the port and, of 4 bytes, the flow label or the
      // address.
      result.native_.v6.sin6_port = address.sin6_port;
      result.native_.v6.sin6_flowinfo = address.sin6_flowinfo;
    }
    return result;
  }
  // The address that the socket `fd` is bound to, and that of its peer. Errors:
  // what the kernel says, as FromNative() does of what it gave.
  static absl::StatusOr<SocketAddress> OfSocket(
      int fd, Kernel& kernel = Kernel::Real());
  static absl::StatusOr<SocketAddress> OfPeer(int fd,
                                              Kernel& kernel = Kernel::Real());

  // AF_INET, AF_INET6 or AF_UNIX.
  int family() const { return native_.base.sa_family; }
  bool is_unix() const { return family() == AF_UNIX; }
  // 0 for UNIX addresses.
  uint16_t port() const;
  // The same address with another port. UNIX addresses have none to change.
  SocketAddress WithPort(uint16_t port) const;
  // The number of the network interface of an IPv6 address, or 0.
  uint32_t scope_id() const;
  // The path of a UNIX address, with a NUL after its last byte; empty for
  // everything else.
  std::string_view unix_path() const;
  // Whether only this machine gets there: 127.0.0.0/8, also as an IPv6 address,
  // ::1, and everything UNIX.
  bool is_loopback() const;

  // As Parse() reads it. Makes system calls only for an address with a scope,
  // to find the interface's name.
  std::string ToString() const;

  // For system calls. Valid while the SocketAddress lives and is not changed.
  const sockaddr* native() const;
  socklen_t native_size() const;

  friend bool operator==(const SocketAddress& a, const SocketAddress& b) {
    if (a.is_unix() || b.is_unix()) return std::is_eq(a <=> b);
    // Of IPv4 what follows is 0.
    return std::memcmp(&a.native_, &b.native_, sizeof(sockaddr_in6)) == 0;
  }
  // UNIX, IPv4, IPv6; then by address, scope and port, each as numbers are. Of
  // UNIX addresses the unnamed comes first, then the abstract ones.
  friend std::strong_ordering operator<=>(const SocketAddress& a,
                                          const SocketAddress& b);
  template <typename H>
  friend H AbslHashValue(H state, const SocketAddress& address) {
    const std::string_view bytes = address.bytes();
    return H::combine(
        H::combine_contiguous(std::move(state), bytes.data(), bytes.size()),
        bytes.size(), address.family(), address.scope_id(), address.port());
  }

 private:
  struct UnixName {
    socklen_t native_size;
    sockaddr_un native;
  };
  // Begins as all native addresses do. The rest lies elsewhere: a path would
  // make every address four times as large.
  struct UnixAddress {
    sa_family_t family;
    UnixName* name;  // null: unnamed
  };
  union Native {
    sockaddr base;
    sockaddr_in v4;
    sockaddr_in6 v6;
    UnixAddress local;
  };

  // `name` is what comes after the family; empty for the unnamed.
  static SocketAddress OfUnixName(std::string_view name);

  // Makes the name that a copy has begun with its own.
  void CopyUnixName();

  // What tells it from others of its family, apart from scope and port.
  std::string_view bytes() const;

  Native native_;
};

static_assert(sizeof(SocketAddress) <= 32);

}  // namespace percore

#endif  // PERCORE_NET_SOCKET_ADDRESS_H_
