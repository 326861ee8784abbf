// Searching across segments at the speed of memchr() and memmem().
#include <algorithm>
#include <array>
#include <cstring>

#include "percore/buffer/buffer.h"
#include "percore/buffer/internal/buffer_cursor.h"

namespace percore {
namespace {

using internal::BufferCursor;

// Contiguous memory in which bytes on both sides of a border are searched.
// Twice as long as the needle, so that a search advances at least half a window
// for each window that it copies, however short the segments are: it stays
// linear.
class Window {
 public:
  explicit Window(size_t needle_size)
      : segment_(2 * needle_size > local_.size() ? Segment::New(2 * needle_size)
                                                 : nullptr),
        data_(segment_ == nullptr ? local_.data() : segment_->tail()),
        capacity_(std::max(2 * needle_size, local_.size())) {}
  Window(const Window&) = delete;
  Window& operator=(const Window&) = delete;
  ~Window() {
    if (segment_ != nullptr) Segment::Release(segment_);
  }

  // Copies what fits from `cursor` on.
  std::string_view Fill(BufferCursor cursor) {
    const size_t size = std::min(capacity_, cursor.left());
    for (size_t filled = 0; filled != size;) {
      const std::string_view part = cursor.Extent().substr(0, size - filled);
      std::memcpy(data_ + filled, part.data(), part.size());
      filled += part.size();
      cursor.Advance(part.size());
    }
    return {data_, size};
  }

