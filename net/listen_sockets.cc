#include "percore/net/listen_sockets.h"

#include <netinet/tcp.h>

#include "percore/runtime/error.h"

namespace percore {
namespace {

enum class PortUse { kAlone, kShared };

absl::Status SetOption(Kernel& kernel, int fd, int level, int name,
                       std::string_view call) {
  const int on = 1;
  const int result = kernel.SetSocketOption(fd, level, name, &on, sizeof(on));
  return result < 0 ? SystemError(-result, call) : absl::OkStatus();
}

// A socket bound to `address`, not listening yet.
absl::StatusOr<UniqueFd> Bind(Kernel& kernel, const SocketAddress& address,
                              PortUse use) {
  UniqueFd fd(kernel.Socket(address.family(), SOCK_STREAM, 0));
  if (!fd.valid()) return SystemError(-fd.get(), "socket", address.ToString());

  absl::Status status;
  // Connections of an earlier run may still be in TIME_WAIT.
  status.Update(SetOption(kernel, fd.get(), SOL_SOCKET, SO_REUSEADDR,
                          "setsockopt SO_REUSEADDR"));
  if (use == PortUse::kShared) {
    status.Update(SetOption(kernel, fd.get(), SOL_SOCKET, SO_REUSEPORT,
                            "setsockopt SO_REUSEPORT"));
  }
  if (address.family() == AF_INET6) {
    // "[::]:80" and "0.0.0.0:80" are two addresses, whatever the system's
    // default is.
    status.Update(SetOption(kernel, fd.get(), IPPROTO_IPV6, IPV6_V6ONLY,
                            "setsockopt IPV6_V6ONLY"));
  }
  // Accepted sockets inherit it: no system call for each of them.
  status.Update(SetOption(kernel, fd.get(), IPPROTO_TCP, TCP_NODELAY,
                          "setsockopt TCP_NODELAY"));
  if (!status.ok()) return status;

  const int bound =
      kernel.Bind(fd.get(), address.native(), address.native_size());
  if (bound < 0) return SystemError(-bound, "bind", address.ToString());
  return fd;
}

// SO_REUSEPORT lets a second server of the same user in without a word: half of
// its clients would reach the first. A bind without it does not.
absl::Status CheckUnused(Kernel& kernel, const SocketAddress& address) {
  const absl::StatusOr<UniqueFd> probe = Bind(kernel, address, PortUse::kAlone);
  if (!probe.ok()) return probe.status();
  // Linux lets sockets with SO_REUSEADDR share an address until one listens.
  const int listening = kernel.Listen(probe->get(), 1);
  return listening < 0 ? SystemError(-listening, "listen", address.ToString())
                       : absl::OkStatus();
}

}  // namespace

absl::StatusOr<ListenSockets> ListenSockets::Open(
    std::string_view address, int count, const ListenOptions& options) {
  absl::StatusOr<SocketAddress> parsed = SocketAddress::Parse(address);
  if (!parsed.ok()) return parsed.status();
  return Open(*parsed, count, options);
}

absl::StatusOr<ListenSockets> ListenSockets::Open(
    const SocketAddress& address, int count, const ListenOptions& options) {
  Kernel& kernel = *options.kernel;
  if (!options.share_with_other_processes && address.port() != 0) {
    if (absl::Status status = CheckUnused(kernel, address); !status.ok()) {
      return status;
    }
  }
  ListenSockets result;
  result.address_ = address;
  while (result.count() < count) {
    absl::StatusOr<UniqueFd> fd =
        Bind(kernel, result.address_, PortUse::kShared);
    if (!fd.ok()) return fd.status();
    if (result.address_.port() == 0) {
      absl::StatusOr<SocketAddress> bound = SocketAddress::OfSocket(fd->get());
      if (!bound.ok()) return bound.status();
      result.address_ = *bound;
    }
    result.sockets_.push_back(*std::move(fd));
  }
  for (const UniqueFd& fd : result.sockets_) {
    const int listening = kernel.Listen(fd.get(), options.backlog);
    if (listening < 0) {
      return SystemError(-listening, "listen", result.address_.ToString());
    }
  }
  return result;
}

}  // namespace percore
