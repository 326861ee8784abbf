// One thread of the load: its connections, and what it measured on them.
#ifndef PERCORE_BENCH_LOAD_WORKER_H_
#define PERCORE_BENCH_LOAD_WORKER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <vector>

#include "absl/status/status.h"
#include "percore/bench/load/connection.h"
#include "percore/bench/load/results.h"
#include "percore/bench/load/run.h"
#include "percore/bench/load/schedule.h"

struct epoll_event;

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
    // The part of the payload's preload that it sends.
    uint32_t first_preload = 0;
    uint32_t end_preload = 0;
    // Requests to send in the measured phase; 0 for as many as there is time
    // for.
    uint64_t requests = 0;
    uint64_t seed = 0;
  };

  // `run` must outlive the worker.
  Worker(Run& run, const Options& options);
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  ~Worker();

  // Connects, and runs until the phase is kStop or, if Options::requests says
  // so, all requests are sent, and every request is answered. An answer that is
  // not right is an error, and ends the run.
  absl::Status Work();

  const Results& results() const { return results_; }

 private:
  absl::Status Loop();
  bool Done() const;
  absl::Status Wait(std::vector<epoll_event>& events, int* count) const;
  absl::Status CheckPatience(int events);

  absl::Status FollowPhase();
  void ReportPrepared();
  void BeginMeasuring();
  void EndMeasuring();

  absl::Status OpenConnections();
  absl::Status OpenOne(Connection& connection);
  absl::Status Watch(Connection& connection, uint32_t events) const;

  absl::Status Handle(Connection& connection, uint32_t events);
  absl::Status Connected(Connection& connection);
  absl::Status Receive(Connection& connection);
  absl::Status Ended(Connection& connection);
  absl::Status ConsumeReplies(Connection& connection, size_t size,
                              int64_t now_ns);
  void Count(Reply::Kind kind, const RequestInFlight& request, int64_t now_ns);

  // Closed loop: sends new requests until `depth` are in flight.
  absl::Status Refill(Connection& connection);
  absl::Status RefillAll();
  // Open loop: sends what is due.
  absl::Status SendDue();
  bool Make(Connection& connection, int64_t due_ns);
  bool NextRequest(Connection& connection, RequestId* request);
  absl::Status Send(Connection& connection);

  bool open_loop() const { return run_.options.rate > 0; }

  Run& run_;
  const Options options_;
  int epoll_fd_ = -1;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::vector<Connection*> to_open_;
  size_t connecting_ = 0;
  size_t open_ = 0;
  uint64_t opened_ = 0;
  // Receives for all connections; in front of it, what is left of the last
  // receive on the same connection.
  std::vector<char> incoming_;

  std::mt19937_64 random_;
  Schedule schedule_;
  size_t next_connection_ = 0;
  uint32_t next_preload_;
  bool reported_prepared_ = false;
  Run::Phase phase_ = Run::Phase::kPrepare;
  // Requests in flight on all connections; requests left to send if limited.
  uint64_t in_flight_ = 0;
  uint64_t requests_left_ = 0;
  int64_t last_event_ns_ = 0;
  int64_t measured_since_ns_ = 0;
  int64_t measured_cpu_since_ns_ = 0;
  Results results_;
};

}  // namespace percore::bench

#endif  // PERCORE_BENCH_LOAD_WORKER_H_
