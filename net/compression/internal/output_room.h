// Where a codec writes to: straight into a Buffer's room, and not more than it
// may.
#ifndef PERCORE_NET_COMPRESSION_INTERNAL_OUTPUT_ROOM_H_
#define PERCORE_NET_COMPRESSION_INTERNAL_OUTPUT_ROOM_H_

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <span>

#include "absl/status/status.h"
#include "percore/buffer/buffer.h"

namespace percore::internal {

// As long as it lives, nobody else changes the Buffer.
class OutputRoom {
 public:
  // Up to `max_bytes`, and up to the Buffer's size limit.
  OutputRoom(Buffer& destination, size_t max_bytes);

  OutputRoom(const OutputRoom&) = delete;
  OutputRoom& operator=(const OutputRoom&) = delete;

  // Where the next bytes belong; empty only when all room is filled.
  std::span<char> Next();
  // The first `n` bytes of Next() have been written.
  void Fill(size_t n);
  // Appends what has been filled. To be called in the end.
  absl::Status Commit();

 private:
  Buffer& destination_;
  // Not yet filled.
  size_t left_;
  // What the next reservation asks for.
  size_t chunk_;
  // The reservation: its first bytes are filled.
  std::array<iovec, 2> extents_ = {};
  size_t extent_count_ = 0;
  size_t extent_ = 0;
  size_t in_extent_ = 0;
  size_t filled_ = 0;
};

}  // namespace percore::internal

#endif  // PERCORE_NET_COMPRESSION_INTERNAL_OUTPUT_ROOM_H_
