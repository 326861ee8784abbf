#include "percore/net/datagram_sockets.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include "absl/strings/str_cat.h"
#include "percore/net/internal/cpu_steering.h"
#include "percore/net/socket_options.h"
#include "percore/runtime/error.h"

namespace percore {
namespace {

enum class PortUse { kAlone, kShared };

absl::StatusOr<UniqueFd> Bind(const SocketAddress& address, PortUse use,
                              const DatagramSocketOptions& options,
                              Kernel& kernel) {
  UniqueFd fd(kernel.Socket(address.family(), SOCK_DGRAM, IPPROTO_UDP));
  if (!fd.valid()) return SystemError(-fd.get(), "socket", address.ToString());
  absl::Status status;
  if (use == PortUse::kShared) {
    status.Update(SetReusePort(fd.get(), Switch::kOn, kernel));
  }
  if (address.family() == AF_INET6) {
    status.Update(SetIpv6Only(
        fd.get(), options.ipv6_only ? Switch::kOn : Switch::kOff, kernel));
  }
  if (options.broadcast) {
    status.Update(SetBroadcast(fd.get(), Switch::kOn, kernel));
  }
  if (options.receive_buffer_bytes != 0) {
    status.Update(
        SetReceiveBufferSize(fd.get(), options.receive_buffer_bytes, kernel));
  }
  if (options.send_buffer_bytes != 0) {
    status.Update(
        SetSendBufferSize(fd.get(), options.send_buffer_bytes, kernel));
  }
  if (!status.ok()) return status;
  const int bound =
      kernel.Bind(fd.get(), address.native(), address.native_size());
  if (bound < 0) return SystemError(-bound, "bind", address.ToString());
  return fd;
}

absl::Status Refusal(const SocketAddress& address, std::string_view reason) {
  return absl::InvalidArgumentError(
      absl::StrCat("bind ", address.ToString(), ": ", ToAbsl(reason)));
}

absl::Status CheckOptions(const SocketAddress& address, int count,
                          const DatagramSocketOptions& options) {
  if (address.is_unix()) return Refusal(address, "UDP has no UNIX addresses");
  if (count < 1) return Refusal(address, "there must be a socket");
  if (options.cpu_steering != CpuSteering::kNone &&
      options.share_with_other_processes) {
    return Refusal(address, "steered by CPU, a port cannot be shared");
  }
  if (!options.cpus.empty() &&
      options.cpus.size() != static_cast<size_t>(count)) {
    return Refusal(address, absl::StrCat("there are ", options.cpus.size(),
                                         " CPUs for ", count, " sockets"));
  }
  return absl::OkStatus();
}

absl::Status Steer(int fd, int count, const DatagramSocketOptions& options,
                   Kernel& kernel) {
  if (options.cpu_steering == CpuSteering::kNone || count == 1) {
    return absl::OkStatus();
  }
  return options.cpus.empty() ? internal::SteerByCpuModulo(fd, count, kernel)
                              : internal::SteerByCpu(fd, options.cpus, kernel);
}

absl::Status CheckIsUdp(int fd, Kernel& kernel) {
  int protocol = 0;
  socklen_t size = sizeof(protocol);
  const int result =
      kernel.GetSocketOption(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size);
  if (result < 0) {
    return SystemError(-result, "getsockopt SO_PROTOCOL",
                       absl::StrCat("fd ", fd));
  }
  if (protocol == IPPROTO_UDP) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("fd ", fd, " is not a UDP socket"));
}

}  // namespace

absl::StatusOr<DatagramSockets> DatagramSockets::Open(
    std::string_view address, int count, const DatagramSocketOptions& options,
    Kernel& kernel) {
  const absl::StatusOr<SocketAddress> parsed = SocketAddress::Parse(address);
  if (!parsed.ok()) return parsed.status();
  return Open(*parsed, count, options, kernel);
}

absl::StatusOr<DatagramSockets> DatagramSockets::Open(
    const SocketAddress& address, int count,
    const DatagramSocketOptions& options, Kernel& kernel) {
  if (absl::Status status = CheckOptions(address, count, options);
      !status.ok()) {
    return status;
  }
  // SO_REUSEPORT lets a second server of the same user in without a word: half
  // of the peers would reach the first. A bind without it does not.
  const bool shares = options.share_with_other_processes;
  if (!shares && count > 1 && address.port() != 0) {
    const absl::StatusOr<UniqueFd> probe =
        Bind(address, PortUse::kAlone, options, kernel);
    if (!probe.ok()) return probe.status();
  }
  const PortUse use = shares || count > 1 ? PortUse::kShared : PortUse::kAlone;
  DatagramSockets result;
  result.address_ = address;
  while (result.count() < count) {
    absl::StatusOr<UniqueFd> fd = Bind(result.address_, use, options, kernel);
    if (!fd.ok()) return fd.status();
    if (result.address_.port() == 0) {
      absl::StatusOr<SocketAddress> bound =
          SocketAddress::OfSocket(fd->get(), kernel);
      if (!bound.ok()) return bound.status();
      result.address_ = *std::move(bound);
    }
    result.sockets_.push_back(*std::move(fd));
  }
  if (absl::Status status =
          Steer(result.sockets_.front().get(), count, options, kernel);
      !status.ok()) {
    return status;
  }
  return result;
}

absl::StatusOr<DatagramSockets> DatagramSockets::Adopt(
    std::vector<UniqueFd> sockets, int count, Kernel& kernel) {
  if (sockets.empty() || sockets.size() != static_cast<size_t>(count)) {
    return absl::InvalidArgumentError(
        absl::StrCat("adopting sockets: there are ", sockets.size(), " for ",
                     count, " shards"));
  }
  DatagramSockets result;
  for (UniqueFd& fd : sockets) {
    if (absl::Status status = CheckIsUdp(fd.get(), kernel); !status.ok()) {
      return status;
    }
    const absl::StatusOr<SocketAddress> address =
        SocketAddress::OfSocket(fd.get(), kernel);
    if (!address.ok()) return address.status();
    if (&fd == &sockets.front()) result.address_ = *address;
    if (*address != result.address_) {
      return absl::InvalidArgumentError(
          absl::StrCat("adopting sockets: ", result.address_.ToString(),
                       " and ", address->ToString(), " are two addresses"));
    }
    absl::Status status = SetNonBlocking(fd.get(), Switch::kOn, kernel);
    status.Update(SetCloseOnExec(fd.get(), Switch::kOn, kernel));
    if (!status.ok()) return status;
  }
  result.sockets_ = std::move(sockets);
  return result;
}

}  // namespace percore
