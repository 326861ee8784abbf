#include "percore/runtime/kernel.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <string>

#include "percore/tests/support/memory_file.h"

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

TEST(KernelTest, ReadsAndWritesExtentsOfSocketsAndOfOtherDescriptors) {
  Kernel& kernel = Kernel::Real();
  for (const bool is_socket : {false, true}) {
    std::array<int, 2> ends;
    ASSERT_EQ(is_socket ? socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data())
                        : pipe(ends.data()),
              0);
    for (const int count : {1, 2}) {
      char text[] = "ab";
      const std::array<iovec, 2> written = {{{text, 1}, {text + 1, 1}}};
      EXPECT_EQ(kernel.Writev(ends[1], written.data(), count), count);
      char bytes[3] = {};
      const std::array<iovec, 2> read = {{{bytes, 1}, {bytes + 1, 1}}};
      EXPECT_EQ(kernel.Readv(ends[0], read.data(), count), count);
      EXPECT_EQ(std::string_view(bytes),
                std::string_view("ab").substr(0, static_cast<size_t>(count)));
    }
    kernel.Close(ends[0]);
    kernel.Close(ends[1]);
  }
}

TEST(KernelTest, MovesManyDatagramsAndTellsTheirSizes) {
  Kernel& kernel = Kernel::Real();
  int ends[2];
  ASSERT_EQ(kernel.SocketPair(AF_UNIX, SOCK_DGRAM, 0, ends), 0);
  char text[] = "abcd";
  std::array<iovec, 2> extents = {{{text, 4}, {text, 1}}};
  std::array<mmsghdr, 2> messages = {};
  for (size_t i = 0; i < 2; ++i) {
    messages[i].msg_hdr.msg_iov = &extents[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  EXPECT_EQ(kernel.SendMessages(ends[0], messages.data(), 2), 2);
  extents = {{{text, 2}, {text, 2}}};
  EXPECT_EQ(kernel.ReceiveMessages(ends[1], messages.data(), 2), 2);
  EXPECT_EQ(messages[0].msg_len, 4u);  // of which two bytes are lost
  EXPECT_EQ(messages[1].msg_len, 1u);
  EXPECT_EQ(kernel.ReceiveMessages(ends[1], messages.data(), 2), -EAGAIN);
  kernel.Close(ends[1]);
  EXPECT_EQ(kernel.SendMessages(ends[0], messages.data(), 2), -ECONNREFUSED);
  kernel.Close(ends[0]);
}

TEST(KernelTest, SendsFilesAndKeepsTheSignalAway) {
  int sockets[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
  const int file = MemoryFile("0123456789");
  EXPECT_EQ(Kernel::Real().SendFile(sockets[0], file, 3, 4), 4);
  char bytes[16];
  EXPECT_EQ(read(sockets[1], bytes, sizeof(bytes)), 4);
  EXPECT_EQ(std::string_view(bytes, 4), "3456");
  EXPECT_EQ(Kernel::Real().SendFile(sockets[0], file, 10, 4), 0)
      << "at the end of the file";
  EXPECT_EQ(Kernel::Real().SendFile(sockets[0], -1, 0, 4), -EBADF);
  close(sockets[1]);
  EXPECT_EQ(Kernel::Real().SendFile(sockets[0], file, 3, 4), -EPIPE);
  close(sockets[0]);
  close(file);
}

TEST(KernelTest, KeepsASignalThatWasPendingBefore) {
  sigset_t pipe_signal;
  sigset_t before;
  sigset_t pending;
  sigemptyset(&pipe_signal);
  sigaddset(&pipe_signal, SIGPIPE);
  ASSERT_EQ(pthread_sigmask(SIG_BLOCK, &pipe_signal, &before), 0);
  ASSERT_EQ(pthread_kill(pthread_self(), SIGPIPE), 0);
  int sockets[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
  close(sockets[1]);
  const int file = MemoryFile("0123456789");
  EXPECT_EQ(Kernel::Real().SendFile(sockets[0], file, 0, 4), -EPIPE);
  sigpending(&pending);
  EXPECT_EQ(sigismember(&pending, SIGPIPE), 1);
  const timespec at_once = {};
  EXPECT_EQ(sigtimedwait(&pipe_signal, nullptr, &at_once), SIGPIPE);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  close(sockets[0]);
  close(file);
}

TEST(KernelTest, ReadsAndMapsFiles) {
  const int file = MemoryFile("0123456789");
  char bytes[16];
  EXPECT_EQ(Kernel::Real().Pread(file, bytes, 4, 3), 4);
  EXPECT_EQ(std::string_view(bytes, 4), "3456");
  EXPECT_EQ(Kernel::Real().Pread(-1, bytes, 4, 3), -EBADF);
  struct stat status = {};
  EXPECT_EQ(Kernel::Real().FileStatus(file, &status), 0);
  EXPECT_EQ(status.st_size, 10);
  EXPECT_EQ(Kernel::Real().FileStatus(-1, &status), -EBADF);
  void* mapped = nullptr;
  ASSERT_EQ(Kernel::Real().MapFile(file, 0, 10, &mapped), 0);
  EXPECT_EQ(std::string_view(static_cast<char*>(mapped), 10), "0123456789");
  EXPECT_EQ(Kernel::Real().Unmap(mapped, 10), 0);
  EXPECT_EQ(Kernel::Real().MapFile(file, 1, 9, &mapped), -EINVAL);
  close(file);
}

TEST(KernelTest, TellsASocketThatMoreFollows) {
  int sockets[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
  char text[] = "hello";
  const iovec extents[] = {{text, 2}, {text + 2, 3}};
  EXPECT_EQ(Kernel::Real().WritevMore(sockets[0], extents, 2), 5);
  char bytes[16];
  EXPECT_EQ(read(sockets[1], bytes, sizeof(bytes)), 5);
  EXPECT_EQ(std::string_view(bytes, 5), "hello");
  close(sockets[0]);
  close(sockets[1]);
}

TEST(KernelTest, LooksAtChangesAndRemovesPaths) {
  Kernel& kernel = Kernel::Real();
  const std::string path = testing::TempDir() + "/kernel_test_path";
  const std::string link = path + "_link";
  const int file = open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  ASSERT_GE(file, 0);
  close(file);
  EXPECT_EQ(kernel.ChangeMode(path.c_str(), 0640), 0);
  struct stat status = {};
  EXPECT_EQ(kernel.PathStatus(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0640u);
  ASSERT_EQ(symlink(path.c_str(), link.c_str()), 0);
  EXPECT_EQ(kernel.PathStatus(link.c_str(), &status), 0);
  EXPECT_TRUE(S_ISLNK(status.st_mode));
  EXPECT_EQ(kernel.Unlink(link.c_str()), 0);
  EXPECT_EQ(kernel.Unlink(path.c_str()), 0);
  EXPECT_EQ(kernel.Unlink(path.c_str()), -ENOENT);
  EXPECT_EQ(kernel.PathStatus(path.c_str(), &status), -ENOENT);
  EXPECT_EQ(kernel.ChangeMode(path.c_str(), 0600), -ENOENT);
}

TEST(KernelTest, MakesPairsThatBlockNobodyAndEndWithTheProgram) {
  Kernel& kernel = Kernel::Real();
  int ends[2];
  ASSERT_EQ(kernel.SocketPair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  for (const int end : ends) {
    EXPECT_NE(kernel.Control(end, F_GETFL, 0) & O_NONBLOCK, 0);
    EXPECT_EQ(kernel.Control(end, F_GETFD, 0), FD_CLOEXEC);
    sockaddr_storage storage;
    socklen_t size = sizeof(storage);
    auto* const address = reinterpret_cast<sockaddr*>(&storage);
    EXPECT_EQ(kernel.GetSocketName(end, address, &size), 0);
    EXPECT_EQ(kernel.GetPeerName(end, address, &size), 0);
    EXPECT_EQ(address->sa_family, AF_UNIX);
  }
  kernel.Close(ends[0]);
  kernel.Close(ends[1]);
  EXPECT_EQ(kernel.Control(ends[0], F_GETFD, 0), -EBADF);
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
