// Decides what counts, and from when.
//
// Which answers belong to the measured phase is the one thing that a load
// generator must not get wrong, and it depends on the load:
//
// - Closed loop, for a time: the answers that come in the phase.
// - Closed loop, for a number of requests: the answers to these requests,
//   whenever they come; the phase ends with the last of them.
// - Open loop: latencies are those of the requests that were *due* in the
//   phase, also when they are answered after it, and count from when they were
//   due. A server that stops is charged for all that should have been asked.
//
// Reads no clock: the tests tell the time.
#ifndef PERCORE_BENCH_LOAD_RECORDER_H_
#define PERCORE_BENCH_LOAD_RECORDER_H_

#include <cstdint>

#include "percore/bench/load/payload.h"
#include "percore/bench/load/request_ring.h"
#include "percore/bench/load/results.h"

namespace percore::bench {

// One thread. Times are of CLOCK_MONOTONIC, or of any one clock.
class Recorder {
 public:
  // Which answers make the results.
  enum class Attribution {
    kWhenAnswered,  // closed loop for a time
    kWhenDue,       // open loop for a time
    kNumbered,      // either loop, for a number of requests
  };

  explicit Recorder(Attribution attribution) : attribution_(attribution) {}

  // The measured phase begins and ends. `cpu_ns` is the thread's CPU time.
  void Begin(int64_t now_ns, int64_t cpu_ns);
  void End(int64_t now_ns, int64_t cpu_ns);

  // What a request carries, that is due at `due_ns` and made now.
  RequestInFlight Make(RequestId id, int64_t due_ns) const {
    return {.id = id, .due_ns = due_ns, .measured = IsMeasured(due_ns)};
  }

  // Open loop: a request that was due then is sent now, or waits for its
  // connection's socket.
  void Made(int64_t due_ns, int64_t now_ns);
  void Answered(Reply::Kind kind, const RequestInFlight& request,
                int64_t now_ns);

  void Sent(uint64_t bytes) {
    if (measuring_) results_.bytes_sent += bytes;
  }
  void Received(uint64_t bytes) {
    if (measuring_) results_.bytes_received += bytes;
  }
  // `retried` if the server did not take it at the first time of asking.
  void Connected(bool retried) {
    if (measuring_) ++results_.connections_opened;
    if (retried) ++results_.connections_retried;
  }
  void Completed() {
    if (measuring_) ++results_.connections_completed;
  }

  const Results& results() const { return results_; }

 private:
  bool IsMeasured(int64_t due_ns) const {
    return measuring_ && due_ns >= begin_ns_;
  }

  const Attribution attribution_;
  bool measuring_ = false;
  int64_t begin_ns_ = 0;
  int64_t begin_cpu_ns_ = 0;
  Results results_;
};

}  // namespace percore::bench

#endif  // PERCORE_BENCH_LOAD_RECORDER_H_
