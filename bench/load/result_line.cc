#include "percore/bench/load/result_line.h"

#include <cstdint>

#include "absl/strings/str_format.h"

namespace percore::bench {
namespace {

double InMicroseconds(double nanoseconds) { return nanoseconds / 1000; }

void AppendLatency(const char* name, const Histogram& latency_ns,
                   std::string* line) {
  absl::StrAppendFormat(line, ", \"%s\": {", name);
  for (const double percentile :
       {50.0, 75.0, 90.0, 95.0, 99.0, 99.5, 99.9, 99.95, 99.99}) {
    const uint64_t value = latency_ns.ValueAtPercentile(percentile);
    absl::StrAppendFormat(line, "\"p%g\": %.1f, ", percentile,
                          InMicroseconds(static_cast<double>(value)));
  }
  absl::StrAppendFormat(line, "\"max\": %.1f, \"mean\": %.1f}",
                        InMicroseconds(static_cast<double>(latency_ns.max())),
                        InMicroseconds(latency_ns.mean()));
}

}  // namespace

std::string ResultLine(const Measured& measured, const MeasureOptions& asked,
                       const ResultLineOptions& options) {
  const Results& results = measured.results;
  const bool open_loop = asked.run.rate > 0;
  std::string line =
      absl::StrFormat("{\"payload\": \"%s\", \"connections\": %d",
                      options.payload, asked.connections);
  if (open_loop) {
    absl::StrAppendFormat(&line, ", \"rate\": %g", asked.run.rate);
  } else {
    absl::StrAppendFormat(&line, ", \"depth\": %d", asked.run.depth);
  }
  absl::StrAppendFormat(
      &line, ", \"requests_per_second\": %.1f, \"seconds\": %.3f",
      static_cast<double>(results.requests) / measured.seconds,
      measured.seconds);
  absl::StrAppendFormat(&line, ", \"requests\": %d, \"total_requests\": %d",
                        results.requests, results.total_requests);
  absl::StrAppendFormat(&line, ", \"bytes_sent\": %d, \"bytes_received\": %d",
                        results.bytes_sent, results.bytes_received);
  if (options.payload == "memcached") {
    absl::StrAppendFormat(
        &line, ", \"hits\": %d, \"misses\": %d, \"server_errors\": %d",
        results.hits, results.misses, results.server_errors);
  }
  if (asked.run.requests_per_connection > 0) {
    absl::StrAppendFormat(
        &line,
        ", \"connections_opened\": %d, \"connections_completed\": %d, "
        "\"connections_per_second\": %.1f",
        results.connections_opened, results.connections_completed,
        static_cast<double>(results.connections_completed) / measured.seconds);
  }
  absl::StrAppendFormat(&line, ", \"connections_retried\": %d",
                        results.connections_retried);
  AppendLatency("latency_us", results.latency_ns, &line);
  if (open_loop) AppendLatency("send_lag_us", results.send_lag_ns, &line);
  absl::StrAppendFormat(&line, ", \"load_cpu_share\": %.3f, \"saturated\": %s",
                        results.cpu_share,
                        results.cpu_share > kSaturated ? "true" : "false");
  if (options.server_cpu) {
    absl::StrAppendFormat(&line, ", \"server_cpu_seconds\": %.6f",
                          measured.server_cpu_seconds);
  }
  line.append("}\n");
  return line;
}

}  // namespace percore::bench
