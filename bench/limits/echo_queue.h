// What an io_uring connection has received and not sent back yet.
//
//   Add() -> [ b7 b2 b9 | b4 ] -> Consume() gives the buffers back
//              ^ Next(): what one send takes
//
// The bytes stay in the buffers that they were received in. Only when the
// client does not take them are they copied, so that the kernel gets its
// buffers back:
//
//   StartCopying() -> [ being sent, a copy ][ behind it, a copy ]
#ifndef PERCORE_BENCH_LIMITS_ECHO_QUEUE_H_
#define PERCORE_BENCH_LIMITS_ECHO_QUEUE_H_

#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "percore/bench/limits/provided_buffers.h"

namespace percore::bench {

// One thread.
class EchoQueue {
 public:
  explicit EchoQueue(ProvidedBuffers& buffers) : buffers_(buffers) {}
  EchoQueue(const EchoQueue&) = delete;
  EchoQueue& operator=(const EchoQueue&) = delete;
  ~EchoQueue();

  // Takes over a buffer that holds `size` received bytes.
  void Add(uint16_t buffer, size_t size);

  bool empty() const {
    return held_.empty() && copy_.empty() && behind_.empty();
  }
  // Buffers that are kept from the kernel.
  size_t held() const { return held_.size(); }

  // The oldest bytes, as a message of one part or more. It and they lie still
  // until Consume() or the next Next(). Not for an empty queue.
  const msghdr& Next();
  // So many bytes of Next() are sent.
  void Consume(size_t size);

  // From the next Next() on no buffer is held, until the queue is empty.
  void StartCopying() { copying_ = true; }
  bool copying() const { return copying_; }

 private:
  struct Received {
    uint16_t buffer;
    uint32_t size;
  };

  // What is not sent yet of the oldest buffer.
  iovec FirstPart() const;
  void CopyHeld();

  ProvidedBuffers& buffers_;
  // The first `sent_` bytes of the oldest buffer, or of the copy, are out.
  size_t sent_ = 0;
  std::vector<Received> held_;
  bool copying_ = false;
  std::string copy_;
  // Not part of `copy_`, which the kernel reads and which must not move.
  std::string behind_;
  msghdr message_ = {};
  // 32 x 16 KiB is all that a client with 16 messages of 16 KiB under way has.
  std::array<iovec, 32> parts_;
};

}  // namespace percore::bench

#endif  // PERCORE_BENCH_LIMITS_ECHO_QUEUE_H_
