// An echo server on bare epoll: about the least that a correct one can do with
// one thread, and so the line that no library on epoll can get below.
//
// Both modes take a batch of events from epoll_wait(), receive into one buffer
// that all connections share, and send from it at once. Only what the kernel
// does not take is kept, and the connection is not read until that is out,
// which bounds its memory; it also means that at the end of the client's bytes
// nothing is unsent.
//
// `level`: one recv() for each event; epoll reports what is left the next time.
// Waiting for room to send costs an epoll_ctl().
//
// `edge`: a connection is registered once for everything and never again, and
// each event is read until the socket is empty. A read that fills less than the
// buffer shows that it is, without asking once more.
//
// Tuned: nothing by measurement; 64 KiB of buffer and 512 events a batch are
// ample. No thread is pinned, nothing polls busily, and socket buffers are the
// kernel's. Allocator: jemalloc, only when connections come, go or are slow.
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "percore/bench/peers/server_main.h"

namespace percore::bench {
namespace {

using Clock = std::chrono::steady_clock;

enum class Trigger { kLevel, kEdge };
enum class Outcome { kOpen, kClosed };

constexpr uint32_t kEdgeInterest = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;

// Reads of one connection before the others get their turn.
constexpr int kMostReads = 16;

struct Connection {
  int fd = -1;
  // The client has ended, or there is an error: read on until recv() says so.
  bool ending = false;
  std::string unsent;
  size_t first_unsent = 0;

  bool has_unsent() const { return !unsent.empty(); }
};

absl::Status SystemError(const char* call) {
  return absl::UnavailableError(absl::StrCat(call, ": ", strerror(errno)));
}

bool IsTransient(int error) { return error == EAGAIN || error == EINTR; }

class EpollServer {
 public:
  EpollServer(int listen_fd, Trigger trigger)
      : listen_fd_(listen_fd),
        trigger_(trigger),
        epoll_fd_(epoll_create1(EPOLL_CLOEXEC)) {}
  ~EpollServer() { close(epoll_fd_); }

  absl::Status Serve() {
    if (epoll_fd_ < 0) return SystemError("epoll_create1");
    if (!ListenAgain()) return SystemError("epoll_ctl");
    while (true) {
      const int count =
          epoll_wait(epoll_fd_, events_.data(),
                     static_cast<int>(events_.size()), WaitTimeout());
      if (count < 0 && errno != EINTR) return SystemError("epoll_wait");
      if (accept_paused_ && Clock::now() >= resume_accept_at_) ListenAgain();
      for (int i = 0; i < count; ++i) Handle(events_[i]);
    }
  }

 private:
  int WaitTimeout() const {
    return accept_paused_ ? static_cast<int>(kAcceptPause.count()) : -1;
  }

  void Handle(const epoll_event& event) {
    if (event.data.ptr == nullptr) return AcceptAll();
    auto* const connection = static_cast<Connection*>(event.data.ptr);
    const Outcome outcome = trigger_ == Trigger::kLevel
                                ? HandleLevel(*connection)
                                : HandleEdge(*connection, event.events);
    if (outcome == Outcome::kClosed) Close(connection);
  }

  Outcome HandleLevel(Connection& connection) {
    if (!connection.has_unsent()) {
      bool emptied = false;
      if (Echo(connection, &emptied) == Outcome::kClosed) {
        return Outcome::kClosed;
      }
      if (connection.has_unsent()) SetInterest(connection, EPOLLOUT);
      return Outcome::kOpen;
    }
    if (Flush(connection) == Outcome::kClosed) return Outcome::kClosed;
    if (!connection.has_unsent()) SetInterest(connection, EPOLLIN);
    return Outcome::kOpen;
  }

  Outcome HandleEdge(Connection& connection, uint32_t events) {
    // Data and end may be one event: a short read does not show the end.
    if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
      connection.ending = true;
    }
    if (connection.has_unsent() && Flush(connection) == Outcome::kClosed) {
      return Outcome::kClosed;
    }
    bool emptied = false;
    for (int reads = 0; !emptied && !connection.has_unsent(); ++reads) {
      if (reads == kMostReads) {
        // Setting the interest reports it anew, behind the others.
        SetInterest(connection, kEdgeInterest);
        return Outcome::kOpen;
      }
      if (Echo(connection, &emptied) == Outcome::kClosed) {
        return Outcome::kClosed;
      }
    }
    return Outcome::kOpen;
  }

