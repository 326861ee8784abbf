// Text: formatted appends, lines, cords.
#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <utility>

#include "percore/buffer/buffer.h"

namespace percore {

int Buffer::AppendPrintf(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const int size = AppendVPrintf(format, arguments);
  va_end(arguments);
  return size;
}

int Buffer::AppendVPrintf(const char* format, va_list arguments) {
  if (Is(kFrozenBack | kLimited)) {
    EndReservation();
    Buffer text;
    const int size = text.AppendVPrintf(format, arguments);
    return size < 0 || Append(std::move(text)) ? size : -1;
  }
  va_list again;
  va_copy(again, arguments);
  // As a rule it fits in the room that there is: printed once, and in place.
  // vsnprintf() writes a NUL behind the text, which is not committed.
  const size_t guess = std::max<size_t>(
      tail_ == nullptr ? 0 : tail_->tailroom(), kMaxCopiedBytes);
  iovec room;
  Reserve(guess, {&room, 1});
  int size = std::vsnprintf(static_cast<char*>(room.iov_base), room.iov_len,
                            format, arguments);
  if (size >= 0 && static_cast<size_t>(size) >= room.iov_len) {
    Reserve(static_cast<size_t>(size) + 1, {&room, 1});
    size = std::vsnprintf(static_cast<char*>(room.iov_base), room.iov_len,
                          format, again);
  }
  va_end(again);
  // Gives up the room if nothing is to be committed.
  Commit(size < 0 ? 0 : static_cast<size_t>(size)).IgnoreError();
  return size < 0 ? -1 : size;
}

bool Buffer::AppendCord(const absl::Cord& cord) {
  if (!MayAppend(cord.size())) return false;
  const size_t before = size_;
  // One copy, which shares the cord's memory, for all pieces that refer to it.
  struct Kept {
    absl::Cord cord;
    size_t references = 1;

    static void Release(void* kept) {
      auto* self = static_cast<Kept*>(kept);
      if (--self->references == 0) delete self;
    }
  };
  auto* const kept = new Kept{.cord = cord};
  for (const absl::string_view piece : kept->cord.Chunks()) {
    if (piece.size() <= kMaxCopiedBytes) {
      CopyToTail({piece.data(), piece.size()});
      continue;
    }
    ++kept->references;
    Segment* const segment =
        Segment::NewExternal(piece.data(), piece.size(), &Kept::Release, kept);
    LinkToTail({.first = segment, .last = segment, .size = piece.size()});
  }
  Kept::Release(kept);
  if (size_ != before) Notify(size_ - before, 0);
  return true;
}

absl::Cord Buffer::ToCord() const {
  absl::Cord cord;
  for (const std::string_view extent : *this) {
    cord.Append(absl::string_view(extent.data(), extent.size()));
  }
  return cord;
}

std::optional<std::string> Buffer::ReadLine(EndOfLine style) {
  const std::optional<LineEnd> end = FindLineEnd(style);
  if (!end.has_value() || Is(kFrozenFront)) {
    EndReservation();
    return std::nullopt;
  }
  std::string line(end->offset, '\0');
  CopyOut(line);
  Drain(end->offset + end->size);
  return line;
}

}  // namespace percore
