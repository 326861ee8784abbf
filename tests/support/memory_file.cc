#include "percore/tests/support/memory_file.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

namespace percore {

int MemoryFile(std::string_view text) {
  const int fd = memfd_create("file", MFD_CLOEXEC);
  EXPECT_GE(fd, 0);
  EXPECT_EQ(write(fd, text.data(), text.size()),
            static_cast<ssize_t>(text.size()));
  return fd;
}

}  // namespace percore
