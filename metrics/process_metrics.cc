#include "percore/metrics/process_metrics.h"

#include <sys/resource.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <system_error>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "percore/metrics/family.h"

// jemalloc's control function. Weak: it is the program that chooses its
// allocator.
extern "C" int mallctl(const char* name, void* old_value, size_t* old_size,
                       void* new_value, size_t new_size) __attribute__((weak));

namespace percore {
namespace {

using prometheus::MetricType;
using Families = std::vector<prometheus::MetricFamily>;

void AppendOne(const char* name, const char* help, MetricType type,
               double value, Families& families) {
  Family family(name, help, type);
  family.Add(value, {});
  std::move(family).AppendTo(families);
}

// proc(5): the fields of /proc/self/stat behind the command name, which may
// hold anything but ends with the last ')'.
std::optional<std::vector<std::string>> StatFields() {
  std::ifstream file("/proc/self/stat");
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  const size_t end = text.rfind(')');
  if (end == std::string::npos || end + 2 > text.size()) return std::nullopt;
  return absl::StrSplit(text.substr(end + 2), ' ');
}

// Seconds from the epoch to the machine's start.
std::optional<double> BootTime() {
  std::ifstream file("/proc/stat");
  for (std::string word; file >> word;) {
    double seconds = 0;
    if (word == "btime" && file >> seconds) return seconds;
  }
  return std::nullopt;
}

void AppendStat(Families& families) {
  // Positions behind the command name; proc(5) counts from 1, with it as 2.
  constexpr size_t kUserTime = 14 - 3;
  constexpr size_t kSystemTime = 15 - 3;
  constexpr size_t kStartTime = 22 - 3;
  constexpr size_t kVirtualSize = 23 - 3;
  constexpr size_t kResidentPages = 24 - 3;
  const auto fields = StatFields();
  if (!fields || fields->size() <= kResidentPages) return;
  const auto number = [&fields](size_t index) {
    double value = 0;
    return absl::SimpleAtod((*fields)[index], &value) ? value : 0;
  };
  const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  AppendOne("process_cpu_seconds_total",
            "Total user and system CPU time spent in seconds.",
            MetricType::Counter,
            (number(kUserTime) + number(kSystemTime)) / ticks, families);
  if (const std::optional<double> boot_time = BootTime()) {
    AppendOne("process_start_time_seconds",
              "Start time of the process since unix epoch in seconds.",
              MetricType::Gauge, *boot_time + number(kStartTime) / ticks,
              families);
  }
  AppendOne("process_virtual_memory_bytes", "Virtual memory size in bytes.",
            MetricType::Gauge, number(kVirtualSize), families);
  AppendOne("process_resident_memory_bytes", "Resident memory size in bytes.",
            MetricType::Gauge,
            number(kResidentPages) * static_cast<double>(sysconf(_SC_PAGESIZE)),
            families);
}

void AppendDescriptors(Families& families) {
  std::error_code error;
  double open = 0;
  for (std::filesystem::directory_iterator entry("/proc/self/fd", error), end;
       !error && entry != end; entry.increment(error)) {
    ++open;
  }
  if (!error) {
    AppendOne("process_open_fds", "Number of open file descriptors.",
              MetricType::Gauge, open, families);
  }
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    AppendOne("process_max_fds", "Maximum number of open file descriptors.",
              MetricType::Gauge, static_cast<double>(limit.rlim_cur), families);
  }
}

void AppendAllocator(Families& families) {
  if (mallctl == nullptr) return;
  // jemalloc's numbers stand still until their epoch is advanced.
  uint64_t epoch = 1;
  size_t size = sizeof(epoch);
  mallctl("epoch", &epoch, &size, &epoch, size);
  struct Row {
    const char* control;
    const char* name;
    const char* help;
  };
  constexpr Row kRows[] = {
      {"stats.allocated", "percore_memory_allocated_bytes",
       "Bytes that the program has allocated and not freed."},
      {"stats.active", "percore_memory_active_bytes",
       "Bytes in pages that hold allocations."},
      {"stats.resident", "percore_memory_resident_bytes",
       "Bytes of the allocator in physical memory, its own included."},
  };
  for (const Row& row : kRows) {
    size_t value = 0;
    size_t value_size = sizeof(value);
    if (mallctl(row.control, &value, &value_size, nullptr, 0) != 0) continue;
    AppendOne(row.name, row.help, MetricType::Gauge, static_cast<double>(value),
              families);
  }
}

}  // namespace

void AppendProcessMetrics(Families& families) {
  AppendStat(families);
  AppendDescriptors(families);
  AppendAllocator(families);
}

}  // namespace percore
