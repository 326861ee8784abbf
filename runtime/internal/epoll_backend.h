// epoll(7) as a back end.
//
// epoll refuses what has no readiness of its own: regular files, directories,
// /dev/null. poll(2) calls these always ready, and so does this back end.
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
  BackendFeatures features() const override {
    return BackendFeatures::kEdgeTriggered | BackendFeatures::kConstantTime |
           BackendFeatures::kAnyDescriptor | BackendFeatures::kEarlyClose;
  }

  int Add(int fd, EventFlags interest, uint32_t generation) override;
  int Modify(int fd, EventFlags interest, uint32_t generation) override;
  int Remove(int fd) override;
  void Forget(int fd) override { ForgetFile(fd); }
  int Reset() override;
  int Wait(Duration timeout, ReadyList& ready) override;

 private:
  // A descriptor that epoll refuses.
  struct File {
    int fd;
    uint32_t generation;
    EventFlags interest;
    bool reported;  // since it was put in; for edge-triggered ones
  };

  EpollBackend(Kernel& kernel, int epoll_fd);

  int Control(int operation, int fd, EventFlags interest, uint32_t generation);
  int PutIn(int operation, int fd, EventFlags interest, uint32_t generation);
  void MakeRoomForMore();
  void ReportFiles(ReadyList& ready);
  bool ForgetFile(int fd);
  static bool IsDue(const File& file);
  bool AnyFileIsDue() const;

  Kernel& kernel_;
  int epoll_fd_;
  std::vector<epoll_event> reported_;
  int most_reports_;  // the size of reported_, which a vector would divide for
  std::vector<File> files_;
};

}  // namespace percore::internal

#endif  // PERCORE_RUNTIME_INTERNAL_EPOLL_BACKEND_H_
