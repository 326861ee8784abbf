#include "percore/net/internal/listening_address.h"

#include <sys/socket.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "percore/runtime/error.h"

namespace percore::internal {
namespace {

absl::StatusOr<int> Ask(int fd, int option, const char* name, Kernel& kernel) {
  int value = 0;
  socklen_t size = sizeof(value);
  const int result =
      kernel.GetSocketOption(fd, SOL_SOCKET, option, &value, &size);
  if (result < 0) {
    return SystemError(-result, absl::StrCat("getsockopt ", name),
                       absl::StrCat("fd ", fd));
  }
  return value;
}

}  // namespace

absl::StatusOr<SocketAddress> ListeningAddress(int fd, Kernel& kernel) {
  const absl::StatusOr<int> type = Ask(fd, SO_TYPE, "SO_TYPE", kernel);
  if (!type.ok()) return type.status();
  if (*type != SOCK_STREAM) {
    return absl::InvalidArgumentError(
        absl::StrCat("fd ", fd, " is not a stream socket"));
  }
  const absl::StatusOr<int> listens =
      Ask(fd, SO_ACCEPTCONN, "SO_ACCEPTCONN", kernel);
  if (!listens.ok()) return listens.status();
  if (*listens == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("fd ", fd, " is a socket that does not listen"));
  }
  return SocketAddress::OfSocket(fd, kernel);
}

absl::StatusOr<SocketAddress> ServingAddress(int fd, Kernel& kernel) {
  const absl::StatusOr<int> type = Ask(fd, SO_TYPE, "SO_TYPE", kernel);
  if (!type.ok()) return type.status();
  return *type == SOCK_DGRAM ? SocketAddress::OfSocket(fd, kernel)
                             : ListeningAddress(fd, kernel);
}

}  // namespace percore::internal
