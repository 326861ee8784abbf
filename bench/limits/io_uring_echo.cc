// An echo server on bare io_uring: what a single thread can reach when it gives
// the kernel as much of the work as the kernel takes (Linux 6.1 or newer).
//
// `multishot`: one request accepts all connections, straight into a table of
// registered descriptors; one request for each connection receives all its
// bytes, into buffers that the kernel picks from a ring. Bytes are sent from
// the very buffer they were received in, which goes back when the kernel has
// sent it. So a connection at work costs one request, the send, and a round of
// the loop costs one system call for all connections together.
//
//   received ->  [ queue of the connection: b7 b2 b9 | b4 ]
//                  ^ in flight, one sendmsg           ^ sent next
//
// A connection has one send in flight, which keeps its bytes in order. Others
// queue behind it and go out together.
//
// A client that does not read its bytes must not keep the buffers of all
// others. Once it holds too many, or all are taken, its requests are cancelled
// and its bytes copied to memory of its own; nothing more is received from it
// until they are out.
//
// Tuned: completions run when this thread asks for them (DEFER_TASKRUN and
// SINGLE_ISSUER); the ring's own descriptor is registered; sends ask for
// MSG_WAITALL, so that the kernel continues a short one; size and number of the
// buffers (provided_buffers.h). Not used: zero-copy sends (over loopback the
// kernel copies anyway), a polling thread (SQPOLL, a second CPU), receives of
// several buffers at once (bundles, Linux 6.10), and IORING_SETUP_NO_SQARRAY,
// which liburing 2.3 does not know. Allocator: jemalloc, only for connections.
#include <fcntl.h>
#include <liburing.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "percore/bench/limits/echo_queue.h"
#include "percore/bench/limits/provided_buffers.h"
#include "percore/bench/peers/server_main.h"

namespace percore::bench {
namespace {

constexpr unsigned kSubmissions = 2048;
constexpr unsigned kCompletions = 16384;
constexpr unsigned kMostInRound = 1024;
constexpr unsigned kMostDescriptors = 1 << 16;

// Buffers that a connection may hold: 16 messages of 16 KiB, and some.
constexpr size_t kMostHeld = 32;

// What a completion is of: the upper half of its user data. The lower half is
// the connection's descriptor, or, which is the same, its index.
enum class Operation : uint32_t {
  kIgnored,
  kAccept,
  kAcceptPause,
  kReceive,
  kSend
};

uint64_t UserData(Operation operation, int slot) {
  return static_cast<uint64_t>(operation) << 32 | static_cast<uint32_t>(slot);
}

absl::Status SystemError(const char* call, int error) {
  return absl::UnavailableError(absl::StrCat(call, ": ", strerror(error)));
}

int CreateRing(io_uring& ring, unsigned submissions, unsigned completions) {
  io_uring_params params = {};
  params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                 IORING_SETUP_COOP_TASKRUN | IORING_SETUP_SUBMIT_ALL |
                 IORING_SETUP_CQSIZE;
  params.cq_entries = completions;
  return io_uring_queue_init_params(submissions, &ring, &params);
}

struct Connection {
  Connection(int slot, ProvidedBuffers& buffers)
      : slot(slot), unsent(buffers) {}

  const int slot;
  EchoQueue unsent;
  // Requests that the kernel has. It ends only when there are none.
  bool receiving = false;
  bool sending = false;
  bool ended = false;     // The client sends no more.
  bool failed = false;    // There is nobody to send to.
  bool starving = false;  // Its receive found no buffer.
  bool queued = false;    // In the server's `to_send_`.
};

class UringServer {
 public:
  explicit UringServer(int listen_fd) : listen_fd_(listen_fd) {}
  ~UringServer() {
    if (created_) io_uring_queue_exit(&ring_);
  }

