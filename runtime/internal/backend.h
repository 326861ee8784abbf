// How a loop waits for its descriptors: the one interface that every back end
// (epoll, io_uring, poll, select) stands behind. Which events there are, and
// what is gathered before a call, is the DescriptorTable's business; a back end
// only talks to the kernel.
#ifndef PERCORE_RUNTIME_INTERNAL_BACKEND_H_
#define PERCORE_RUNTIME_INTERNAL_BACKEND_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "percore/runtime/backend_features.h"
#include "percore/runtime/event_flags.h"
#include "percore/runtime/kernel.h"
#include "percore/runtime/time.h"

namespace percore {

class Ring;

namespace internal {

// A descriptor that the kernel found ready, under the registration that was
// made with `generation`.
struct ReadyDescriptor {
  int fd;
  uint32_t generation;
  EventFlags what;  // kRead, kWrite, kClosed
};

// What a wait found. Keeps its room for the next.
class ReadyList {
 public:
  // Empties it, and makes room for `most`.
  void Reset(size_t most) {
    size_ = 0;
    if (most <= capacity_) return;
    capacity_ = most;
    room_.resize(most);
  }
  // No more often than Reset() made room for.
  void Add(int fd, uint32_t generation, EventFlags what) {
    room_[size_++] = {.fd = fd, .generation = generation, .what = what};
  }

  size_t size() const { return size_; }
  const ReadyDescriptor* begin() const { return room_.data(); }
  const ReadyDescriptor* end() const { return room_.data() + size_; }

 private:
  std::vector<ReadyDescriptor> room_;
  size_t capacity_ = 0;  // vector::size() would divide
  size_t size_ = 0;
};

// One thread: the loop's. Calls return 0 or more on success, -errno otherwise.
class Backend {
 public:
  virtual ~Backend() = default;

  virtual const char* name() const = 0;
  virtual BackendFeatures features() const = 0;

  // Starts to watch `fd` for kRead, kWrite and kClosed, edge-triggered if so
  // flagged. `generation` comes back with every report under this registration.
  virtual int Add(int fd, EventFlags interest, uint32_t generation) = 0;
  // Changes what is watched.
  virtual int Modify(int fd, EventFlags interest, uint32_t generation) = 0;
  virtual int Remove(int fd) = 0;
  // The descriptor is about to be closed: what the kernel forgets by itself
  // needs no call.
  virtual void Forget(int fd) = 0;
  // Forgets every descriptor, those included that can no longer be named.
  virtual int Reset() = 0;

  // Waits until a descriptor is ready, the timeout has passed or a signal
  // interrupted, and fills `ready`. kForever waits without end.
  virtual int Wait(Duration timeout, ReadyList& ready) = 0;

  // Null for those that do nothing but watch descriptors.
  virtual Ring* ring() { return nullptr; }
};

// 0 if `fd` is open, else -EBADF: for back ends whose system call would not
// say.
int CheckOpen(Kernel& kernel, int fd);

}  // namespace internal
}  // namespace percore

#endif  // PERCORE_RUNTIME_INTERNAL_BACKEND_H_
