// Room for bytes to come: reserved, and written by the caller, or expanded.
#include <algorithm>
#include <utility>

#include "percore/buffer/buffer.h"

namespace percore {

size_t Buffer::Reserve(size_t min_bytes, std::span<iovec> extents) {
  // The last segment's room will do.
  if (state_ == 0 && tail_ != nullptr && !extents.empty() &&
      tail_->tailroom() >= std::max<size_t>(min_bytes, 1)) [[likely]] {
    extents[0] = {.iov_base = tail_->tail(), .iov_len = tail_->tailroom()};
    state_ = kReserved;
    return 1;
  }
  EndReservation();
  min_bytes = std::max<size_t>(min_bytes, 1);
  size_t left = RoomAt(BufferEnd::kBack);
  if (extents.empty() || min_bytes > std::min(left, kMaxReservedBytes)) {
    return 0;
  }
  size_t tailroom = tail_ == nullptr ? 0 : tail_->tailroom();
  if (tailroom < min_bytes && extents.size() == 1 && tailroom != 0) {
    // The bytes are to be in one piece, behind this room.
    tail_->ForfeitTailroom();
    tailroom = 0;
  }
  if (tailroom < min_bytes) {
    LinkSpare(min_bytes - tailroom, extents.size() - (tailroom != 0 ? 1 : 0));
  }
  state_ |= kReserved;
  Segment* segment = tail_ == nullptr ? head_ : tail_;
  if (segment->tailroom() == 0) segment = segment->next();
  size_t count = 0;
  for (; segment != nullptr && left != 0; segment = segment->next()) {
    const size_t size = std::min(left, segment->tailroom());
    extents[count++] = {.iov_base = segment->tail(), .iov_len = size};
    left -= size;
  }
  return count;
}

absl::Status Buffer::Commit(size_t n) {
  // Into the last segment's room.
  if (state_ == kReserved && n - 1 < tail_->tailroom()) [[likely]] {
    tail_->Extend(n);
    size_ += n;
    state_ = 0;
    Notify(n, 0);
    return absl::OkStatus();
  }
  if (!Is(kReserved)) {
    return absl::FailedPreconditionError("Commit() without a reservation");
  }
  if (Is(kFrozenBack)) {
    return absl::FailedPreconditionError("Commit() to a frozen end");
  }
  if (n > ReservedBytes()) {
    return absl::InvalidArgumentError("Commit() of more than was reserved");
  }
  ExtendIntoSpare(n);
  size_ += n;
  EndReservation();
  if (n != 0) Notify(n, 0);
  return absl::OkStatus();
}

bool Buffer::Expand(size_t n) {
  EndReservation();
  if (n > std::min(RoomAt(BufferEnd::kBack), kMaxReservedBytes)) return false;
  const size_t tailroom = tail_ == nullptr ? 0 : tail_->tailroom();
  if (tailroom < n) LinkSpare(n - tailroom, SIZE_MAX);
  return true;
}

void Buffer::ReleaseSpare() {
  state_ = static_cast<uint8_t>(state_ & ~(kReserved | kSpare));
  Segment* spare = nullptr;
  if (tail_ == nullptr) {
    spare = std::exchange(head_, nullptr);
  } else {
    spare = tail_->next();
    tail_->set_next(nullptr);
  }
  Segment::ReleaseChain(spare);
}

void Buffer::LinkSpare(size_t bytes, size_t max_segments) {
  state_ |= kSpare;
  Segment* last = tail_;
  while (bytes != 0) {
    Segment* const segment = Segment::New(
        max_segments == 1 ? bytes
                          : std::min(bytes, Segment::kMaxPooledCapacity));
    if (last == nullptr) {
      head_ = segment;
    } else {
      last->set_next(segment);
    }
    last = segment;
    bytes -= std::min(bytes, segment->tailroom());
    --max_segments;
  }
}

size_t Buffer::ReservedBytes() const {
  size_t bytes = 0;
  for (Segment* segment = tail_ == nullptr ? head_ : tail_; segment != nullptr;
       segment = segment->next()) {
    bytes += segment->tailroom();
  }
  return std::min(bytes, RoomAt(BufferEnd::kBack));
}

void Buffer::ExtendIntoSpare(size_t bytes) {
  Segment* segment = tail_ == nullptr ? head_ : tail_;
  while (bytes != 0) {
    const size_t part = std::min(bytes, segment->tailroom());
    segment->Extend(part);
    bytes -= part;
    if (part != 0) tail_ = segment;
    segment = segment->next();
  }
}

}  // namespace percore
