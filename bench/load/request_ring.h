// The requests in flight on one connection, oldest first.
#ifndef PERCORE_BENCH_LOAD_REQUEST_RING_H_
#define PERCORE_BENCH_LOAD_REQUEST_RING_H_

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "percore/bench/load/payload.h"

namespace percore::bench {

struct RequestInFlight {
  RequestId id;
  // What its latency counts from.
  int64_t due_ns;
  bool measured;
};

// Grows as needed, and never shrinks. A std::deque would hold half a kilobyte
// for each of ten thousand connections before the first request.
class RequestRing {
 public:
  bool empty() const { return size_ == 0; }
  size_t size() const { return size_; }

  // `index` counts from the oldest, and is less than size().
  const RequestInFlight& operator[](size_t index) const {
    return slots_[(first_ + index) & (slots_.size() - 1)];
  }
  const RequestInFlight& front() const { return slots_[first_]; }

  void Push(const RequestInFlight& request) {
    if (size_ == slots_.size()) Grow();
    slots_[(first_ + size_) & (slots_.size() - 1)] = request;
    ++size_;
  }

  void Pop() {
    first_ = (first_ + 1) & (slots_.size() - 1);
    --size_;
  }

 private:
  void Grow() {
    // Its size stays a power of two.
    std::vector<RequestInFlight> larger(slots_.empty() ? 1 : 2 * slots_.size());
    for (size_t i = 0; i < size_; ++i) larger[i] = (*this)[i];
    slots_ = std::move(larger);
    first_ = 0;
  }

  std::vector<RequestInFlight> slots_;
  size_t first_ = 0;
  size_t size_ = 0;
};

}  // namespace percore::bench

#endif  // PERCORE_BENCH_LOAD_REQUEST_RING_H_
