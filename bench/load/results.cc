#include "percore/bench/load/results.h"

#include <algorithm>

namespace percore::bench {

void Results::Add(const Results& other) {
  requests += other.requests;
  hits += other.hits;
  misses += other.misses;
  server_errors += other.server_errors;
  bytes_sent += other.bytes_sent;
  bytes_received += other.bytes_received;
  connections_opened += other.connections_opened;
  connections_completed += other.connections_completed;
  connections_retried += other.connections_retried;
  total_requests += other.total_requests;
  measured_ns = std::max(measured_ns, other.measured_ns);
  cpu_share = std::max(cpu_share, other.cpu_share);
  latency_ns.Merge(other.latency_ns);
  send_lag_ns.Merge(other.send_lag_ns);
}

}  // namespace percore::bench
