// One piece of a Buffer's memory: what lets bytes move between buffers without
// being copied.
//
// A segment is a window [data, data + size) onto memory that is one of
//
//   * its own, in the same allocation, from the thread's SegmentPool;
//   * external: somebody else's, read-only, given back by a release callback;
//   * shared: that of another segment, which stays allocated as long as any
//     segment has a window onto it.
//
//      own   +--------+----------+--------------+----------+
//            | header | headroom | size bytes   | tailroom |
//            +--------+----------+--------------+----------+
//                                ^              ^
//   external +--------+          data           data + size
//            | header | ---> +--------------+
//            +--------+      | size bytes   |  no headroom, no tailroom
//                            +--------------+
//     shared +--------+
//            | header | ---> part of an own or external segment's bytes
//            +--------+      no headroom, no tailroom
//
// Who may write: bytes between data and data + size never change. Tailroom
// belongs to exactly one segment, the one whose window ends where it starts: a
// split gives it to the back part. Headroom is free only while the memory has
// no other window.
//
// This is Buffer's building block; applications use Buffer.
//
// ```cpp
// percore::Segment* segment = percore::Segment::New(100);
// segment->Append("GET / HTTP/1.1\r\n", 16);
// percore::Segment* method = segment->SplitFront(4);  // "GET ", shared
// percore::Segment::Release(segment);
// percore::Segment::Release(method);  // now the memory returns to the pool
// ```
#ifndef PERCORE_BUFFER_SEGMENT_H_
#define PERCORE_BUFFER_SEGMENT_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "percore/buffer/segment_pool.h"

namespace percore {

// Reference counts are plain integers: all windows onto one memory belong to
// one thread at a time. The thread may change, with a happens-before edge
// between the two; a segment remembers no pool.
//
// The header is one cache line. Creating and releasing are O(1) and, in the
// steady state, allocate nothing.
class alignas(64) Segment {
 public:
  // Called once, by the thread that drops the last window. The segment is gone
  // by then; the function may do anything.
  using ReleaseFunction = void (*)(void* argument);

  static constexpr size_t kHeaderBytes = 64;
  // The most that a pooled segment holds.
  static constexpr size_t kMaxPooledCapacity =
      SegmentPool::kMaxBytes - kHeaderBytes;

  Segment(const Segment&) = delete;
  Segment& operator=(const Segment&) = delete;

  // An empty segment with tailroom for at least `capacity` bytes. Beyond
  // kMaxPooledCapacity it comes from the allocator, with a power of two of
  // bytes. The caller owns it, until Release().
  static Segment* New(size_t capacity) {
    if (capacity > kMaxPooledCapacity) [[unlikely]] {
      return NewUnpooled(capacity);
    }
    const size_t size_class =
        SegmentPool::SizeClassFor(kHeaderBytes + capacity);
    void* const memory = SegmentPool::ThisThread().Allocate(size_class);
    return new (memory)
        Segment(Memory::kOwn, size_class, SegmentPool::BytesOf(size_class));
  }

  // `data` must stay as it is until `release(argument)` is called; a null
  // `release` promises that it outlives every buffer.
  static Segment* NewExternal(const char* data, size_t size,
                              ReleaseFunction release, void* argument);

  // Gives up this window; the memory goes with the last one.
  static void Release(Segment* segment) {
    if (segment->memory_ == Memory::kOwn) [[likely]] {
      if (--segment->windows_ == 0) {
        SegmentPool::ThisThread().Free(segment, segment->size_class_);
      }
    } else {
      ReleaseSlow(segment);
    }
  }

  // Releases `first` and the segments linked behind it.
  static void ReleaseChain(Segment* first) {
    while (first != nullptr) {
      Segment* const next = first->next_;
      Release(first);
      first = next;
    }
  }

  // Cuts the first `n` bytes off into a new segment that shares the memory;
  // 0 < n < size(). Tailroom stays with this segment.
  Segment* SplitFront(size_t n) {
    Segment* const front = Share(n);
    begin_ += n;
    return front;
  }
  // A new segment with the first `n` bytes, which this one keeps; 0 < n <=
  // size().
  Segment* Share(size_t n);

  char* data() { return begin_; }
  size_t size() const { return static_cast<size_t>(end_ - begin_); }
  bool empty() const { return begin_ == end_; }
  std::string_view view() const { return {begin_, size()}; }

  // Where the tailroom starts, and its size.
  char* tail() { return end_; }
  size_t tailroom() const { return static_cast<size_t>(limit_ - end_); }
  size_t headroom() const {
    if (memory_ != Memory::kOwn || windows_ != 1) return 0;
    return static_cast<size_t>(begin_ - own_memory());
  }

  // Copies into the tailroom, which must suffice. `size` is not 0.
  void Append(const char* data, size_t size) {
    std::memcpy(end_, data, size);
    end_ += size;
  }
  // Takes in `size` bytes that have been written to tail() already.
  void Extend(size_t size) { end_ += size; }
  // Copies into the headroom, which must suffice. `size` is not 0.
  void Prepend(const char* data, size_t size) {
    begin_ -= size;
    std::memcpy(begin_, data, size);
  }
  // Makes the tailroom of an empty segment headroom.
  void TurnTailroomIntoHeadroom() { begin_ = end_ = limit_; }
  // Gives up the tailroom for good.
  void ForfeitTailroom() { limit_ = end_; }
  // Gives up the first `n` bytes, at most size().
  void Drain(size_t n) { begin_ += n; }

  // Whether other segments have windows onto the same memory.
  bool IsShared() const {
    return (memory_ == Memory::kShared ? source_->windows_ : windows_) > 1;
  }

  // The link of the queue that the segment is in; null in a new one.
  Segment* next() const { return next_; }
  void set_next(Segment* next) { next_ = next; }

 private:
  enum class Memory : uint8_t { kOwn, kOwnUnpooled, kExternal, kShared };

  struct External {
    ReleaseFunction release;
    void* argument;
  };

  // With memory of its own: `allocated_bytes` is the whole allocation's size.
  Segment(Memory memory, size_t size_class, size_t allocated_bytes)
      : begin_(own_memory()),
        end_(begin_),
        limit_(reinterpret_cast<char*>(this) + allocated_bytes),
        allocated_bytes_(allocated_bytes),
        memory_(memory),
        size_class_(static_cast<uint8_t>(size_class)) {}

  // Without.
  Segment(Memory memory, char* begin, char* end)
      : begin_(begin),
        end_(end),
        limit_(end),
        memory_(memory),
        size_class_(SegmentPool::kBareSizeClass) {}

  char* own_memory() const {
    return reinterpret_cast<char*>(const_cast<Segment*>(this)) + kHeaderBytes;
  }

  static Segment* NewUnpooled(size_t capacity);
  static void ReleaseSlow(Segment* segment);

  Segment* next_ = nullptr;
  char* begin_;
  char* end_;
  char* limit_;  // end of the tailroom
  union {
    size_t allocated_bytes_;  // kOwn, kOwnUnpooled
    External external_;       // kExternal
    Segment* source_;         // kShared: whose memory it is, never kShared
  };
  // Onto this segment's memory, its own included while it is in a buffer.
  size_t windows_ = 1;
  Memory memory_;
  uint8_t size_class_;
};

static_assert(sizeof(Segment) == Segment::kHeaderBytes);
static_assert(sizeof(Segment) == SegmentPool::kBareBytes);

}  // namespace percore

#endif  // PERCORE_BUFFER_SEGMENT_H_
