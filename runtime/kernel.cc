#include "percore/runtime/kernel.h"

#include <fcntl.h>
#include <liburing.h>
#include <netdb.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>

namespace percore {
namespace {

// The kernel's -1 and errno, as one value.
template <typename Result>
Result OrError(Result result) {
  return result < 0 ? -static_cast<Result>(errno) : result;
}

timespec ToTimespec(Duration duration) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(duration);
  return {.tv_sec = seconds.count(), .tv_nsec = (duration - seconds).count()};
}

// Rounded up: a deadline may not be missed by waiting too short, again and
// again.
int ToMilliseconds(Duration duration) {
  const auto whole = std::chrono::ceil<std::chrono::milliseconds>(
      std::min<Duration>(duration, std::chrono::hours(24)));
  return static_cast<int>(whole.count());
}

// By itself: most waits need nothing of it.
[[gnu::noinline]] int TimedEpollWait(int epoll_fd, epoll_event* events,
                                     int max_events, Duration timeout) {
  const timespec wait = ToTimespec(timeout);
  // epoll_wait() counts milliseconds; epoll_pwait2() (Linux 5.11) nanoseconds.
  const int count =
      OrError(epoll_pwait2(epoll_fd, events, max_events, &wait, nullptr));
  if (count != -ENOSYS) return count;
  return OrError(
      epoll_wait(epoll_fd, events, max_events, ToMilliseconds(timeout)));
}

// liburing has no name for it.
bool IsRegistered(const io_uring& ring) { return (ring.int_flags & 1) != 0; }

// Only what is for sockets alone can keep SIGPIPE away.
ssize_t Send(int fd, const iovec* extents, int count, int flags) {
  // One extent, as most have: with less for the kernel to copy and check.
  if (count == 1) {
    return OrError(send(fd, extents->iov_base, extents->iov_len, flags));
  }
  msghdr message = {};
  message.msg_iov = const_cast<iovec*>(extents);
  message.msg_iovlen = static_cast<size_t>(count);
  return OrError(sendmsg(fd, &message, flags));
}

ssize_t SendOrWrite(int fd, const iovec* extents, int count, int flags) {
  const ssize_t sent = Send(fd, extents, count, MSG_NOSIGNAL | flags);
  return sent == -ENOTSOCK ? OrError(writev(fd, extents, count)) : sent;
}

// Signals may come faster than a sleep that begins anew can make headway.
void SleepUntil(TimePoint time) {
  const timespec until = ToTimespec(time.time_since_epoch());
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr) ==
         EINTR) {
  }
}

}  // namespace

Kernel& Kernel::Real() {
  static Kernel& kernel = *new Kernel;
  return kernel;
}

TimePoint Kernel::Now() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return TimePoint(std::chrono::seconds(now.tv_sec) + Duration(now.tv_nsec));
}

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
  return TimedEpollWait(epoll_fd, events, max_events, timeout);
}

int Kernel::Poll(pollfd* descriptors, size_t count, Duration timeout) {
  const timespec wait = ToTimespec(timeout);
  return OrError(ppoll(descriptors, count,
                       timeout == kForever ? nullptr : &wait, nullptr));
}

int Kernel::Select(int limit, unsigned long* readers, unsigned long* writers,
                   Duration timeout) {
  const timespec wait = ToTimespec(timeout);
  // The kernel takes sets of any size; fd_set is only the C library's.
  return OrError(pselect(limit, reinterpret_cast<fd_set*>(readers),
                         reinterpret_cast<fd_set*>(writers), nullptr,
                         timeout == kForever ? nullptr : &wait, nullptr));
}

int Kernel::CreateRing(unsigned entries, io_uring* ring,
                       io_uring_params* params) {
  // Not by io_uring_queue_init_params(): liburing 2.3 fills in an array there
  // that rings with IORING_SETUP_NO_SQARRAY do not have.
  int fd = io_uring_setup(entries, params);
  // The memory of rings that were closed counts until the kernel has ended
  // them, which it does a few milliseconds later.
  for (long wait_ms = 1; fd == -ENOMEM && wait_ms <= 32; wait_ms *= 2) {
    SleepUntil(Kernel::Now() + std::chrono::milliseconds(wait_ms));
    fd = io_uring_setup(entries, params);
  }
  if (fd < 0) return fd;
  const int result = io_uring_queue_mmap(fd, params, ring);
  if (result < 0) close(fd);
  return result;
}

int Kernel::EnableRing(io_uring* ring) {
  // Not exported by liburing 2.3, which declares a function for it.
  return OrError(
      static_cast<int>(syscall(__NR_io_uring_register, ring->ring_fd,
                               IORING_REGISTER_ENABLE_RINGS, nullptr, 0)));
}

int Kernel::RegisterRing(io_uring* ring) {
  return io_uring_register_ring_fd(ring);
}

void Kernel::DestroyRing(io_uring* ring) { io_uring_queue_exit(ring); }

int Kernel::RegisterRingBuffers(io_uring* ring, io_uring_buf_reg* buffers) {
  return io_uring_register_buf_ring(ring, buffers, 0);
}

