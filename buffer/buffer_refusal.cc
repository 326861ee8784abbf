// What a Buffer refuses: frozen ends, limits.
#include <algorithm>

#include "percore/buffer/buffer.h"

namespace percore {

void Buffer::Freeze(BufferEnd end) {
  EndReservation();
  state_ |= end == BufferEnd::kFront ? kFrozenFront : kFrozenBack;
}

void Buffer::Unfreeze(BufferEnd end) {
  EndReservation();
  const unsigned bit = end == BufferEnd::kFront ? kFrozenFront : kFrozenBack;
  state_ = static_cast<uint8_t>(state_ & ~bit);
}

void Buffer::SetSizeLimit(size_t bytes) {
  EndReservation();
  size_limit_ = bytes;
  state_ = static_cast<uint8_t>(bytes == SIZE_MAX ? state_ & ~kLimited
                                                  : state_ | kLimited);
}

void Buffer::SetMaxRead(size_t bytes) {
  EndReservation();
  max_read_ = static_cast<uint32_t>(std::clamp<size_t>(bytes, 1, UINT32_MAX));
}

size_t Buffer::LimitedRoomAt(BufferEnd end) const {
  if (frozen(end)) return 0;
  return size_limit_ > size_ ? size_limit_ - size_ : 0;
}

}  // namespace percore
