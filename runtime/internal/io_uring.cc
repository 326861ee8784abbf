#include "percore/runtime/internal/io_uring.h"

#include <array>
#include <atomic>
#include <cerrno>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "percore/runtime/error.h"
#include "percore/runtime/internal/ring_request.h"

// Linux 6.6; not known to liburing 2.3.
#ifndef IORING_SETUP_NO_SQARRAY
#define IORING_SETUP_NO_SQARRAY (1U << 16)
#endif

namespace percore::internal {
namespace {

// Requests between two system calls, beyond which another is made. Completions
// beyond these are kept by the kernel, at a price. A ring's memory, 50 KiB, is
// counted as locked, of which a user without privileges has 8 MiB.
constexpr unsigned kRequests = 256;
constexpr unsigned kCompletions = 8 * kRequests;

constexpr unsigned kNeeded = IORING_SETUP_CQSIZE | IORING_SETUP_R_DISABLED;
// Completions are made when their thread asks for them, instead of interrupting
// whatever it does.
constexpr unsigned kCooperative =
    kNeeded | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_SUBMIT_ALL;
constexpr unsigned kOneThread =
    kCooperative | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;

// Best first: Linux 6.6, 6.1, 5.19, 5.10.
constexpr std::array<unsigned, 4> kSetups = {
    kOneThread | IORING_SETUP_NO_SQARRAY, kOneThread, kCooperative, kNeeded};

// Waits with a timeout (5.11), completions that are never lost (5.5), and none
// for requests whose success is of no interest (5.17).
constexpr unsigned kNeededFeatures =
    IORING_FEAT_EXT_ARG | IORING_FEAT_NODROP | IORING_FEAT_CQE_SKIP;

// Of threads, unlike the system's, none has the number of one that has ended.
uint64_t ThisThreadsNumber() {
  static std::atomic<uint64_t> last{0};
  thread_local const uint64_t number = ++last;
  return number;
}

absl::Status Refusal(int error) {
  switch (error) {
    case ENOSYS:
    case EINVAL:
      return absl::UnimplementedError("io_uring: this kernel is too old");
    case EPERM:
    case EACCES:
      return absl::PermissionDeniedError(
          "io_uring: switched off on this system (sysctl "
          "kernel.io_uring_disabled, or seccomp)");
    default:
      return SystemError(error, "io_uring_setup");
  }
}

// It refers to memory that will not be the same at the next call, or wakes a
// loop that nobody else wakes.
bool CannotWait(const io_uring_sqe& request) {
  return request.opcode == IORING_OP_SEND ||
         request.opcode == IORING_OP_SENDMSG ||
         request.opcode == IORING_OP_CONNECT ||
         request.opcode == IORING_OP_MSG_RING;
}

}  // namespace

absl::StatusOr<std::unique_ptr<IoUring>> IoUring::Create(Kernel& kernel,
                                                         bool one_thread) {
  std::unique_ptr<IoUring> made(new IoUring(kernel, one_thread));
  io_uring_params params;
  int result = -EINVAL;
  for (const unsigned flags : kSetups) {
    params = {};
    params.flags = flags;
    params.cq_entries = kCompletions;
    result = kernel.CreateRing(kRequests, &made->ring_, &params);
    if (result != -EINVAL) break;
  }
  if (result < 0) return Refusal(-result);
  made->created_ = true;
  if ((params.features & kNeededFeatures) != kNeededFeatures) {
    return Refusal(ENOSYS);
  }
  // Requests are taken in the order in which they stand: the kernel's detour by
  // an array of their places leads straight on, where there is one.
  if ((params.flags & IORING_SETUP_NO_SQARRAY) == 0) {
    for (unsigned i = 0; i < made->ring_.sq.ring_entries; ++i) {
      made->ring_.sq.array[i] = i;
    }
  }
  return made;
}

IoUring::~IoUring() {
  if (!created_) return;
  // The kernel cancels what is left of a ring that is closed, too: some time
  // later, with the files open until then, and interrupting this thread.
  // In a child of fork() they are the parent's.
  const bool own = process_ == getpid();
  if (own && thread_ != 0 && IsOwnThread()) {
    CancelAll();
  } else {
    // What a thread has registered, only it could take back.
    ring_.int_flags = 0;
  }
  if (own) DropCompletions();
  kernel_.DestroyRing(&ring_);
}

void IoUring::CancelAll() {
  io_uring_sqe* const request = NextRequest();
  if (request == nullptr) return;
  io_uring_prep_cancel64(request, 0, IORING_ASYNC_CANCEL_ANY);
  request->user_data = RingRequest::kNobody;
  // Its own completion comes last, at the latest with the second call.
  for (int calls = 0; calls < 2 && Enter(Duration::zero()) > 0; ++calls) {
    DropCompletions();
  }
  while (overflowed() && Enter(Duration::zero()) > 0) DropCompletions();
}

void IoUring::DropCompletions() {
  TakeCompletions([this](const Completion& completion) {
    const RingRequest request = RingRequest::Unpack(completion.user_data);
    if (request.of == RingRequest::Of::kAccept && completion.result >= 0) {
      kernel_.Close(completion.result);
    }
  });
}

io_uring_sqe* IoUring::NextRequest() {
  io_uring_sqe* request = io_uring_get_sqe(&ring_);
  if (request == nullptr && Enter(Duration::zero()) >= 0) {
    request = io_uring_get_sqe(&ring_);
  }
  return request;
}

bool IoUring::IsOwnThread() const {
  return thread_ == 0 || thread_ == ThisThreadsNumber() ||
         (ring_.flags & IORING_SETUP_SINGLE_ISSUER) == 0;
}

int IoUring::Enter(Duration timeout) {
  const int result = TryToEnter(timeout);
  if (HasRequests()) [[unlikely]] {
    TakeBackRefused();
  }
  return result;
}

int IoUring::TryToEnter(Duration timeout) {
  if (thread_ == 0) [[unlikely]] {
    if (const int error = kernel_.EnableRing(&ring_); error < 0) return error;
    thread_ = ThisThreadsNumber();
    // It is as good without.
    if (one_thread_ && can_receive()) (void)kernel_.RegisterRing(&ring_);
  }
  return IsOwnThread() ? kernel_.EnterRing(&ring_, timeout) : -EXDEV;
}

// There was no call, or the kernel was out of memory, or interrupted. Those
// that cannot wait for the next call are taken back; the others stay.
void IoUring::TakeBackRefused() {
  io_uring_sq& queue = ring_.sq;
  unsigned kept = *queue.khead;
  for (unsigned i = kept; i != queue.sqe_tail; ++i) {
    const io_uring_sqe& request = queue.sqes[i & queue.ring_mask];
    if (CannotWait(request)) {
      refused_.push_back(
          {.user_data = request.user_data, .result = -EINTR, .flags = 0});
    } else {
      queue.sqes[kept++ & queue.ring_mask] = request;
    }
  }
  queue.sqe_head = queue.sqe_tail = kept;
  __atomic_store_n(queue.ktail, kept, __ATOMIC_RELEASE);
}

}  // namespace percore::internal
