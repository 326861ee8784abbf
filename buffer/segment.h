// One piece of a Buffer's memory: what lets bytes move between buffers without
// being copied.
//
// A segment is a window [data, data + size) onto memory that is one of
//
//   * its own, in the same allocation, from the thread's SegmentPool;
//   * external: somebody else's, read-only, given back by a release callback;
//   * shared: that of another segment, which stays allocated as long as any
//     segment has a window onto it;
//   * a file's: absent until somebody asks for the bytes. Such a segment can be
//     moved, cut, shared and sent by sendfile() without.
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
//            | header | ---> part of an own or external segment's bytes,
//            +--------+      or of a file; no headroom, no tailroom
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
#include <memory>
#include <string_view>

#include "percore/buffer/file_segment.h"
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

  // Never called: a segment's memory goes back to the pool as it is.
  ~Segment() = delete;
  Segment(const Segment&) = delete;
  Segment& operator=(const Segment&) = delete;

  // The pool's class of a segment with room for `capacity` bytes.
  static constexpr size_t SizeClassFor(size_t capacity) {
    return SegmentPool::SizeClassFor(kHeaderBytes + capacity);
  }

  // An empty segment with tailroom for at least `capacity` bytes. Beyond
  // kMaxPooledCapacity it comes from the allocator, with a power of two of
  // bytes. The caller owns it, until Release().
  static Segment* New(size_t capacity) {
    if (capacity > kMaxPooledCapacity) [[unlikely]] {
      return NewUnpooled(capacity);
    }
    const size_t size_class = SizeClassFor(capacity);
    void* const memory = SegmentPool::ThisThread().Allocate(size_class);
    return new (memory)
        Segment(Memory::kOwn, size_class, SegmentPool::BytesOf(size_class));
  }

  // `data` must stay as it is until `release(argument)` is called; a null
  // `release` promises that it outlives every buffer.
  static Segment* NewExternal(const char* data, size_t size,
                              ReleaseFunction release, void* argument);

  // A window onto `size` bytes of `file`, from its byte `offset` on, that are
  // absent; `size` is not 0.
  static Segment* NewFile(std::shared_ptr<const FileSegment> file,
                          size_t offset, size_t size);

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

  // The bytes. Those of a file are fetched if they are absent: O(size) then.
  // Where that fails they are zeros, and the file's status() says why.
  const char* data() const {
    if (absent_) [[unlikely]] {
      LoadOrZero();
    }
    return begin_;
  }
  std::string_view view() const { return {data(), size()}; }
  size_t size() const { return static_cast<size_t>(end_ - begin_); }
  bool empty() const { return begin_ == end_; }

  // Whether the bytes are in a file only. What follows is for such a segment.
  bool absent() const { return absent_; }
  const FileSegment& file() const { return *source_->file_; }
  // Where in file() the window begins.
  size_t file_offset() const {
    return static_cast<size_t>(begin_ - AddressOfAbsent(0));
  }
  // Fetches the bytes. Returns 0, or -errno, and then they are absent still.
  int Load();

  // Where the tailroom starts, and its size. A segment with tailroom is never
  // absent.
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
  // A window of its own onto the same part of the same file, for a segment that
  // looks at one; else null.
  Segment* NewUnsharedFile() const;

  // The link of the queue that the segment is in; null in a new one.
  Segment* next() const { return next_; }
  void set_next(Segment* next) { next_ = next; }

 private:
  // kFile is never in a Buffer: it is what the windows onto a file share.
  enum class Memory : uint8_t { kOwn, kOwnUnpooled, kExternal, kShared, kFile };

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
        source_(nullptr),
        memory_(memory),
        size_class_(SegmentPool::kBareSizeClass) {}

  char* own_memory() const {
    return reinterpret_cast<char*>(const_cast<Segment*>(this)) + kHeaderBytes;
  }

  // Windows onto absent bytes have addresses too, so that they are measured,
  // cut and drained as all others. Nothing is there; it is not null only
  // because pointers may not be counted up from null.
  static char* AddressOfAbsent(size_t file_offset) {
    constexpr uintptr_t kFirst = 4096;
    return reinterpret_cast<char*>(kFirst + file_offset);
  }

  static Segment* NewUnpooled(size_t capacity);
  static void ReleaseSlow(Segment* segment);
  void LoadOrZero() const;
  // Looks at `bytes` in place of what is absent.
  void LookAt(char* bytes);
  // Same, and they are those of `loaded`, whose only window this becomes.
  void LookAt(Segment* loaded);

  Segment* next_ = nullptr;
  char* begin_;
  char* end_;
  char* limit_;  // end of the tailroom
  union {
    size_t allocated_bytes_;  // kOwn, kOwnUnpooled
    External external_;       // kExternal
    Segment* source_;         // kShared: whose memory it is, never kShared
    std::shared_ptr<const FileSegment> file_;  // kFile
  };
  // Onto this segment's memory, its own included while it is in a buffer.
  size_t windows_ = 1;
  Memory memory_;
  uint8_t size_class_;
  bool absent_ = false;
};

static_assert(sizeof(Segment) == Segment::kHeaderBytes);
static_assert(sizeof(Segment) == SegmentPool::kBareBytes);

}  // namespace percore

#endif  // PERCORE_BUFFER_SEGMENT_H_
