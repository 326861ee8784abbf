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
//   * what belongs to somebody else can be queued by reference.
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
//                                   shared or external: read only
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
#include <iterator>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "percore/buffer/segment.h"
#include "percore/runtime/kernel.h"

namespace percore {

// What ends a line.
enum class EndOfLine {
  kLf,          // LF
  kCrlf,        // LF, or CR LF: what a lenient text protocol accepts
  kCrlfStrict,  // CR LF only: a lone LF is part of the line
  kAny,         // any number of CRs and LFs in a row
  kNul,         // NUL
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
// When memory is exhausted, `operator new` decides.
class Buffer {
 public:
  // Learns that `added` bytes came in and `drained` bytes went out, once at the
  // end of each call that changed the size, on the calling thread. The buffer
  // is as the call leaves it; the observer may change it (and is called for
  // that as well) or destroy it.
  using Observer = void (*)(Buffer& buffer, size_t added, size_t drained,
                            void* argument);
  using ReleaseFunction = Segment::ReleaseFunction;
  class ExtentIterator;

  // Up to this many bytes are copied, where that avoids sharing a segment or
  // linking a nearly empty one. Measured (x86-64, GCC 12): at 256 bytes a copy
  // costs about what a shared segment costs to make and release.
  static constexpr size_t kMaxCopiedBytes = 256;

  // The most that Reserve() hands out at once.
  static constexpr size_t kMaxReservedBytes = size_t{1} << 30;

  Buffer() = default;
  // Takes the contents, not the observer. `source` is empty afterwards, keeps
  // its observer, and tells it.
  Buffer(Buffer&& source) noexcept;
  // Replaces the contents; each of the two keeps its observer, and tells it.
  Buffer& operator=(Buffer&& source) noexcept;
  // The observer is not called.
  ~Buffer() {
    if (head_ != nullptr || observer_ != nullptr) Destroy();
  }

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  // Copies `data` to the end. Amortised O(1) a byte.
  void Append(std::string_view data) {
    // An empty `data` wraps around and takes the slow way.
    if (tail_ != nullptr && reserved_ == 0 &&
        data.size() - 1 < tail_->tailroom()) [[likely]] {
      tail_->Append(data.data(), data.size());
      size_ += data.size();
      Notify(data.size(), 0);
      return;
    }
    AppendSlow(data);
  }

  // Moves all of `source` to the end; O(1), but for up to kMaxCopiedBytes that
  // fit in the last segment's room, which are copied. Nothing happens if
  // `source` is this Buffer.
  void Append(Buffer&& source) { MoveFrom(source, SIZE_MAX); }

  // Appends text as absl::StrFormat() makes it, straight into the segments. The
  // format is checked when compiling.
  //
  //   output.AppendFormat("HTTP/1.1 %d %s\r\n", status, reason);
  template <typename... Args>
  void AppendFormat(const absl::FormatSpec<Args...>& format,
                    const Args&... arguments) {
    absl::Format(this, format, arguments...);
  }

  // Appends text as printf(3) makes it, for formats that are known at run time
  // only. Returns the number of bytes; -1, and changes nothing, if the C
  // library refuses the format or a string in it.
  int AppendPrintf(const char* format, ...)
      __attribute__((format(printf, 2, 3)));
  int AppendVPrintf(const char* format, va_list arguments)
      __attribute__((format(printf, 2, 0)));

  // Appends what `cord` has. Its memory is referenced, not copied, where it is
  // in pieces of more than kMaxCopiedBytes: a copy of the cord is kept until no
  // Buffer holds any of it.
  void AppendCord(const absl::Cord& cord);
  // All bytes, as a cord of their own: a copy.
  absl::Cord ToCord() const;

  // Appends all of `source`, which keeps it: the segments are shared, and
  // nothing is copied but ends of up to kMaxCopiedBytes. What either of the two
  // appends or drains afterwards, the other does not see. `source` may be this
  // Buffer.
  void AppendShared(Buffer& source);

  // Queues `size` bytes that stay where they are. They must not change until
  // `release(argument)` is called: once, when no Buffer holds any of them any
  // more, on the thread that dropped the last (at once if `size` is 0). The
  // callback may do anything. A null `release` promises that the bytes outlive
  // every Buffer.
  void AppendReference(const void* data, size_t size, ReleaseFunction release,
                       void* argument);

  // Moves the first `n` bytes of `source`, or all if it has fewer, to the end;
  // returns how many. Splits at most one segment, by sharing it, or by copying
  // up to kMaxCopiedBytes. Returns 0 if `source` is this Buffer.
  size_t MoveFrom(Buffer& source, size_t n);

  // Copies `data` to the front. Amortised O(1) a byte.
  void Prepend(std::string_view data);

  // Moves all of `source` to the front; nothing is copied. Nothing happens if
  // `source` is this Buffer.
  void Prepend(Buffer&& source) { PrependFrom(source, SIZE_MAX); }
  // Moves the first `n` bytes of `source`, or all if it has fewer, to the
  // front, as MoveFrom() moves them to the end; returns how many.
  size_t PrependFrom(Buffer& source, size_t n);

  // Drops the first `n` bytes, or all if there are fewer.
  void Drain(size_t n) {
    // 0 < n < head_->size(); no segment is emptied.
    if (head_ != nullptr && reserved_ == 0 && n - 1 < head_->size() - 1)
        [[likely]] {
      head_->Drain(n);
      size_ -= n;
      Notify(0, n);
      return;
    }
    DrainSlow(n);
  }
  void Clear() { Drain(SIZE_MAX); }