  absl::Status Serve() {
    if (absl::Status status = SetUp(); !status.ok()) return status;
    Accept();
    std::array<io_uring_cqe*, kMostInRound> completions;
    while (error_ == 0) {
      const int submitted = io_uring_submit_and_wait(&ring_, 1);
      if (submitted < 0 && !IsTransient(-submitted)) error_ = -submitted;
      const unsigned count =
          io_uring_peek_batch_cqe(&ring_, completions.data(), kMostInRound);
      for (unsigned i = 0; i < count; ++i) Handle(*completions[i]);
      io_uring_cq_advance(&ring_, count);
      SendQueued();
      buffers_.Offer();
      FeedStarving();
    }
    return SystemError("io_uring_enter", error_);
  }

 private:
  // EBUSY: completions must be taken first.
  static bool IsTransient(int error) {
    return error == EINTR || error == EAGAIN || error == EBUSY;
  }

  absl::Status SetUp() {
    int result = CreateRing(ring_, kSubmissions, kCompletions);
    if (result < 0) return SystemError("io_uring_setup", -result);
    created_ = true;
    io_uring_register_ring_fd(&ring_);  // Without it, only a little slower.
    rlimit limit = {};
    getrlimit(RLIMIT_NOFILE, &limit);
    const auto slots = static_cast<unsigned>(
        std::min<rlim_t>(limit.rlim_cur, kMostDescriptors));
    result = io_uring_register_files_sparse(&ring_, slots);
    if (result < 0) return SystemError("io_uring_register_files", -result);
    connections_.resize(slots);
    // io_uring waits by itself; of a non-blocking socket it would not.
    fcntl(listen_fd_, F_SETFL, fcntl(listen_fd_, F_GETFL) & ~O_NONBLOCK);
    return buffers_.Register(ring_);
  }

  // Null only when the server cannot go on.
  io_uring_sqe* NextRequest() {
    while (error_ == 0) {
      io_uring_sqe* const request = io_uring_get_sqe(&ring_);
      if (request != nullptr) return request;
      const int submitted = io_uring_submit(&ring_);
      if (submitted < 0 && !IsTransient(-submitted)) error_ = -submitted;
    }
    return nullptr;
  }

  void Handle(const io_uring_cqe& completion) {
    const auto operation = static_cast<Operation>(completion.user_data >> 32);
    const auto slot = static_cast<uint32_t>(completion.user_data);
    switch (operation) {
      case Operation::kIgnored:
        return;
      case Operation::kAccept:
        return OnAccepted(completion);
      case Operation::kAcceptPause:
        pause_timer_set_ = false;
        return ResumeAccepting();
      case Operation::kReceive:
        return OnReceived(*connections_[slot], completion);
      case Operation::kSend:
        return OnSent(*connections_[slot], completion.res);
    }
  }

  void Accept() {
    io_uring_sqe* const request = NextRequest();
    if (request == nullptr) return;
    io_uring_prep_multishot_accept_direct(request, listen_fd_, nullptr, nullptr,
                                          0);
    request->user_data = UserData(Operation::kAccept, 0);
  }

  void OnAccepted(const io_uring_cqe& completion) {
    if (completion.res >= 0) {
      auto& connection = connections_[static_cast<size_t>(completion.res)];
      connection = std::make_unique<Connection>(completion.res, buffers_);
      Receive(*connection);
    }
    if ((completion.flags & IORING_CQE_F_MORE) != 0) return;
    const int error = -completion.res;
    if (error <= 0 || IsTransient(error) || error == ECONNABORTED) {
      return Accept();
    }
    // Out of descriptors or memory. The next request would fail at once, too:
    // wait until a connection ends, or for a while.
    accept_paused_ = true;
    if (pause_timer_set_) return;
    io_uring_sqe* const request = NextRequest();
    if (request == nullptr) return;
    io_uring_prep_timeout(request, &accept_pause_, 0, 0);
    request->user_data = UserData(Operation::kAcceptPause, 0);
    pause_timer_set_ = true;
  }

