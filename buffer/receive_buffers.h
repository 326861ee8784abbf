// What a Ring receives into: segments of which the kernel takes one whenever
// bytes have arrived, so that a connection that is idle needs none.
//
//   SegmentPool --New()--> [ offered to the kernel ] --Take()--> a Buffer
//        ^                                                          |
//        +------------------ when it is drained --------------------+
//
// What was taken is replaced at once. So nobody who keeps his bytes can starve
// others, and segments go wherever a Buffer goes: to another shard, too.
//
// The kernel may take all that are offered within one system call. Receives
// that find none end, and are put in again with the next. Where bytes come in
// large pieces that is for the best: what a call brings in stays in the cache
// until it is looked at. Where they come in small ones, more are offered from
// then on, until it has been seen that fewer would do.
#ifndef PERCORE_BUFFER_RECEIVE_BUFFERS_H_
#define PERCORE_BUFFER_RECEIVE_BUFFERS_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "percore/buffer/segment.h"
#include "percore/runtime/ring.h"

struct io_uring_buf_ring;  // <liburing.h>

namespace percore {

// Thread: the ring's.
class ReceiveBuffers final : public RingBuffers {
 public:
  // What receives name, to be given these.
  static constexpr uint16_t kGroup = 0;
  // Of each: a segment of 32 KiB. 16 KiB are a usual size of what comes at
  // once (a record of TLS, a block of a file), and would be a little too large
  // for one of those.
  static constexpr size_t kBufferBytes = 32 * 1024 - Segment::kHeaderBytes;
  // As many at first, and at most.
  static constexpr size_t kFirstOffered = 32;
  static constexpr size_t kMostOffered = 1024;
  // If none of so many system calls that brought something has taken a fourth
  // of them, half as many are offered from then on.
  static constexpr size_t kCallsToLookBack = 1024;

  // The ring's; made when it is first asked for. Null if the system does not
  // give them (before Linux 5.19, or out of memory).
  static ReceiveBuffers* Of(Ring& ring);

  ~ReceiveBuffers() override;

  // Calls `take` with the segments that `bytes` were received into, in their
  // order: `buffer`, and those that were offered after it. They are its own.
  template <typename Take>
  void TakeAll(uint16_t buffer, size_t bytes, Take take) {
    ++receives_;
    for (; bytes > 0; buffer = (buffer + 1) & kMask) {
      const size_t size = std::min(bytes, kBufferBytes);
      take(TakeOne(buffer, size));
      bytes -= size;
    }
  }
  // A receive has found none.
  void NoteExhaustion();
  // Whether a receive may be put in now. Where buffers are scarce, as many as
  // find some if they take as many as the last ones did: the others would fail
  // for nothing, and come first with the next system call.
  bool Admit() {
    return !scarce_ || (admitted_ += buffers_a_receive_) <= offered_;
  }

  // How often that was.
  uint64_t exhaustions() const { return exhaustions_; }
  // How many the kernel can take within a system call.
  size_t offered() const { return offered_; }

  // Whether one receive may go on, bounded in bytes, and fill several at a time
  // (Linux 6.17).
  bool can_be_bounded() const { return can_be_bounded_; }
  void CannotBeBounded() { can_be_bounded_ = false; }

  void PutBack(uint16_t buffer, size_t bytes) override;
  void OnCompletionsTold() override;
  void OnRingRenewed() override;

 private:
  struct Deleter {
    void operator()(io_uring_buf_ring* memory) const;
  };

  explicit ReceiveBuffers(Ring& ring);

  static constexpr uint16_t kMask = kMostOffered - 1;

  // 0 or -errno.
  int Register();
  Segment* TakeOne(uint16_t buffer, size_t bytes);
  void OfferFewerIfFewAreTaken(size_t taken);
  // Puts `count` more in, and shows them to the kernel.
  void Offer(size_t count);
  // For statistics: as many are offered now.
  void CountOffered(size_t count);

  Ring* const ring_;
  std::unique_ptr<io_uring_buf_ring, Deleter> ring_memory_;
  // By their place, which is also their number: they are taken in that order.
  std::array<Segment*, kMostOffered> segments_ = {};
  uint16_t tail_ = 0;
  size_t offered_ = kFirstOffered;
  size_t here_ = 0;         // are offered; more, where they are to become fewer
  size_t counted_ = 0;      // as offered
  size_t taken_ = 0;        // of these
  size_t bytes_taken_ = 0;  // in them
  size_t most_taken_ = 0;   // by one of the last `calls_` calls
  size_t calls_ = 0;
  bool registered_ = false;
  bool exhausted_ = false;  // since they were last offered
  bool scarce_ = false;     // they were, by the last system call
  size_t admitted_ = 0;     // buffers, since then
  size_t receives_ = 0;     // that have taken some, since then
  size_t buffers_a_receive_ = 1;
  bool can_be_bounded_ = true;  // until it was tried
  uint64_t exhaustions_ = 0;
};

}  // namespace percore

#endif  // PERCORE_BUFFER_RECEIVE_BUFFERS_H_
