#include "percore/metrics/family.h"

#include <gtest/gtest.h>

#include <vector>

namespace percore {
namespace {

using prometheus::MetricType;

TEST(FamilyTest, HoldsSamplesWithLabels) {
  Family family("percore_widgets_total", "Widgets made.", MetricType::Counter);
  family.Add(3, {{"shard", "0"}});
  family.Add(4, {{"shard", "1"}});
  std::vector<prometheus::MetricFamily> families;
  std::move(family).AppendTo(families);
  ASSERT_EQ(families.size(), 1u);
  EXPECT_EQ(families[0].name, "percore_widgets_total");
  EXPECT_EQ(families[0].help, "Widgets made.");
  ASSERT_EQ(families[0].metric.size(), 2u);
  EXPECT_EQ(families[0].metric[1].counter.value, 4);
  EXPECT_EQ(families[0].metric[1].label[0].value, "1");
}

TEST(FamilyTest, AGaugeHoldsItsValueAsAGauge) {
  Family family("percore_depth", "Depth.", MetricType::Gauge);
  family.Add(-2, {});
  std::vector<prometheus::MetricFamily> families;
  std::move(family).AppendTo(families);
  EXPECT_EQ(families[0].metric[0].gauge.value, -2);
}

TEST(FamilyTest, WithoutSamplesItIsLeftOut) {
  std::vector<prometheus::MetricFamily> families;
  Family("percore_nothing", "Nothing.", MetricType::Gauge).AppendTo(families);
  EXPECT_TRUE(families.empty());
}

}  // namespace
}  // namespace percore
