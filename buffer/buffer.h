// A queue of bytes that moves instead of copying: what stands between a socket
// and the code that reads and writes it.
//
// A server takes bytes from one place and hands them to another: from a socket
// to a parser, from a cache to a socket, from one connection to the next. A
// contiguous string would be copied and moved about at each step, and would
// have to guess how long it will be. A Buffer is a list of segments instead:
//
//   * what is appended is copied in once, into the room of the last segment;
//   * what moves to another Buffer moves as whole segments, by re-linking;
//   * what is cut in the middle of a segment is shared: two segments look at
//     parts of the same memory, which stays until both are gone;
//   * what belongs to somebody else can be queued by reference;
//   * what is in a file can be queued without being read (FileSegment).
//
//   Buffer (48 bytes)
//   +------+------+------+---
//   | head | tail | size | ...
//   +--|---+--|---+------+---
//      |      +-------------------------------------------+
//      v                                                  v
//   +--------+----+-----------+----+    +--------+     +--------+-----+------+
//   | header |    | GET / HTT |    | -> | header | --> | header | Acc | room |
//   +--------+----+-----------+----+    +---|----+     +--------+-----+------+
//             gone  bytes       room        v           bytes, then the room
//                                   +---------------+   that Append() fills
//                                   | P/1.1\r\nHost |
//                                   +---------------+
//                                   shared, external or a file's: read only
//
// Bytes once in a Buffer never change: room is written only behind the last
// byte, by the one segment that ends there, and in front of the first byte only
// while nobody else shares the memory.
//
// The price of sharing is memory held longer: 300 bytes cut from a 64 KiB
// segment keep all of it. Cuts of up to 256 bytes are copied instead.
//
// ```cpp
// percore::Buffer input;
// input.Append("GET / HTTP/1.1\r\nHost: example.org\r\n");
// percore::Buffer line;
// while (auto end = input.FindLineEnd(percore::EndOfLine::kCrlf)) {
//   line.Clear();
//   line.MoveFrom(input, end->offset);
//   input.Drain(end->size);
//   std::string_view text = line.Pullup(line.size());  // until line changes
//   if (text.empty()) break;
// }
// ```
#ifndef PERCORE_BUFFER_BUFFER_H_
#define PERCORE_BUFFER_BUFFER_H_

#include <sys/types.h>
#include <sys/uio.h>

#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "percore/buffer/buffer_extent_iterator.h"
#include "percore/buffer/buffer_observer.h"
#include "percore/buffer/buffer_position.h"
#include "percore/buffer/file_segment.h"
#include "percore/buffer/segment.h"
#include "percore/runtime/kernel.h"

namespace percore {

namespace internal {
class BufferCursor;
}  // namespace internal

// What ends a line.
enum class EndOfLine {
  kLf,          // LF
  kCrlf,        // LF, or CR LF: what a lenient text protocol accepts
  kCrlfStrict,  // CR LF only: a lone LF is part of the line
  kAny,         // any number of CRs and LFs in a row
  kNul,         // NUL
};

// Either end of a Buffer.
enum class BufferEnd : uint8_t {
  kFront,  // where bytes leave, and are prepended
  kBack,   // where bytes are appended
};

// Where a line ends.
struct LineEnd {
  size_t offset;  // of the end-of-line's first byte: the length of the line
  size_t size;    // of the end-of-line itself; more than 2 for kAny only
};

// Thread: a Buffer, and every Buffer that it shares segments with, belongs to
// one thread at a time. It may be handed to another thread with a
// happens-before edge between the two; where it may share segments with a
// Buffer that stays behind, call Unshare() first:
//
//   percore::Buffer request;
//   request.MoveFrom(input, request_size);  // may share a segment with input
//   request.Unshare();                      // BUG without this line
//   SendToOtherThread(std::move(request));
//
// Ownership: a Buffer owns its segments. An empty one owns no memory, and so
// costs its own 48 bytes only.
//
// Cost: size() and empty() are O(1). Every other operation is linear in the
// bytes it copies or compares and in the segments it passes, and allocates
// segments from the thread's pool only: nothing in the steady state.
//
// Views of the bytes (extents, Front(), Pullup(), Peek()) stay valid while
// their bytes stay in the Buffer, except that Pullup() and Unshare() may move
// them. Append() and Prepend() may be given a view of the Buffer itself.
//
// Refusals: what would change a frozen end, or make the Buffer larger than its
// size limit, changes nothing at all and says so: by false, or by 0 bytes. A
// Buffer that is neither frozen nor limited never refuses.
//
// When memory is exhausted, `operator new` decides.
class Buffer {
 public:
  using ReleaseFunction = Segment::ReleaseFunction;
  using ExtentIterator = BufferExtentIterator;
  using Position = BufferPosition;

