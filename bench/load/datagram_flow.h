// One client of a datagram echo server: a UDP socket, and what is under way.
#ifndef PERCORE_BENCH_LOAD_DATAGRAM_FLOW_H_
#define PERCORE_BENCH_LOAD_DATAGRAM_FLOW_H_

#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"

struct addrinfo;

namespace percore::bench {

// Memory to make datagrams in, and to receive them into, for all flows of a
// thread.
class DatagramRoom {
 public:
  static constexpr size_t kBatch = 64;

  // With `offload` what the kernel receives, and is given, may be many
  // datagrams in one.
  DatagramRoom(size_t datagram_bytes, bool offload);

  size_t datagram_bytes() const { return datagram_bytes_; }
  bool offload() const { return offload_; }

 private:
  friend class DatagramFlow;

  const size_t datagram_bytes_;
  const bool offload_;
  const size_t message_bytes_;
  std::vector<char> outgoing_;
  std::vector<char> incoming_;
  std::array<mmsghdr, kBatch> messages_ = {};
  std::array<iovec, kBatch> extents_ = {};
  struct alignas(cmsghdr) Control {
    char bytes[CMSG_SPACE(sizeof(int))];
  };
  std::array<Control, kBatch> controls_ = {};
};

// A datagram says whose it is, in which place of its flow, its number and when
// it was made; the rest is the same always. Every answer is compared with what
// was sent to the last byte.
//
// One thread.
class DatagramFlow {
 public:
  static constexpr size_t kMinBytes = 24;

  // `depth` datagrams may be under way.
  DatagramFlow(uint32_t number, uint32_t depth);
  DatagramFlow(const DatagramFlow&) = delete;
  DatagramFlow& operator=(const DatagramFlow&) = delete;
  ~DatagramFlow();

  absl::Status Open(const addrinfo& address, const DatagramRoom& room);
  int fd() const { return fd_; }
  size_t in_flight() const { return expected_.size() - free_.size(); }

  // Sends as many as may be under way, and `most` at most, as far as the socket
  // takes them; adds their number to `made`.
  absl::Status Fill(DatagramRoom& room, size_t most, uint64_t* made);
  // Takes in what one call gives, and calls `answered` with the time at which
  // each was made.
  absl::Status Receive(DatagramRoom& room,
                       absl::FunctionRef<void(int64_t made_ns)> answered);
  // Gives up what has been under way for that long; returns how many. UDP may
  // lose any datagram: what is late afterwards counts for nothing.
  size_t GiveUp(int64_t now_ns, int64_t patience_ns);

 private:
  static constexpr uint64_t kNothing = 0;

  struct Expected {
    uint64_t number = kNothing;
    int64_t made_ns = 0;
  };

  absl::Status Take(DatagramRoom& room, std::string_view datagram,
                    absl::FunctionRef<void(int64_t made_ns)> answered);
  // How many the socket took, of `count` that were made.
  int SendEach(DatagramRoom& room, size_t count) const;
  int SendAsOne(DatagramRoom& room, size_t count) const;

  const uint32_t flow_;
  int fd_ = -1;
  uint64_t next_number_ = kNothing + 1;
  std::vector<Expected> expected_;  // by place
  std::vector<uint32_t> free_;      // places
};

}  // namespace percore::bench

#endif  // PERCORE_BENCH_LOAD_DATAGRAM_FLOW_H_
