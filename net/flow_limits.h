// How much a connection holds, and moves at a time.
//
// ```cpp
// static constexpr percore::FlowLimits kLimits = {
//     .read = {.low = 4, .high = 64 * 1024},
//     .write = {.high = 256 * 1024}};
// ```
#ifndef PERCORE_NET_FLOW_LIMITS_H_
#define PERCORE_NET_FLOW_LIMITS_H_

#include <cstddef>

namespace percore {

struct Watermarks {
  size_t low = 0;
  size_t high = 0;  // 0 is no limit

  bool operator==(const Watermarks&) const = default;
};

struct FlowLimits {
  // The read callback waits for `low` bytes, and reading stops while input()
  // holds `high` or more.
  Watermarks read = {};
  // The write callback waits until output() holds no more than `low`, and
  // reading stops while it holds more than `high`.
  Watermarks write = {};
  // The most that is read, or written, before others have their turn.
  size_t max_single_read = kDefaultMaxSingleRead;
  size_t max_single_write = kDefaultMaxSingleWrite;

  static constexpr size_t kDefaultMaxSingleRead = size_t{64} * 1024;
  static constexpr size_t kDefaultMaxSingleWrite = size_t{256} * 1024;

  bool operator==(const FlowLimits&) const = default;
};

}  // namespace percore

#endif  // PERCORE_NET_FLOW_LIMITS_H_
