// What a load measured.
#ifndef PERCORE_BENCH_LOAD_RESULTS_H_
#define PERCORE_BENCH_LOAD_RESULTS_H_

#include <cstdint>

#include "percore/bench/load/histogram.h"

namespace percore::bench {

// A thread that used more of its CPU than this may be what limited the result.
inline constexpr double kSaturated = 0.9;

// Counts of the measured phase, but for `total_requests` and
// `connections_retried`; recorder.h says which answers those are.
struct Results {
  uint64_t requests = 0;
  uint64_t hits = 0;
  uint64_t misses = 0;
  uint64_t server_errors = 0;
  uint64_t bytes_sent = 0;
  uint64_t bytes_received = 0;
  uint64_t connections_opened = 0;
  uint64_t connections_completed = 0;
  // Connections, in all phases, that the server did not take when first asked:
  // its backlog was full, and the kernel asked again a second later.
  uint64_t connections_retried = 0;
  // Everything ever sent and answered, in all phases.
  uint64_t total_requests = 0;
  // Of the thread that measured longest.
  int64_t measured_ns = 0;
  // The CPU time of the busiest thread, as a share of the time that passed.
  double cpu_share = 0;
  Histogram latency_ns;
  // Open loop: from when a request was due to when it was made.
  Histogram send_lag_ns;

  void Add(const Results& other);
};

}  // namespace percore::bench

#endif  // PERCORE_BENCH_LOAD_RESULTS_H_
