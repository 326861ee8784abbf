#include "percore/runtime/internal/epoll_backend.h"

#include <algorithm>
#include <cerrno>

#include "percore/runtime/error.h"
#include "percore/runtime/internal/poll_mask.h"

namespace percore::internal {
namespace {

// Reports taken from the kernel in one call. The array doubles whenever a call
// fills it, up to a size at which its cost no longer shows in a round.
constexpr int kFirstReports = 64;
constexpr int kMostReports = 4096;

uint32_t ToEpoll(EventFlags interest) {
  const uint32_t mask = ToPollMask(interest);
  return Any(interest & EventFlags::kEdgeTriggered) ? mask | EPOLLET : mask;
}

}  // namespace

absl::StatusOr<std::unique_ptr<EpollBackend>> EpollBackend::Create(
    Kernel& kernel) {
  const int epoll_fd = kernel.EpollCreate();
  if (epoll_fd < 0) return SystemError(-epoll_fd, "epoll_create1");
  return std::unique_ptr<EpollBackend>(new EpollBackend(kernel, epoll_fd));
}

EpollBackend::EpollBackend(Kernel& kernel, int epoll_fd)
    : kernel_(kernel),
      epoll_fd_(epoll_fd),
      reported_(kFirstReports),
      most_reports_(kFirstReports) {}

EpollBackend::~EpollBackend() { kernel_.Close(epoll_fd_); }

int EpollBackend::Add(int fd, EventFlags interest, uint32_t generation) {
  return PutIn(EPOLL_CTL_ADD, fd, interest, generation);
}

int EpollBackend::Modify(int fd, EventFlags interest, uint32_t generation) {
  return PutIn(EPOLL_CTL_MOD, fd, interest, generation);
}

int EpollBackend::Remove(int fd) {
  if (ForgetFile(fd)) return 0;
  return Control(EPOLL_CTL_DEL, fd, EventFlags::kNone, 0);
}

int EpollBackend::Reset() {
  const int fresh = kernel_.EpollCreate();
  if (fresh < 0) return fresh;
  kernel_.Close(epoll_fd_);
  epoll_fd_ = fresh;
  files_.clear();
  return 0;
}

int EpollBackend::Wait(Duration timeout, ReadyList& ready) {
  if (!files_.empty() && AnyFileIsDue()) timeout = Duration::zero();
  const int count =
      kernel_.EpollWait(epoll_fd_, reported_.data(), most_reports_, timeout);
  ready.Reset(static_cast<size_t>(most_reports_) + files_.size());
  const epoll_event* report = reported_.data();
  for (int i = 0; i < count; ++i, ++report) {
    const uint64_t tag = report->data.u64;
    ready.Add(static_cast<int>(tag & UINT32_MAX),
              static_cast<uint32_t>(tag >> 32), FromPollMask(report->events));
  }
  if (count == most_reports_) MakeRoomForMore();
  if (!files_.empty()) ReportFiles(ready);
  return count;
}

void EpollBackend::MakeRoomForMore() {
  most_reports_ = std::min(most_reports_ * 2, kMostReports);
  reported_.resize(static_cast<size_t>(most_reports_));
}

void EpollBackend::ReportFiles(ReadyList& ready) {
  for (File& file : files_) {
    if (!IsDue(file)) continue;
    file.reported = true;
    ready.Add(file.fd, file.generation,
              file.interest & (EventFlags::kRead | EventFlags::kWrite));
  }
}

int EpollBackend::PutIn(int operation, int fd, EventFlags interest,
                        uint32_t generation) {
  const int result = Control(operation, fd, interest, generation);
  // Whatever had this number before: what epoll says now is what holds.
  ForgetFile(fd);
  if (result != -EPERM) return result;
  files_.push_back({.fd = fd,
                    .generation = generation,
                    .interest = interest,
                    .reported = false});
  return 0;
}

bool EpollBackend::ForgetFile(int fd) {
  if (files_.empty()) return false;
  return std::erase_if(files_,
                       [fd](const File& file) { return file.fd == fd; }) > 0;
}

bool EpollBackend::IsDue(const File& file) {
  const bool edge = Any(file.interest & EventFlags::kEdgeTriggered);
  return Any(file.interest & (EventFlags::kRead | EventFlags::kWrite)) &&
         !(edge && file.reported);
}

bool EpollBackend::AnyFileIsDue() const {
  return std::any_of(files_.begin(), files_.end(), IsDue);
}

int EpollBackend::Control(int operation, int fd, EventFlags interest,
                          uint32_t generation) {
  epoll_event event = {};
  event.events = ToEpoll(interest);
  event.data.u64 = uint64_t{generation} << 32 | static_cast<uint32_t>(fd);
  return kernel_.EpollCtl(epoll_fd_, operation, fd, &event);
}

}  // namespace percore::internal
