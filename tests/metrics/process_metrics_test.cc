#include "percore/metrics/process_metrics.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <map>
#include <string>
#include <vector>

namespace percore {
namespace {

std::map<std::string, double> Values() {
  std::vector<prometheus::MetricFamily> families;
  AppendProcessMetrics(families);
  std::map<std::string, double> values;
  for (const auto& family : families) {
    values[family.name] = family.type == prometheus::MetricType::Counter
                              ? family.metric[0].counter.value
                              : family.metric[0].gauge.value;
  }
  return values;
}

TEST(ProcessMetricsTest, ShowsTheStandardOnes) {
  const std::map<std::string, double> values = Values();
  EXPECT_GT(values.at("process_resident_memory_bytes"), 1 << 20);
  EXPECT_GT(values.at("process_virtual_memory_bytes"),
            values.at("process_resident_memory_bytes"));
  EXPECT_GE(values.at("process_cpu_seconds_total"), 0);
  EXPECT_GT(values.at("process_max_fds"), 0);
}

TEST(ProcessMetricsTest, ShowsTheLimitOfDescriptors) {
  rlimit limit;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_EQ(Values().at("process_max_fds"),
            static_cast<double>(limit.rlim_cur));
}

// proc(5), /proc/self/statm: pages in all, and those in memory. Other threads
// of a sanitizer may map some in between.
TEST(ProcessMetricsTest, AgreesWithTheKernelAboutMemory) {
  double total = 0;
  double resident = 0;
  std::ifstream("/proc/self/statm") >> total >> resident;
  const auto page = static_cast<double>(sysconf(_SC_PAGESIZE));
  const std::map<std::string, double> values = Values();
  EXPECT_NEAR(values.at("process_virtual_memory_bytes"), total * page, 64e6);
  EXPECT_NEAR(values.at("process_resident_memory_bytes"), resident * page,
              16e6);
}

TEST(ProcessMetricsTest, ProcessorTimeGrowsWithWork) {
  const auto deadline =
      std::chrono::steady_clock::now() + std::chrono::minutes(1);
  const double before = Values().at("process_cpu_seconds_total");
  while (Values().at("process_cpu_seconds_total") <= before) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline);
  }
}

TEST(ProcessMetricsTest, CountsDescriptors) {
  const double before = Values().at("process_open_fds");
  const int fd = dup(0);
  EXPECT_EQ(Values().at("process_open_fds"), before + 1);
  close(fd);
}

TEST(ProcessMetricsTest, KnowsWhenTheProcessStarted) {
  const auto now = std::chrono::duration<double>(
                       std::chrono::system_clock::now().time_since_epoch())
                       .count();
  const double start = Values().at("process_start_time_seconds");
  // The kernel gives the machine's start in whole seconds.
  EXPECT_LE(start, now + 2);
  EXPECT_GT(start, now - 3600);
}

}  // namespace
}  // namespace percore
