#include "percore/tests/support/test_kernel.h"

#include <liburing.h>
#include <netdb.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace percore {
namespace {

// Linux 6.10; not known to liburing 2.3.
constexpr int kNopInjectResult = 1;

// The first of the extents, cut to `limit`: enough to make a transfer short.
iovec Shortened(const iovec* extents, size_t limit) {
  return {.iov_base = extents[0].iov_base,
          .iov_len = std::min(extents[0].iov_len, limit)};
}

}  // namespace

void TestKernel::Fail(Call call, int error, int times, int passing) {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::deque<int>& results = plans_[call].results;
  results.insert(results.end(), passing, 0);
  results.insert(results.end(), times, error);
}

void TestKernel::AddHost(const std::string& host,
                         std::vector<std::string> addresses) {
  const std::lock_guard<std::mutex> lock(mutex_);
  hosts_[host] = std::move(addresses);
}

int TestKernel::Count(Call call) {
  const std::lock_guard<std::mutex> lock(mutex_);
  return plans_[call].count;
}

int TestKernel::PlannedCalls(Call call) {
  const std::lock_guard<std::mutex> lock(mutex_);
  return static_cast<int>(plans_[call].results.size());
}

int TestKernel::Next(Call call) {
  const std::lock_guard<std::mutex> lock(mutex_);
  Plan& plan = plans_[call];
  ++plan.count;
  if (plan.results.empty()) return 0;
  const int error = plan.results.front();
  plan.results.pop_front();
  return -error;
}

void TestKernel::Advance(Duration duration) { now_ += duration.count(); }

TimePoint TestKernel::Now() {
  return clock_ == Clock::kReal ? Kernel::Now()
                                : TimePoint(Duration(now_.load()));
}

int TestKernel::EpollWait(int epoll_fd, epoll_event* events, int max_events,
                          Duration timeout) {
  if (const int error = Next(Call::kEpollWait); error != 0) return error;
  return WaitOnClock(timeout, [&](Duration wait) {
    return Kernel::EpollWait(epoll_fd, events, max_events, wait);
  });
}

int TestKernel::Poll(pollfd* descriptors, size_t count, Duration timeout) {
  if (const int error = Next(Call::kPoll); error != 0) return error;
  return WaitOnClock(timeout, [&](Duration wait) {
    return Kernel::Poll(descriptors, count, wait);
  });
}

int TestKernel::Select(int limit, unsigned long* readers,
                       unsigned long* writers, Duration timeout) {
  if (const int error = Next(Call::kSelect); error != 0) return error;
  return WaitOnClock(timeout, [&](Duration wait) {
    return Kernel::Select(limit, readers, writers, wait);
  });
}

int TestKernel::EnterRing(io_uring* ring, Duration timeout) {
  if (const int error = Next(Call::kEnterRing); error != 0) return error;
  PlanRequests(*ring);
  return WaitOnClock(
      timeout, [&](Duration wait) { return Kernel::EnterRing(ring, wait); });
}

void TestKernel::PlanRequests(io_uring& ring) {
  for (unsigned i = *ring.sq.khead; i != ring.sq.sqe_tail; ++i) {
    io_uring_sqe& request = ring.sq.sqes[i & ring.sq.ring_mask];
    switch (request.opcode) {
      case IORING_OP_RECV:
        PlanRequest(request, Call::kRead);
        break;
      case IORING_OP_SEND:
      case IORING_OP_SENDMSG:
        PlanRequest(request, Call::kWritev);
        break;
      case IORING_OP_CONNECT:
        PlanRequest(request, Call::kConnect);
        break;
      case IORING_OP_MSG_RING:
        PlanRequest(request, Call::kMessageRing);
        break;
      case IORING_OP_ACCEPT:
        PlanRequest(request, Call::kAccept);
        break;
      default:
        break;
    }
  }
}

void TestKernel::PlanRequest(io_uring_sqe& request, Call call) {
  if (const int error = Next(call); error != 0) {
    // A request that does nothing, and completes with what it is told to.
    const uint64_t user_data = request.user_data;
    io_uring_prep_nop(&request);
    request.rw_flags = kNopInjectResult;
    request.len = static_cast<uint32_t>(error);
    request.user_data = user_data;
    return;
  }
  const size_t limit = transfer_limit_;
  if (limit == SIZE_MAX) return;
  switch (request.opcode) {
    case IORING_OP_RECV:
      // For once, and not on and on.
      request.ioprio = 0;
      request.file_index = 0;
      request.len = static_cast<uint32_t>(std::min<size_t>(request.len, limit));
      break;
    case IORING_OP_SENDMSG: {
      auto& message = *reinterpret_cast<msghdr*>(request.addr);
      message.msg_iov[0] = Shortened(message.msg_iov, limit);
      message.msg_iovlen = 1;
      request.flags &= static_cast<uint8_t>(~IOSQE_CQE_SKIP_SUCCESS);
      break;
    }
    case IORING_OP_SEND:
      request.len = static_cast<uint32_t>(std::min<size_t>(request.len, limit));
      request.flags &= static_cast<uint8_t>(~IOSQE_CQE_SKIP_SUCCESS);
      break;
    default:
      break;
  }
}

