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

}  // namespace

std::optional<size_t> Buffer::Find(std::string_view needle, size_t from) const {
  if (from > size_ || needle.size() > size_ - from) return std::nullopt;
  if (needle.empty()) return from;
  if (needle.size() == 1) return FindChar(needle[0], from);
  Window window(needle.size());
  Cursor cursor(*this, from);
  while (cursor.left() >= needle.size()) {
    std::string_view bytes = cursor.Extent();
    if (bytes.size() < needle.size()) bytes = window.Fill(cursor);
    const size_t hit = FindIn(bytes, needle);
    if (hit != std::string_view::npos) return size_ - cursor.left() + hit;
    // A needle may still start in the last bytes.
    cursor.Advance(bytes.size() - (needle.size() - 1));
  }
  return std::nullopt;
}

std::optional<size_t> Buffer::FindChar(char wanted, size_t from) const {
  if (from >= size_) return std::nullopt;
  Cursor cursor(*this, from);
  while (cursor.left() != 0) {
    const std::string_view extent = cursor.Extent();
    const size_t hit = extent.find(wanted);
    if (hit != std::string_view::npos) return size_ - cursor.left() + hit;
    cursor.Advance(extent.size());
  }
  return std::nullopt;
}

std::optional<LineEnd> Buffer::FindLineEnd(EndOfLine style, size_t from) const {
  if (style == EndOfLine::kCrlfStrict) {
    const auto crlf = Find("\r\n", from == 0 ? 0 : from - 1);
    if (!crlf.has_value()) return std::nullopt;
    return LineEnd{.offset = *crlf, .size = 2};
  }
  const auto lf = FindChar('\n', from);
  if (!lf.has_value()) return std::nullopt;
  if (style == EndOfLine::kCrlf && *lf != 0 &&
      Cursor(*this, *lf - 1).Extent().front() == '\r') {
    return LineEnd{.offset = *lf - 1, .size = 2};
  }
  return LineEnd{.offset = *lf, .size = 1};
}

}  // namespace percore
