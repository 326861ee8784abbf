// A kernel for tests: it fails where it is told to, and its clock may stand
// still until it is told to move.
//
// ```cpp
// percore::TestKernel kernel(percore::TestKernel::Clock::kManual);
// kernel.Fail(percore::TestKernel::Call::kAccept, EMFILE, 2);  // the next two
// kernel.Advance(std::chrono::seconds(3));
// ```
#ifndef PERCORE_TESTS_SUPPORT_TEST_KERNEL_H_
#define PERCORE_TESTS_SUPPORT_TEST_KERNEL_H_

#include <atomic>
#include <climits>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "percore/runtime/kernel.h"

struct io_uring_sqe;  // <liburing.h>

namespace percore {

// Any thread. What is not made to fail is the real kernel.
//
// What is requested in a ring of io_uring(7) counts, fails and is cut short as
// the system call in whose place it is: kRead, kWritev, kConnect, kAccept (an
// accept that goes on is one call). Messages from ring to ring are calls of
// their own.
class TestKernel : public Kernel {
 public:
  enum class Clock {
    kReal,
    // Moves by Advance(), and by itself when a loop would sleep: it then jumps
    // to where the loop would have woken up. A loop that would sleep for ever
    // does so, in the real kernel.
    kManual,
  };

  enum class Call {
    kEpollCreate,
    kEpollCtl,
    kEpollWait,
    kPoll,
    kSelect,
    kCreateRing,
    kEnableRing,
    kRegisterRing,
    kEnterRing,
    kRegisterRingBuffers,
    kMessageRing,
    kEventFd,
    kSignalFd,
    kRead,  // read() and readv()
    kWrite,
    kWritev,  // WritevMore() too
    kReceiveMessages,
    kSendMessages,
    kSendFile,
    kPread,
    kFileStatus,
    kMapFile,
    kPathStatus,
    kChangeMode,
    kUnlink,
    kControl,
    kSocket,
    kSocketPair,
    kBind,
    kListen,
    kAccept,
    kConnect,
    kSetSocketOption,
    kGetSocketOption,
    kGetSocketName,
    kGetPeerName,
    kShutdown,
    kGetAddressInfo,  // fails with an EAI_ code
  };

  explicit TestKernel(Clock clock = Clock::kReal) : clock_(clock) {}

  // Of rings made from now on: completions that the kernel can tell at once.
  void LimitCompletions(unsigned count) { completion_limit_ = count; }

  // After `passing` more calls that succeed, the next `times` calls fail with
  // `error`, a positive errno.
  void Fail(Call call, int error, int times = 1, int passing = 0);
  // From now on GetAddressInfo() knows `host`, and has these addresses for it:
  // numbers, in this order. The real system is not asked.
  void AddHost(const std::string& host, std::vector<std::string> addresses);
  // From now on reads, writev() and sendfile() move at most `size` bytes a
  // call.
  void LimitTransfers(size_t size) { transfer_limit_ = size; }
  // From now on ReceiveMessages() and SendMessages() move at most `count`.
  void LimitMessages(unsigned count) { message_limit_ = count; }
  // How often the call was made, failures included.
  int Count(Call call);
  // Of what Fail() has planned for `call`, passing calls included, what no call
  // has come for yet.
  int PlannedCalls(Call call);

  void Advance(Duration duration);

  TimePoint Now() override;
  int EpollCreate() override;
  int EpollCtl(int epoll_fd, int operation, int fd,
               epoll_event* event) override;
  int EpollWait(int epoll_fd, epoll_event* events, int max_events,
                Duration timeout) override;
  int Poll(pollfd* descriptors, size_t count, Duration timeout) override;
  int Select(int limit, unsigned long* readers, unsigned long* writers,
             Duration timeout) override;
  int CreateRing(unsigned entries, io_uring* ring,
                 io_uring_params* params) override;
  int EnableRing(io_uring* ring) override;
  int RegisterRing(io_uring* ring) override;
  int EnterRing(io_uring* ring, Duration timeout) override;
  int RegisterRingBuffers(io_uring* ring, io_uring_buf_reg* buffers) override;
  int EventFd() override;
  int SignalFd(int fd, const sigset_t* signals) override;
  ssize_t Read(int fd, void* data, size_t size) override;
  ssize_t Write(int fd, const void* data, size_t size) override;
  ssize_t Readv(int fd, const iovec* extents, int count) override;
  ssize_t Writev(int fd, const iovec* extents, int count) override;
  ssize_t WritevMore(int fd, const iovec* extents, int count) override;
  int ReceiveMessages(int fd, mmsghdr* messages, unsigned count) override;
  int SendMessages(int fd, mmsghdr* messages, unsigned count) override;
  ssize_t SendFile(int fd, int file, off_t offset, size_t size) override;
  ssize_t Pread(int fd, void* data, size_t size, off_t offset) override;
  int FileStatus(int fd, struct stat* status) override;
  int MapFile(int fd, off_t offset, size_t size, void** address) override;
  int PathStatus(const char* path, struct stat* status) override;
  int ChangeMode(const char* path, mode_t mode) override;
  int Unlink(const char* path) override;
  int Control(int fd, int command, int argument) override;
  int Socket(int family, int type, int protocol) override;
  int SocketPair(int family, int type, int protocol, int* ends) override;
  int Bind(int fd, const sockaddr* address, socklen_t size) override;
  int Listen(int fd, int backlog) override;
  int Accept(int fd, sockaddr* address, socklen_t* size) override;
  int Connect(int fd, const sockaddr* address, socklen_t size) override;
  int SetSocketOption(int fd, int level, int name, const void* value,
                      socklen_t size) override;
  int GetSocketOption(int fd, int level, int name, void* value,
                      socklen_t* size) override;
  int GetSocketName(int fd, sockaddr* address, socklen_t* size) override;
  int GetPeerName(int fd, sockaddr* address, socklen_t* size) override;
  int Shutdown(int fd, int how) override;
  int GetAddressInfo(const char* host, const addrinfo* hints,
                     addrinfo** result) override;

 private:
  struct Plan {
    int count = 0;
    std::deque<int> results;  // 0 to pass, else the errno
  };

  // What `wait(timeout)` returns, on the clock that this kernel has.
  template <typename Wait>
  int WaitOnClock(Duration timeout, Wait wait);

  // 0, or the negated errno that this call is to fail with.
  int Next(Call call);

  // Rewrites the requests that are about to be put in.
  void PlanRequests(io_uring& ring);
  void PlanRequest(io_uring_sqe& request, Call call);

  const Clock clock_;
  std::atomic<unsigned> completion_limit_{0};
  std::atomic<size_t> transfer_limit_{SIZE_MAX};
  std::atomic<unsigned> message_limit_{UINT_MAX};
  std::atomic<Duration::rep> now_{
      std::chrono::nanoseconds(std::chrono::hours(1)).count()};
  std::mutex mutex_;
  std::map<Call, Plan> plans_;
  std::map<std::string, std::vector<std::string>> hosts_;
};

}  // namespace percore

#endif  // PERCORE_TESTS_SUPPORT_TEST_KERNEL_H_
