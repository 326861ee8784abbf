#include "percore/net/listen_sockets.h"

#include <fcntl.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "percore/net/socket_options.h"
#include "percore/runtime/error.h"

namespace percore {
namespace {

enum class PortUse { kAlone, kShared };

// A socket bound to `address`, not listening yet.
absl::StatusOr<UniqueFd> Bind(Kernel& kernel, const SocketAddress& address,
                              PortUse use) {
  UniqueFd fd(kernel.Socket(address.family(), SOCK_STREAM, 0));
  if (!fd.valid()) return SystemError(-fd.get(), "socket", address.ToString());

  absl::Status status;
  // Connections of an earlier run may still be in TIME_WAIT.
  status.Update(SetReuseAddress(fd.get(), Switch::kOn, kernel));
  if (use == PortUse::kShared) {
    status.Update(SetReusePort(fd.get(), Switch::kOn, kernel));
  }
  if (address.family() == AF_INET6) {
    // "[::]:80" and "0.0.0.0:80" are two addresses, whatever the system's
    // default is.
    status.Update(SetIpv6Only(fd.get(), Switch::kOn, kernel));
  }
  // Accepted sockets inherit it: no system call for each of them.
  status.Update(SetNoDelay(fd.get(), Switch::kOn, kernel));
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
  return address.is_unix() ? OpenUnix(address, count, options)
                           : OpenTcp(address, count, options);
}

absl::StatusOr<ListenSockets> ListenSockets::OpenTcp(
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
      absl::StatusOr<SocketAddress> bound =
          SocketAddress::OfSocket(fd->get(), kernel);
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

absl::StatusOr<ListenSockets> ListenSockets::OpenUnix(
    const SocketAddress& address, int count, const ListenOptions& options) {
  Kernel& kernel = *options.kernel;
  const std::string text = address.ToString();
  if (options.share_with_other_processes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "listen ", text, ": no two processes can share a UNIX address"));
  }
  ListenSockets result;
  UniqueFd fd(kernel.Socket(AF_UNIX, SOCK_STREAM, 0));
  if (!fd.valid()) return SystemError(-fd.get(), "socket", text);
  if (!address.unix_path().empty()) {
    absl::StatusOr<std::unique_ptr<internal::BoundPath>> path =
        internal::BoundPath::Bind(kernel, fd.get(), address,
                                  options.permissions);
    if (!path.ok()) return path.status();
    result.path_ = *std::move(path);
  } else if (const int bound =
                 kernel.Bind(fd.get(), address.native(), address.native_size());
             bound < 0) {
    return SystemError(-bound, "bind", text);
  }
  const int listening = kernel.Listen(fd.get(), options.backlog);
  if (listening < 0) return SystemError(-listening, "listen", text);

  // The kernel chooses a name for an unnamed address, as it does for port 0.
  absl::StatusOr<SocketAddress> bound =
      SocketAddress::OfSocket(fd.get(), kernel);
  if (!bound.ok()) return bound.status();
  result.address_ = *std::move(bound);
  result.sockets_.push_back(std::move(fd));
  while (result.count() < count) {
    UniqueFd copy(kernel.Control(result.sockets_[0].get(), F_DUPFD_CLOEXEC, 0));
    if (!copy.valid()) return SystemError(-copy.get(), "fcntl dup", text);
    result.sockets_.push_back(std::move(copy));
  }
  return result;
}

}  // namespace percore
