#include "percore/bench/load/recorder.h"

#include <algorithm>

namespace percore::bench {

void Recorder::Begin(int64_t now_ns, int64_t cpu_ns) {
  measuring_ = true;
  begin_ns_ = now_ns;
  begin_cpu_ns_ = cpu_ns;
}

void Recorder::End(int64_t now_ns, int64_t cpu_ns) {
  if (!measuring_) return;
  measuring_ = false;
  results_.measured_ns = std::max<int64_t>(now_ns - begin_ns_, 1);
  results_.cpu_share = static_cast<double>(cpu_ns - begin_cpu_ns_) /
                       static_cast<double>(results_.measured_ns);
}

void Recorder::Made(int64_t due_ns, int64_t now_ns) {
  if (!IsMeasured(due_ns)) return;
  results_.send_lag_ns.Record(
      static_cast<uint64_t>(std::max<int64_t>(now_ns - due_ns, 0)));
}

void Recorder::Answered(Reply::Kind kind, const RequestInFlight& request,
                        int64_t now_ns) {
  ++results_.total_requests;
  const bool counts =
      attribution_ == Attribution::kNumbered ? request.measured : measuring_;
  const bool timed =
      attribution_ == Attribution::kWhenDue ? request.measured : counts;
  if (timed) {
    results_.latency_ns.Record(
        static_cast<uint64_t>(std::max<int64_t>(now_ns - request.due_ns, 0)));
  }
  if (!counts) return;
  ++results_.requests;
  if (kind == Reply::Kind::kHit) ++results_.hits;
  if (kind == Reply::Kind::kMiss) ++results_.misses;
  if (kind == Reply::Kind::kServerError) ++results_.server_errors;
}

}  // namespace percore::bench
