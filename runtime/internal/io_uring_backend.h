// io_uring(7) as a back end: each descriptor has a poll request in the ring.
//
// A request of a level-triggered registration is for one report; the next one
// is put in with the system call that waits for it, so that a round makes one
// call, whatever was added, changed and ready. An edge-triggered one is for any
// number of reports.
//
//   Add, Modify, Remove         Wait
//   to_arm_, to_cancel_   ->    requests  ->  one call  ->  completions
//                                  ^                             |
//                                  +---- ready: to_arm_  <-------+
//
// A request keeps its file open, whatever becomes of its number. Who closes a
// descriptor that is watched must say so (Forget()): else the peer learns of it
// at the end of the round only, or never if the loop does not learn of it.
#ifndef PERCORE_RUNTIME_INTERNAL_IO_URING_BACKEND_H_
#define PERCORE_RUNTIME_INTERNAL_IO_URING_BACKEND_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "percore/runtime/internal/backend.h"
#include "percore/runtime/internal/io_uring.h"
#include "percore/runtime/kernel.h"
#include "percore/runtime/ring.h"

namespace percore::internal {

class IoUringBackend final : public Backend {
 public:
  // Fails as IoUring::Create() does.
  static absl::StatusOr<std::unique_ptr<IoUringBackend>> Create(
      Kernel& kernel, bool one_thread);

  const char* name() const override { return "io_uring"; }
  BackendFeatures features() const override {
    return BackendFeatures::kEdgeTriggered | BackendFeatures::kConstantTime |
           BackendFeatures::kAnyDescriptor | BackendFeatures::kEarlyClose;
  }

  int Add(int fd, EventFlags interest, uint32_t generation) override;
  int Modify(int fd, EventFlags interest, uint32_t generation) override;
  int Remove(int fd) override;
  void Forget(int fd) override;
  int Reset() override;
  int Wait(Duration timeout, ReadyList& ready) override;
  Ring* ring() override { return &ring_; }

  // What the ring's users have asked for, without waiting. What is found ready
  // comes with the next Wait().
  void Flush();
  // Whether there is anything to cancel, for which Flush() would be of use.
  bool HasChanges() const { return !to_cancel_.empty(); }

 private:
  enum class State : uint8_t {
    kUnknown,
    kToArm,  // in to_arm_
    kArmed,  // has a request in the ring
  };

  struct Watch {
    uint32_t generation = 0;
    uint32_t request = 0;  // tells its requests from each other
    EventFlags interest = EventFlags::kNone;
    State state = State::kUnknown;
  };

  IoUringBackend(Kernel& kernel, bool one_thread,
                 std::unique_ptr<IoUring> uring);

  IoUring& uring() { return *ring_.uring_; }

  // Null if `fd` is not watched.
  Watch* Find(int fd);
  void ArmLater(int fd, Watch& watch);
  void Disarm(int fd, Watch& watch);
  // Puts what has been gathered into the ring. 0 or -errno.
  int PutIn();
  // The system call, and what comes of it. 0 or -errno.
  int Enter(Duration timeout);
  // What was put into a ring that is this thread's no more is put in anew.
  int StartAfresh();
  void Complete(const IoUring::Completion& completion);
  void CompletePoll(const IoUring::Completion& completion);
  void CompleteWakeUp(const IoUring::Completion& completion);

  Kernel& kernel_;
  const bool one_thread_;
  Ring ring_;
  std::vector<Watch> watches_;  // by number
  std::vector<int> to_arm_;
  std::vector<uint64_t> to_cancel_;  // user data of requests
  std::vector<ReadyDescriptor> found_;
};

}  // namespace percore::internal

#endif  // PERCORE_RUNTIME_INTERNAL_IO_URING_BACKEND_H_
