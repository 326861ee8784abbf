// Receive buffers that the kernel picks from, as an io_uring buffer ring.
//
//        free (last in, first out)          ring (first in, first out)
//      +---------------------------+ Offer +--------------+
//      |  9  14  3  ...            | ----> | 7  2  11  5  | ---> the kernel
//      picks
//      +---------------------------+       +--------------+      one for a
//      receive
//                ^                                                     |
//                +------------------- Release <------ echoed <---------+
//
// The ring is short on purpose. The kernel uses its buffers in turn, so all
// that lie in it pass through the CPU's caches; with a short ring and a stack
// behind it, the same few are used again and again, and the many others are
// touched only when clients do not take their bytes.
#ifndef PERCORE_BENCH_LIMITS_PROVIDED_BUFFERS_H_
#define PERCORE_BENCH_LIMITS_PROVIDED_BUFFERS_H_

#include <liburing.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"

namespace percore::bench {

// One thread. As long as the ring is in use, so are the buffers.
class ProvidedBuffers {
 public:
  static constexpr uint16_t kGroup = 0;
  static constexpr size_t kBufferSize = 16 * 1024;
  // 256 MiB of addresses; memory is only taken by those that were ever used.
  static constexpr int kCount = 16384;
  // Of 128 and 512, and of 16, 32 and 64 KiB, these did best: 64 connections
  // with 16 x 16 KiB under way got 15% more through than with 512; with 64-byte
  // messages there was no difference to see.
  static constexpr int kMostOffered = 128;

  ProvidedBuffers() = default;
  ProvidedBuffers(const ProvidedBuffers&) = delete;
  ProvidedBuffers& operator=(const ProvidedBuffers&) = delete;
  ~ProvidedBuffers();

  // Makes them known to `ring`, and offers the first. Once.
  absl::Status Register(io_uring& ring);

  char* data(uint16_t id) { return memory_ + id * kBufferSize; }

  // The kernel picked one of those on offer: the caller has it.
  void Take() { --offered_; }
  // The caller is done with it.
  void Release(uint16_t id) { free_.push_back(id); }
  // Fills the ring from what is free. Call it once a round.
  void Offer();

  // On offer. None after Offer(): the caller has them all.
  int offered() const { return offered_; }

 private:
  char* memory_ = nullptr;
  io_uring_buf_ring* ring_ = nullptr;
  int offered_ = 0;
  std::vector<uint16_t> free_;
};

}  // namespace percore::bench

#endif  // PERCORE_BENCH_LIMITS_PROVIDED_BUFFERS_H_
