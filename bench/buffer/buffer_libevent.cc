// The buffer's cases with libevent's evbuffer, without locks.
#include <event2/buffer.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <algorithm>
#include <cstddef>
#include <string_view>

#include "percore/bench/buffer/buffer_cases.h"
#include "percore/bench/micro/micro.h"

namespace percore::bench {
namespace {

class Bytes {
 public:
  Bytes() = default;
  Bytes(const Bytes&) = delete;
  Bytes& operator=(const Bytes&) = delete;
  ~Bytes() { evbuffer_free(buffer_); }

  size_t size() const { return evbuffer_get_length(buffer_); }

  void Append(std::string_view data) {
    Check(evbuffer_add(buffer_, data.data(), data.size()) == 0, "evbuffer_add");
  }

  void AppendReference(std::string_view data) {
    Check(evbuffer_add_reference(buffer_, data.data(), data.size(), &Release,
                                 nullptr) == 0,
          "evbuffer_add_reference");
  }

  void Prepend(std::string_view data) {
    Check(evbuffer_prepend(buffer_, data.data(), data.size()) == 0,
          "evbuffer_prepend");
  }

  void Drain(size_t n) {
    Check(evbuffer_drain(buffer_, n) == 0, "evbuffer_drain");
  }

  void MoveAll(Bytes& source) {
    Check(evbuffer_add_buffer(buffer_, source.buffer_) == 0,
          "evbuffer_add_buffer");
  }

  void MoveFrom(Bytes& source, size_t n) {
    Check(evbuffer_remove_buffer(source.buffer_, buffer_, n) >= 0,
          "evbuffer_remove_buffer");
  }

  void CopyOut(char* destination, size_t n) {
    Check(evbuffer_copyout(buffer_, destination, n) >= 0, "evbuffer_copyout");
  }

  const char* Pullup(size_t n) {
    return reinterpret_cast<char*>(
        evbuffer_pullup(buffer_, static_cast<ev_ssize_t>(n)));
  }

  int Reserve(size_t n, iovec (&extents)[2]) {
    return evbuffer_reserve_space(buffer_, static_cast<ev_ssize_t>(n), extents,
                                  2);
  }

  void Commit(iovec (&extents)[2], int count, size_t n) {
    int used = 0;
    for (; used < count && n > 0; ++used) {
      extents[used].iov_len = std::min(extents[used].iov_len, n);
      n -= extents[used].iov_len;
    }
    Check(evbuffer_commit_space(buffer_, extents, used) == 0,
          "evbuffer_commit_space");
  }

  int CountLines() {
    int lines = 0;
    evbuffer_ptr position;
    evbuffer_ptr_set(buffer_, &position, 0, EVBUFFER_PTR_SET);
    while (true) {
      size_t end_size = 0;
      position =
          evbuffer_search_eol(buffer_, &position, &end_size, EVBUFFER_EOL_CRLF);
      if (position.pos < 0) return lines;
      evbuffer_ptr_set(buffer_, &position, end_size, EVBUFFER_PTR_ADD);
      ++lines;
    }
  }

  ssize_t WriteTo(int fd) { return evbuffer_write(buffer_, fd); }

  ssize_t ReadFrom(int fd, size_t max_bytes) {
    return evbuffer_read(buffer_, fd, static_cast<int>(max_bytes));
  }

  // Never freed: the process ends soon.
  using File = evbuffer_file_segment*;
  static File OpenFile(int fd) {
    return evbuffer_file_segment_new(fd, 0, -1, EVBUF_FS_CLOSE_ON_FREE);
  }
  void AppendFile(File file) {
    Check(evbuffer_add_file_segment(buffer_, file, 0, -1) == 0,
          "evbuffer_add_file_segment");
  }

 private:
  static void Release(const void* /*data*/, size_t /*size*/, void* /*unused*/) {
  }

  evbuffer* const buffer_ = evbuffer_new();
};

}  // namespace

void AddCases() { AddBufferCases<Bytes>(); }

}  // namespace percore::bench
