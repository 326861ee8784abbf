// A ring of io_uring(7): requests are put in, one system call makes them known
// and waits, completions are taken out.
#ifndef PERCORE_RUNTIME_INTERNAL_IO_URING_H_
#define PERCORE_RUNTIME_INTERNAL_IO_URING_H_

#include <liburing.h>
#include <unistd.h>

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "percore/runtime/kernel.h"
#include "percore/runtime/time.h"

namespace percore::internal {

// Thread: made by any; the first that enters it is then its only one, if the
// kernel gives rings that profit from that.
class IoUring {
 public:
  // Asks for what makes a ring cheap, and does without what this kernel does
  // not know. Fails if it lacks what is needed (Unimplemented), or refuses
  // (PermissionDenied: by sysctl kernel.io_uring_disabled, or by seccomp).
  // `one_thread`: no other than the one that enters it will destroy it.
  static absl::StatusOr<std::unique_ptr<IoUring>> Create(Kernel& kernel,
                                                         bool one_thread);
  IoUring(const IoUring&) = delete;
  IoUring& operator=(const IoUring&) = delete;
  ~IoUring();

  // The next request, to be filled in by a function of liburing's and given its
  // user data. Null if the kernel takes no more for now.
  io_uring_sqe* NextRequest();

  // Whether there are some that the kernel has not seen.
  bool HasRequests() const { return ring_.sq.sqe_tail != *ring_.sq.khead; }

  // How many the kernel has taken, counted on and on.
  uint32_t taken() const {
    return __atomic_load_n(ring_.sq.khead, __ATOMIC_RELAXED);
  }

  // Makes the requests known and waits, see Kernel::EnterRing(). -EXDEV for
  // another thread than the ring's. No request that refers to memory, or wakes
  // another loop, is left over: if the kernel does not take it, it completes
  // with -EINTR.
  int Enter(Duration timeout);

  // Whether the calling thread may enter.
  bool IsOwnThread() const;

  // As in an io_uring_cqe.
  struct Completion {
    uint64_t user_data;
    int32_t result;
    uint32_t flags;
  };
  // Calls `visit` with each of the completions that there are now.
  template <typename Visit>
  void TakeCompletions(Visit visit) {
    const unsigned count = io_uring_cq_ready(&ring_);
    const unsigned first = *ring_.cq.khead;
    for (unsigned i = 0; i < count; ++i) {
      const io_uring_cqe& entry =
          ring_.cq.cqes[(first + i) & ring_.cq.ring_mask];
      visit(Completion{entry.user_data, entry.res, entry.flags});
    }
    io_uring_cq_advance(&ring_, count);
    if (refused_.empty()) return;
    for (const Completion& refused : std::exchange(refused_, {})) {
      visit(refused);
    }
  }
  // Whether the kernel keeps more, which come with the next call.
  bool overflowed() const {
    return (__atomic_load_n(ring_.sq.kflags, __ATOMIC_RELAXED) &
            IORING_SQ_CQ_OVERFLOW) != 0;
  }

  // Whether there are more, taken or not.
  bool HasCompletions() const {
    return io_uring_cq_ready(&ring_) > 0 || overflowed();
  }

  // IORING_REGISTER_PBUF_RING. 0 or -errno.
  int RegisterBuffers(io_uring_buf_reg* buffers) {
    return kernel_.RegisterRingBuffers(&ring_, buffers);
  }
  // Whether it knows receives that go on and choose their buffers (Linux 6.0).
  bool can_receive() const {
    return (ring_.flags & IORING_SETUP_SINGLE_ISSUER) != 0;
  }
  // Whether it knows messages to other rings: Linux 5.18, and 6.1 if they have
  // such flags as this one.
  bool can_send_messages() const {
    return (ring_.flags & IORING_SETUP_SINGLE_ISSUER) != 0;
  }
  // Where other rings' messages reach it. -1 before it has been entered, and in
  // another thread than its own, which is going to make a ring of its own.
  int message_fd() const {
    return can_send_messages() && thread_ != 0 && IsOwnThread() ? ring_.ring_fd
                                                                : -1;
  }
  // Whether nothing goes on but while a call is made (Linux 6.1). Accepts that
  // go on are older.
  bool can_accept() const {
    return (ring_.flags & IORING_SETUP_DEFER_TASKRUN) != 0;
  }

 private:
  IoUring(Kernel& kernel, bool one_thread)
      : kernel_(kernel), one_thread_(one_thread) {}

  // Ends all requests that the kernel has.
  void CancelAll();
  // Takes completions of which nobody will be told.
  void DropCompletions();
  int TryToEnter(Duration timeout);
  // Takes back what it has not taken.
  void TakeBackRefused();

  Kernel& kernel_;
  const bool one_thread_;
  io_uring ring_ = {};
  std::vector<Completion> refused_;
  bool created_ = false;
  const pid_t process_ = getpid();  // whose requests these are
  uint64_t thread_ = 0;             // that has entered it; 0 before
};

}  // namespace percore::internal

#endif  // PERCORE_RUNTIME_INTERNAL_IO_URING_H_
