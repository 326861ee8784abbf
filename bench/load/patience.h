// How long a load waits for a server that has fallen silent.
#ifndef PERCORE_BENCH_LOAD_PATIENCE_H_
#define PERCORE_BENCH_LOAD_PATIENCE_H_

#include <cstdint>

namespace percore::bench {

// Progress is a whole answer or an established connection, not some bytes: a
// server that trickles is given up as one that is silent. Times are of any one
// clock, in nanoseconds. One thread.
class Patience {
 public:
  explicit Patience(int64_t patience_ns) : patience_ns_(patience_ns) {}

  // Something was achieved, or nothing is awaited.
  void Renew(int64_t now_ns) { since_ns_ = now_ns; }

  bool IsOver(int64_t now_ns) const {
    return now_ns - since_ns_ > patience_ns_;
  }

 private:
  const int64_t patience_ns_;
  int64_t since_ns_ = 0;
};

}  // namespace percore::bench

#endif  // PERCORE_BENCH_LOAD_PATIENCE_H_