  void ResumeAccepting() {
    if (accept_paused_) Accept();
    accept_paused_ = false;
  }

  void Receive(Connection& connection) {
    io_uring_sqe* const request = NextRequest();
    if (request == nullptr) return;
    io_uring_prep_recv_multishot(request, connection.slot, nullptr, 0, 0);
    request->flags |= IOSQE_FIXED_FILE | IOSQE_BUFFER_SELECT;
    request->buf_group = ProvidedBuffers::kGroup;
    request->user_data = UserData(Operation::kReceive, connection.slot);
    connection.receiving = true;
  }

  void OnReceived(Connection& connection, const io_uring_cqe& completion) {
    connection.receiving = (completion.flags & IORING_CQE_F_MORE) != 0;
    if ((completion.flags & IORING_CQE_F_BUFFER) != 0) {
      buffers_.Take();
      const auto buffer =
          static_cast<uint16_t>(completion.flags >> IORING_CQE_BUFFER_SHIFT);
      Keep(connection, buffer, completion.res);
    }
    const int error = -completion.res;
    if (error == 0) {
      connection.ended = true;
    } else if (error == ENOBUFS && !connection.starving) {
      connection.starving = true;
      starving_.push_back(&connection);
    } else if (error > 0 && error != ENOBUFS && error != ECANCELED &&
               !IsTransient(error)) {
      Fail(connection);
    }
    ReceiveMoreOrFinish(connection);
  }

  // Takes in the bytes of a receive.
  void Keep(Connection& connection, uint16_t buffer, int size) {
    if (size <= 0 || connection.failed) return buffers_.Release(buffer);
    connection.unsent.Add(buffer, static_cast<size_t>(size));
    QueueSend(connection);
    if (connection.sending && connection.unsent.held() >= kMostHeld) {
      TakeBuffersBack(connection);
    }
  }

  void ReceiveMoreOrFinish(Connection& connection) {
    if (connection.failed || (connection.ended && connection.unsent.empty())) {
      return Finish(connection);
    }
    if (!connection.receiving && !connection.ended &&
        !connection.unsent.copying() && !connection.starving) {
      Receive(connection);
    }
  }

  // Sends are made at the end of a round, so that all that was received goes
  // out with one.
  void QueueSend(Connection& connection) {
    if (connection.sending || connection.queued) return;
    connection.queued = true;
    to_send_.push_back(&connection);
  }

  void SendQueued() {
    for (Connection* const connection : to_send_) {
      connection->queued = false;
      if (!connection->failed && !connection->unsent.empty()) {
        Send(*connection);
      }
      ReceiveMoreOrFinish(*connection);
    }
    to_send_.clear();
  }

  void Send(Connection& connection) {
    io_uring_sqe* const request = NextRequest();
    if (request == nullptr) return;
    constexpr int kFlags = MSG_NOSIGNAL | MSG_WAITALL;
    const msghdr& message = connection.unsent.Next();
    if (message.msg_iovlen == 1) {
      io_uring_prep_send(request, connection.slot, message.msg_iov->iov_base,
                         message.msg_iov->iov_len, kFlags);
    } else {
      io_uring_prep_sendmsg(request, connection.slot, &message, kFlags);
    }
    request->flags |= IOSQE_FIXED_FILE;
    request->user_data = UserData(Operation::kSend, connection.slot);
    connection.sending = true;
  }

  void OnSent(Connection& connection, int result) {
    connection.sending = false;
    if (result >= 0) {
      connection.unsent.Consume(static_cast<size_t>(result));
    } else if (result != -ECANCELED && !IsTransient(-result)) {
      Fail(connection);
    }
    if (!connection.failed && !connection.unsent.empty()) {
      QueueSend(connection);
    } else {
      ReceiveMoreOrFinish(connection);
    }
  }

