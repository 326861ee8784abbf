// The back end for select(2), where there is nothing better. Its sets are as
// large as the largest descriptor needs, not FD_SETSIZE.
#ifndef PERCORE_RUNTIME_INTERNAL_SELECT_BACKEND_H_
#define PERCORE_RUNTIME_INTERNAL_SELECT_BACKEND_H_

#include <cstdint>
#include <vector>

#include "percore/runtime/internal/backend.h"
#include "percore/runtime/kernel.h"

namespace percore::internal {

class SelectBackend final : public Backend {
 public:
  explicit SelectBackend(Kernel& kernel) : kernel_(kernel) {}

  const char* name() const override { return "select"; }
  BackendFeatures features() const override {
    return BackendFeatures::kAnyDescriptor;
  }

  // kClosed is -EOPNOTSUPP: select(2) cannot see it.
  int Add(int fd, EventFlags interest, uint32_t generation) override;
  int Modify(int fd, EventFlags interest, uint32_t generation) override;
  int Remove(int fd) override;
  void Forget(int fd) override { Remove(fd); }
  int Reset() override;
  int Wait(Duration timeout, ReadyList& ready) override;

 private:
  // One bit for each descriptor, in the layout of fd_set.
  using Bits = std::vector<unsigned long>;

  bool Watches(int fd) const;
  void Set(int fd, EventFlags interest, uint32_t generation);
  // Forgets the descriptors that have been closed without a word.
  void RemoveClosed();

  Kernel& kernel_;
  Bits watched_;
  Bits readers_;
  Bits writers_;
  Bits readable_;
  Bits writable_;
  Bits either_;
  std::vector<uint32_t> generations_;  // by number
};

}  // namespace percore::internal

#endif  // PERCORE_RUNTIME_INTERNAL_SELECT_BACKEND_H_
