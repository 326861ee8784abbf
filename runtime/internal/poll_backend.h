// The back end for poll(2): every descriptor is looked at in every round, so it
// is for few of them, and for systems that forbid epoll.
#ifndef PERCORE_RUNTIME_INTERNAL_POLL_BACKEND_H_
#define PERCORE_RUNTIME_INTERNAL_POLL_BACKEND_H_

#include <poll.h>

#include <cstdint>
#include <vector>

#include "percore/runtime/internal/backend.h"
#include "percore/runtime/internal/descriptor_index.h"
#include "percore/runtime/kernel.h"

namespace percore::internal {

class PollBackend final : public Backend {
 public:
  explicit PollBackend(Kernel& kernel) : kernel_(kernel) {}

  const char* name() const override { return "poll"; }
  BackendFeatures features() const override {
    return BackendFeatures::kAnyDescriptor | BackendFeatures::kEarlyClose;
  }

  int Add(int fd, EventFlags interest, uint32_t generation) override;
  int Modify(int fd, EventFlags interest, uint32_t generation) override;
  int Remove(int fd) override;
  void Forget(int fd) override { Remove(fd); }
  int Reset() override;
  int Wait(Duration timeout, ReadyList& ready) override;

 private:
  Kernel& kernel_;
  // Side by side, so that the kernel finds its own array.
  std::vector<pollfd> watched_;
  std::vector<uint32_t> generations_;
  DescriptorIndex index_;
};

}  // namespace percore::internal

#endif  // PERCORE_RUNTIME_INTERNAL_POLL_BACKEND_H_