  // Up to this many bytes are copied, where that avoids sharing a segment or
  // linking a nearly empty one. Measured (x86-64, GCC 12): at 256 bytes a copy
  // costs about what a shared segment costs to make and release.
  static constexpr size_t kMaxCopiedBytes = 256;

  // The most that Reserve() hands out at once.
  static constexpr size_t kMaxReservedBytes = size_t{1} << 30;

  Buffer() = default;
  // Takes the contents, but neither observers nor limits nor what is frozen.
  // `source` is empty afterwards, unless its front is frozen.
  Buffer(Buffer&& source) noexcept;
  // Replaces the contents, as by Clear() and Append(); nothing happens if
  // either would be refused.
  Buffer& operator=(Buffer&& source) noexcept;
  // Observers are not called.
  ~Buffer() {
    if (head_ != nullptr || observers_.any()) Destroy();
  }

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  // Copies `data` to the end. Amortised O(1) a byte.
  bool Append(std::string_view data) {
    // An empty `data` wraps around and takes the slow way.
    if (tail_ != nullptr && !Is(kReserved | kFrozenBack | kLimited) &&
        data.size() - 1 < tail_->tailroom()) [[likely]] {
      tail_->Append(data.data(), data.size());
      size_ += data.size();
      Notify(data.size(), 0);
      return true;
    }
    return AppendSlow(data);
  }

  // Copies what the extents describe, in their order.
  bool AppendExtents(std::span<const iovec> extents);

  // Moves all of `source` to the end; O(1), but for up to kMaxCopiedBytes that
  // fit in the last segment's room, which are copied. Nothing happens if
  // `source` is this Buffer.
  bool Append(Buffer&& source);

  // Appends text as absl::StrFormat() makes it, straight into the segments. The
  // format is checked when compiling.
  //
  //   output.AppendFormat("HTTP/1.1 %d %s\r\n", status, reason);
  template <typename... Args>
  bool AppendFormat(const absl::FormatSpec<Args...>& format,
                    const Args&... arguments) {
    if (!observers_.any() && !Is(kFrozenBack | kLimited)) {
      absl::Format(this, format, arguments...);
      return true;
    }
    // It comes in pieces: all of them are one change, or none is made.
    Buffer text;
    absl::Format(&text, format, arguments...);
    return Append(std::move(text));
  }

  // Appends text as printf(3) makes it, for formats that are known at run time
  // only. Returns the number of bytes; -1, and changes nothing, if the C
  // library refuses the format or a string in it, or the Buffer the bytes.
  int AppendPrintf(const char* format, ...)
      __attribute__((format(printf, 2, 3)));
  int AppendVPrintf(const char* format, va_list arguments)
      __attribute__((format(printf, 2, 0)));

  // Appends what `cord` has. Its memory is referenced, not copied, where it is
  // in pieces of more than kMaxCopiedBytes: a copy of the cord is kept until no
  // Buffer holds any of it.
  bool AppendCord(const absl::Cord& cord);
  // All bytes, as a cord of their own: a copy.
  absl::Cord ToCord() const;

  // Appends all of `source`, which keeps it: the segments are shared, and
  // nothing is copied but ends of up to kMaxCopiedBytes. What either of the two
  // appends or drains afterwards, the other does not see. `source` may be this
  // Buffer.
  bool AppendShared(Buffer& source);

  // Queues `size` bytes that stay where they are. They must not change until
  // `release(argument)` is called: once, when no Buffer holds any of them any
  // more, on the thread that dropped the last (at once if `size` is 0; never if
  // the call is refused). The callback may do anything. A null `release`
  // promises that the bytes outlive every Buffer.
  bool AppendReference(const void* data, size_t size, ReleaseFunction release,
                       void* argument);

