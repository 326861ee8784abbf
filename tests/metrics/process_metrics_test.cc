#include "percore/metrics/process_metrics.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
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
