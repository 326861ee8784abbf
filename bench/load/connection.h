// One connection of the load: its socket, and what is under way on it.
#ifndef PERCORE_BENCH_LOAD_CONNECTION_H_
#define PERCORE_BENCH_LOAD_CONNECTION_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "percore/bench/load/payload.h"
#include "percore/bench/load/request_ring.h"

struct addrinfo;

namespace percore::bench {

// "what: errno in words".
absl::Status SystemError(std::string_view what);

// One thread.
class Connection {
 public:
  enum class State {
    kClosed,
    kConnecting,
    kOpen,
    kFinishing,  // Everything is answered; the server's end is awaited.
  };

  // `number` is the connection's in the whole run.
  explicit Connection(uint32_t number) : number_(number) {}
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() { Close(); }

  int fd() const { return fd_; }
  State state() const { return state_; }
  size_t in_flight() const { return requests_.size(); }
  const RequestInFlight& oldest() const { return requests_.front(); }

  // Starts to connect, without waiting. `source`, if not 0, is the address of
  // 127.0.0.0/8 to connect from: a single one has 28,000 ports, which
  // connections that come and go use up in a second.
  absl::Status Open(const addrinfo& address, uint32_t source);

  // What connecting came to, once the socket is writable.
  absl::Status FinishConnecting();

  // Shuts down the sending side.
  absl::Status FinishSending();

  // Forgets all that was under way.
  void Close();

  // Where the connection's next request goes.
  Payload::Place NextPlace(bool last) {
    return {.connection = number_, .sequence = sequence_++, .last = last};
  }

  // Queues a request; Send() sends it.
  void Push(const RequestInFlight& request) { requests_.Push(request); }
  void Pop();

  // Sends as much as the socket takes, and adds it to `bytes_sent`.
  absl::Status Send(const Payload& payload, uint64_t* bytes_sent);
  bool has_unsent() const {
    return sent_ < outgoing_.size() || written_ < requests_.size();
  }

  // The part of an answer that has come so far.
  std::string& rest() { return rest_; }

  // What the epoll instance is told; kept by its owner.
  uint32_t watched_events = 0;
  // Requests that may still be made before the connection is closed.
  uint64_t requests_left = 0;

 private:
  const uint32_t number_;
  int fd_ = -1;
  State state_ = State::kClosed;
  uint32_t sequence_ = 0;
  RequestRing requests_;
  // Of `requests_`, those that `outgoing_` has or had.
  size_t written_ = 0;
  // Bytes for the socket, of which the first `sent_` are gone.
  std::string outgoing_;
  size_t sent_ = 0;
  std::string rest_;
};

}  // namespace percore::bench

#endif  // PERCORE_BENCH_LOAD_CONNECTION_H_
