// Which CPUs a process may use, and how many of them it is paid for.
//
// Two things limit a process besides the machine: its CPU mask (taskset,
// cpusets), which names CPUs, and a cgroup's quota, which is a share of time. A
// runtime that starts a pinned thread for each CPU must honour both: threads
// beyond the quota are only throttled together.
//
// ```cpp
// absl::StatusOr<percore::CpuList> cpus = percore::ParseCpuList("0,2-3");
// if (!cpus.ok()) return;
// std::string text = percore::FormatCpuList(*cpus);  // "0,2-3"
// ```
#ifndef PERCORE_RUNTIME_CPU_SET_H_
#define PERCORE_RUNTIME_CPU_SET_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace percore {

// CPU numbers, ascending, each once.
using CpuList = std::vector<int>;

// All functions: any thread.

// Reads the kernel's notation: numbers and ranges, "0,2-3". InvalidArgument
// with the offending part for anything else, and for an empty text.
absl::StatusOr<CpuList> ParseCpuList(std::string_view text);
std::string FormatCpuList(const CpuList& cpus);

// The CPUs that the calling thread may run on (sched_getaffinity(2)).
absl::StatusOr<CpuList> AllowedCpus();

// The share of CPU time that the process's cgroup grants, as a number of CPUs
// (1.5 for a quota of 150 ms every 100 ms); nothing if there is no limit.
// Understands cgroup v1 and v2, and takes the tightest limit on the way up to
// the root. `root` stands for "/" in tests.
std::optional<double> CgroupCpuQuota(const std::string& root = "");

// Binds the calling thread to one CPU (sched_setaffinity(2)).
absl::Status PinThread(int cpu);

}  // namespace percore

#endif  // PERCORE_RUNTIME_CPU_SET_H_
