#include "percore/runtime/kernel.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>

namespace percore {
namespace {

TEST(KernelTest, ReturnsTheNegatedErrno) {
  char byte;
  EXPECT_EQ(Kernel::Real().Read(-1, &byte, 1), -EBADF);
  EXPECT_EQ(Kernel::Real().Close(-1), -EBADF);
}

TEST(KernelTest, WritingToAClosedPeerIsAnErrorAndNoSignal) {
  Kernel& kernel = Kernel::Real();
  std::array<int, 2> ends;
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()), 0);
  kernel.Close(ends[1]);
  char text[] = "x";
  const iovec extent = {.iov_base = text, .iov_len = 1};
  EXPECT_EQ(kernel.Writev(ends[0], &extent, 1), -EPIPE);
  kernel.Close(ends[0]);
}

TEST(KernelTest, WritesToDescriptorsThatAreNoSockets) {
  Kernel& kernel = Kernel::Real();
  std::array<int, 2> ends;
  ASSERT_EQ(pipe(ends.data()), 0);
  char text[] = "ab";
  const std::array<iovec, 2> extents = {{{text, 1}, {text + 1, 1}}};
  EXPECT_EQ(kernel.Writev(ends[1], extents.data(), 2), 2);
  char read[3] = {};
  EXPECT_EQ(kernel.Read(ends[0], read, 2), 2);
  EXPECT_STREQ(read, "ab");
  kernel.Close(ends[0]);
  kernel.Close(ends[1]);
}

TEST(KernelTest, WaitsForLessThanAMillisecond) {
  Kernel& kernel = Kernel::Real();
  const int epoll_fd = kernel.EpollCreate();
  epoll_event event;
  const TimePoint before = kernel.Now();
  EXPECT_EQ(
      kernel.EpollWait(epoll_fd, &event, 1, std::chrono::microseconds(50)), 0);
  EXPECT_GE(kernel.Now() - before, std::chrono::microseconds(50));
  kernel.Close(epoll_fd);
}

}  // namespace
}  // namespace percore