  // Queues the bytes of a file, or `size` of them from `offset` on, without
  // reading them. WriteTo() sends them by sendfile(2); whoever looks at them,
  // by any other call, finds them as all others. Also refused if the range is
  // not within `file`.
  bool AppendFile(std::shared_ptr<const FileSegment> file);
  bool AppendFile(std::shared_ptr<const FileSegment> file, size_t offset,
                  size_t size);

  // Moves the first `n` bytes of `source`, or all if it has fewer, or as many
  // as the size limit lets in, to the end; returns how many. Splits at most one
  // segment, by sharing it, or by copying up to kMaxCopiedBytes. Returns 0 if
  // `source` is this Buffer.
  size_t MoveFrom(Buffer& source, size_t n);

  // Copies `data` to the front. Amortised O(1) a byte.
  bool Prepend(std::string_view data) {
    if (tail_ != nullptr && state_ == 0 && data.size() - 1 < head_->headroom())
        [[likely]] {
      head_->Prepend(data.data(), data.size());
      size_ += data.size();
      InvalidatePositions();
      Notify(data.size(), 0);
      return true;
    }
    return PrependSlow(data);
  }

  // Moves all of `source` to the front; nothing is copied. Nothing happens if
  // `source` is this Buffer.
  bool Prepend(Buffer&& source);
  // Moves the first `n` bytes of `source`, or all if it has fewer, to the
  // front, as MoveFrom() moves them to the end; returns how many.
  size_t PrependFrom(Buffer& source, size_t n);

  // Drops the first `n` bytes, or all if there are fewer; returns how many.
  size_t Drain(size_t n) {
    // 0 < n < head_->size(); no segment is emptied.
    if (tail_ != nullptr && !Is(kReserved | kFrozenFront) &&
        n - 1 < head_->size() - 1) [[likely]] {
      head_->Drain(n);
      size_ -= n;
      InvalidatePositions();
      Notify(0, n);
      return n;
    }
    return DrainSlow(n);
  }
  size_t Clear() { return Drain(SIZE_MAX); }

  // Copies bytes from `offset` on into `destination`, and returns how many:
  // fewer than it has room for if the Buffer ends before.
  size_t CopyOut(std::span<char> destination, size_t offset = 0) const;
  size_t CopyOut(std::span<char> destination, const Position& from) const;
  // Same from the front, and drains what it copied.
  size_t Remove(std::span<char> destination);

  // The first `n` bytes, or all if there are fewer, in one piece. Copies only
  // if the first segment is shorter than that: O(n) then, O(1) otherwise.
  std::string_view Pullup(size_t n) {
    if (tail_ != nullptr && !Is(kReserved) && n <= head_->size()) [[likely]] {
      return head_->view().substr(0, n);
    }
    return PullupSlow(n);
  }

  // As many bytes as the Buffer has in one piece at the front; empty only if
  // the Buffer is.
  std::string_view Front() const {
    return size_ == 0 ? std::string_view() : head_->view();
  }

  // The extents of contiguous bytes, first to last, none of them empty:
  // `for (std::string_view extent : buffer)`. Any change of the Buffer ends the
  // iteration.
  ExtentIterator begin() const;
  ExtentIterator end() const;

  // Describes the bytes from `offset` on, in as many extents as `extents` has
  // room for; returns how many it filled. The bytes are for reading only.
  size_t Peek(std::span<iovec> extents, size_t offset = 0) const;
  size_t Peek(std::span<iovec> extents, const Position& from) const;

  // Hands out room for at least `min_bytes` bytes (at least one) behind the
  // last byte: the caller writes to the extents, in their order, and calls
  // Commit(). Returns how many of `extents` it filled; 0 if `extents` is empty
  // or `min_bytes` is more than kMaxReservedBytes. A single extent is always
  // enough, but with two the last segment's room is not wasted, and with more
  // the room is pieced together from pooled segments (64 KiB).
  //
  // The reservation ends with Commit() and with any other call that is not
  // const: the extents are invalid then.
  size_t Reserve(size_t min_bytes, std::span<iovec> extents);

