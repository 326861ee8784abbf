#include "percore/bench/load/connection.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace percore::bench {
namespace {

// Requests are turned into bytes shortly before they are sent: thousands of
// connections with large messages would fill the memory otherwise.
constexpr size_t kMaxOutgoing = size_t{64} << 10;

absl::Status BindTo(int fd, uint32_t source) {
  // The port is chosen when connecting, and then needs to be free for that
  // peer only.
  const int on = 1;
  if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on)) !=
      0) {
    return SystemError("setsockopt IP_BIND_ADDRESS_NO_PORT");
  }
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(source);
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) !=
      0) {
    return SystemError("bind");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status SystemError(std::string_view what) {
  return absl::InternalError(absl::StrCat(
      absl::string_view(what.data(), what.size()), ": ", strerror(errno)));
}

absl::Status Connection::Open(const addrinfo& address, uint32_t source) {
  fd_ =
      socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd_ < 0) return SystemError("socket");
  const int on = 1;
  if (setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0) {
    return SystemError("setsockopt TCP_NODELAY");
  }
  if (source != 0) {
    if (absl::Status status = BindTo(fd_, source); !status.ok()) return status;
  }
  if (connect(fd_, address.ai_addr, address.ai_addrlen) != 0 &&
      errno != EINPROGRESS) {
    return SystemError("connect");
  }
  state_ = State::kConnecting;
  return absl::OkStatus();
}

absl::Status Connection::FinishConnecting() {
  int error = 0;
  socklen_t size = sizeof(error);
  if (getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size) != 0) {
    return SystemError("getsockopt SO_ERROR");
  }
  if (error != 0) {
    errno = error;
    return SystemError("connect");
  }
  state_ = State::kOpen;
  return absl::OkStatus();
}

absl::Status Connection::FinishSending() {
  state_ = State::kFinishing;
  // A server that has already closed its end may have reset the connection.
  if (shutdown(fd_, SHUT_WR) != 0 && errno != ENOTCONN) {
    return SystemError("shutdown");
  }
  return absl::OkStatus();
}

void Connection::Close() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
  state_ = State::kClosed;
  watched_events = 0;
  while (!requests_.empty()) requests_.Pop();
  written_ = 0;
  outgoing_.clear();
  sent_ = 0;
  rest_.clear();
}

void Connection::Pop() {
  requests_.Pop();
  --written_;
}

absl::Status Connection::Send(const Payload& payload, uint64_t* bytes_sent) {
  while (has_unsent()) {
    if (sent_ == outgoing_.size()) {
      outgoing_.clear();
      sent_ = 0;
    }
    while (outgoing_.size() < kMaxOutgoing && written_ < requests_.size()) {
      payload.AppendRequest(requests_[written_++].id, &outgoing_);
    }
    const size_t size = outgoing_.size() - sent_;
    const ssize_t sent =
        send(fd_, outgoing_.data() + sent_, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno == EAGAIN || errno == EINTR) return absl::OkStatus();
      return SystemError("send");
    }
    sent_ += static_cast<size_t>(sent);
    *bytes_sent += static_cast<uint64_t>(sent);
    if (static_cast<size_t>(sent) < size) return absl::OkStatus();
  }
  return absl::OkStatus();
}

}  // namespace percore::bench
