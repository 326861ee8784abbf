#include "percore/runtime/internal/backend.h"

#include <poll.h>

#include <cerrno>

namespace percore::internal {

int CheckOpen(Kernel& kernel, int fd) {
  pollfd probe = {.fd = fd, .events = 0, .revents = 0};
  const int result = kernel.Poll(&probe, 1, Duration::zero());
  if (result < 0 && result != -EINTR) return result;
  return (probe.revents & POLLNVAL) != 0 ? -EBADF : 0;
}

}  // namespace percore::internal
