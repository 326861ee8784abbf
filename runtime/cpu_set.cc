#include "percore/runtime/cpu_set.h"

#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <set>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "percore/runtime/error.h"

namespace percore {
namespace {

absl::Status BadCpuList(absl::string_view text, absl::string_view part) {
  return absl::InvalidArgumentError(
      absl::StrCat("bad CPU list '", text, "': '", part,
                   "' is not a CPU number or a range like 2-5"));
}

bool ParseCpu(absl::string_view text, int* cpu) {
  return absl::SimpleAtoi(text, cpu) && *cpu >= 0 && *cpu < CPU_SETSIZE;
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// cgroup v2: "150000 100000" or "max 100000".
std::optional<double> QuotaV2(const std::string& folder) {
  const std::string text = ReadFile(folder + "/cpu.max");
  const std::vector<absl::string_view> words =
      absl::StrSplit(text, absl::ByAnyChar(" \n"), absl::SkipEmpty());
  double quota = 0;
  double period = 0;
  if (words.size() != 2 || !absl::SimpleAtod(words[0], &quota) ||
      !absl::SimpleAtod(words[1], &period) || quota <= 0 || period <= 0) {
    return std::nullopt;
  }
  return quota / period;
}

// cgroup v1: microseconds in two files; a quota of -1 is no limit.
std::optional<double> QuotaV1(const std::string& folder) {
  double quota = 0;
  double period = 0;
  if (!absl::SimpleAtod(ReadFile(folder + "/cpu.cfs_quota_us"), &quota) ||
      !absl::SimpleAtod(ReadFile(folder + "/cpu.cfs_period_us"), &period) ||
      quota <= 0 || period <= 0) {
    return std::nullopt;
  }
  return quota / period;
}

// The tightest quota of `path` below `mount` and of every folder above it.
std::optional<double> TightestQuota(
    const std::string& mount, std::string path,
    std::optional<double> (*quota_of)(const std::string&)) {
  std::optional<double> tightest;
  while (true) {
    const std::optional<double> quota = quota_of(mount + path);
    if (quota && (!tightest || *quota < *tightest)) tightest = quota;
    const size_t slash = path.rfind('/');
    if (slash == std::string::npos) return tightest;
    path.resize(slash);
  }
}

}  // namespace

absl::StatusOr<CpuList> ParseCpuList(std::string_view text) {
  const absl::string_view all = ToAbsl(text);
  std::set<int> cpus;
  for (const absl::string_view part : absl::StrSplit(all, ',')) {
    const std::pair<absl::string_view, absl::string_view> ends =
        absl::StrSplit(part, absl::MaxSplits('-', 1));
    const bool is_range = part.find('-') != absl::string_view::npos;
    int first = 0;
    int last = 0;
    if (!ParseCpu(ends.first, &first) ||
        !ParseCpu(is_range ? ends.second : ends.first, &last) || last < first) {
      return BadCpuList(all, part);
    }
    for (int cpu = first; cpu <= last; ++cpu) cpus.insert(cpu);
  }
  return CpuList(cpus.begin(), cpus.end());
}

std::string FormatCpuList(const CpuList& cpus) {
  std::vector<std::string> parts;
  for (size_t i = 0; i < cpus.size();) {
    size_t end = i + 1;
    while (end < cpus.size() && cpus[end] == cpus[end - 1] + 1) ++end;
    parts.push_back(end - i == 1 ? absl::StrCat(cpus[i])
                                 : absl::StrCat(cpus[i], "-", cpus[end - 1]));
    i = end;
  }
  return absl::StrJoin(parts, ",");
}

absl::StatusOr<CpuList> AllowedCpus() {
  cpu_set_t mask;
  if (sched_getaffinity(0, sizeof(mask), &mask) < 0) {
    return SystemError(errno, "sched_getaffinity");
  }
  CpuList cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &mask)) cpus.push_back(cpu);
  }
  return cpus;
}

std::optional<double> CgroupCpuQuota(const std::string& root) {
  // A line a hierarchy: "4:cpu,cpuacct:/path" in v1, "0::/path" in v2.
  const std::string text = ReadFile(root + "/proc/self/cgroup");
  const std::string mount = root + "/sys/fs/cgroup";
  std::optional<double> tightest;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    const std::vector<absl::string_view> fields =
        absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (fields.size() != 3) continue;
    std::string path(fields[2] == "/" ? "" : fields[2]);
    const std::vector<absl::string_view> controllers =
        absl::StrSplit(fields[1], ',');
    std::optional<double> quota;
    if (fields[1].empty()) {
      quota = TightestQuota(mount, path, QuotaV2);
    } else if (std::count(controllers.begin(), controllers.end(), "cpu") > 0) {
      quota = TightestQuota(absl::StrCat(mount, "/cpu"), path, QuotaV1);
    }
    if (quota && (!tightest || *quota < *tightest)) tightest = quota;
  }
  return tightest;
}

absl::Status PinThread(int cpu) {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  CPU_SET(cpu, &mask);
  if (sched_setaffinity(0, sizeof(mask), &mask) < 0) {
    return SystemError(errno, "sched_setaffinity", absl::StrCat("CPU ", cpu));
  }
  return absl::OkStatus();
}

}  // namespace percore
