// One thread of the load: its connections, and what it measured on them.
#ifndef PERCORE_BENCH_LOAD_WORKER_H_
#define PERCORE_BENCH_LOAD_WORKER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "percore/bench/load/connection.h"
#include "percore/bench/load/connector.h"
#include "percore/bench/load/patience.h"
#include "percore/bench/load/poller.h"
#include "percore/bench/load/recorder.h"
#include "percore/bench/load/request_source.h"
#include "percore/bench/load/results.h"
#include "percore/bench/load/run.h"
#include "percore/bench/load/schedule.h"

namespace percore::bench {

// Neutral on purpose: plain epoll(7), level triggered, one receive and one send
// for whatever is ready on a connection, nothing of Percore.
//
// All methods belong to one thread; the constructor may run on another.
class Worker {
 public:
  struct Options {
    // Numbers of its connections, in the whole run.
    uint32_t first_connection = 0;
    uint32_t connections = 0;
    RequestSource::Options source = {};
  };

  // `run` must outlive the worker.
  Worker(Run& run, const Options& options);
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Connects, and runs until the phase is kStop or, if the source is limited,
  // all requests are made, and every request is answered. An answer that is not
  // right is an error, and ends the run.
  absl::Status Work();

  const Results& results() const { return recorder_.results(); }

 private:
  absl::Status Round();
  bool Done() const;
  // The load runs, and there is something to ask.
  bool Asks() const;
  int64_t WaitNs() const;
  absl::Status CheckPatience();

  absl::Status FollowPhase();
  absl::Status EnterPhase(Run::Phase phase);
  void ReportPrepared();

  absl::Status Handle(Connection& connection, uint32_t events);
  absl::Status Connected(Connection& connection);
  absl::Status Receive(Connection& connection);
  absl::Status Ended(Connection& connection);
  // Consumes what begins `received`, and returns how much that was.
  absl::Status ConsumeReplies(Connection& connection, std::string_view received,
                              size_t* consumed);

  // Closed loop: sends new requests until `depth` are in flight.
  absl::Status Refill(Connection& connection);
  absl::Status RefillAll();
  // Open loop: sends what is due.
  absl::Status SendDue();
  bool Make(Connection& connection, int64_t due_ns);
  // Sends what was just made, unless the socket is known to be full.
  absl::Status SendNew(Connection& connection);
  absl::Status Send(Connection& connection);

  bool open_loop() const { return run_.options.rate > 0; }

  Run& run_;
  const Payload& payload_;
  Poller poller_;
  std::vector<std::unique_ptr<Connection>> connections_;
  Connector connector_;
  size_t open_ = 0;
  RequestSource source_;
  Schedule schedule_;
  size_t next_connection_ = 0;
  Recorder recorder_;
  Patience patience_;
  bool progressed_ = false;
  bool reported_prepared_ = false;
  Run::Phase phase_ = Run::Phase::kPrepare;
  // Requests in flight on all connections.
  uint64_t in_flight_ = 0;
  // For all connections: what is received, with the small rest of the last
  // receive on the same connection in front, and what is made to be sent.
  std::vector<char> incoming_;
  std::string outgoing_;
};

}  // namespace percore::bench

#endif  // PERCORE_BENCH_LOAD_WORKER_H_
