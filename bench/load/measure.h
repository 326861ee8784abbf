// Runs a load from its first connection to its last answer.
#ifndef PERCORE_BENCH_LOAD_MEASURE_H_
#define PERCORE_BENCH_LOAD_MEASURE_H_

#include <time.h>

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "percore/bench/load/results.h"
#include "percore/bench/load/run.h"

namespace percore::bench {

struct MeasureOptions {
  RunOptions run = {};       // `spread_sources` is set by Measure()
  uint32_t connections = 1;  // at least one for each thread
  // How long to measure, or how many requests, if that is not 0.
  double seconds = 1;
  uint64_t requests = 0;
  // Of load that is not counted, in seconds.
  double warmup = 0;
  // To pin the threads to, in turn; none to leave them where they are.
  std::vector<int> cpus = {};
  uint64_t seed = 1;
  // What the server's CPU time is read from.
  clockid_t server_clock = CLOCK_PROCESS_CPUTIME_ID;
};

struct Measured {
  Results results;
  double seconds = 0;
  double server_cpu_seconds = 0;
};

// Returns the first error of any thread: the server is gone, or wrong, or has
// fallen silent, or the machine lacks descriptors or CPUs.
absl::StatusOr<Measured> Measure(const MeasureOptions& options);

}  // namespace percore::bench

#endif  // PERCORE_BENCH_LOAD_MEASURE_H_