  // Copies bytes from `offset` on into `destination`, and returns how many:
  // fewer than it has room for if the Buffer ends before.
  size_t CopyOut(std::span<char> destination, size_t offset = 0) const;
  // Same from the front, and drains what it copied.
  size_t Remove(std::span<char> destination);

  // The first `n` bytes, or all if there are fewer, in one piece. Copies only
  // if the first segment is shorter than that: O(n) then, O(1) otherwise.
  std::string_view Pullup(size_t n) {
    if (head_ != nullptr && reserved_ == 0 && n <= head_->size()) [[likely]] {
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

  // Offset of the first `needle` that starts at or behind `from`. An empty one
  // is found at `from`, if the Buffer reaches that far.
  std::optional<size_t> Find(std::string_view needle, size_t from = 0) const {
    return FindInRange(needle, from, SIZE_MAX);
  }
  // As above, for a needle that ends at or before `end`.
  std::optional<size_t> FindInRange(std::string_view needle, size_t from,
                                    size_t end) const;
  std::optional<size_t> FindChar(char wanted, size_t from = 0) const;

  // The first end of line whose LF (for kAny: whose first character; for kNul:
  // whose NUL) is at or behind `from`. The CR of a CR LF may be in front of it:
  // whoever found nothing in `from` bytes may go on from there when more have
  // arrived. An end of line of kAny that ends with the Buffer may grow yet.
  std::optional<LineEnd> FindLineEnd(EndOfLine style, size_t from = 0) const;

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
  // read, -EINVAL if `max_bytes` is 0. Retries when interrupted.
  //
  // A read may return less than `max_bytes` although more is there: fresh
  // segments are limited to 256 KiB. What is held afterwards fits what has been
  // read: a few bytes do not keep a large segment.
  ssize_t ReadFrom(Kernel& kernel, int fd, size_t max_bytes);

  // Writes up to `max_bytes` from the front with one writev() of at most 64
  // extents, and drains what the kernel took. Returns the number of bytes (0,
  // without a system call, if there are none to write) or -errno, and then
  // nothing changes. Retries when interrupted.
  ssize_t WriteTo(Kernel& kernel, int fd, size_t max_bytes = SIZE_MAX);

  // There is at most one observer; null for none. The observer belongs to this
  // object: moving the contents does not move it.
  void SetObserver(Observer observer, void* argument);

 private:
  friend class ExtentIterator;

  // How absl::Format() writes to it.
  friend void AbslFormatFlush(Buffer* buffer, absl::string_view text) {
    buffer->Append({text.data(), text.size()});
  }

  class PendingNotification;

  void AppendSlow(std::string_view data);
  void DrainSlow(size_t n);
  std::string_view PullupSlow(size_t n);
  void Destroy();

  void Notify(size_t added, size_t drained) {
    if (observer_ != nullptr) [[unlikely]] {
      observer_(*this, added, drained, observer_argument_);
    }
  }
  // Tells both observers that `added` bytes moved from `source` to
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
    if (reserved_ != 0) [[unlikely]] {
      ReleaseReserved();
    }
  }

  // The rest expects that there is no reservation, and does not notify. A chain
  // that has been cut off is the caller's to release, and best at the very end:
  // release callbacks may change or destroy the Buffer.
  void ReleaseReserved();
  void CopyToTail(std::string_view data);
  void LinkToTail(Chain chain);
  // Moves `n` bytes, fewer than source's first segment has.
  void MovePartOfSegment(Buffer& source, size_t n);
  Chain CutAll();
  // Cuts off the segments that lie within the first n <= size() bytes.
  Chain CutSegments(size_t n);
  // Takes the first n <= size() bytes off; returns the segments emptied by it.
  Segment* CutFront(size_t n);

  // The segments with bytes are head_ to tail_, none of them empty; tail_ is
  // null if there are none. Reserved segments, all empty, follow tail_ (or are
  // head_ and what follows). Without a reservation tail_ is the last segment.
  Segment* head_ = nullptr;
  Segment* tail_ = nullptr;
  size_t size_ = 0;
  // Bytes that Reserve() handed out: all of tail_'s room, and all of the
  // segments behind it.
  size_t reserved_ = 0;
  Observer observer_ = nullptr;
  void* observer_argument_ = nullptr;
};

static_assert(sizeof(Buffer) == 48);

// A forward iterator over the extents of a Buffer.
class Buffer::ExtentIterator {
 public:
  using iterator_category = std::forward_iterator_tag;
  using value_type = std::string_view;
  using difference_type = std::ptrdiff_t;
  using pointer = const std::string_view*;
  using reference = std::string_view;

  ExtentIterator() = default;

  std::string_view operator*() const { return segment_->view(); }
  ExtentIterator& operator++() {
    segment_ = segment_->next();
    return *this;
  }
  ExtentIterator operator++(int) {
    const ExtentIterator before = *this;
    ++*this;
    return before;
  }
  bool operator==(const ExtentIterator&) const = default;

 private:
  friend class Buffer;

  explicit ExtentIterator(const Segment* segment) : segment_(segment) {}

  const Segment* segment_ = nullptr;
};

inline Buffer::ExtentIterator Buffer::begin() const {
  return ExtentIterator(head_);
}

inline Buffer::ExtentIterator Buffer::end() const {
  // Behind the last segment with bytes, reserved ones may follow.
  return ExtentIterator(tail_ == nullptr ? head_ : tail_->next());
}

}  // namespace percore

#endif  // PERCORE_BUFFER_BUFFER_H_
