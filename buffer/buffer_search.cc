// Searching across segments at the speed of memchr() and memmem().
#include <algorithm>
#include <array>
#include <cstring>

#include "percore/buffer/buffer.h"

namespace percore {
namespace {

// A place in a Buffer that only moves forward.
class Cursor {
 public:
  Cursor(const Buffer& buffer, size_t offset)
      : extent_(buffer.begin()), left_(buffer.size()) {
    Advance(offset);
  }

  // Bytes from here to the end of the buffer.
  size_t left() const { return left_; }

  // Bytes from here to the end of the extent; not at the end of the buffer.
  std::string_view Extent() const { return (*extent_).substr(skipped_); }

  // Moves `n` bytes forward, at most left().
  void Advance(size_t n) {
    left_ -= n;
    skipped_ += n;
    while (left_ != 0 && skipped_ >= (*extent_).size()) {
      skipped_ -= (*extent_).size();
      ++extent_;
    }
  }

 private:
  Buffer::ExtentIterator extent_;
  size_t left_;
  size_t skipped_ = 0;
};

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
  std::string_view Fill(Cursor cursor) {
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

// The first `wanted` from `from` on and before `end`.
std::optional<size_t> FindCharBefore(const Buffer& buffer, char wanted,
                                     size_t from, size_t end) {
  end = std::min(end, buffer.size());
  if (from >= end) return std::nullopt;
  Cursor cursor(buffer, from);
  for (size_t at = from; at < end;) {
    const std::string_view extent = cursor.Extent().substr(0, end - at);
    const size_t hit = extent.find(wanted);
    if (hit != std::string_view::npos) return at + hit;
    cursor.Advance(extent.size());
    at += extent.size();
  }
  return std::nullopt;
}

constexpr bool IsCrOrLf(char c) { return c == '\r' || c == '\n'; }

// LF, with the CR in front of it if there is one.
std::optional<LineEnd> FindLenientCrlf(const Buffer& buffer, size_t from) {
  if (from >= buffer.size()) return std::nullopt;
  Cursor cursor(buffer, from == 0 ? 0 : from - 1);
  char before = '\0';
  if (from != 0) {
    before = cursor.Extent().front();
    cursor.Advance(1);
  }
  while (cursor.left() != 0) {
    const std::string_view extent = cursor.Extent();
    const size_t hit = extent.find('\n');
    if (hit == std::string_view::npos) {
      before = extent.back();
      cursor.Advance(extent.size());
      continue;
    }
    if (hit != 0) before = extent[hit - 1];
    const size_t lf = buffer.size() - cursor.left() + hit;
    if (before != '\r') return LineEnd{.offset = lf, .size = 1};
    return LineEnd{.offset = lf - 1, .size = 2};
  }
  return std::nullopt;
}

std::optional<LineEnd> FindCrsAndLfs(const Buffer& buffer, size_t from) {
  const auto lf = FindCharBefore(buffer, '\n', from, SIZE_MAX);
  const auto cr = FindCharBefore(buffer, '\r', from, lf.value_or(SIZE_MAX));
  if (!lf.has_value() && !cr.has_value()) return std::nullopt;
  const size_t first = cr.has_value() ? *cr : *lf;
  size_t size = 0;
  for (Cursor cursor(buffer, first); cursor.left() != 0; cursor.Advance(1)) {
    if (!IsCrOrLf(cursor.Extent().front())) break;
    ++size;
  }
  return LineEnd{.offset = first, .size = size};
}

}  // namespace

std::optional<size_t> Buffer::FindInRange(std::string_view needle, size_t from,
                                          size_t end) const {
  end = std::min(end, size_);
  if (from > end || needle.size() > end - from) return std::nullopt;
  if (needle.empty()) return from;
  if (needle.size() == 1) return FindCharBefore(*this, needle[0], from, end);
  Window window(needle.size());
  Cursor cursor(*this, from);
  for (size_t at = from; end - at >= needle.size();) {
    std::string_view bytes = cursor.Extent();
    if (bytes.size() < needle.size()) bytes = window.Fill(cursor);
    bytes = bytes.substr(0, end - at);
    const size_t hit = FindIn(bytes, needle);
    if (hit != std::string_view::npos) return at + hit;
    // A needle may still start in the last bytes.
    const size_t passed = bytes.size() - (needle.size() - 1);
    cursor.Advance(passed);
    at += passed;
  }
  return std::nullopt;
}

std::optional<size_t> Buffer::FindChar(char wanted, size_t from) const {
  return FindCharBefore(*this, wanted, from, SIZE_MAX);
}

std::optional<LineEnd> Buffer::FindLineEnd(EndOfLine style, size_t from) const {
  if (style == EndOfLine::kCrlf) return FindLenientCrlf(*this, from);
  if (style == EndOfLine::kAny) return FindCrsAndLfs(*this, from);
  if (style == EndOfLine::kCrlfStrict) {
    const auto crlf = Find("\r\n", from == 0 ? 0 : from - 1);
    if (!crlf.has_value()) return std::nullopt;
    return LineEnd{.offset = *crlf, .size = 2};
  }
  const auto found = FindChar(style == EndOfLine::kNul ? '\0' : '\n', from);
  if (!found.has_value()) return std::nullopt;
  return LineEnd{.offset = *found, .size = 1};
}

}  // namespace percore
