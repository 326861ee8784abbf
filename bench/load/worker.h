// One thread of memcached_load: its connections, and what it measured on them.
#ifndef PERCORE_BENCH_LOAD_WORKER_H_
#define PERCORE_BENCH_LOAD_WORKER_H_

#include <sys/epoll.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "percore/bench/load/histogram.h"
#include "percore/bench/load/workload.h"

struct addrinfo;

namespace percore::bench {

// What all workers of a run share. Phases only go forward: the main thread sets
// them, the workers look once a round.
struct Run {
  enum class Phase {
    kPreload,  // Every key is set once, by the worker it belongs to.
    kWarmUp,   // The load runs, and is not counted.
    kMeasure,  // The load runs, and is counted.
    kStop,     // Nothing is sent any more; the answers under way are awaited.
  };

  explicit Run(size_t value_size) : workload(value_size) {}

  const Workload workload;
  uint32_t keys = 0;
  double set_ratio = 0;
  // Requests in flight on each connection.
  size_t depth = 1;

  std::atomic<Phase> phase{Phase::kPreload};
  // Workers that have not set all their keys yet, and that still run.
  std::atomic<int> preloading{0};
  std::atomic<int> running{0};
};

// Counts of the measured phase, but for `total_requests`.
struct Results {
  uint64_t requests = 0;
  uint64_t hits = 0;
  uint64_t misses = 0;
  uint64_t server_errors = 0;
  // Everything ever sent and answered, in all phases.
  uint64_t total_requests = 0;
  // This thread's CPU time, as a share of the time that passed.
  double cpu_share = 0;
  Histogram latency_ns;
};

// Keeps `run.depth` requests in flight on each connection: a closed loop, so a
// slow server is asked less. Neutral on purpose: plain epoll(7), level
// triggered, one receive and one send for whatever is ready on a connection,
// nothing of Percore.
//
// All methods belong to one thread; the constructor may run on another.
class Worker {
 public:
  struct Options {
    const addrinfo* address;
    int connections;
    // The keys that this worker sets before anything is measured.
    uint32_t first_key;
    uint32_t end_key;
    // Requests to send in the measured phase; 0 for as many as there is time
    // for.
    uint64_t requests;
    uint64_t seed;
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
  struct Sent {
    Request request;
    int64_t sent_ns;
  };

  struct Connection {
    ~Connection();

    int fd = -1;
    // A ring of the requests in flight: `in_flight` of them, from `oldest` on.
    std::vector<Sent> sent;
    size_t oldest = 0;
    size_t in_flight = 0;
    // Bytes not sent yet, and the part of an answer that has come so far.
    std::string outgoing;
    std::vector<char> incoming;
    size_t incoming_size = 0;
    bool wants_write = false;
  };

  absl::Status Connect();
  absl::Status Loop();
  absl::Status FollowPhase();
  void ReportPreloaded();
  void BeginMeasuring();
  void EndMeasuring();

  absl::Status HandleReadable(Connection& connection);
  absl::Status ConsumeReplies(Connection& connection, int64_t now_ns);
  void Count(Reply::Kind kind, int64_t latency_ns);
  // Sends new requests until `run.depth` are in flight.
  absl::Status Refill(Connection& connection);
  absl::Status RefillAll();
  absl::Status Send(Connection& connection);
  bool NextRequest(Request* request);
  Request RandomRequest();

  Run& run_;
  const Options options_;
  int epoll_fd_ = -1;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::mt19937_64 random_;
  uint32_t next_preload_;
  bool reported_preloaded_ = false;
  Run::Phase phase_ = Run::Phase::kPreload;
  // Requests in flight on all connections; requests left to send if limited.
  uint64_t in_flight_ = 0;
  uint64_t requests_left_ = 0;
  int64_t measured_since_ns_ = 0;
  int64_t measured_cpu_since_ns_ = 0;
  Results results_;
};

}  // namespace percore::bench

#endif  // PERCORE_BENCH_LOAD_WORKER_H_
