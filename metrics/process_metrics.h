// What every Prometheus client shows of its process: process_*, and the memory
// of the allocator.
#ifndef PERCORE_METRICS_PROCESS_METRICS_H_
#define PERCORE_METRICS_PROCESS_METRICS_H_

#include <vector>

#include "prometheus/metric_family.h"

namespace percore {

// Appends the standard process_* families, from /proc/self, and, if the program
// is linked with jemalloc, percore_memory_*_bytes. What cannot be read is left
// out. Any thread.
//
// ```cpp
// std::vector<prometheus::MetricFamily> families;
// percore::AppendProcessMetrics(families);
// ```
void AppendProcessMetrics(std::vector<prometheus::MetricFamily>& families);

}  // namespace percore

#endif  // PERCORE_METRICS_PROCESS_METRICS_H_
