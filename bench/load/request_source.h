// Which request a thread of the load makes next, if any.
#ifndef PERCORE_BENCH_LOAD_REQUEST_SOURCE_H_
#define PERCORE_BENCH_LOAD_REQUEST_SOURCE_H_

#include <cstdint>
#include <optional>
#include <random>

#include "percore/bench/load/connection.h"
#include "percore/bench/load/payload.h"
#include "percore/bench/load/run.h"

namespace percore::bench {

// One thread.
class RequestSource {
 public:
  struct Options {
    // The part of the payload's preload that is made.
    uint32_t first_preload = 0;
    uint32_t end_preload = 0;
    // Requests to make in the measured phase, maybe 0; nothing for as many as
    // there is time for.
    std::optional<uint64_t> requests = {};
    // Requests until a connection is closed; 0 for no end.
    uint64_t requests_per_connection = 0;
    uint64_t seed = 0;
  };

  // `payload` must outlive it.
  RequestSource(const Payload& payload, const Options& options)
      : payload_(payload),
        options_(options),
        next_preload_(options.first_preload),
        requests_left_(options.requests),
        random_(options.seed) {}

  // Nothing if the preload, the requests of the measured phase or those of the
  // connection are all made.
  std::optional<RequestId> Next(Run::Phase phase, Connection& connection);

  bool preloaded() const { return next_preload_ == options_.end_preload; }

  // All requests of the measured phase are made.
  bool exhausted() const { return requests_left_ == 0; }

 private:
  const Payload& payload_;
  const Options options_;
  uint32_t next_preload_;
  std::optional<uint64_t> requests_left_;
  std::mt19937_64 random_;
};

}  // namespace percore::bench

#endif  // PERCORE_BENCH_LOAD_REQUEST_SOURCE_H_