  // Appends the first `n` bytes of the reserved room, and gives up the rest.
  // Returns, and changes nothing: kFailedPrecondition without a reservation,
  // kInvalidArgument if `n` is more than was reserved.
  absl::Status Commit(size_t n);

  // Sees to it that the next `n` bytes can be appended by Append() without
  // allocating. The room is given up by any other call that is not const, but
  // for Drain() of a part of the bytes. False if `n` is more than the size
  // limit leaves, or more than kMaxReservedBytes.
  bool Expand(size_t n);

  // Offset of the first `needle` that starts at or behind `from`. An empty one
  // is found at `from`, if the Buffer reaches that far.
  std::optional<size_t> Find(std::string_view needle, size_t from = 0) const {
    return FindInRange(needle, from, SIZE_MAX);
  }
  // As above, for a needle that ends at or before `end`.
  std::optional<size_t> FindInRange(std::string_view needle, size_t from,
                                    size_t end) const;
  std::optional<size_t> FindChar(char wanted, size_t from = 0) const;

  // The place `offset` bytes from the front; nothing beyond the end.
  std::optional<Position> PositionAt(size_t offset) const;
  // Moves `position` forward by `n` bytes. False, and it stays, if the Buffer
  // ends before. O(segments) that lie in between.
  bool Advance(Position& position, size_t n) const;
  // As with offsets, but without looking for the place where to begin.
  std::optional<size_t> Find(std::string_view needle,
                             const Position& from) const {
    return FindInRange(needle, from, SIZE_MAX);
  }
  std::optional<size_t> FindInRange(std::string_view needle,
                                    const Position& from, size_t end) const;
  std::optional<size_t> FindChar(char wanted, const Position& from) const;

  // The first end of line whose LF (for kAny: whose first character; for kNul:
  // whose NUL) is at or behind `from`. The CR of a CR LF may be in front of it:
  // whoever found nothing in `from` bytes may go on from there when more have
  // arrived. An end of line of kAny that ends with the Buffer may grow yet.
  std::optional<LineEnd> FindLineEnd(EndOfLine style, size_t from = 0) const;
  // Same, but the end of line, its CR too, is at or behind `from`.
  std::optional<LineEnd> FindLineEnd(EndOfLine style,
                                     const Position& from) const;

  // Removes the first line and its end; returns the line. Nothing happens if no
  // line is complete.
  std::optional<std::string> ReadLine(EndOfLine style);

  // A copy of all bytes.
  std::string ToString() const;

  // Copies the segments that other Buffers share, so that this one shares none
  // and may go to another thread without them. O(segments) if none is shared.
  void Unshare();

  // Appends what one readv() gives, at most `max_bytes`: into the room there
  // is, and then into fresh segments. Returns the number of bytes, 0 at the end
  // of the file, or -errno: -EAGAIN when a non-blocking `fd` has nothing to
  // read, -EINVAL if `max_bytes` is 0, -EPERM if the back is frozen, -ENOBUFS
  // if the size limit is reached. Retries when interrupted.
  //
  // A read may return less than `max_bytes` although more is there: it asks for
  // 4 to 256 KiB, more when the last reads gave all they asked for, less when
  // they did not. What is held afterwards fits what has been read: a few bytes
  // do not keep a large segment.
  ssize_t ReadFrom(Kernel& kernel, int fd, size_t max_bytes = SIZE_MAX);

  // Takes over `segment`, which has bytes: links it, or copies them, if they
  // are few in a large one. False, and it stays the caller's, if that is
  // refused.
  bool AppendSegment(Segment* segment);
  // Whether it would copy them, if `segment`, which is empty yet, had `bytes`.
  static bool WouldCopy(const Segment& segment, size_t bytes);

