// Where in a Buffer something is, for whoever goes on from there.
//
// An offset says it too, but has to be found again each time, by counting from
// the front. A position knows its segment.
//
// ```cpp
// percore::Buffer buffer;
// buffer.Append("one\ntwo\n");
// auto position = buffer.PositionAt(0);
// while (auto end = buffer.FindLineEnd(percore::EndOfLine::kLf, *position)) {
//   buffer.Advance(*position, end->offset + end->size - position->offset());
// }
// ```
#ifndef PERCORE_BUFFER_BUFFER_POSITION_H_
#define PERCORE_BUFFER_BUFFER_POSITION_H_

#include <cstddef>
#include <cstdint>

#include "percore/buffer/segment.h"

namespace percore {

class Buffer;

// A place in a Buffer: what an offset is, and where to find its byte without
// counting from the front.
//
// It stays right while bytes are appended only; every other change of the
// Buffer invalidates it, and so does the Buffer's end. In debug builds using an
// invalid one aborts with a message.
//
// Thread: the Buffer's. A small value, which owns nothing; Buffer's
// PositionAt() makes it.
class BufferPosition {
 public:
  // Bytes from the front.
  size_t offset() const { return offset_; }

 private:
  friend class Buffer;

  // The segment that the byte is in; of the end, the last one. Null in an empty
  // Buffer.
  const Segment* segment_ = nullptr;
  size_t in_segment_ = 0;
  size_t offset_ = 0;
#ifndef NDEBUG
  const Buffer* buffer_ = nullptr;
  uint64_t generation_ = 0;
#endif
};

}  // namespace percore

#endif  // PERCORE_BUFFER_BUFFER_POSITION_H_