  // One recv() and its send(). Sets `emptied` if there is nothing more to read.
  Outcome Echo(Connection& connection, bool* emptied) {
    const ssize_t received =
        recv(connection.fd, buffer_.data(), buffer_.size(), 0);
    if (received < 0 && IsTransient(errno)) {
      *emptied = errno == EAGAIN;
      return Outcome::kOpen;
    }
    if (received <= 0) return Outcome::kClosed;
    const auto size = static_cast<size_t>(received);
    *emptied = size < buffer_.size() && !connection.ending;

    const ssize_t sent =
        send(connection.fd, buffer_.data(), size, MSG_NOSIGNAL);
    if (sent == received) return Outcome::kOpen;
    if (sent < 0 && !IsTransient(errno)) return Outcome::kClosed;
    const size_t taken = sent < 0 ? 0 : static_cast<size_t>(sent);
    connection.unsent.assign(buffer_.data() + taken, size - taken);
    connection.first_unsent = 0;
    return Outcome::kOpen;
  }

  Outcome Flush(Connection& connection) {
    const ssize_t sent =
        send(connection.fd, connection.unsent.data() + connection.first_unsent,
             connection.unsent.size() - connection.first_unsent, MSG_NOSIGNAL);
    if (sent < 0) {
      return IsTransient(errno) ? Outcome::kOpen : Outcome::kClosed;
    }
    connection.first_unsent += static_cast<size_t>(sent);
    if (connection.first_unsent == connection.unsent.size()) {
      connection.unsent = {};
    }
    return Outcome::kOpen;
  }

  void AcceptAll() {
    while (true) {
      const int fd =
          accept4(listen_fd_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd >= 0) {
        Add(fd);
        continue;
      }
      if (errno == EINTR || errno == ECONNABORTED) continue;
      if (errno == EAGAIN) return;
      // Out of descriptors or memory. The socket stays readable: without a
      // pause the loop would spin.
      epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, listen_fd_, nullptr);
      accept_paused_ = true;
      resume_accept_at_ = Clock::now() + kAcceptPause;
      return;
    }
  }

  bool ListenAgain() {
    epoll_event event = {};
    event.events = EPOLLIN;
    event.data.ptr = nullptr;
    accept_paused_ =
        epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, listen_fd_, &event) != 0;
    return !accept_paused_;
  }

  void Add(int fd) {
    auto* const connection = new Connection;
    connection->fd = fd;
    epoll_event event = {};
    event.events = trigger_ == Trigger::kLevel ? EPOLLIN : kEdgeInterest;
    event.data.ptr = connection;
    if (epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &event) != 0) {
      close(fd);
      delete connection;
    }
  }

  void SetInterest(Connection& connection, uint32_t events) {
    epoll_event event = {};
    event.events = events;
    event.data.ptr = &connection;
    epoll_ctl(epoll_fd_, EPOLL_CTL_MOD, connection.fd, &event);
  }

  // A batch holds at most one event of a descriptor: nothing points to the
  // connection any more.
  void Close(Connection* connection) {
    close(connection->fd);
    delete connection;
    if (accept_paused_) ListenAgain();
  }

  const int listen_fd_;
  const Trigger trigger_;
  const int epoll_fd_;
  // Until then, or until a connection is closed.
  bool accept_paused_ = false;
  Clock::time_point resume_accept_at_;
  std::array<epoll_event, 512> events_;
  std::array<char, 64 * 1024> buffer_;
};

template <Trigger trigger>
absl::Status Serve(int listen_fd) {
  // Not on the stack: it holds the buffers.
  static EpollServer server(listen_fd, trigger);
  return server.Serve();
}

}  // namespace
}  // namespace percore::bench

int main(int argc, char** argv) {
  using percore::bench::PeerMain;
  using percore::bench::Serve;
  using percore::bench::Trigger;
  return PeerMain(
      {.name = "epoll_echo",
       .summary = "epoll_echo: sends every client back what it sent",
       .modes = {{.name = "level",
                  .summary = "level-triggered, one recv an event",
                  .serve = &Serve<Trigger::kLevel>},
                 {.name = "edge",
                  .summary = "edge-triggered, read until empty",
                  .serve = &Serve<Trigger::kEdge>}}},
      argc, argv);
}