  // Writes up to `max_bytes` from the front by one system call, and drains what
  // the kernel took: writev() of at most 64 extents, or sendfile() if the first
  // bytes are in a file, more than FileSegment::kMaxReadBytes of them. Returns
  // the number of bytes (0, without a system call, if there are none to write)
  // or -errno, and then nothing changes: -EPERM if the front is frozen, -EIO if
  // the file has become shorter. Retries when interrupted.
  ssize_t WriteTo(Kernel& kernel, int fd, size_t max_bytes = SIZE_MAX);
  // Describes what WriteTo() would write by writev(), for whoever writes it in
  // another way and drains it then; returns how many of `extents` it filled. 0
  // if there is nothing, or if it takes a WriteTo(): to call sendfile(), or to
  // say what is wrong.
  size_t PeekToWrite(std::span<iovec> extents, size_t max_bytes);

  // Refuses all changes of one end, until it is unfrozen: of the front, what
  // drains, removes, writes, moves bytes away or prepends; of the back, what
  // appends or reads.
  void Freeze(BufferEnd end);
  void Unfreeze(BufferEnd end);
  bool frozen(BufferEnd end) const {
    return Is(end == BufferEnd::kFront ? kFrozenFront : kFrozenBack);
  }

  // The Buffer does not grow beyond `bytes`. What it holds already, stays.
  void SetSizeLimit(size_t bytes);
  size_t size_limit() const { return size_limit_; }

  // The most that one ReadFrom() reads, whatever its caller asks for; at least
  // 1. More than 4 GiB are 4 GiB.
  void SetMaxRead(size_t bytes);
  size_t max_read() const { return max_read_; }

  // `observer` is told of changes from now on, before those that were added
  // earlier. It stops to observe another Buffer.
  void AddObserver(BufferObserver& observer);
  // Nothing happens if it is not among this Buffer's.
  void RemoveObserver(BufferObserver& observer);

  // Tells `owner` of every change from now on; called once, before there are
  // observers. The owner outlives the Buffer.
  void SetOwner(BufferOwner& owner);

 private:
  // How absl::Format() writes to it.
  friend void AbslFormatFlush(Buffer* buffer, absl::string_view text) {
    buffer->Append({text.data(), text.size()});
  }

  class Notification;

  // What state_ is made of.
  enum State : uint8_t {
    // Room has been handed out by Reserve().
    kReserved = 1,
    // Empty segments follow tail_ (or are head_ and what follows).
    kSpare = 2,
    kFrozenFront = 4,
    kFrozenBack = 8,
    // There is a size limit.
    kLimited = 16,
  };
  // Whether any of `states` holds.
  bool Is(unsigned states) const { return (state_ & states) != 0; }

  bool AppendSlow(std::string_view data);
  bool PrependSlow(std::string_view data);
  size_t DrainSlow(size_t n);
  std::string_view PullupSlow(size_t n);
  void Destroy();
  void RemoveAllObservers();

  // How many bytes may be added at `end`.
  size_t RoomAt(BufferEnd end) const {
    if (Is(kLimited | kFrozenFront | kFrozenBack)) [[unlikely]] {
      return LimitedRoomAt(end);
    }
    return SIZE_MAX - size_;
  }
  size_t LimitedRoomAt(BufferEnd end) const;
  // Ends a reservation, and says whether `n` bytes may be appended.
  bool MayAppend(size_t n) {
    EndReservation();
    return n <= RoomAt(BufferEnd::kBack);
  }

  void Notify(size_t added, size_t drained) {
    if (observers_.any()) [[unlikely]] {
      NotifyAll(added, drained);
    }
  }
  void NotifyAll(size_t added, size_t drained);
  void NotifyOwner(size_t added, size_t drained) const;
  // Tells the observers of both that `added` bytes moved from `source` to
  // `destination`, which lost `drained` bytes of its own.
  static void NotifyMoved(Buffer& source, Buffer& destination, size_t added,
                          size_t drained);

  // Segments linked to each other, and how many bytes they have.
  struct Chain {
    Segment* first = nullptr;
    Segment* last = nullptr;
    size_t size = 0;
  };

  void EndReservation() {
    if (Is(kReserved | kSpare)) [[unlikely]] {
      ReleaseSpare();
    }
  }

  // In debug builds a Buffer counts the changes after which a Position may be
  // wrong.
  void InvalidatePositions() {
#ifndef NDEBUG
    ++generation_;
#endif
  }
  void CheckPosition([[maybe_unused]] const Position& position) const {
#ifndef NDEBUG
    FailUnlessValid(position);
#endif
  }
  void FailUnlessValid(const Position& position) const;