template <typename Wait>
int TestKernel::WaitOnClock(Duration timeout, Wait wait) {
  if (clock_ == Clock::kReal || timeout == kForever) return wait(timeout);
  const int ready = wait(Duration::zero());
  if (ready == 0) Advance(timeout);
  return ready;
}

ssize_t TestKernel::Readv(int fd, const iovec* extents, int count) {
  if (const int error = Next(Call::kRead); error != 0) return error;
  if (transfer_limit_ == SIZE_MAX) return Kernel::Readv(fd, extents, count);
  const iovec extent = Shortened(extents, transfer_limit_);
  return Kernel::Readv(fd, &extent, 1);
}

ssize_t TestKernel::Writev(int fd, const iovec* extents, int count) {
  if (const int error = Next(Call::kWritev); error != 0) return error;
  if (transfer_limit_ == SIZE_MAX) return Kernel::Writev(fd, extents, count);
  const iovec extent = Shortened(extents, transfer_limit_);
  return Kernel::Writev(fd, &extent, 1);
}

ssize_t TestKernel::WritevMore(int fd, const iovec* extents, int count) {
  if (const int error = Next(Call::kWritev); error != 0) return error;
  if (transfer_limit_ == SIZE_MAX) {
    return Kernel::WritevMore(fd, extents, count);
  }
  const iovec extent = Shortened(extents, transfer_limit_);
  return Kernel::WritevMore(fd, &extent, 1);
}

// The rest either fail as planned or are the real call.
#define PERCORE_FAIL_OR(call, real)                       \
  do {                                                    \
    if (const int error = Next(Call::call); error != 0) { \
      return error;                                       \
    }                                                     \
    return Kernel::real;                                  \
  } while (false)

int TestKernel::EpollCreate() { PERCORE_FAIL_OR(kEpollCreate, EpollCreate()); }

int TestKernel::CreateRing(unsigned entries, io_uring* ring,
                           io_uring_params* params) {
  if (completion_limit_ != 0) {
    params->cq_entries = completion_limit_;
    entries = std::min(entries, params->cq_entries);
  }
  PERCORE_FAIL_OR(kCreateRing, CreateRing(entries, ring, params));
}

int TestKernel::EnableRing(io_uring* ring) {
  PERCORE_FAIL_OR(kEnableRing, EnableRing(ring));
}

int TestKernel::RegisterRing(io_uring* ring) {
  PERCORE_FAIL_OR(kRegisterRing, RegisterRing(ring));
}

int TestKernel::RegisterRingBuffers(io_uring* ring, io_uring_buf_reg* buffers) {
  PERCORE_FAIL_OR(kRegisterRingBuffers, RegisterRingBuffers(ring, buffers));
}

int TestKernel::EpollCtl(int epoll_fd, int operation, int fd,
                         epoll_event* event) {
  PERCORE_FAIL_OR(kEpollCtl, EpollCtl(epoll_fd, operation, fd, event));
}

int TestKernel::SignalFd(int fd, const sigset_t* signals) {
  PERCORE_FAIL_OR(kSignalFd, SignalFd(fd, signals));
}

int TestKernel::EventFd() { PERCORE_FAIL_OR(kEventFd, EventFd()); }

ssize_t TestKernel::Read(int fd, void* data, size_t size) {
  PERCORE_FAIL_OR(kRead,
                  Read(fd, data, std::min(size, transfer_limit_.load())));
}

ssize_t TestKernel::Write(int fd, const void* data, size_t size) {
  PERCORE_FAIL_OR(kWrite, Write(fd, data, size));
}

int TestKernel::ReceiveMessages(int fd, mmsghdr* messages, unsigned count) {
  PERCORE_FAIL_OR(
      kReceiveMessages,
      ReceiveMessages(fd, messages, std::min(count, message_limit_.load())));
}