  // Takes its buffers from a client that does not read. They are the kernel's
  // as long as a send is in flight.
  void TakeBuffersBack(Connection& connection) {
    connection.unsent.StartCopying();
    if (connection.receiving) Cancel(Operation::kReceive, connection.slot);
    if (connection.sending) Cancel(Operation::kSend, connection.slot);
  }

  // Has those whose receive found no buffer receive again: as many as there are
  // buffers, as each of them needs one even to wait.
  void FeedStarving() {
    if (starving_.empty()) return;
    if (buffers_.offered() == 0) {
      for (const auto& connection : connections_) {
        if (connection != nullptr && connection->sending &&
            !connection->unsent.copying()) {
          TakeBuffersBack(*connection);
        }
      }
      return;
    }
    const size_t count = std::min<size_t>(
        starving_.size(), static_cast<size_t>(buffers_.offered()));
    const std::vector<Connection*> fed(starving_.begin(),
                                       starving_.begin() + count);
    starving_.erase(starving_.begin(), starving_.begin() + count);
    for (Connection* const connection : fed) {
      connection->starving = false;
      ReceiveMoreOrFinish(*connection);
    }
  }

  void Fail(Connection& connection) {
    if (connection.failed) return;
    connection.failed = true;
    if (connection.receiving) Cancel(Operation::kReceive, connection.slot);
    if (connection.sending) Cancel(Operation::kSend, connection.slot);
  }

  void Cancel(Operation operation, int slot) {
    io_uring_sqe* const request = NextRequest();
    if (request == nullptr) return;
    io_uring_prep_cancel64(request, UserData(operation, slot), 0);
    // It may have ended by itself, and then its own completion says so.
    request->flags |= IOSQE_CQE_SKIP_SUCCESS;
    request->user_data = UserData(Operation::kIgnored, slot);
  }

  // Ends a connection once the kernel has no request of it.
  void Finish(Connection& connection) {
    if (connection.receiving || connection.sending || connection.queued) return;
    if (connection.starving) std::erase(starving_, &connection);
    const int slot = connection.slot;
    connections_[static_cast<size_t>(slot)].reset();
    io_uring_sqe* const request = NextRequest();
    if (request == nullptr) return;
    io_uring_prep_close_direct(request, static_cast<unsigned>(slot));
    request->flags |= IOSQE_CQE_SKIP_SUCCESS;
    request->user_data = UserData(Operation::kIgnored, slot);
    ResumeAccepting();
  }

  const int listen_fd_;
  io_uring ring_;
  bool created_ = false;
  int error_ = 0;
  ProvidedBuffers buffers_;
  // By descriptor.
  std::vector<std::unique_ptr<Connection>> connections_;
  std::vector<Connection*> to_send_;
  std::vector<Connection*> starving_;
  bool accept_paused_ = false;
  bool pause_timer_set_ = false;
  __kernel_timespec accept_pause_ = {
      .tv_sec = 0, .tv_nsec = std::chrono::nanoseconds(kAcceptPause).count()};
};

absl::Status Serve(int listen_fd) {
  // Not on the stack, and never ended: the kernel may use its memory.
  static auto* const server = new UringServer(listen_fd);
  return server->Serve();
}

// DEFER_TASKRUN came last (6.1) of what this server is made of.
absl::Status CheckKernel() {
  io_uring ring;
  const int result = CreateRing(ring, 8, 16);
  if (result < 0) return SystemError("io_uring (Linux 6.1) is needed", -result);
  ProvidedBuffers buffers;
  absl::Status status = buffers.Register(ring);
  io_uring_queue_exit(&ring);
  return status;
}

}  // namespace
}  // namespace percore::bench

int main(int argc, char** argv) {
  return percore::bench::PeerMain(
      {.name = "io_uring_echo",
       .summary = "io_uring_echo: sends every client back what it sent",
       .modes = {{.name = "multishot",
                  .summary = "multishot requests, buffers from a ring",
                  .serve = &percore::bench::Serve}},
       .check = &percore::bench::CheckKernel},
      argc, argv);
}
