// What the threads of a load share.
#ifndef PERCORE_BENCH_LOAD_RUN_H_
#define PERCORE_BENCH_LOAD_RUN_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "percore/bench/load/payload.h"
#include "percore/bench/load/schedule.h"

struct addrinfo;

namespace percore::bench {

// The same for all threads, and constant.
struct RunOptions {
  const addrinfo* address = nullptr;
  const Payload* payload = nullptr;
  int threads = 1;
  // Closed loop: requests in flight on each connection.
  size_t depth = 1;
  // Open loop: requests a second, over all threads; 0 for a closed loop.
  double rate = 0;
  Arrivals arrivals = Arrivals::kEven;
  // Open loop: more requests than these under way are the end of the run.
  uint64_t max_queued = 0;
  // Requests until a connection is closed and another opened; 0 for no end.
  uint64_t requests_per_connection = 0;
  // Connects from many addresses of 127.0.0.0/8: one has 28,000 ports.
  bool spread_sources = false;
  // How long nothing may happen while something is awaited.
  int64_t patience_ns = 0;
};

// Phases only go forward: the main thread sets them, the workers look once a
// round.
struct Run {
  enum class Phase {
    kPrepare,  // Connections are opened, and the payload's preload is sent.
    kWarmUp,   // The load runs, and is not counted.
    kMeasure,  // The load runs, and is counted.
    kStop,     // Nothing is sent any more; the answers under way are awaited.
  };

  RunOptions options;
  std::atomic<Phase> phase{Phase::kPrepare};
  // Workers that are not prepared yet, and that still run.
  std::atomic<int> preparing{0};
  std::atomic<int> running{0};
  // A worker has ended in error: the others need not go on.
  std::atomic<bool> failed{false};
};

}  // namespace percore::bench

#endif  // PERCORE_BENCH_LOAD_RUN_H_
