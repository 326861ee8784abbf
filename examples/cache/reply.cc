#include "percore/examples/cache/reply.h"

#include <charconv>

namespace percore::cache {
namespace {

// Writes words and numbers one after the other. The caller has counted the
// room.
class Writer {
 public:
  explicit Writer(std::span<char> room)
      : begin_(room.data()), next_(begin_), end_(begin_ + room.size()) {}

  Writer& Text(std::string_view text) {
    next_ += text.copy(next_, static_cast<size_t>(end_ - next_));
    return *this;
  }
  Writer& Number(uint64_t number) {
    next_ = std::to_chars(next_, end_, number).ptr;
    return *this;
  }
  std::string_view Written() const {
    return {begin_, static_cast<size_t>(next_ - begin_)};
  }

 private:
  char* begin_;
  char* next_;
  char* end_;
};

}  // namespace

std::string_view ReplyTo(StoreResult result) {
  switch (result) {
    case StoreResult::kStored:
      return kStoredReply;
    case StoreResult::kNotStored:
      return kNotStoredReply;
    case StoreResult::kExists:
      return kExistsReply;
    case StoreResult::kNotFound:
      return kNotFoundReply;
    case StoreResult::kOutOfMemory:
      break;
  }
  return kOutOfMemoryReply;
}

std::string_view ReplyTo(DeleteResult result) {
  return result == DeleteResult::kDeleted ? kDeletedReply : kNotFoundReply;
}

std::string_view ReplyTo(TouchResult result) {
  return result == TouchResult::kTouched ? kTouchedReply : kNotFoundReply;
}

std::string_view ValueLine(std::string_view key, uint32_t flags,
                           size_t value_size,
                           std::optional<uint64_t> cas_unique,
                           std::span<char, kMaxValueLineSize> scratch) {
  Writer line(scratch);
  line.Text("VALUE ").Text(key).Text(" ").Number(flags).Text(" ").Number(
      value_size);
  if (cas_unique) line.Text(" ").Number(*cas_unique);
  return line.Text(kLineEnd).Written();
}

std::string_view NumberLine(uint64_t number,
                            std::span<char, kMaxNumberLineSize> scratch) {
  return Writer(scratch).Number(number).Text(kLineEnd).Written();
}

}  // namespace percore::cache
