// A place in a Buffer that only moves forward.
#ifndef PERCORE_BUFFER_INTERNAL_BUFFER_CURSOR_H_
#define PERCORE_BUFFER_INTERNAL_BUFFER_CURSOR_H_

#include <cstddef>
#include <string_view>

#include "percore/buffer/segment.h"

namespace percore::internal {

// Valid until the Buffer changes. Asks for the bytes of those segments only
// that somebody looks at: others may be in a file.
class BufferCursor {
 public:
  // Byte `offset` of the Buffer is byte `skipped` of `segment`, and `left`
  // bytes follow, itself included.
  BufferCursor(const Segment* segment, size_t skipped, size_t offset,
               size_t left)
      : segment_(segment), skipped_(skipped), offset_(offset), left_(left) {
    Advance(0);
  }

  size_t offset() const { return offset_; }
  // Bytes from here to the end of the Buffer.
  size_t left() const { return left_; }

  // Bytes from here to the end of the extent; not at the end of the Buffer.
  std::string_view Extent() const {
    return {segment_->data() + skipped_, segment_->size() - skipped_};
  }

  // Moves `n` bytes forward, at most left().
  void Advance(size_t n) {
    offset_ += n;
    left_ -= n;
    skipped_ += n;
    while (left_ != 0 && skipped_ >= segment_->size()) {
      skipped_ -= segment_->size();
      segment_ = segment_->next();
    }
  }

 private:
  const Segment* segment_;
  size_t skipped_;
  size_t offset_;
  size_t left_;
};

}  // namespace percore::internal

#endif  // PERCORE_BUFFER_INTERNAL_BUFFER_CURSOR_H_