 private:
  std::array<char, 512> local_;
  Segment* const segment_;
  char* const data_;
  const size_t capacity_;
};

// string_view::find() looks for the first byte and compares from there, which
// takes quadratic time for a needle such as "aaab"; memmem() does not.
size_t FindIn(std::string_view bytes, std::string_view needle) {
  const void* const hit =
      memmem(bytes.data(), bytes.size(), needle.data(), needle.size());
  if (hit == nullptr) return std::string_view::npos;
  return static_cast<size_t>(static_cast<const char*>(hit) - bytes.data());
}

// The first `wanted` before `end`, which is at most the Buffer's.
std::optional<size_t> FindCharBefore(BufferCursor cursor, char wanted,
                                     size_t end) {
  while (cursor.offset() < end) {
    const std::string_view extent =
        cursor.Extent().substr(0, end - cursor.offset());
    const size_t hit = extent.find(wanted);
    if (hit != std::string_view::npos) return cursor.offset() + hit;
    cursor.Advance(extent.size());
  }
  return std::nullopt;
}

std::optional<size_t> FindString(BufferCursor cursor, std::string_view needle,
                                 size_t end) {
  Window window(needle.size());
  while (end - cursor.offset() >= needle.size()) {
    std::string_view bytes = cursor.Extent();
    if (bytes.size() < needle.size()) bytes = window.Fill(cursor);
    bytes = bytes.substr(0, end - cursor.offset());
    const size_t hit = FindIn(bytes, needle);
    if (hit != std::string_view::npos) return cursor.offset() + hit;
    // A needle may still start in the last bytes.
    cursor.Advance(bytes.size() - (needle.size() - 1));
  }
  return std::nullopt;
}

constexpr bool IsCrOrLf(char c) { return c == '\r' || c == '\n'; }

// LF, with the CR in front of it if there is one. `before` is the byte in front
// of the cursor.
std::optional<LineEnd> FindLenientCrlf(BufferCursor cursor, char before) {
  while (cursor.left() != 0) {
    const std::string_view extent = cursor.Extent();
    const size_t hit = extent.find('\n');
    if (hit == std::string_view::npos) {
      before = extent.back();
      cursor.Advance(extent.size());
      continue;
    }
    if (hit != 0) before = extent[hit - 1];
    const size_t lf = cursor.offset() + hit;
    if (before != '\r') return LineEnd{.offset = lf, .size = 1};
    return LineEnd{.offset = lf - 1, .size = 2};
  }
  return std::nullopt;
}

std::optional<LineEnd> FindCrsAndLfs(BufferCursor cursor) {
  const size_t end = cursor.offset() + cursor.left();
  const auto lf = FindCharBefore(cursor, '\n', end);
  const auto cr = FindCharBefore(cursor, '\r', lf.value_or(end));
  if (!lf.has_value() && !cr.has_value()) return std::nullopt;
  const size_t first = cr.has_value() ? *cr : *lf;
  size_t size = 0;
  for (cursor.Advance(first - cursor.offset());
       cursor.left() != 0 && IsCrOrLf(cursor.Extent().front());
       cursor.Advance(1)) {
    ++size;
  }
  return LineEnd{.offset = first, .size = size};
}

}  // namespace

BufferCursor Buffer::CursorAt(const Position& position) const {
  CheckPosition(position);
  return BufferCursor(position.segment_ == nullptr ? head_ : position.segment_,
                      position.in_segment_, position.offset_,
                      size_ - position.offset_);
}

std::optional<size_t> Buffer::FindInRange(std::string_view needle, size_t from,
                                          size_t end) const {
  if (from > size_) return std::nullopt;
  return FindInRange(needle, Locate(from), end);
}

std::optional<size_t> Buffer::FindInRange(std::string_view needle,
                                          const Position& from,
                                          size_t end) const {
  const BufferCursor cursor = CursorAt(from);
  end = std::min(end, size_);
  if (from.offset() > end || needle.size() > end - from.offset()) {
    return std::nullopt;
  }
  if (needle.empty()) return from.offset();
  if (needle.size() == 1) return FindCharBefore(cursor, needle[0], end);
  return FindString(cursor, needle, end);
}

std::optional<size_t> Buffer::FindChar(char wanted, size_t from) const {
  if (from >= size_) return std::nullopt;
  return FindChar(wanted, Locate(from));
}

std::optional<size_t> Buffer::FindChar(char wanted,
                                       const Position& from) const {
  return FindCharBefore(CursorAt(from), wanted, size_);
}

std::optional<LineEnd> Buffer::FindLineEnd(EndOfLine style, size_t from) const {
  if (from > size_) return std::nullopt;
  const bool has_cr =
      style == EndOfLine::kCrlf || style == EndOfLine::kCrlfStrict;
  if (from == 0 || !has_cr) return FindLineEnd(style, Locate(from));
  // The CR may be in front of it.
  const Position cr = Locate(from - 1);
  if (style == EndOfLine::kCrlfStrict) return FindLineEnd(style, cr);
  BufferCursor cursor = CursorAt(cr);
  const char before = cursor.Extent().front();
  cursor.Advance(1);
  return FindLenientCrlf(cursor, before);
}

std::optional<LineEnd> Buffer::FindLineEnd(EndOfLine style,
                                           const Position& from) const {
  // As a rule it is in the first extent.
  if (style == EndOfLine::kCrlf && from.segment_ != nullptr &&
      from.offset_ != size_) [[likely]] {
    CheckPosition(from);
    const char* const begin = from.segment_->data() + from.in_segment_;
    const char* const lf = static_cast<const char*>(
        std::memchr(begin, '\n', from.segment_->size() - from.in_segment_));
    if (lf != nullptr) [[likely]] {
      const auto length = static_cast<size_t>(lf - begin);
      const size_t cr = length != 0 && lf[-1] == '\r' ? 1 : 0;
      return LineEnd{.offset = from.offset_ + length - cr, .size = 1 + cr};
    }
  }
  std::optional<size_t> found;
  size_t size = 1;
  switch (style) {
    case EndOfLine::kCrlf:
      return FindLenientCrlf(CursorAt(from), '\0');
    case EndOfLine::kAny:
      return FindCrsAndLfs(CursorAt(from));
    case EndOfLine::kCrlfStrict:
      found = Find("\r\n", from);
      size = 2;
      break;
    case EndOfLine::kLf:
      found = FindChar('\n', from);
      break;
    case EndOfLine::kNul:
      found = FindChar('\0', from);
      break;
  }
  if (!found.has_value()) return std::nullopt;
  return LineEnd{.offset = *found, .size = size};
}

}  // namespace percore
