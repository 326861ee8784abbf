#include "percore/tests/support/descriptors.h"

#include <dirent.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "percore/net/unique_fd.h"

namespace percore {

int OpenDescriptors() {
  int count = 0;
  DIR* const folder = opendir("/proc/self/fd");
  while (readdir(folder) != nullptr) ++count;
  closedir(folder);
  return count - 2;  // "." and ".."
}

DescriptorLimit::DescriptorLimit(rlim_t room) {
  EXPECT_EQ(getrlimit(RLIMIT_NOFILE, &before_), 0);
  // Numbers are given from below: the next one tells how many are in use.
  const UniqueFd next(dup(0));
  rlimit limit = before_;
  limit.rlim_cur = static_cast<rlim_t>(next.get()) + room;
  EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

DescriptorLimit::~DescriptorLimit() { setrlimit(RLIMIT_NOFILE, &before_); }

}  // namespace percore
