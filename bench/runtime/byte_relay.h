// Socket pairs that hand a byte on, each to the next: the idea of the benchmark
// that libevent comes with.
//
// A byte is written into a pair; whoever watches it finds it readable, reads
// the byte, and writes one into the next pair. Several bytes may go round at
// the same time. Reads and writes are plain system calls, the same for every
// library: what differs is how one learns that a pair is readable.
#ifndef PERCORE_BENCH_RUNTIME_BYTE_RELAY_H_
#define PERCORE_BENCH_RUNTIME_BYTE_RELAY_H_

#include <cstddef>
#include <vector>

namespace percore::bench {

// One thread. A system call that fails is a failed Check().
class ByteRelay {
 public:
  // More than one byte, so that a library that reads as much as there is room
  // for sees that there is no more.
  static constexpr size_t kReadSize = 64;

  // Whether the process may have so many descriptors: two for each pair.
  static bool CanHave(int pairs);

  // At most so many as it can have.
  explicit ByteRelay(int pairs);
  ByteRelay(const ByteRelay&) = delete;
  ByteRelay& operator=(const ByteRelay&) = delete;
  ~ByteRelay();

  int pairs() const { return static_cast<int>(pairs_.size()); }
  // Non-blocking, and closed by the relay.
  int read_fd(int pair) const { return pairs_[pair].read_fd; }

  // Writes a byte into `active` pairs, evenly spread; they go round until
  // `writes` bytes in all have been written.
  void Start(int active, int writes);

  // Reads what is in `pair`, and hands it on. True if that was the last byte,
  // or if something failed: there is nothing more to wait for.
  bool OnReadable(int pair);
  // Same, when somebody else has read `size` bytes.
  bool OnRead(int pair, size_t size);

 private:
  struct Pair {
    int read_fd = -1;
    int write_fd = -1;
  };

  void Write(int pair);

  std::vector<Pair> pairs_;
  int writes_left_ = 0;
  int reads_left_ = 0;
};

}  // namespace percore::bench

#endif  // PERCORE_BENCH_RUNTIME_BYTE_RELAY_H_
