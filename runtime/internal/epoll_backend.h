// epoll(7) as a back end.
#ifndef PERCORE_RUNTIME_INTERNAL_EPOLL_BACKEND_H_
#define PERCORE_RUNTIME_INTERNAL_EPOLL_BACKEND_H_

#include <sys/epoll.h>

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "percore/runtime/internal/backend.h"
#include "percore/runtime/kernel.h"

namespace percore::internal {

class EpollBackend final : public Backend {
 public:
  // Fails with the kernel's word when it gives no epoll descriptor.
  static absl::StatusOr<std::unique_ptr<EpollBackend>> Create(Kernel& kernel);
  ~EpollBackend() override;

  const char* name() const override { return "epoll"; }
  int Add(int fd, EventFlags interest, uint32_t generation) override;
  int Modify(int fd, EventFlags interest, uint32_t generation) override;
  int Remove(int fd) override;
  int Reset() override;
  int Wait(Duration timeout, std::vector<ReadyDescriptor>& ready) override;

 private:
  EpollBackend(Kernel& kernel, int epoll_fd);

  int Control(int operation, int fd, EventFlags interest, uint32_t generation);

  Kernel& kernel_;
  int epoll_fd_;
  std::vector<epoll_event> reported_;
};

}  // namespace percore::internal

#endif  // PERCORE_RUNTIME_INTERNAL_EPOLL_BACKEND_H_
