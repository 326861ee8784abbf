// The cases of buffer_<library>: queues of bytes, in one thread.
//
// A program wraps its library's buffer in a class, thinly:
//
// ```cpp
// class Bytes {
//  public:
//   size_t size() const;
//   void Append(std::string_view data);
//   // Without a copy; `data` outlives the buffer.
//   void AppendReference(std::string_view data);
//   void Prepend(std::string_view data);
//   void Drain(size_t n);
//   // All of `source`, or its first `n` bytes.
//   void MoveAll(Bytes& source);
//   void MoveFrom(Bytes& source, size_t n);
//   void CopyOut(char* destination, size_t n);
//   // The first byte of the first `n`, in one piece.
//   const char* Pullup(size_t n);
//   // Room for `n` bytes, in at most two extents; returns how many.
//   int Reserve(size_t n, iovec (&extents)[2]);
//   // `extents` are as Reserve() gave them, with `n` bytes written.
//   void Commit(iovec (&extents)[2], int count, size_t n);
//   // The number of lines that end with LF or CR LF, each looked for from
//   // the end of the one before.
//   int CountLines();
//   // Bytes moved by one system call, or -1.
//   ssize_t WriteTo(int fd);
//   ssize_t ReadFrom(int fd, size_t max_bytes);
//   // A whole file, whose descriptor it takes, and that is appended without
//   // being read.
//   using File = ...;
//   static File OpenFile(int fd);
//   void AppendFile(const File& file);
// };
// ```
#ifndef PERCORE_BENCH_BUFFER_BUFFER_CASES_H_
#define PERCORE_BENCH_BUFFER_BUFFER_CASES_H_

#include <sys/types.h>
#include <sys/uio.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "percore/bench/micro/micro.h"

namespace percore::bench {

inline constexpr size_t kKibibyte = 1024;

// Of operations that are few instructions: beside fewer of them, those that it
// takes to write the result would show.
inline constexpr int kShortRepeats = 20;

// `size` bytes of text without an end of line; always the same.
std::string TestText(size_t size);

// A file in memory that has `text`.
int FileWith(const std::string& text);

// Both ends of a connection within this process, non-blocking.
class SocketPair {
 public:
  SocketPair();
  SocketPair(const SocketPair&) = delete;
  SocketPair& operator=(const SocketPair&) = delete;
  ~SocketPair();

  int read_fd() const { return fds_[0]; }
  int write_fd() const { return fds_[1]; }
  // Reads as many bytes as `text` has; false if there are fewer.
  bool Receive(std::string& text) const;

