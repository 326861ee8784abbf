#include "percore/net/internal/bound_path.h"

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "percore/net/unique_fd.h"
#include "percore/runtime/error.h"
#include "percore/runtime/log.h"

namespace percore::internal {
namespace {

// Nobody listens on a path where connect() is refused. Everything else means
// that somebody does, or that it cannot be known: a full backlog, a missing
// permission, a datagram socket.
bool NobodyListens(Kernel& kernel, const SocketAddress& address) {
  const UniqueFd probe(kernel.Socket(AF_UNIX, SOCK_STREAM, 0));
  return probe.valid() &&
         kernel.Connect(probe.get(), address.native(), address.native_size()) ==
             -ECONNREFUSED;
}

// OK once the address can be bound, for all that is known.
absl::Status RemoveStalePath(Kernel& kernel, const SocketAddress& address) {
  const std::string path(address.unix_path());
  struct stat status;
  const int found = kernel.PathStatus(path.c_str(), &status);
  if (found == -ENOENT) return absl::OkStatus();
  if (found < 0) return SystemError(-found, "lstat", address.ToString());
  if (!S_ISSOCK(status.st_mode)) {
    return absl::AlreadyExistsError(absl::StrCat(
        "bind ", address.ToString(), ": there is a file that is no socket"));
  }
  if (!NobodyListens(kernel, address)) {
    return SystemError(EADDRINUSE, "bind", address.ToString());
  }
  const int removed = kernel.Unlink(path.c_str());
  return removed < 0 && removed != -ENOENT
             ? SystemError(-removed, "unlink", address.ToString())
             : absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<BoundPath>> BoundPath::Bind(
    Kernel& kernel, int fd, const SocketAddress& address, mode_t permissions) {
  int bound = kernel.Bind(fd, address.native(), address.native_size());
  if (bound == -EADDRINUSE) {
    if (absl::Status status = RemoveStalePath(kernel, address); !status.ok()) {
      return status;
    }
    bound = kernel.Bind(fd, address.native(), address.native_size());
  }
  if (bound < 0) return SystemError(-bound, "bind", address.ToString());

  std::string path(address.unix_path());
  struct stat identity;
  if (const int found = kernel.PathStatus(path.c_str(), &identity); found < 0) {
    kernel.Unlink(path.c_str());
    return SystemError(-found, "lstat", address.ToString());
  }
  std::unique_ptr<BoundPath> result(
      new BoundPath(kernel, std::move(path), identity));
  // Before listen(): until then nobody gets in, whatever the umask allows.
  const int changed = kernel.ChangeMode(result->path_.c_str(), permissions);
  if (changed < 0) return SystemError(-changed, "chmod", address.ToString());
  return result;
}

BoundPath::~BoundPath() {
  struct stat now;
  if (kernel_.PathStatus(path_.c_str(), &now) < 0 ||
      now.st_dev != identity_.st_dev || now.st_ino != identity_.st_ino) {
    return;
  }
  if (const int removed = kernel_.Unlink(path_.c_str()); removed < 0) {
    Log(LogLevel::kWarning,
        std::string(SystemError(-removed, "unlink", path_).message()));
  }
}

}  // namespace percore::internal
