// Datagram endpoints in a test: what their users were told, and a socket
// without Percore to talk to them.
#ifndef PERCORE_TESTS_NET_DATAGRAM_SIDE_H_
#define PERCORE_TESTS_NET_DATAGRAM_SIDE_H_

#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "percore/net/datagram_endpoint.h"
#include "percore/tests/support/test_kernel.h"

namespace percore {

inline SocketAddress AddressOf(std::string_view text) {
  return *SocketAddress::Parse(text);
}

inline Datagram MakeDatagram(std::string_view payload,
                             const SocketAddress& peer = {},
                             const SocketAddress& local = {}) {
  Datagram datagram = {.peer = peer, .local = local};
  datagram.payload.Append(payload);
  return datagram;
}

// What waits at the socket to be received, in the kernel's memory.
inline uint32_t QueuedMemory(int fd) {
  std::array<uint32_t, SK_MEMINFO_VARS> numbers = {};
  socklen_t size = sizeof(numbers);
  getsockopt(fd, SOL_SOCKET, SO_MEMINFO, numbers.data(), &size);
  return numbers[SK_MEMINFO_RMEM_ALLOC];
}

// Until the socket has something to be received: what a loop under the test
// clock does not wait for.
inline void AwaitReadable(int fd) {
  pollfd readable = {.fd = fd, .events = POLLIN, .revents = 0};
  if (poll(&readable, 1, 60'000) == 1) return;
  std::perror("nothing arrives");
  std::abort();
}

// Blocking, for 60 s at most.
class PlainUdp {
 public:
  explicit PlainUdp(std::string_view address = "127.0.0.1:0") {
    const SocketAddress local = AddressOf(address);
    fd_.Reset(socket(local.family(), SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const timeval patience = {.tv_sec = 60, .tv_usec = 0};
    setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    if (bind(fd_.get(), local.native(), local.native_size()) != 0) {
      std::perror("bind");
      std::abort();
    }
  }

  int fd() const { return fd_.get(); }
  SocketAddress address() const { return *SocketAddress::OfSocket(fd()); }

  void Send(std::string_view bytes, const SocketAddress& to) const {
    if (sendto(fd(), bytes.data(), bytes.size(), 0, to.native(),
               to.native_size()) != static_cast<ssize_t>(bytes.size())) {
      std::perror("sendto");
      std::abort();
    }
  }
  // The same, and it has arrived at the socket `at` when the call returns, from
  // which nothing is received meanwhile.
  void SendTo(int at, std::string_view bytes) const {
    const uint32_t before = QueuedMemory(at);
    Send(bytes, *SocketAddress::OfSocket(at));
    while (QueuedMemory(at) <= before) std::this_thread::yield();
    AwaitReadable(at);
  }
  std::string Receive(SocketAddress* from = nullptr) const {
    std::string bytes(65536, '\0');
    sockaddr_in6 native;
    socklen_t native_size = sizeof(native);
    auto* const address = reinterpret_cast<sockaddr*>(&native);
    const ssize_t size =
        recvfrom(fd(), bytes.data(), bytes.size(), 0, address, &native_size);
    if (size < 0) return "NOTHING RECEIVED";
    if (from != nullptr) {
      *from = *SocketAddress::FromNative(address, native_size);
    }
    bytes.resize(static_cast<size_t>(size));
    return bytes;
  }
  bool HasNothing() const {
    char byte;
    return recv(fd(), &byte, 1, MSG_DONTWAIT | MSG_PEEK) < 0;
  }

 private:
  UniqueFd fd_;
};

// Stays where it is.
struct DatagramSide {
  DatagramSide() = default;
  explicit DatagramSide(EventBase& base,
                        std::string_view address = "127.0.0.1:0",
                        const DatagramOptions& options = {}) {
    Take(*DatagramEndpoint::Bind(base, AddressOf(address), options));
  }
  void Take(std::unique_ptr<DatagramEndpoint> taken) {
    endpoint = std::move(taken);
    endpoint->SetCallbacks(
        {.read = &OnRead, .write = &OnWritten, .event = &OnEvent}, this);
    if (!endpoint->Enable(EventFlags::kRead).ok()) std::abort();
  }
  static void OnRead(DatagramEndpoint&, void* side) {
    static_cast<DatagramSide*>(side)->on_read();
  }
  static void OnWritten(DatagramEndpoint&, void* side) {
    static_cast<DatagramSide*>(side)->on_written();
  }
  static void OnEvent(DatagramEndpoint&, ConnectionEvent what,
                      const absl::Status& status, void* side) {
    auto& self = *static_cast<DatagramSide*>(side);
    self.errors.push_back(std::string(status.message()));
    self.on_event(what);
  }

  DatagramEndpoint* operator->() const { return endpoint.get(); }
  DatagramQueue& input() { return endpoint->input(); }
  DatagramQueue& output() { return endpoint->output(); }
  SocketAddress address() const { return endpoint->local_address(); }
  void Echo() { output().Append(std::move(input())); }
  // The payloads of input(), which is empty then.
  std::vector<std::string> TakeAll() {
    std::vector<std::string> payloads;
    while (!input().empty()) {
      payloads.push_back(input().Pop().payload.ToString());
    }
    return payloads;
  }

  std::unique_ptr<DatagramEndpoint> endpoint;
  int reads = 0;
  int writes = 0;
  std::vector<ConnectionEvent> events;
  std::vector<std::string> errors;  // one for each event
  std::function<void()> on_read = [this] { ++reads; };
  std::function<void()> on_written = [this] { ++writes; };
  std::function<void(ConnectionEvent)> on_event = [this](ConnectionEvent what) {
    events.push_back(what);
  };
};

}  // namespace percore

#endif  // PERCORE_TESTS_NET_DATAGRAM_SIDE_H_
