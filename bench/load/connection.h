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
  // Of those in flight, the ones that the server has got, at least in part.
  size_t begun() const { return begun_; }
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

  // Sends as much as the socket takes, and adds it to `bytes_sent`. `scratch`
  // is room to make the bytes in, for all connections of a thread.
  absl::Status Send(const Payload& payload, std::string& scratch,
                    uint64_t* bytes_sent);
  bool has_unsent() const { return !cut_.empty() || begun_ < requests_.size(); }

  // The part of an answer that has come so far. Kept with SetRest(), which
  // frees what a large one took.
  std::string& rest() { return rest_; }
  void SetRest(std::string_view rest);

  // The server did not take the connection when first asked: its backlog was
  // full. A system call.
  bool WasRetried() const;

  // What the epoll instance is told; kept by its owner.
  uint32_t watched_events = 0;
  // Requests that may still be made before the connection is closed.
  uint64_t requests_left = 0;

 private:
  // The socket took the first `sent` bytes of the requests not begun.
  void KeepCut(const Payload& payload, size_t sent);

  const uint32_t number_;
  int fd_ = -1;
  State state_ = State::kClosed;
  uint32_t sequence_ = 0;
  RequestRing requests_;
  // Of `requests_`, those that the socket has got, at least in part.
  size_t begun_ = 0;
  // The whole request that the socket got a part of, the first `cut_sent_`
  // bytes. Requests behind it are made when there is room: thousands of
  // connections with large messages would fill the memory otherwise.
  std::string cut_;
  size_t cut_sent_ = 0;
  std::string rest_;
};

}  // namespace percore::bench

#endif  // PERCORE_BENCH_LOAD_CONNECTION_H_
