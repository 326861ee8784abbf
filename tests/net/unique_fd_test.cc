#include "percore/net/unique_fd.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <utility>

namespace percore {
namespace {

bool IsOpen(int fd) { return fcntl(fd, F_GETFD) >= 0; }

TEST(UniqueFdTest, ClosesWhatItOwns) {
  const int number = dup(0);
  {
    UniqueFd fd(number);
    EXPECT_TRUE(fd.valid());
    EXPECT_EQ(fd.get(), number);
  }
  EXPECT_FALSE(IsOpen(number));
}

TEST(UniqueFdTest, MovesItsDescriptor) {
  UniqueFd first(dup(0));
  const int number = first.get();
  UniqueFd second(std::move(first));
  EXPECT_EQ(second.get(), number);
  UniqueFd third(dup(0));
  const int replaced = third.get();
  third = std::move(second);
  EXPECT_EQ(third.get(), number);
  EXPECT_FALSE(IsOpen(replaced));
  EXPECT_TRUE(IsOpen(number));
}

TEST(UniqueFdTest, ReleaseGivesTheDescriptorAway) {
  UniqueFd fd(dup(0));
  const int number = fd.Release();
  EXPECT_FALSE(fd.valid());
  fd.Reset();
  EXPECT_TRUE(IsOpen(number));
  close(number);
}

TEST(UniqueFdTest, ANegativeDescriptorIsNone) {
  UniqueFd fd(-EMFILE);
  EXPECT_FALSE(fd.valid());
  EXPECT_EQ(fd.get(), -EMFILE);
}

}  // namespace
}  // namespace percore
