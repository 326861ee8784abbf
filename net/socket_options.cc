#include "percore/net/socket_options.h"

#include <fcntl.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <climits>

#include "absl/strings/str_cat.h"
#include "percore/runtime/error.h"

namespace percore {
namespace {

// A socket option that is an int, and what errors call it.
struct Option {
  int level;
  int name;
  std::string_view text;
};

constexpr Option kBroadcast = {SOL_SOCKET, SO_BROADCAST, "SO_BROADCAST"};
constexpr Option kDeferAccept = {IPPROTO_TCP, TCP_DEFER_ACCEPT,
                                 "TCP_DEFER_ACCEPT"};
constexpr Option kError = {SOL_SOCKET, SO_ERROR, "SO_ERROR"};
constexpr Option kFastOpen = {IPPROTO_TCP, TCP_FASTOPEN, "TCP_FASTOPEN"};
constexpr Option kIpv6Only = {IPPROTO_IPV6, IPV6_V6ONLY, "IPV6_V6ONLY"};
constexpr Option kKeepAlive = {SOL_SOCKET, SO_KEEPALIVE, "SO_KEEPALIVE"};
constexpr Option kKeepCount = {IPPROTO_TCP, TCP_KEEPCNT, "TCP_KEEPCNT"};
constexpr Option kKeepIdle = {IPPROTO_TCP, TCP_KEEPIDLE, "TCP_KEEPIDLE"};
constexpr Option kKeepInterval = {IPPROTO_TCP, TCP_KEEPINTVL, "TCP_KEEPINTVL"};
constexpr Option kNoDelay = {IPPROTO_TCP, TCP_NODELAY, "TCP_NODELAY"};
constexpr Option kReceiveBuffer = {SOL_SOCKET, SO_RCVBUF, "SO_RCVBUF"};
constexpr Option kReuseAddress = {SOL_SOCKET, SO_REUSEADDR, "SO_REUSEADDR"};
constexpr Option kReusePort = {SOL_SOCKET, SO_REUSEPORT, "SO_REUSEPORT"};
constexpr Option kSendBuffer = {SOL_SOCKET, SO_SNDBUF, "SO_SNDBUF"};

absl::Status CallError(int error, std::string_view call, std::string_view what,
                       int fd) {
  return SystemError(error, absl::StrCat(ToAbsl(call), " ", ToAbsl(what)),
                     absl::StrCat("fd ", fd));
}

absl::Status Set(Kernel& kernel, int fd, const Option& option, int value) {
  const int result = kernel.SetSocketOption(fd, option.level, option.name,
                                            &value, sizeof(value));
  return result < 0 ? CallError(-result, "setsockopt", option.text, fd)
                    : absl::OkStatus();
}

absl::Status Set(Kernel& kernel, int fd, const Option& option, Switch setting) {
  return Set(kernel, fd, option, setting == Switch::kOn ? 1 : 0);
}

absl::StatusOr<int> Get(Kernel& kernel, int fd, const Option& option) {
  int value = 0;
  socklen_t size = sizeof(value);
  const int result =
      kernel.GetSocketOption(fd, option.level, option.name, &value, &size);
  if (result < 0) return CallError(-result, "getsockopt", option.text, fd);
  return value;
}

// What does not fit is the most that does: the kernel has limits of its own.
template <typename Number>
int ToInt(Number value) {
  return static_cast<int>(std::min(value, static_cast<Number>(INT_MAX)));
}

// A flag among others, which stay as they are.
absl::Status SetFlag(Kernel& kernel, int fd, int get, int set, int flag,
                     Switch setting) {
  const std::string_view what = get == F_GETFL ? "O_NONBLOCK" : "FD_CLOEXEC";
  const int before = kernel.Control(fd, get, 0);
  if (before < 0) return CallError(-before, "fcntl", what, fd);
  const int after = setting == Switch::kOn ? before | flag : before & ~flag;
  if (after == before) return absl::OkStatus();
  const int result = kernel.Control(fd, set, after);
  return result < 0 ? CallError(-result, "fcntl", what, fd) : absl::OkStatus();
}

absl::StatusOr<size_t> BufferSize(Kernel& kernel, int fd,
                                  const Option& option) {
  const absl::StatusOr<int> size = Get(kernel, fd, option);
  if (!size.ok()) return size.status();
  return static_cast<size_t>(*size);
}

}  // namespace

absl::Status SetNonBlocking(int fd, Switch setting, Kernel& kernel) {
  return SetFlag(kernel, fd, F_GETFL, F_SETFL, O_NONBLOCK, setting);
}

absl::Status SetCloseOnExec(int fd, Switch setting, Kernel& kernel) {
  return SetFlag(kernel, fd, F_GETFD, F_SETFD, FD_CLOEXEC, setting);
}

absl::Status SetReuseAddress(int fd, Switch setting, Kernel& kernel) {
  return Set(kernel, fd, kReuseAddress, setting);
}

absl::Status SetReusePort(int fd, Switch setting, Kernel& kernel) {
  return Set(kernel, fd, kReusePort, setting);
}

absl::Status SetIpv6Only(int fd, Switch setting, Kernel& kernel) {
  return Set(kernel, fd, kIpv6Only, setting);
}

absl::Status SetDeferredAccept(int fd, Duration wait, Kernel& kernel) {
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(wait);
  return Set(kernel, fd, kDeferAccept, ToInt(seconds.count()));
}

absl::Status SetFastOpen(int fd, int queue_length, Kernel& kernel) {
  return Set(kernel, fd, kFastOpen, queue_length);
}

absl::Status SetNoDelay(int fd, Switch setting, Kernel& kernel) {
  return Set(kernel, fd, kNoDelay, setting);
}

absl::Status SetResetOnClose(int fd, Switch setting, Kernel& kernel) {
  const linger value = {.l_onoff = setting == Switch::kOn ? 1 : 0,
                        .l_linger = 0};
  const int result =
      kernel.SetSocketOption(fd, SOL_SOCKET, SO_LINGER, &value, sizeof(value));
  return result < 0 ? CallError(-result, "setsockopt", "SO_LINGER", fd)
                    : absl::OkStatus();
}

absl::Status SetKeepAlive(int fd, const KeepAlive& settings, Kernel& kernel) {
  // The switch comes last: it starts the timer with what is set by then.
  absl::Status status =
      Set(kernel, fd, kKeepIdle, ToInt(settings.idle.count()));
  if (status.ok()) {
    status = Set(kernel, fd, kKeepInterval, ToInt(settings.interval.count()));
  }
  if (status.ok()) status = Set(kernel, fd, kKeepCount, settings.probes);
  if (status.ok()) status = Set(kernel, fd, kKeepAlive, Switch::kOn);
  return status;
}

absl::Status DisableKeepAlive(int fd, Kernel& kernel) {
  return Set(kernel, fd, kKeepAlive, Switch::kOff);
}

absl::Status SetSendBufferSize(int fd, size_t size, Kernel& kernel) {
  return Set(kernel, fd, kSendBuffer, ToInt(size));
}

absl::Status SetReceiveBufferSize(int fd, size_t size, Kernel& kernel) {
  return Set(kernel, fd, kReceiveBuffer, ToInt(size));
}

absl::StatusOr<size_t> SendBufferSize(int fd, Kernel& kernel) {
  return BufferSize(kernel, fd, kSendBuffer);
}

absl::StatusOr<size_t> ReceiveBufferSize(int fd, Kernel& kernel) {
  return BufferSize(kernel, fd, kReceiveBuffer);
}

absl::Status SetBroadcast(int fd, Switch setting, Kernel& kernel) {
  return Set(kernel, fd, kBroadcast, setting);
}

absl::StatusOr<uint32_t> DroppedDatagrams(int fd, Kernel& kernel) {
  std::array<uint32_t, SK_MEMINFO_VARS> numbers = {};
  socklen_t size = sizeof(numbers);
  const int result =
      kernel.GetSocketOption(fd, SOL_SOCKET, SO_MEMINFO, numbers.data(), &size);
  if (result < 0) return CallError(-result, "getsockopt", "SO_MEMINFO", fd);
  return numbers[SK_MEMINFO_DROPS];
}

absl::Status PendingError(int fd, std::string_view call, Kernel& kernel) {
  const absl::StatusOr<int> error = Get(kernel, fd, kError);
  if (!error.ok()) return error.status();
  if (*error == 0) return absl::OkStatus();
  return SystemError(*error, call, absl::StrCat("fd ", fd));
}

}  // namespace percore