 private:
  int fds_[2] = {-1, -1};
};

// Appends until 64 KiB are held, then drains all.
template <typename Bytes>
void RunAppendCase(benchmark::State& state, size_t size) {
  const std::string text = TestText(size);
  const int appends = static_cast<int>(64 * kKibibyte / size);
  Bytes bytes;
  Measure(state, appends, [&] {
    for (int i = 0; i < appends; ++i) bytes.Append(text);
    bytes.Drain(bytes.size());
  });
}

// The same, in front of what is there.
template <typename Bytes>
void RunPrependCase(benchmark::State& state, size_t size) {
  const std::string text = TestText(size);
  const int prepends = static_cast<int>(64 * kKibibyte / size);
  Bytes bytes;
  Measure(state, prepends, [&] {
    for (int i = 0; i < prepends; ++i) bytes.Prepend(text);
    bytes.Drain(bytes.size());
  });
}

template <typename Bytes>
void RunAppendReferenceCase(benchmark::State& state, size_t size) {
  constexpr int kReferences = 16;
  const std::string text = TestText(size);
  Bytes bytes;
  Measure(state, kReferences, [&] {
    for (int i = 0; i < kReferences; ++i) bytes.AppendReference(text);
    bytes.Drain(bytes.size());
  });
}

// Asks for room for `size` bytes, and uses 100 of it.
template <typename Bytes>
void RunReserveCommitCase(benchmark::State& state, size_t size) {
  const std::string text = TestText(100);
  const int commits = static_cast<int>(64 * kKibibyte / text.size());
  Bytes bytes;
  Measure(state, commits, [&] {
    for (int i = 0; i < commits; ++i) {
      iovec extents[2];
      const int count = bytes.Reserve(size, extents);
      size_t written = 0;
      for (int extent = 0; extent < count; ++extent) {
        const size_t part =
            std::min(extents[extent].iov_len, text.size() - written);
        std::memcpy(extents[extent].iov_base, text.data() + written, part);
        written += part;
      }
      bytes.Commit(extents, count, written);
    }
    Check(bytes.size() == commits * text.size(), "bytes were not committed");
    bytes.Drain(bytes.size());
  });
}

// Everything, to and fro.
template <typename Bytes>
void RunMoveCase(benchmark::State& state, size_t size) {
  constexpr int kMoves = 100;
  Bytes one;
  Bytes other;
  one.Append(TestText(size));
  Measure(state, kMoves, [&] {
    for (int i = 0; i < kMoves; i += 2) {
      other.MoveAll(one);
      one.MoveAll(other);
    }
  });
  Check(one.size() == size, "bytes were lost");
}

// 16 KiB appended, and moved in parts of `part` bytes.
template <typename Bytes>
void RunMovePartCase(benchmark::State& state, size_t part) {
  const std::string text = TestText(16 * kKibibyte);
  const int moves = static_cast<int>((text.size() + part - 1) / part);
  Bytes source;
  Bytes destination;
  Measure(state, moves, [&] {
    source.Append(text);
    for (int i = 0; i < moves; ++i) destination.MoveFrom(source, part);
    Check(destination.size() == text.size(), "bytes were lost");
    destination.Drain(destination.size());
  });
}

// 64 KiB appended, and drained in parts of `part` bytes.
template <typename Bytes>
void RunDrainCase(benchmark::State& state, size_t part) {
  const std::string text = TestText(64 * kKibibyte);
  const int drains = static_cast<int>((text.size() + part - 1) / part);
  Bytes bytes;
  Measure(state, drains, [&] {
    bytes.Append(text);
    for (int i = 0; i < drains; ++i) bytes.Drain(part);
    Check(bytes.size() == 0, "bytes are left");
  });
}

// 1 MiB of lines of 100 bytes, appended line by line.
template <typename Bytes>
void RunFindCrlfCase(benchmark::State& state) {
  const std::string line = TestText(98) + "\r\n";
  const int lines = static_cast<int>(1024 * kKibibyte / line.size());
  Bytes bytes;
  for (int i = 0; i < lines; ++i) bytes.Append(line);
  Measure(state, lines,
          [&] { Check(bytes.CountLines() == lines, "lines were not found"); });
}

// Pieces of 1 KiB, queued by reference, made one of `size` bytes.
template <typename Bytes>
void RunPullupCase(benchmark::State& state, size_t size) {
  const std::string piece = TestText(kKibibyte);
  Bytes bytes;
  const size_t pieces = size / piece.size();
  Measure(state, kShortRepeats, [&] {
    for (int i = 0; i < kShortRepeats; ++i) {
      for (size_t j = 0; j < pieces; ++j) bytes.AppendReference(piece);
      Check(bytes.Pullup(size) != nullptr, "bytes were not pulled up");
      bytes.Drain(size);
    }
  });
}

template <typename Bytes>
void RunCopyOutCase(benchmark::State& state, size_t size) {
  std::string copy(size, '\0');
  Bytes bytes;
  bytes.Append(TestText(size));
  Measure(state, kShortRepeats, [&] {
    for (int i = 0; i < kShortRepeats; ++i) {
      bytes.CopyOut(copy.data(), copy.size());
      benchmark::ClobberMemory();
    }
  });
}

// Through a socket, from one buffer into another; then from that one.
template <typename Bytes>
void RunWriteReadCase(benchmark::State& state, size_t size) {
  SocketPair sockets;
  Bytes one;
  Bytes other;
  one.Append(TestText(size));
  Bytes* from = &one;
  Bytes* to = &other;
  Measure(state, kShortRepeats, [&] {
    for (int i = 0; i < kShortRepeats; ++i) {
      while (from->size() > 0) {
        if (!Check(from->WriteTo(sockets.write_fd()) > 0, "write")) return;
      }
      while (to->size() < size) {
        if (!Check(to->ReadFrom(sockets.read_fd(), size) > 0, "read")) return;
      }
      std::swap(from, to);
    }
  });
}

// A header of 100 bytes and a file of `size` bytes, to a socket.
template <typename Bytes>
void RunSendFileCase(benchmark::State& state, size_t size) {
  SocketPair sockets;
  const std::string header = TestText(100);
  const typename Bytes::File file = Bytes::OpenFile(FileWith(TestText(size)));
  std::string received(size + header.size(), '\0');
  Bytes bytes;
  Measure(state, kShortRepeats, [&] {
    for (int i = 0; i < kShortRepeats; ++i) {
      bytes.Append(header);
      bytes.AppendFile(file);
      while (bytes.size() > 0) {
        if (!Check(bytes.WriteTo(sockets.write_fd()) > 0, "write")) return;
      }
      if (!Check(sockets.Receive(received), "read")) return;
    }
  });
}

// Adds `run` as "`name`/`size`".
inline void AddSizedCase(const std::string& name, size_t size,
                         void (*run)(benchmark::State&, size_t)) {
  AddCase(name + "/" + std::to_string(size),
          [run, size](benchmark::State& state) { run(state, size); });
}

template <typename Bytes>
void AddBufferCases() {
  for (size_t size : {1, 64, 1024}) {
    AddSizedCase("append", size, &RunAppendCase<Bytes>);
  }
  AddSizedCase("append_reference", 4096, &RunAppendReferenceCase<Bytes>);
  AddSizedCase("prepend", 16, &RunPrependCase<Bytes>);
  AddSizedCase("reserve_commit", 4096, &RunReserveCommitCase<Bytes>);
  AddSizedCase("move", 16 * kKibibyte, &RunMoveCase<Bytes>);
  AddSizedCase("move_part", 1000, &RunMovePartCase<Bytes>);
  AddSizedCase("drain", 100, &RunDrainCase<Bytes>);
  AddSizedCase("copy_out", 16 * kKibibyte, &RunCopyOutCase<Bytes>);
  AddSizedCase("pullup", 16 * kKibibyte, &RunPullupCase<Bytes>);
  AddCase("find_crlf", &RunFindCrlfCase<Bytes>);
  AddSizedCase("write_read", 16 * kKibibyte, &RunWriteReadCase<Bytes>);
  for (size_t size : {4 * kKibibyte, 64 * kKibibyte}) {
    AddSizedCase("send_file", size, &RunSendFileCase<Bytes>);
  }
}

}  // namespace percore::bench

#endif  // PERCORE_BENCH_BUFFER_BUFFER_CASES_H_
