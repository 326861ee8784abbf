#include "percore/bench/load/connection.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

namespace percore::bench {
namespace {

// Of bytes that are made for one send, but for the end of the last request.
constexpr size_t kMaxOutgoing = size_t{64} << 10;

// The room that a connection keeps for its next incomplete answer.
constexpr size_t kMaxIdleRest = size_t{4} << 10;

// Sends without waiting; 0 if the socket is full.
absl::StatusOr<size_t> SendSome(int fd, std::string_view bytes) {
  const ssize_t sent =
      send(fd, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent >= 0) return static_cast<size_t>(sent);
  if (errno == EAGAIN || errno == EINTR) return size_t{0};
  return SystemError("send");
}

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
  begun_ = 0;
  cut_.clear();
  cut_sent_ = 0;
  rest_.clear();
}

void Connection::Pop() {
  requests_.Pop();
  --begun_;
}

void Connection::SetRest(std::string_view rest) {
  if (rest.empty() && rest_.capacity() > kMaxIdleRest) {
    std::string().swap(rest_);
    return;
  }
  rest_.assign(rest);
}

bool Connection::WasRetried() const {
  tcp_info info = {};
  socklen_t size = sizeof(info);
  return getsockopt(fd_, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 &&
         info.tcpi_total_retrans > 0;
}

absl::Status Connection::Send(const Payload& payload, std::string& scratch,
                              uint64_t* bytes_sent) {
  if (!cut_.empty()) {
    const absl::StatusOr<size_t> sent =
        SendSome(fd_, std::string_view(cut_).substr(cut_sent_));
    if (!sent.ok()) return sent.status();
    *bytes_sent += *sent;
    cut_sent_ += *sent;
    if (cut_sent_ < cut_.size()) return absl::OkStatus();
    std::string().swap(cut_);
  }
  while (begun_ < requests_.size()) {
    scratch.clear();
    size_t end = begun_;
    while (scratch.size() < kMaxOutgoing && end < requests_.size()) {
      payload.AppendRequest(requests_[end++].id, &scratch);
    }
    const absl::StatusOr<size_t> sent = SendSome(fd_, scratch);
    if (!sent.ok()) return sent.status();
    *bytes_sent += *sent;
    if (*sent < scratch.size()) {
      KeepCut(payload, *sent);
      return absl::OkStatus();
    }
    begun_ = end;
  }
  return absl::OkStatus();
}

void Connection::KeepCut(const Payload& payload, size_t sent) {
  while (sent > 0) {
    cut_.clear();
    payload.AppendRequest(requests_[begun_++].id, &cut_);
    if (sent < cut_.size()) {
      cut_sent_ = sent;
      return;
    }
    sent -= cut_.size();
  }
  // The socket took whole requests, or nothing.
  std::string().swap(cut_);
}

}  // namespace percore::bench