int TestKernel::SendMessages(int fd, mmsghdr* messages, unsigned count) {
  PERCORE_FAIL_OR(
      kSendMessages,
      SendMessages(fd, messages, std::min(count, message_limit_.load())));
}

ssize_t TestKernel::SendFile(int fd, int file, off_t offset, size_t size) {
  PERCORE_FAIL_OR(kSendFile, SendFile(fd, file, offset,
                                      std::min(size, transfer_limit_.load())));
}

ssize_t TestKernel::Pread(int fd, void* data, size_t size, off_t offset) {
  PERCORE_FAIL_OR(
      kPread, Pread(fd, data, std::min(size, transfer_limit_.load()), offset));
}

int TestKernel::FileStatus(int fd, struct stat* status) {
  PERCORE_FAIL_OR(kFileStatus, FileStatus(fd, status));
}

int TestKernel::MapFile(int fd, off_t offset, size_t size, void** address) {
  PERCORE_FAIL_OR(kMapFile, MapFile(fd, offset, size, address));
}

int TestKernel::PathStatus(const char* path, struct stat* status) {
  PERCORE_FAIL_OR(kPathStatus, PathStatus(path, status));
}

int TestKernel::ChangeMode(const char* path, mode_t mode) {
  PERCORE_FAIL_OR(kChangeMode, ChangeMode(path, mode));
}

int TestKernel::Unlink(const char* path) {
  PERCORE_FAIL_OR(kUnlink, Unlink(path));
}

int TestKernel::Control(int fd, int command, int argument) {
  PERCORE_FAIL_OR(kControl, Control(fd, command, argument));
}

int TestKernel::Socket(int family, int type, int protocol) {
  PERCORE_FAIL_OR(kSocket, Socket(family, type, protocol));
}

int TestKernel::SocketPair(int family, int type, int protocol, int* ends) {
  PERCORE_FAIL_OR(kSocketPair, SocketPair(family, type, protocol, ends));
}

int TestKernel::Bind(int fd, const sockaddr* address, socklen_t size) {
  PERCORE_FAIL_OR(kBind, Bind(fd, address, size));
}

int TestKernel::Listen(int fd, int backlog) {
  PERCORE_FAIL_OR(kListen, Listen(fd, backlog));
}

int TestKernel::Accept(int fd, sockaddr* address, socklen_t* size) {
  PERCORE_FAIL_OR(kAccept, Accept(fd, address, size));
}

int TestKernel::Connect(int fd, const sockaddr* address, socklen_t size) {
  PERCORE_FAIL_OR(kConnect, Connect(fd, address, size));
}

int TestKernel::SetSocketOption(int fd, int level, int name, const void* value,
                                socklen_t size) {
  PERCORE_FAIL_OR(kSetSocketOption,
                  SetSocketOption(fd, level, name, value, size));
}

int TestKernel::GetSocketOption(int fd, int level, int name, void* value,
                                socklen_t* size) {
  PERCORE_FAIL_OR(kGetSocketOption,
                  GetSocketOption(fd, level, name, value, size));
}

int TestKernel::GetSocketName(int fd, sockaddr* address, socklen_t* size) {
  PERCORE_FAIL_OR(kGetSocketName, GetSocketName(fd, address, size));
}

int TestKernel::GetPeerName(int fd, sockaddr* address, socklen_t* size) {
  PERCORE_FAIL_OR(kGetPeerName, GetPeerName(fd, address, size));
}

int TestKernel::Shutdown(int fd, int how) {
  PERCORE_FAIL_OR(kShutdown, Shutdown(fd, how));
}

#undef PERCORE_FAIL_OR

int TestKernel::GetAddressInfo(const char* host, const addrinfo* hints,
                               addrinfo** result) {
  if (const int error = Next(Call::kGetAddressInfo); error != 0) {
    return -error;  // the EAI_ code, as it was given to Fail()
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto known = hosts_.find(host);
  if (known == hosts_.end()) {
    return Kernel::GetAddressInfo(host, hints, result);
  }
  addrinfo numeric = *hints;
  numeric.ai_flags |= AI_NUMERICHOST;
  *result = nullptr;
  // The C library frees a list node by node, and so lists may be joined.
  addrinfo** end = result;
  for (const std::string& address : known->second) {
    if (Kernel::GetAddressInfo(address.c_str(), &numeric, end) != 0) {
      *end = nullptr;  // of the other family
      continue;
    }
    while (*end != nullptr) end = &(*end)->ai_next;
  }
  return *result == nullptr ? EAI_NODATA : 0;
}

}  // namespace percore