int Kernel::EnterRing(io_uring* ring, Duration timeout) {
  // liburing fills requests in behind sqe_head; from *ktail on, the kernel does
  // not see them.
  io_uring_sq& queue = ring->sq;
  queue.sqe_head = queue.sqe_tail;
  __atomic_store_n(queue.ktail, queue.sqe_tail, __ATOMIC_RELEASE);
  const unsigned submitted =
      queue.sqe_tail - __atomic_load_n(queue.khead, __ATOMIC_ACQUIRE);

  const bool waits = timeout > Duration::zero() && io_uring_cq_ready(ring) == 0;
  __kernel_timespec wait = {};
  io_uring_getevents_arg argument = {};
  if (timeout != kForever) {
    const timespec time = ToTimespec(timeout);
    wait = {.tv_sec = time.tv_sec, .tv_nsec = time.tv_nsec};
    argument.ts = reinterpret_cast<uintptr_t>(&wait);
  }
  const long result = syscall(
      __NR_io_uring_enter, ring->enter_ring_fd, submitted, waits ? 1 : 0,
      IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG |
          (IsRegistered(*ring) ? IORING_ENTER_REGISTERED_RING : 0),
      &argument, sizeof(argument));
  // The time has passed; or completions must be taken before there is room for
  // more.
  if (result < 0 && errno != ETIME && errno != EBUSY) return -errno;
  return static_cast<int>(io_uring_cq_ready(ring));
}

int Kernel::EventFd() {
  return OrError(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
}

int Kernel::SignalFd(int fd, const sigset_t* signals) {
  return OrError(signalfd(fd, signals, SFD_CLOEXEC | SFD_NONBLOCK));
}

ssize_t Kernel::Read(int fd, void* data, size_t size) {
  return OrError(read(fd, data, size));
}

ssize_t Kernel::Write(int fd, const void* data, size_t size) {
  return OrError(write(fd, data, size));
}

ssize_t Kernel::Readv(int fd, const iovec* extents, int count) {
  // Of what is read, most is one extent of a socket: recv() gets there without
  // what read() does for files. Measured: 2% of an echo of 64 bytes.
  if (count == 1) {
    const ssize_t received =
        OrError(recv(fd, extents->iov_base, extents->iov_len, 0));
    if (received != -ENOTSOCK) return received;
  }
  return OrError(readv(fd, extents, count));
}

ssize_t Kernel::Writev(int fd, const iovec* extents, int count) {
  return SendOrWrite(fd, extents, count, 0);
}

ssize_t Kernel::WritevMore(int fd, const iovec* extents, int count) {
  return SendOrWrite(fd, extents, count, MSG_MORE);
}

int Kernel::ReceiveMessages(int fd, mmsghdr* messages, unsigned count) {
  return OrError(
      recvmmsg(fd, messages, count, MSG_DONTWAIT | MSG_TRUNC, nullptr));
}

int Kernel::SendMessages(int fd, mmsghdr* messages, unsigned count) {
  return OrError(sendmmsg(fd, messages, count, MSG_DONTWAIT | MSG_NOSIGNAL));
}

ssize_t Kernel::SendFile(int fd, int file, off_t offset, size_t size) {
  // Unlike send(2), sendfile(2) has no flag that keeps SIGPIPE away. It goes to
  // the thread that wrote, which therefore blocks it meanwhile, and takes it
  // back unless one was pending before.
  sigset_t pipe_signal;
  sigset_t before;
  sigset_t pending;
  sigemptyset(&pipe_signal);
  sigaddset(&pipe_signal, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
  const bool was_blocked = sigismember(&before, SIGPIPE) == 1;
  const bool was_pending = was_blocked && sigpending(&pending) == 0 &&
                           sigismember(&pending, SIGPIPE) == 1;
  const ssize_t sent = OrError(sendfile(fd, file, &offset, size));
  if (sent == -EPIPE && !was_pending) {
    const timespec at_once = {};
    sigtimedwait(&pipe_signal, nullptr, &at_once);
  }
  if (!was_blocked) pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return sent;
}

ssize_t Kernel::Pread(int fd, void* data, size_t size, off_t offset) {
  return OrError(pread(fd, data, size, offset));
}

int Kernel::FileStatus(int fd, struct stat* status) {
  return OrError(fstat(fd, status));
}

int Kernel::MapFile(int fd, off_t offset, size_t size, void** address) {
  void* const mapped = mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, offset);
  if (mapped == MAP_FAILED) return -errno;
  *address = mapped;
  return 0;
}

int Kernel::Unmap(void* address, size_t size) {
  return OrError(munmap(address, size));
}

int Kernel::PathStatus(const char* path, struct stat* status) {
  return OrError(lstat(path, status));
}

int Kernel::ChangeMode(const char* path, mode_t mode) {
  return OrError(chmod(path, mode));
}

int Kernel::Unlink(const char* path) { return OrError(unlink(path)); }

int Kernel::Control(int fd, int command, int argument) {
  return OrError(fcntl(fd, command, argument));
}

int Kernel::Socket(int family, int type, int protocol) {
  return OrError(socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol));
}

int Kernel::SocketPair(int family, int type, int protocol, int* ends) {
  return OrError(
      socketpair(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol, ends));
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

int Kernel::GetSocketName(int fd, sockaddr* address, socklen_t* size) {
  return OrError(getsockname(fd, address, size));
}

int Kernel::GetPeerName(int fd, sockaddr* address, socklen_t* size) {
  return OrError(getpeername(fd, address, size));
}

int Kernel::Shutdown(int fd, int how) { return OrError(shutdown(fd, how)); }

int Kernel::Close(int fd) { return OrError(close(fd)); }

int Kernel::GetAddressInfo(const char* host, const addrinfo* hints,
                           addrinfo** result) {
  return getaddrinfo(host, nullptr, hints, result);
}

void Kernel::FreeAddressInfo(addrinfo* result) {
  if (result != nullptr) freeaddrinfo(result);
}

}  // namespace percore
