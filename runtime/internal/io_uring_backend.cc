#include "percore/runtime/internal/io_uring_backend.h"

#include <cerrno>
#include <utility>

#include "percore/runtime/internal/notifier.h"
#include "percore/runtime/internal/poll_mask.h"
#include "percore/runtime/internal/ring_request.h"

namespace percore::internal {
namespace {

uint64_t UserData(int fd, uint32_t request) {
  return RingRequest::Pack({.of = RingRequest::Of::kPoll,
                            .number = static_cast<uint32_t>(fd),
                            .generation = request});
}

}  // namespace

absl::StatusOr<std::unique_ptr<IoUringBackend>> IoUringBackend::Create(
    Kernel& kernel, bool one_thread) {
  absl::StatusOr<std::unique_ptr<IoUring>> ring =
      IoUring::Create(kernel, one_thread);
  if (!ring.ok()) return ring.status();
  return std::unique_ptr<IoUringBackend>(
      new IoUringBackend(kernel, one_thread, *std::move(ring)));
}

IoUringBackend::IoUringBackend(Kernel& kernel, bool one_thread,
                               std::unique_ptr<IoUring> uring)
    : kernel_(kernel),
      one_thread_(one_thread),
      ring_(kernel, std::move(uring)) {
  ring_.backend_ = this;
}

int IoUringBackend::Add(int fd, EventFlags interest, uint32_t generation) {
  // The kernel would say so only when the request is put in.
  if (const int error = CheckOpen(kernel_, fd); error < 0) return error;
  if (Find(fd) != nullptr) return -EEXIST;
  const auto number = static_cast<size_t>(fd);
  if (number >= watches_.size()) watches_.resize((number + 1) * 2);
  Watch& watch = watches_[number];
  watch.generation = generation;
  watch.interest = interest;
  ArmLater(fd, watch);
  return 0;
}

int IoUringBackend::Modify(int fd, EventFlags interest, uint32_t generation) {
  if (const int error = CheckOpen(kernel_, fd); error < 0) {
    Remove(fd);
    return error;
  }
  Watch* const watch = Find(fd);
  if (watch == nullptr) return -ENOENT;
  Disarm(fd, *watch);
  watch->generation = generation;
  watch->interest = interest;
  ArmLater(fd, *watch);
  return 0;
}

int IoUringBackend::Remove(int fd) {
  Watch* const watch = Find(fd);
  if (watch == nullptr) return -ENOENT;
  Disarm(fd, *watch);
  return 0;
}

// Its request is cancelled by the system call that closes it.
void IoUringBackend::Forget(int fd) { Remove(fd); }

int IoUringBackend::Reset() {
  absl::StatusOr<std::unique_ptr<IoUring>> fresh =
      IoUring::Create(kernel_, one_thread_);
  if (!fresh.ok()) return -EMFILE;
  watches_.clear();
  to_arm_.clear();
  to_cancel_.clear();
  found_.clear();
  ring_.Renew(*std::move(fresh));
  return 0;
}

int IoUringBackend::Wait(Duration timeout, ReadyList& ready) {
  ready.Reset(0);
  if (!uring().IsOwnThread()) {
    if (const int error = StartAfresh(); error < 0) return error;
  }
  const int result = Enter(found_.empty() ? timeout : Duration::zero());
  ready.Reset(found_.size());
  for (const ReadyDescriptor& found : found_) {
    ready.Add(found.fd, found.generation, found.what);
  }
  found_.clear();
  return result < 0 && ready.size() == 0 ? result
                                         : static_cast<int>(ready.size());
}

// Another thread's ring keeps what it has until that thread, or a ring of this
// one's, comes to it.
void IoUringBackend::Flush() {
  if (uring().IsOwnThread()) Enter(Duration::zero());
}

int IoUringBackend::Enter(Duration timeout) {
  const uint32_t taken = uring().taken();
  size_t completions = 0;
  size_t overflows = 0;
  ring_.PutInWakeUps();
  int result = PutIn();
  if (result == 0) {
    ring_.PutInAll();
    if (ring_.stays_awake()) timeout = Duration::zero();
    result = uring().Enter(timeout);
  }
  // All that there are: who has not been told by then that his request failed
  // takes it that it did not. After an error too: a wake-up that was not passed
  // on must not wait.
  for (;; ++overflows) {
    uring().TakeCompletions([&](const IoUring::Completion& completion) {
      ++completions;
      Complete(completion);
    });
    if (!uring().overflowed() || uring().Enter(Duration::zero()) < 0) break;
  }
  if (ring_.stats_ != nullptr) {
    LoopStats& stats = *ring_.stats_;
    stats.ring_submissions.Add(uring().taken() - taken);
    stats.ring_completions.Add(completions);
    if (overflows > 0) stats.ring_overflows.Add(overflows);
  }
  ring_.TellAccepted();
  ring_.TellPutIn();
  return result;
}

IoUringBackend::Watch* IoUringBackend::Find(int fd) {
  const auto number = static_cast<size_t>(fd);
  if (number >= watches_.size()) return nullptr;
  Watch& watch = watches_[number];
  return watch.state == State::kUnknown ? nullptr : &watch;
}

void IoUringBackend::ArmLater(int fd, Watch& watch) {
  watch.state = State::kToArm;
  to_arm_.push_back(fd);
}

void IoUringBackend::Disarm(int fd, Watch& watch) {
  if (watch.state == State::kArmed) {
    to_cancel_.push_back(UserData(fd, watch.request));
  }
  watch.state = State::kUnknown;
}

int IoUringBackend::PutIn() {
  while (!to_cancel_.empty()) {
    io_uring_sqe* const request = uring().NextRequest();
    if (request == nullptr) return -EAGAIN;
    io_uring_prep_poll_remove(request, to_cancel_.back());
    request->flags |= IOSQE_CQE_SKIP_SUCCESS;
    request->user_data = RingRequest::kNobody;
    to_cancel_.pop_back();
  }
  while (!to_arm_.empty()) {
    const int fd = to_arm_.back();
    Watch* const watch = Find(fd);
    if (watch != nullptr && watch->state == State::kToArm) {
      io_uring_sqe* const request = uring().NextRequest();
      if (request == nullptr) return -EAGAIN;
      const uint32_t mask = ToPollMask(watch->interest);
      if (Any(watch->interest & EventFlags::kEdgeTriggered)) {
        io_uring_prep_poll_multishot(request, fd, mask);
      } else {
        io_uring_prep_poll_add(request, fd, mask);
      }
      request->user_data = UserData(fd, ++watch->request);
      watch->state = State::kArmed;
    }
    to_arm_.pop_back();
  }
  return 0;
}

int IoUringBackend::StartAfresh() {
  absl::StatusOr<std::unique_ptr<IoUring>> fresh =
      IoUring::Create(kernel_, one_thread_);
  if (!fresh.ok()) return -EMFILE;
  to_cancel_.clear();
  for (size_t fd = 0; fd < watches_.size(); ++fd) {
    if (watches_[fd].state != State::kArmed) continue;
    ArmLater(static_cast<int>(fd), watches_[fd]);
  }
  ring_.Renew(*std::move(fresh));
  return 0;
}

void IoUringBackend::Complete(const IoUring::Completion& completion) {
  switch (RingRequest::Unpack(completion.user_data).of) {
    case RingRequest::Of::kPoll:
      return CompletePoll(completion);
    case RingRequest::Of::kUser:
    case RingRequest::Of::kClose:
    case RingRequest::Of::kAccept:
      return ring_.Tell(completion.user_data, completion.result,
                        completion.flags);
    case RingRequest::Of::kWakeUp:
      return CompleteWakeUp(completion);
    case RingRequest::Of::kNobody:
      return;
  }
}

void IoUringBackend::CompletePoll(const IoUring::Completion& completion) {
  const auto fd =
      static_cast<int>(RingRequest::Unpack(completion.user_data).number);
  Watch* const watch = Find(fd);
  // Of a request that was cancelled, or has been replaced by another.
  if (watch == nullptr || watch->state != State::kArmed ||
      completion.user_data != UserData(fd, watch->request)) {
    return;
  }
  if (completion.result == -EBADF) {
    // Closed without a word, before the kernel saw the request.
    watch->state = State::kUnknown;
    return;
  }
  if ((completion.flags & IORING_CQE_F_MORE) == 0) ArmLater(fd, *watch);
  if (completion.result <= 0) return;
  found_.push_back(
      {.fd = fd,
       .generation = watch->generation,
       .what = FromPollMask(static_cast<uint32_t>(completion.result))});
}

// Another loop's to this one, or one of this loop's that the kernel did not
// pass on.
void IoUringBackend::CompleteWakeUp(const IoUring::Completion& completion) {
  const auto event_fd =
      static_cast<int>(RingRequest::Unpack(completion.user_data).number);
  if (completion.result < 0) {
    Notifier::Wake(kernel_, event_fd);
  } else {
    found_.push_back(
        {.fd = event_fd, .generation = 0, .what = EventFlags::kRead});
  }
}

}  // namespace percore::internal
