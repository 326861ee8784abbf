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
  static absl::StatusOr<std::unique_ptr<IoUring>> Create(Kernel& kernel);
  IoUring(const IoUring&) = delete;
  IoUring& operator=(const IoUring&) = delete;
  ~IoUring();

  // The next request, to be filled in by a function of liburing's and given its
  // user data. Null if the kernel takes no more for now.
  io_uring_sqe* NextRequest();

  // Whether there are some that the kernel has not seen.
  bool HasRequests() const { return ring_.sq.sqe_tail != *ring_.sq.khead; }

  // Makes the requests known and waits, see Kernel::EnterRing(). -EXDEV for
  // another thread than the ring's. No request that refers to memory is left
  // over: if the kernel does not take it, it completes with -EINTR.
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

  // IORING_REGISTER_PBUF_RING. 0 or -errno.
  int RegisterBuffers(io_uring_buf_reg* buffers) {
    return kernel_.RegisterRingBuffers(&ring_, buffers);
  }
  // Whether it knows receives that go on and choose their buffers (Linux 6.0).
  bool can_receive() const {
    return (ring_.flags & IORING_SETUP_SINGLE_ISSUER) != 0;
  }

 private:
  explicit IoUring(Kernel& kernel) : kernel_(kernel) {}

  // Ends all requests that the kernel has.
  void CancelAll();
  int TryToEnter(Duration timeout);
  // Takes back what it has not taken.
  void TakeBackRefused();

  Kernel& kernel_;
  io_uring ring_ = {};
  std::vector<Completion> refused_;
  bool created_ = false;
  const pid_t process_ = getpid();  // whose requests these are
  uint64_t thread_ = 0;             // that has entered it; 0 before
};

}  // namespace percore::internal

#endif  // PERCORE_RUNTIME_INTERNAL_IO_URING_H_
