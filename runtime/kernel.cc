#include "percore/runtime/kernel.h"

#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>

namespace percore {
namespace {

// The kernel's -1 and errno, as one value.
template <typename Result>
Result OrError(Result result) {
  return result < 0 ? -static_cast<Result>(errno) : result;
}

}  // namespace

Kernel& Kernel::Real() {
  static Kernel& kernel = *new Kernel;
  return kernel;
}

TimePoint Kernel::Now() { return std::chrono::steady_clock::now(); }

int Kernel::EpollCreate() { return OrError(epoll_create1(EPOLL_CLOEXEC)); }

int Kernel::EpollCtl(int epoll_fd, int operation, int fd, epoll_event* event) {
  return OrError(epoll_ctl(epoll_fd, operation, fd, event));
}

int Kernel::EpollWait(int epoll_fd, epoll_event* events, int max_events,
                      Duration timeout) {
  if (timeout == kForever || timeout == Duration::zero()) {
    const int milliseconds = timeout == kForever ? -1 : 0;
    return OrError(epoll_wait(epoll_fd, events, max_events, milliseconds));
  }
  const auto seconds = std::chrono::floor<std::chrono::seconds>(timeout);
  const timespec wait = {.tv_sec = seconds.count(),
                         .tv_nsec = (timeout - seconds).count()};
  // epoll_wait() counts milliseconds; epoll_pwait2() (Linux 5.11) nanoseconds.
  return OrError(epoll_pwait2(epoll_fd, events, max_events, &wait, nullptr));
}

int Kernel::EventFd() {
  return OrError(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
}

ssize_t Kernel::Read(int fd, void* data, size_t size) {
  return OrError(read(fd, data, size));
}

ssize_t Kernel::Write(int fd, const void* data, size_t size) {
  return OrError(write(fd, data, size));
}

ssize_t Kernel::Readv(int fd, const iovec* extents, int count) {
  return OrError(readv(fd, extents, count));
}

ssize_t Kernel::Writev(int fd, const iovec* extents, int count) {
  // sendmsg() is the only vectored write that can keep SIGPIPE away.
  msghdr message = {};
  message.msg_iov = const_cast<iovec*>(extents);
  message.msg_iovlen = static_cast<size_t>(count);
  const ssize_t sent = OrError(sendmsg(fd, &message, MSG_NOSIGNAL));
  return sent == -ENOTSOCK ? OrError(writev(fd, extents, count)) : sent;
}

int Kernel::Socket(int family, int type, int protocol) {
  return OrError(socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol));
}

int Kernel::Bind(int fd, const sockaddr* address, socklen_t size) {
  return OrError(bind(fd, address, size));
}

int Kernel::Listen(int fd, int backlog) { return OrError(listen(fd, backlog)); }

int Kernel::Accept(int fd, sockaddr* address, socklen_t* size) {
  return OrError(accept4(fd, address, size, SOCK_NONBLOCK | SOCK_CLOEXEC));
}

int Kernel::Connect(int fd, const sockaddr* address, socklen_t size) {
  return OrError(connect(fd, address, size));
}

int Kernel::SetSocketOption(int fd, int level, int name, const void* value,
                            socklen_t size) {
  return OrError(setsockopt(fd, level, name, value, size));
}

int Kernel::GetSocketOption(int fd, int level, int name, void* value,
                            socklen_t* size) {
  return OrError(getsockopt(fd, level, name, value, size));
}

int Kernel::Shutdown(int fd, int how) { return OrError(shutdown(fd, how)); }

int Kernel::Close(int fd) { return OrError(close(fd)); }

}  // namespace percore
