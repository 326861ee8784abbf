#include "percore/net/listen_sockets.h"

#include <fcntl.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "percore/net/internal/cpu_steering.h"
#include "percore/net/internal/listening_address.h"
#include "percore/net/socket_options.h"
#include "percore/runtime/error.h"

namespace percore {
namespace {

enum class PortUse { kAlone, kShared };

Switch ToSwitch(bool on) { return on ? Switch::kOn : Switch::kOff; }

// A socket bound to `address`, not listening yet.
absl::StatusOr<UniqueFd> Bind(const SocketAddress& address, PortUse use,
                              const ListenOptions& options) {
  Kernel& kernel = *options.kernel;
  UniqueFd fd(kernel.Socket(address.family(), SOCK_STREAM, 0));
  if (!fd.valid()) return SystemError(-fd.get(), "socket", address.ToString());

  absl::Status status;
  if (options.reuse_address) {
    status.Update(SetReuseAddress(fd.get(), Switch::kOn, kernel));
  }
  if (use == PortUse::kShared) {
    status.Update(SetReusePort(fd.get(), Switch::kOn, kernel));
  }
  if (address.family() == AF_INET6) {
    status.Update(SetIpv6Only(fd.get(), ToSwitch(options.ipv6_only), kernel));
  }
  // Accepted sockets inherit it: no system call for each of them.
  status.Update(SetNoDelay(fd.get(), Switch::kOn, kernel));
  if (options.deferred_accept > Duration::zero()) {
    status.Update(SetDeferredAccept(fd.get(), options.deferred_accept, kernel));
  }
  if (options.fast_open > 0) {
    status.Update(SetFastOpen(fd.get(), options.fast_open, kernel));
  }
  if (!status.ok()) return status;

  const int bound =
      kernel.Bind(fd.get(), address.native(), address.native_size());
  if (bound < 0) return SystemError(-bound, "bind", address.ToString());
  return fd;
}

// SO_REUSEPORT lets a second server of the same user in without a word: half of
// its clients would reach the first. A bind without it does not.
absl::Status CheckUnused(const SocketAddress& address,
                         const ListenOptions& options) {
  const absl::StatusOr<UniqueFd> probe =
      Bind(address, PortUse::kAlone, options);
  if (!probe.ok()) return probe.status();
  // Linux lets sockets with SO_REUSEADDR share an address until one listens.
  const int listening = options.kernel->Listen(probe->get(), 1);
  return listening < 0 ? SystemError(-listening, "listen", address.ToString())
                       : absl::OkStatus();
}

absl::Status Refusal(const SocketAddress& address, std::string_view reason) {
  return absl::InvalidArgumentError(
      absl::StrCat("listen ", address.ToString(), ": ", ToAbsl(reason)));
}

// Answers what is asked for and cannot be had, instead of leaving it out.
absl::Status CheckOptions(const SocketAddress& address, int count,
                          const ListenOptions& options) {
  const bool steered = options.cpu_steering != CpuSteering::kNone;
  if (address.is_unix()) {
    if (options.share_with_other_processes) {
      return Refusal(address, "no two processes can share a UNIX address");
    }
    if (steered || options.fast_open > 0 ||
        options.deferred_accept > Duration::zero()) {
      return Refusal(address,
                     "CPU steering, fast open and deferred accept are TCP's");
    }
    return absl::OkStatus();
  }
  if (steered && options.share_with_other_processes) {
    return Refusal(address, "steered by CPU, a port cannot be shared");
  }
  if (!options.cpus.empty() &&
      options.cpus.size() != static_cast<size_t>(count)) {
    return Refusal(address, absl::StrCat("there are ", options.cpus.size(),
                                         " CPUs for ", count, " sockets"));
  }
  return absl::OkStatus();
}

// All sockets of the group listen already.
absl::Status Steer(const std::vector<UniqueFd>& sockets,
                   const ListenOptions& options) {
  const int fd = sockets.front().get();
  Kernel& kernel = *options.kernel;
  return options.cpus.empty()
             ? internal::SteerByCpuModulo(fd, static_cast<int>(sockets.size()),
                                          kernel)
             : internal::SteerByCpu(fd, options.cpus, kernel);
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
  if (absl::Status status = CheckOptions(address, count, options);
      !status.ok()) {
    return status;
  }
  return address.is_unix() ? OpenUnix(address, count, options)
                           : OpenTcp(address, count, options);
}

absl::StatusOr<ListenSockets> ListenSockets::OpenTcp(
    const SocketAddress& address, int count, const ListenOptions& options) {
  Kernel& kernel = *options.kernel;
  if (!options.share_with_other_processes && address.port() != 0) {
    if (absl::Status status = CheckUnused(address, options); !status.ok()) {
      return status;
    }
  }
  ListenSockets result;
  result.address_ = address;
  while (result.count() < count) {
    absl::StatusOr<UniqueFd> fd =
        Bind(result.address_, PortUse::kShared, options);
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
  if (options.cpu_steering == CpuSteering::kByCpu && count > 0) {
    if (absl::Status status = Steer(result.sockets_, options); !status.ok()) {
      return status;
    }
  }
  return result;
}

absl::StatusOr<ListenSockets> ListenSockets::OpenUnix(
    const SocketAddress& address, int count, const ListenOptions& options) {
  Kernel& kernel = *options.kernel;
  const std::string text = address.ToString();
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
  if (absl::Status status = result.Duplicate(count, kernel); !status.ok()) {
    return status;
  }
  return result;
}

absl::StatusOr<ListenSockets> ListenSockets::Adopt(
    std::vector<UniqueFd> sockets, int count, Kernel& kernel) {
  if (sockets.empty() || sockets.size() > static_cast<size_t>(count)) {
    return absl::InvalidArgumentError(
        absl::StrCat("adopting sockets: there are ", sockets.size(), " for ",
                     count, " shards; a shard listens on one"));
  }
  ListenSockets result;
  for (UniqueFd& fd : sockets) {
    const absl::StatusOr<SocketAddress> address =
        internal::ListeningAddress(fd.get(), kernel);
    if (!address.ok()) return address.status();
    if (&fd == &sockets.front()) result.address_ = *address;
    if (*address != result.address_) {
      return absl::InvalidArgumentError(
          absl::StrCat("adopting sockets: ", result.address_.ToString(),
                       " and ", address->ToString(), " are two addresses"));
    }
    absl::Status status = SetNonBlocking(fd.get(), Switch::kOn, kernel);
    status.Update(SetCloseOnExec(fd.get(), Switch::kOn, kernel));
    if (!address->is_unix()) {
      status.Update(SetNoDelay(fd.get(), Switch::kOn, kernel));
    }
    if (!status.ok()) return status;
  }
  result.sockets_ = std::move(sockets);
  if (absl::Status status = result.Duplicate(count, kernel); !status.ok()) {
    return status;
  }
  return result;
}

absl::Status ListenSockets::Duplicate(int count, Kernel& kernel) {
  const size_t originals = sockets_.size();
  while (this->count() < count) {
    const UniqueFd& original = sockets_[sockets_.size() % originals];
    UniqueFd copy(kernel.Control(original.get(), F_DUPFD_CLOEXEC, 0));
    if (!copy.valid()) {
      return SystemError(-copy.get(), "fcntl dup", address_.ToString());
    }
    sockets_.push_back(std::move(copy));
  }
  return absl::OkStatus();
}

}  // namespace percore
