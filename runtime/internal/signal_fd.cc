#include "percore/runtime/internal/signal_fd.h"

#include <sys/signalfd.h>

#include <array>
#include <cstddef>

#include "percore/runtime/internal/signal_hub.h"

namespace percore::internal {
namespace {

// Read in one call.
constexpr size_t kBatch = 16;

sigset_t Only(int signal) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, signal);
  return set;
}

}  // namespace

SignalFd::SignalFd(Kernel& kernel) : kernel_(kernel) {
  sigemptyset(&watched_);
  sigemptyset(&blocked_);
}

SignalFd::~SignalFd() {
  if (fd_ < 0) return;
  kernel_.Close(fd_);
  pthread_sigmask(SIG_UNBLOCK, &blocked_, nullptr);
}

int SignalFd::Open() {
  const int fd = kernel_.SignalFd(-1, &watched_);
  if (fd < 0) return fd;
  if (fd_ >= 0) kernel_.Close(fd_);
  fd_ = fd;
  return 0;
}

int SignalFd::Watch(int signal) {
  sigset_t watched = watched_;
  sigaddset(&watched, signal);
  if (const int result = kernel_.SignalFd(fd_, &watched); result < 0) {
    return result;
  }
  watched_ = watched;
  const sigset_t only = Only(signal);
  sigset_t before;
  pthread_sigmask(SIG_BLOCK, &only, &before);
  if (sigismember(&before, signal) == 0) sigaddset(&blocked_, signal);
  return 0;
}

void SignalFd::Unwatch(int signal) {
  sigdelset(&watched_, signal);
  // Taking a signal out of a set that exists needs nothing that could be short.
  kernel_.SignalFd(fd_, &watched_);
  if (sigismember(&blocked_, signal) == 0) return;
  sigdelset(&blocked_, signal);
  const sigset_t only = Only(signal);
  pthread_sigmask(SIG_UNBLOCK, &only, nullptr);
}

void SignalFd::Drain() {
  std::array<signalfd_siginfo, kBatch> arrived;
  while (true) {
    const ssize_t size = kernel_.Read(fd_, arrived.data(), sizeof(arrived));
    if (size <= 0) return;
    const size_t count = static_cast<size_t>(size) / sizeof(signalfd_siginfo);
    for (size_t i = 0; i < count; ++i) {
      SignalHub::Distribute(static_cast<int>(arrived[i].ssi_signo));
    }
    if (count < arrived.size()) return;
  }
}

}  // namespace percore::internal
