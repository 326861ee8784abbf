// Opens the connections of one thread, without waiting for any.
#ifndef PERCORE_BENCH_LOAD_CONNECTOR_H_
#define PERCORE_BENCH_LOAD_CONNECTOR_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "percore/bench/load/connection.h"
#include "percore/bench/load/poller.h"
#include "percore/bench/load/run.h"

namespace percore::bench {

// One thread.
class Connector {
 public:
  // Both must outlive it.
  Connector(const RunOptions& run, Poller& poller)
      : run_(run), poller_(poller) {}

  // Queues a closed connection.
  void Add(Connection& connection) { queue_.push_back(&connection); }

  // Starts to connect queued ones, as far as that does not crowd the server.
  // Each then becomes writable.
  absl::Status Start();

  // Takes over a connection that has become writable while connecting. It is
  // open, and watched for answers.
  absl::Status Finish(Connection& connection);

  size_t connecting() const { return connecting_; }

 private:
  const RunOptions& run_;
  Poller& poller_;
  std::vector<Connection*> queue_;
  size_t connecting_ = 0;
  uint64_t started_ = 0;
};

}  // namespace percore::bench

#endif  // PERCORE_BENCH_LOAD_CONNECTOR_H_