  // The rest expects that there is no reservation, and does not notify. A chain
  // that has been cut off is the caller's to release, and best at the very end:
  // release callbacks may change or destroy the Buffer.
  void ReleaseSpare();
  // Links empty segments behind the last one, with room for `bytes`; at most
  // `max_segments`, of which the last takes all that is missing.
  void LinkSpare(size_t bytes, size_t max_segments);
  // Bytes that Reserve() handed out.
  size_t ReservedBytes() const;
  void CopyToTail(std::string_view data);
  // Takes `bytes` in that have been written to the room there is.
  void ExtendIntoSpare(size_t bytes);
  void LinkToTail(Chain chain);
  // Moves `n` bytes, fewer than source's first segment has.
  void MovePartOfSegment(Buffer& source, size_t n);
  bool AdvanceFar(Position& position, size_t n) const;
  // The place of a byte, or of the end.
  Position Locate(size_t offset) const;
  internal::BufferCursor CursorAt(const Position& position) const;
  // Whether any of the first `n` bytes is in a file only.
  bool IsAbsentWithin(size_t n) const;
  Chain CutAll();
  // Cuts off the segments that lie within the first n <= size() bytes.
  Chain CutSegments(size_t n);
  // Takes the first n <= size() bytes off; returns the segments emptied by it.
  Segment* CutFront(size_t n);
  // The two ways of ReadFrom(): into memory of the pool's, from which few bytes
  // are copied and many taken over; and into what room there is and as many
  // fresh segments as `wanted` bytes take. Neither notifies.
  ssize_t ReadByScratch(Kernel& kernel, int fd, size_t wanted);
  ssize_t ReadScattered(Kernel& kernel, int fd, size_t wanted,
                        size_t max_bytes);
  // Learns from a read that was asked for `asked` bytes and gave `read`.
  void AdaptReads(size_t asked, size_t read);
  // What a write takes: a number of extents, or -errno.
  struct Written {
    int count = 0;
    bool file_first = false;    // to be sent by sendfile()
    bool file_follows = false;  // the same, behind the extents
  };
  Written Gather(std::span<iovec> extents, size_t max_bytes);
  // What WriteTo() does if the first bytes are absent, and more than are read.
  ssize_t SendFileTo(Kernel& kernel, int fd, size_t max_bytes);

  // Fetches the first segment's bytes, or a part of them. Returns 0 or -errno.
  int LoadHead();

  // What the next ReadFrom() asks for at most, as a power of two.
  static constexpr uint8_t kFirstReadExponent = 14;

  // The segments with bytes are head_ to tail_, none of them empty; tail_ is
  // null if there are none. Spare segments, all empty, follow tail_ (or are
  // head_ and what follows). Without them tail_ is the last segment.
  Segment* head_ = nullptr;
  Segment* tail_ = nullptr;
  size_t size_ = 0;
  internal::ObserverLink observers_;
  size_t size_limit_ = SIZE_MAX;
  uint32_t max_read_ = UINT32_MAX;
  uint8_t read_exponent_ = kFirstReadExponent;
  uint8_t state_ = 0;
#ifndef NDEBUG
  uint64_t generation_ = 0;
#endif
};

#ifdef NDEBUG
static_assert(sizeof(Buffer) == 48);
#else
static_assert(sizeof(Buffer) <= 64);
#endif

inline bool Buffer::Advance(Position& position, size_t n) const {
  CheckPosition(position);
  // It stays in its segment.
  if (position.segment_ != nullptr &&
      n < position.segment_->size() - position.in_segment_) [[likely]] {
    position.offset_ += n;
    position.in_segment_ += n;
    return true;
  }
  return AdvanceFar(position, n);
}

inline Buffer::ExtentIterator Buffer::begin() const {
  return ExtentIterator(head_);
}

inline Buffer::ExtentIterator Buffer::end() const {
  // Behind the last segment with bytes, reserved ones may follow.
  return ExtentIterator(tail_ == nullptr ? head_ : tail_->next());
}

}  // namespace percore

#endif  // PERCORE_BUFFER_BUFFER_H_
