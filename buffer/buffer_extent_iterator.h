// What makes `for (std::string_view extent : buffer)` work.
//
// ```cpp
// percore::Buffer buffer;
// buffer.Append("text");
// size_t size = 0;
// for (std::string_view extent : buffer) size += extent.size();
// ```
#ifndef PERCORE_BUFFER_BUFFER_EXTENT_ITERATOR_H_
#define PERCORE_BUFFER_BUFFER_EXTENT_ITERATOR_H_

#include <cstddef>
#include <iterator>
#include <string_view>

#include "percore/buffer/segment.h"

namespace percore {

class Buffer;

// A forward iterator over the extents of a Buffer.
//
// Thread: the Buffer's. A value that owns nothing, valid until the Buffer
// changes. Looking at an extent of a file fetches its bytes.
class BufferExtentIterator {
 public:
  using iterator_category = std::forward_iterator_tag;
  using value_type = std::string_view;
  using difference_type = std::ptrdiff_t;
  using pointer = const std::string_view*;
  using reference = std::string_view;

  BufferExtentIterator() = default;

  std::string_view operator*() const { return segment_->view(); }
  BufferExtentIterator& operator++() {
    segment_ = segment_->next();
    return *this;
  }
  BufferExtentIterator operator++(int) {
    const BufferExtentIterator before = *this;
    ++*this;
    return before;
  }
  bool operator==(const BufferExtentIterator&) const = default;

 private:
  friend class Buffer;

  explicit BufferExtentIterator(const Segment* segment) : segment_(segment) {}

  const Segment* segment_ = nullptr;
};

}  // namespace percore

#endif  // PERCORE_BUFFER_BUFFER_EXTENT_ITERATOR_H_
