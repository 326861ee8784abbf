// The path of a listening UNIX socket, from bind() until the server has ended.
//
// The kernel makes a path for a UNIX socket, and leaves it there when the
// socket is closed: the next server finds its address in use by nobody. A
// BoundPath takes such a leftover away before it binds, and its own path in the
// end.
#ifndef PERCORE_NET_INTERNAL_BOUND_PATH_H_
#define PERCORE_NET_INTERNAL_BOUND_PATH_H_

#include <sys/stat.h>
#include <sys/types.h>

#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "percore/net/socket_address.h"
#include "percore/runtime/kernel.h"

namespace percore::internal {

// One thread at a time. `kernel` outlives it.
class BoundPath {
 public:
  // Binds the stream socket `fd` to `address`, which is a path, and sets the
  // permissions of that path. Errors: the call that failed and the path;
  // AlreadyExists where there is something else than a socket. A path where
  // somebody listens is in use, and stays.
  static absl::StatusOr<std::unique_ptr<BoundPath>> Bind(
      Kernel& kernel, int fd, const SocketAddress& address, mode_t permissions);

  BoundPath(const BoundPath&) = delete;
  BoundPath& operator=(const BoundPath&) = delete;
  // Removes the path, if it is still the one that was bound: another server may
  // have replaced it. Logs a warning if it cannot.
  ~BoundPath();

 private:
  BoundPath(Kernel& kernel, std::string path, const struct stat& identity)
      : kernel_(kernel), path_(std::move(path)), identity_(identity) {}

  Kernel& kernel_;
  const std::string path_;
  const struct stat identity_;
};

}  // namespace percore::internal

#endif  // PERCORE_NET_INTERNAL_BOUND_PATH_H_
