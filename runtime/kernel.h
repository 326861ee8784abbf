// The one seam between Percore and the operating system.
//
// System calls fail in the field in ways that no test machine shows by itself:
// accept() runs out of descriptors, a write is short, a call is interrupted.
// Every such call, and the clock, therefore goes through a Kernel, and a test
// hands in one of its own that fails where it likes (tests/support has one that
// injects faults and one with a clock that only moves when told to).
//
// The cost is one indirect call in front of a system call: nothing beside the
// hundreds of nanoseconds of the system call itself.
//
// Every call returns what the system call returns on success, and the negated
// errno on failure (-EAGAIN, not -1 and errno): a value can be passed on, and
// is not overwritten by the next call.
//
// ```cpp
// percore::Kernel& kernel = percore::Kernel::Real();
// const int wakeup = kernel.EventFd();
// if (wakeup >= 0) kernel.Close(wakeup);
// ```
#ifndef PERCORE_RUNTIME_KERNEL_H_
#define PERCORE_RUNTIME_KERNEL_H_

#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>

#include "percore/runtime/time.h"

struct addrinfo;  // <netdb.h>
struct io_uring;  // <liburing.h>
struct io_uring_buf_reg;
struct io_uring_params;

namespace percore {

// Thread-safe: a Kernel keeps no state that a call changes (a test's own
// Kernel says what it allows). The base class is the real kernel.
class Kernel {
 public:
  Kernel() = default;
  Kernel(const Kernel&) = delete;
  Kernel& operator=(const Kernel&) = delete;
  virtual ~Kernel() = default;

  // The real kernel. Never destroyed.
  static Kernel& Real();

  // Monotonic time, clock_gettime(CLOCK_MONOTONIC): no system call on machines
  // with a vDSO.
  virtual TimePoint Now();

  // epoll(7). `timeout` is at least zero; kForever waits until something
  // happens. Before Linux 5.11 it is rounded up to milliseconds.
  virtual int EpollCreate();
  virtual int EpollCtl(int epoll_fd, int operation, int fd, epoll_event* event);
  virtual int EpollWait(int epoll_fd, epoll_event* events, int max_events,
                        Duration timeout);

  // poll(2) and select(2), with `timeout` as above. The sets of select() are
  // arrays of bits for descriptors 0 to `limit` - 1, which may be more than
  // FD_SETSIZE.
  virtual int Poll(pollfd* descriptors, size_t count, Duration timeout);
  virtual int Select(int limit, unsigned long* readers, unsigned long* writers,
                     Duration timeout);

  // io_uring(7), set up by liburing. A ring made with IORING_SETUP_R_DISABLED
  // has to be enabled by the thread that will enter it.
  virtual int CreateRing(unsigned entries, io_uring* ring,
                         io_uring_params* params);
  virtual int EnableRing(io_uring* ring);
  // Makes the ring known to the calling thread's part of the system, which
  // spares a look-up at each call (Linux 5.18). Only this thread enters and
  // destroys the ring from then on.
  virtual int RegisterRing(io_uring* ring);
  virtual void DestroyRing(io_uring* ring);
  // IORING_REGISTER_PBUF_RING of io_uring_register(2).
  virtual int RegisterRingBuffers(io_uring* ring, io_uring_buf_reg* buffers);
  // Submits the requests that stand in the ring and, unless there are
  // completions to be taken, waits for one, with `timeout` as above. Returns
  // how many there are to be taken; 0 when the time has passed.
  virtual int EnterRing(io_uring* ring, Duration timeout);

  // eventfd(2), non-blocking and close-on-exec.
  virtual int EventFd();
  // signalfd(2), the same; `fd` is -1 for a new one.
  virtual int SignalFd(int fd, const sigset_t* signals);

  virtual ssize_t Read(int fd, void* data, size_t size);
  virtual ssize_t Write(int fd, const void* data, size_t size);
  // As readv(2) and writev(2), but asked as of a socket first: that is shortest
  // for sockets, and costs others a failed system call for a write, and for a
  // read of one extent. Writing never raises SIGPIPE on a socket: EPIPE is a
  // value like any other error.
  virtual ssize_t Readv(int fd, const iovec* extents, int count);
  virtual ssize_t Writev(int fd, const iovec* extents, int count);
  // As Writev(), and tells a socket that more is about to follow: what does not
  // fill a packet waits for that (MSG_MORE of send(2)).
  virtual ssize_t WritevMore(int fd, const iovec* extents, int count);

  // recvmmsg(2) and sendmmsg(2), without waiting and without SIGPIPE: so many
  // datagrams by one call, of which as many are moved as can be. The sizes of
  // those received are what they had when they were sent (MSG_TRUNC), however
  // little there was room for.
  virtual int ReceiveMessages(int fd, mmsghdr* messages, unsigned count);
  virtual int SendMessages(int fd, mmsghdr* messages, unsigned count);

  // Files. sendfile(2) from `offset` of `file` on; never raises SIGPIPE.
  virtual ssize_t SendFile(int fd, int file, off_t offset, size_t size);
  virtual ssize_t Pread(int fd, void* data, size_t size, off_t offset);
  virtual int FileStatus(int fd, struct stat* status);
  // mmap(2) for reading, and munmap(2). `offset` is a multiple of the page
  // size.
  virtual int MapFile(int fd, off_t offset, size_t size, void** address);
  virtual int Unmap(void* address, size_t size);
  // lstat(2), which does not follow a symbolic link; chmod(2), which does; and
  // unlink(2).
  virtual int PathStatus(const char* path, struct stat* status);
  virtual int ChangeMode(const char* path, mode_t mode);
  virtual int Unlink(const char* path);

  // fcntl(2), for the commands that take a number or nothing.
  virtual int Control(int fd, int command, int argument);

  // Sockets are made, and accepted, non-blocking and close-on-exec.
  virtual int Socket(int family, int type, int protocol);
  // Both ends at once, by socketpair(2).
  virtual int SocketPair(int family, int type, int protocol, int* ends);
  virtual int Bind(int fd, const sockaddr* address, socklen_t size);
  virtual int Listen(int fd, int backlog);
  virtual int Accept(int fd, sockaddr* address, socklen_t* size);
  virtual int Connect(int fd, const sockaddr* address, socklen_t size);
  virtual int SetSocketOption(int fd, int level, int name, const void* value,
                              socklen_t size);
  virtual int GetSocketOption(int fd, int level, int name, void* value,
                              socklen_t* size);
  virtual int GetSocketName(int fd, sockaddr* address, socklen_t* size);
  virtual int GetPeerName(int fd, sockaddr* address, socklen_t* size);
  virtual int Shutdown(int fd, int how);
  virtual int Close(int fd);

  // getaddrinfo(3), without a service, and freeaddrinfo(3). No system call of
  // its own, but files, sockets and seconds of waiting. Returns 0 or an EAI_
  // code; errno says more of EAI_SYSTEM.
  virtual int GetAddressInfo(const char* host, const addrinfo* hints,
                             addrinfo** result);
  virtual void FreeAddressInfo(addrinfo* result);
};

}  // namespace percore

#endif  // PERCORE_RUNTIME_KERNEL_H_
