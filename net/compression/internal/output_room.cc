#include "percore/net/compression/internal/output_room.h"

#include <algorithm>

#include "percore/buffer/segment.h"

namespace percore::internal {
namespace {

// What is little stays in a little segment, and what is much takes few.
constexpr size_t kFirstChunk = 1024 - Segment::kHeaderBytes;
constexpr size_t kMaxChunk = Segment::kMaxPooledCapacity;
constexpr size_t kChunkGrowth = 4;

}  // namespace

OutputRoom::OutputRoom(Buffer& destination, size_t max_bytes)
    : destination_(destination),
      left_(std::min(max_bytes, destination.size_limit() -
                                    std::min(destination.size_limit(),
                                             destination.size()))),
      chunk_(kFirstChunk) {}

std::span<char> OutputRoom::Next() {
  if (left_ == 0) return {};
  if (extent_ == extent_count_) {
    // It cannot fail: nobody else changes the Buffer.
    Commit().IgnoreError();
    extent_count_ = destination_.Reserve(std::min(left_, chunk_), extents_);
    if (extent_count_ == 0) return {};
    chunk_ = std::min(chunk_ * kChunkGrowth, kMaxChunk);
  }
  const iovec& extent = extents_[extent_];
  return {static_cast<char*>(extent.iov_base) + in_extent_,
          std::min(left_, extent.iov_len - in_extent_)};
}

void OutputRoom::Fill(size_t n) {
  left_ -= n;
  filled_ += n;
  in_extent_ += n;
  if (in_extent_ == extents_[extent_].iov_len) {
    ++extent_;
    in_extent_ = 0;
  }
}

absl::Status OutputRoom::Commit() {
  if (extent_count_ == 0) return absl::OkStatus();
  absl::Status status = destination_.Commit(filled_);
  extent_count_ = extent_ = in_extent_ = filled_ = 0;
  return status;
}

}  // namespace percore::internal
