#include "percore/buffer/segment.h"

#include <bit>

namespace percore {

Segment* Segment::NewExternal(const char* data, size_t size,
                              ReleaseFunction release, void* argument) {
  void* const memory =
      SegmentPool::ThisThread().Allocate(SegmentPool::kBareSizeClass);
  // Never written through: the segment has no headroom and no tailroom.
  char* const begin = const_cast<char*>(data);
  Segment* const segment =
      new (memory) Segment(Memory::kExternal, begin, begin + size);
  segment->external_ = {.release = release, .argument = argument};
  return segment;
}

Segment* Segment::NewUnpooled(size_t capacity) {
  // A power of two, so that a window that is pulled up a little further each
  // time is copied an amortised constant number of times. A size that no power
  // of two can hold is left to the allocator to refuse.
  constexpr size_t kLargestPowerOfTwo = ~(SIZE_MAX >> 1);
  const size_t bytes = capacity > kLargestPowerOfTwo - kHeaderBytes
                           ? kLargestPowerOfTwo
                           : std::bit_ceil(capacity + kHeaderBytes);
  void* const memory = SegmentPool::ThisThread().AllocateUnpooled(bytes);
  return new (memory) Segment(Memory::kOwnUnpooled, 0, bytes);
}

Segment* Segment::Share(size_t n) {
  void* const memory =
      SegmentPool::ThisThread().Allocate(SegmentPool::kBareSizeClass);
  Segment* const window =
      new (memory) Segment(Memory::kShared, begin_, begin_ + n);
  window->source_ = memory_ == Memory::kShared ? source_ : this;
  ++window->source_->windows_;
  return window;
}

void Segment::ReleaseSlow(Segment* segment) {
  SegmentPool& pool = SegmentPool::ThisThread();
  if (segment->memory_ == Memory::kShared) {
    Segment* const source = segment->source_;
    pool.Free(segment, SegmentPool::kBareSizeClass);
    segment = source;
  }
  if (--segment->windows_ != 0) return;
  switch (segment->memory_) {
    case Memory::kExternal: {
      const External external = segment->external_;
      pool.Free(segment, SegmentPool::kBareSizeClass);
      if (external.release != nullptr) external.release(external.argument);
      return;
    }
    case Memory::kOwnUnpooled:
      pool.FreeUnpooled(segment, segment->allocated_bytes_);
      return;
    case Memory::kOwn:
    case Memory::kShared:  // a source never is
      pool.Free(segment, segment->size_class_);
      return;
  }
}

}  // namespace percore
