// Places in a Buffer, and looking at what is there.
#include <algorithm>
#include <cstring>

#include "percore/buffer/buffer.h"
#include "percore/runtime/log.h"

namespace percore {

std::optional<Buffer::Position> Buffer::PositionAt(size_t offset) const {
  if (offset > size_) return std::nullopt;
  return Locate(offset);
}

bool Buffer::AdvanceFar(Position& position, size_t n) const {
  if (n > size_ - position.offset_) return false;
  if (n == 0) return true;
  if (position.segment_ == nullptr) position.segment_ = head_;
  position.offset_ += n;
  position.in_segment_ += n;
  while (position.in_segment_ >= position.segment_->size() &&
         position.segment_ != tail_) {
    position.in_segment_ -= position.segment_->size();
    position.segment_ = position.segment_->next();
  }
  return true;
}

size_t Buffer::CopyOut(std::span<char> destination, size_t offset) const {
  if (offset >= size_) return 0;
  return CopyOut(destination, Locate(offset));
}

size_t Buffer::CopyOut(std::span<char> destination,
                       const Position& from) const {
  CheckPosition(from);
  const size_t copied = std::min(destination.size(), size_ - from.offset_);
  char* to = destination.data();
  const Segment* segment = from.segment_ == nullptr ? head_ : from.segment_;
  size_t skipped = from.in_segment_;
  for (size_t missing = copied; missing != 0; segment = segment->next()) {
    const size_t part = std::min(missing, segment->size() - skipped);
    // There may be none left in the segment of a position at the end, behind
    // which others have been appended.
    if (part != 0) std::memcpy(to, segment->data() + skipped, part);
    skipped = 0;
    to += part;
    missing -= part;
  }
  return copied;
}

size_t Buffer::Peek(std::span<iovec> extents, size_t offset) const {
  if (offset >= size_) return 0;
  return Peek(extents, Locate(offset));
}

size_t Buffer::Peek(std::span<iovec> extents, const Position& from) const {
  CheckPosition(from);
  const Segment* segment = from.segment_ == nullptr ? head_ : from.segment_;
  size_t skipped = from.in_segment_;
  size_t count = 0;
  for (size_t left = size_ - from.offset_; left != 0 && count != extents.size();
       segment = segment->next()) {
    const size_t size = segment->size() - skipped;
    if (size != 0) {
      extents[count++] = {
          .iov_base = const_cast<char*>(segment->data()) + skipped,
          .iov_len = size};
    }
    skipped = 0;
    left -= size;
  }
  return count;
}

Buffer::Position Buffer::Locate(size_t offset) const {
  Position position;
  position.offset_ = offset;
  position.segment_ = offset == size_ ? tail_ : head_;
  if (offset == size_) {
    position.in_segment_ = tail_ == nullptr ? 0 : tail_->size();
  } else {
    while (offset >= position.segment_->size()) {
      offset -= position.segment_->size();
      position.segment_ = position.segment_->next();
    }
    position.in_segment_ = offset;
  }
#ifndef NDEBUG
  position.buffer_ = this;
  position.generation_ = generation_;
#endif
  return position;
}

void Buffer::FailUnlessValid([[maybe_unused]] const Position& position) const {
#ifndef NDEBUG
  if (position.buffer_ != this) {
    LogFatal("a Position was used that is of another Buffer, or of none");
  }
  if (position.generation_ != generation_) {
    LogFatal(
        "a Position was used after a change of its Buffer that invalidated it");
  }
#endif
}

}  // namespace percore
