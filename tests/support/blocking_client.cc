#include "percore/tests/support/blocking_client.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace percore {
namespace {

// The end of a loop with io_uring interrupts the thread some time later, and
// without a signal: SA_RESTART does not help.
template <typename Call>
ssize_t RetryInterrupted(Call call) {
  ssize_t result;
  do {
    result = call();
  } while (result < 0 && errno == EINTR);
  return result;
}

}  // namespace

BlockingClient::BlockingClient(UniqueFd socket) : socket_(std::move(socket)) {
  const timeval minute = {.tv_sec = 60, .tv_usec = 0};
  setsockopt(fd(), SOL_SOCKET, SO_RCVTIMEO, &minute, sizeof(minute));
  setsockopt(fd(), SOL_SOCKET, SO_SNDTIMEO, &minute, sizeof(minute));
}

BlockingClient::BlockingClient(const SocketAddress& address)
    : BlockingClient(
          UniqueFd(socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0))) {
  // Made again, the call waits on for the connection that is under way.
  if (RetryInterrupted([&] {
        return connect(fd(), address.native(), address.native_size());
      }) != 0) {
    ADD_FAILURE() << "connect " << address.ToString() << ": "
                  << std::strerror(errno);
  }
}

BlockingClient BlockingClient::Accept(int listening) {
  constexpr int kMinute = 60'000;
  pollfd waiting = {.fd = listening, .events = POLLIN, .revents = 0};
  RetryInterrupted([&] { return poll(&waiting, 1, kMinute); });
  UniqueFd socket(accept4(listening, nullptr, nullptr, SOCK_CLOEXEC));
  if (!socket.valid()) ADD_FAILURE() << "accept: " << std::strerror(errno);
  return BlockingClient(std::move(socket));
}

void BlockingClient::Send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = RetryInterrupted(
        [&] { return send(fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL); });
    if (sent <= 0) {
      ADD_FAILURE() << "send: " << std::strerror(errno);
      return;
    }
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
}

size_t BlockingClient::SendSome(std::string_view bytes) {
  const ssize_t sent =
      send(fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  return sent < 0 ? 0 : static_cast<size_t>(sent);
}

std::string BlockingClient::ReadLine() {
  size_t end;
  while ((end = received_.find('\n')) == std::string::npos) {
    if (!Fill()) return std::exchange(received_, {});
  }
  std::string line = received_.substr(0, end + 1);
  received_.erase(0, end + 1);
  return line;
}

std::string BlockingClient::Read(size_t size) {
  while (received_.size() < size && Fill()) {
  }
  std::string bytes = received_.substr(0, size);
  received_.erase(0, bytes.size());
  return bytes;
}

std::string BlockingClient::ReadToEnd() {
  while (Fill()) {
  }
  return std::exchange(received_, {});
}

bool BlockingClient::EndsWithReset() {
  received_.clear();
  std::array<char, 65536> bytes;
  ssize_t size = 0;
  do {
    size = RetryInterrupted(
        [&] { return recv(fd(), bytes.data(), bytes.size(), 0); });
  } while (size > 0);
  return size < 0 && errno == ECONNRESET;
}

void BlockingClient::FinishSending() { shutdown(fd(), SHUT_WR); }

void BlockingClient::Reset() {
  const linger abort = {.l_onoff = 1, .l_linger = 0};
  setsockopt(fd(), SOL_SOCKET, SO_LINGER, &abort, sizeof(abort));
  socket_.Reset();
}

bool BlockingClient::Fill() {
  std::array<char, 65536> bytes;
  const ssize_t size = RetryInterrupted(
      [&] { return recv(fd(), bytes.data(), bytes.size(), 0); });
  if (size < 0 && errno != ECONNRESET) {
    ADD_FAILURE() << "recv: " << std::strerror(errno);
  }
  if (size <= 0) return false;
  received_.append(bytes.data(), static_cast<size_t>(size));
  return true;
}

}  // namespace percore
