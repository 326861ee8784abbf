// The process's descriptors, for tests that look for leaks, or run out of them.
//
// ```cpp
// const int before = percore::OpenDescriptors();
// {
//   const percore::DescriptorLimit limit(/*room=*/10);
// }
// bool leaked = percore::OpenDescriptors() > before;
// ```
#ifndef PERCORE_TESTS_SUPPORT_DESCRIPTORS_H_
#define PERCORE_TESTS_SUPPORT_DESCRIPTORS_H_

#include <sys/resource.h>

namespace percore {

// How many are open, one that the counting itself needs included.
int OpenDescriptors();

// While it lives, the process may open no more than `room` descriptors. Of the
// whole process: one at a time.
class DescriptorLimit {
 public:
  explicit DescriptorLimit(rlim_t room);
  DescriptorLimit(const DescriptorLimit&) = delete;
  DescriptorLimit& operator=(const DescriptorLimit&) = delete;
  ~DescriptorLimit();

 private:
  rlimit before_;
};

}  // namespace percore

#endif  // PERCORE_TESTS_SUPPORT_DESCRIPTORS_H_
