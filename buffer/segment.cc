#include "percore/buffer/segment.h"

#include <bit>
#include <cstring>
#include <utility>

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

Segment* Segment::NewFile(std::shared_ptr<const FileSegment> file,
                          size_t offset, size_t size) {
  SegmentPool& pool = SegmentPool::ThisThread();
  Segment* const whole = new (pool.Allocate(SegmentPool::kBareSizeClass))
      Segment(Memory::kFile, nullptr, nullptr);
  new (&whole->file_) std::shared_ptr<const FileSegment>(std::move(file));
  char* const begin = AddressOfAbsent(offset);
  Segment* const window = new (pool.Allocate(SegmentPool::kBareSizeClass))
      Segment(Memory::kShared, begin, begin + size);
  window->source_ = whole;
  window->absent_ = true;
  return window;
}

Segment* Segment::NewUnsharedFile() const {
  if (memory_ != Memory::kShared || source_->memory_ != Memory::kFile) {
    return nullptr;
  }
  size_t offset = file_offset();
  if (!absent_) {
    // In memory as a whole, or this would not look at the file any more.
    char* bytes = nullptr;
    file().Fetch(&bytes);
    offset = static_cast<size_t>(begin_ - bytes);
  }
  return NewFile(source_->file_, offset, size());
}

int Segment::Load() {
  if (!absent_) return 0;
  const size_t offset = file_offset();
  const bool is_small = size() <= FileSegment::kMaxReadBytes;
  const bool is_of_small_file = file().size() <= FileSegment::kMaxReadBytes;
  if (is_of_small_file || !is_small) {
    char* bytes = nullptr;
    const int error = file().Fetch(&bytes);
    if (bytes != nullptr) {
      LookAt(bytes + offset);
      return 0;
    }
    // A file that cannot be mapped may still be read.
    if (error < 0 && is_of_small_file) return error;
  }
  Segment* const loaded = New(size());
  if (const int error = file().Read(loaded->tail(), size(), offset);
      error < 0) {
    Release(loaded);
    return error;
  }
  LookAt(loaded);
  return 0;
}

void Segment::LoadOrZero() const {
  // No segment is const: those who only look at one have it so.
  auto* const self = const_cast<Segment*>(this);
  const int error = self->Load();
  if (error == 0) return;
  file().SetFailure(-error);
  Segment* const zeros = New(size());
  std::memset(zeros->tail(), 0, size());
  self->LookAt(zeros);
}

void Segment::LookAt(char* bytes) {
  end_ = limit_ = bytes + size();
  begin_ = bytes;
  absent_ = false;
}

void Segment::LookAt(Segment* loaded) {
  Segment* const file = std::exchange(source_, loaded);
  LookAt(loaded->tail());
  ReleaseSlow(file);
}

Segment* Segment::Share(size_t n) {
  void* const memory =
      SegmentPool::ThisThread().Allocate(SegmentPool::kBareSizeClass);
  Segment* const window =
      new (memory) Segment(Memory::kShared, begin_, begin_ + n);
  window->source_ = memory_ == Memory::kShared ? source_ : this;
  window->absent_ = absent_;
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
    case Memory::kFile: {
      const std::shared_ptr<const FileSegment> file = std::move(segment->file_);
      std::destroy_at(&segment->file_);
      pool.Free(segment, SegmentPool::kBareSizeClass);
      return;
    }
    case Memory::kOwn:
    case Memory::kShared:  // a source never is
      pool.Free(segment, segment->size_class_);
      return;
  }
}

}  // namespace percore
