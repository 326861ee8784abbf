#include "percore/runtime/internal/select_backend.h"

#include <bit>
#include <cerrno>
#include <climits>
#include <cstddef>

namespace percore::internal {
namespace {

constexpr size_t kBitsPerWord = sizeof(unsigned long) * CHAR_BIT;

size_t WordOf(int fd) { return static_cast<size_t>(fd) / kBitsPerWord; }

unsigned long BitOf(int fd) {
  return 1UL << (static_cast<size_t>(fd) % kBitsPerWord);
}

void Put(std::vector<unsigned long>& bits, int fd, bool value) {
  if (value) {
    bits[WordOf(fd)] |= BitOf(fd);
  } else {
    bits[WordOf(fd)] &= ~BitOf(fd);
  }
}

bool Has(const std::vector<unsigned long>& bits, int fd) {
  return WordOf(fd) < bits.size() && (bits[WordOf(fd)] & BitOf(fd)) != 0;
}

// Calls `function(fd)` for every bit.
template <typename Function>
void ForEach(const std::vector<unsigned long>& bits, Function function) {
  for (size_t word = 0; word < bits.size(); ++word) {
    for (unsigned long rest = bits[word]; rest != 0; rest &= rest - 1) {
      function(static_cast<int>(word * kBitsPerWord) + std::countr_zero(rest));
    }
  }
}

}  // namespace

int SelectBackend::Add(int fd, EventFlags interest, uint32_t generation) {
  if (Any(interest & EventFlags::kClosed)) return -EOPNOTSUPP;
  if (Watches(fd)) return -EEXIST;
  if (const int error = CheckOpen(kernel_, fd); error < 0) return error;
  if (WordOf(fd) >= watched_.size()) {
    const size_t words = WordOf(fd) + 1;
    for (Bits* bits : {&watched_, &readers_, &writers_}) bits->resize(words);
    generations_.resize(words * kBitsPerWord);
  }
  Put(watched_, fd, true);
  Set(fd, interest, generation);
  return 0;
}

int SelectBackend::Modify(int fd, EventFlags interest, uint32_t generation) {
  if (Any(interest & EventFlags::kClosed)) return -EOPNOTSUPP;
  if (!Watches(fd)) return -ENOENT;
  if (const int error = CheckOpen(kernel_, fd); error < 0) return error;
  Set(fd, interest, generation);
  return 0;
}

int SelectBackend::Remove(int fd) {
  if (!Watches(fd)) return -ENOENT;
  Set(fd, EventFlags::kNone, 0);
  Put(watched_, fd, false);
  return 0;
}

int SelectBackend::Reset() {
  for (Bits* bits : {&watched_, &readers_, &writers_}) bits->clear();
  generations_.clear();
  return 0;
}

int SelectBackend::Wait(Duration timeout, ReadyList& ready) {
  ready.Reset(watched_.size() * kBitsPerWord);
  readable_ = readers_;
  writable_ = writers_;
  either_.resize(watched_.size());
  const int limit = static_cast<int>(watched_.size() * kBitsPerWord);
  const int count =
      kernel_.Select(limit, readable_.data(), writable_.data(), timeout);
  if (count == -EBADF) {
    RemoveClosed();
    return 0;
  }
  if (count <= 0) return count;
  for (size_t word = 0; word < readable_.size(); ++word) {
    either_[word] = readable_[word] | writable_[word];
  }
  ForEach(either_, [&](int fd) {
    EventFlags what = EventFlags::kNone;
    // An error or a hang-up shows in both.
    if (Has(readable_, fd)) what |= EventFlags::kRead;
    if (Has(writable_, fd)) what |= EventFlags::kWrite;
    ready.Add(fd, generations_[static_cast<size_t>(fd)], what);
  });
  return static_cast<int>(ready.size());
}

bool SelectBackend::Watches(int fd) const { return Has(watched_, fd); }

void SelectBackend::Set(int fd, EventFlags interest, uint32_t generation) {
  Put(readers_, fd, Any(interest & EventFlags::kRead));
  Put(writers_, fd, Any(interest & EventFlags::kWrite));
  generations_[static_cast<size_t>(fd)] = generation;
}

void SelectBackend::RemoveClosed() {
  const Bits watched = watched_;
  ForEach(watched, [this](int fd) {
    if (CheckOpen(kernel_, fd) < 0) Remove(fd);
  });
}

}  // namespace percore::internal
