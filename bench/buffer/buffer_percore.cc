// The buffer's cases with Percore's Buffer.
#include <sys/types.h>
#include <sys/uio.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "percore/bench/buffer/buffer_cases.h"
#include "percore/bench/micro/micro.h"
#include "percore/buffer/buffer.h"
#include "percore/buffer/file_segment.h"
#include "percore/runtime/kernel.h"

namespace percore::bench {
namespace {

class Bytes {
 public:
  size_t size() const { return buffer_.size(); }

  void Append(std::string_view data) { buffer_.Append(data); }

  void AppendReference(std::string_view data) {
    buffer_.AppendReference(data.data(), data.size(), &Release, nullptr);
  }

  void Prepend(std::string_view data) { buffer_.Prepend(data); }

  void Drain(size_t n) { buffer_.Drain(n); }

  void MoveAll(Bytes& source) { buffer_.Append(std::move(source.buffer_)); }

  void MoveFrom(Bytes& source, size_t n) {
    buffer_.MoveFrom(source.buffer_, n);
  }

  void CopyOut(char* destination, size_t n) {
    buffer_.CopyOut(std::span(destination, n));
  }

  const char* Pullup(size_t n) { return buffer_.Pullup(n).data(); }

  int Reserve(size_t n, iovec (&extents)[2]) {
    return static_cast<int>(buffer_.Reserve(n, extents));
  }

  void Commit(iovec (&/*extents*/)[2], int /*count*/, size_t n) {
    Check(buffer_.Commit(n).ok(), "Buffer::Commit");
  }

  int CountLines() {
    int lines = 0;
    Buffer::Position position = *buffer_.PositionAt(0);
    while (const std::optional<LineEnd> end =
               buffer_.FindLineEnd(EndOfLine::kCrlf, position)) {
      buffer_.Advance(position, end->offset + end->size - position.offset());
      ++lines;
    }
    return lines;
  }

  ssize_t WriteTo(int fd) { return buffer_.WriteTo(Kernel::Real(), fd); }

  ssize_t ReadFrom(int fd, size_t max_bytes) {
    return buffer_.ReadFrom(Kernel::Real(), fd, max_bytes);
  }

  using File = std::shared_ptr<const FileSegment>;
  static File OpenFile(int fd) {
    return *FileSegment::Create(Kernel::Real(), fd, {});
  }
  void AppendFile(const File& file) { buffer_.AppendFile(file); }

 private:
  static void Release(void* /*unused*/) {}

  Buffer buffer_;
};

}  // namespace

void AddCases() { AddBufferCases<Bytes>(); }

}  // namespace percore::bench
