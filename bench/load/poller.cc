#include "percore/bench/load/poller.h"

#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

namespace percore::bench {
namespace {

constexpr size_t kMaxEvents = 256;

}  // namespace

Poller::~Poller() {
  if (fd_ >= 0) close(fd_);
}

absl::Status Poller::Open() {
  // Sleeps of the open loop are to end when the next request is due, and not
  // 50 microseconds later.
  if (prctl(PR_SET_TIMERSLACK, 1) != 0) return SystemError("prctl");
  fd_ = epoll_create1(EPOLL_CLOEXEC);
  if (fd_ < 0) return SystemError("epoll_create1");
  events_.resize(kMaxEvents);
  return absl::OkStatus();
}

absl::Status Poller::Watch(Connection& connection, uint32_t events) const {
  if (connection.watched_events == events) return absl::OkStatus();
  epoll_event event = {};
  event.events = events;
  event.data.ptr = &connection;
  const int change =
      connection.watched_events == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
  connection.watched_events = events;
  if (epoll_ctl(fd_, change, connection.fd(), &event) != 0) {
    return SystemError("epoll_ctl");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::span<const epoll_event>> Poller::Wait(int64_t wait_ns) {
  const timespec timeout = {.tv_sec = 0, .tv_nsec = wait_ns};
  const int count = epoll_pwait2(
      fd_, events_.data(), static_cast<int>(events_.size()), &timeout, nullptr);
  if (count < 0 && errno != EINTR) return SystemError("epoll_pwait2");
  return std::span<const epoll_event>(
      events_.data(), static_cast<size_t>(count < 0 ? 0 : count));
}

}  // namespace percore::bench
