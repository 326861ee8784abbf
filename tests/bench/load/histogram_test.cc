#include "percore/bench/load/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

namespace percore::bench {
namespace {

TEST(HistogramTest, IsZeroWhenNothingWasRecorded) {
  const Histogram histogram;
  EXPECT_EQ(histogram.count(), 0);
  EXPECT_EQ(histogram.max(), 0);
  EXPECT_EQ(histogram.ValueAtPercentile(50), 0);
  EXPECT_EQ(histogram.ValueAtPercentile(100), 0);
}

TEST(HistogramTest, KnowsSmallValuesExactly) {
  Histogram histogram;
  for (uint64_t value = 1; value <= 200; ++value) histogram.Record(value);
  EXPECT_EQ(histogram.ValueAtPercentile(0), 1);
  EXPECT_EQ(histogram.ValueAtPercentile(0.5), 1);
  EXPECT_EQ(histogram.ValueAtPercentile(50), 100);
  EXPECT_EQ(histogram.ValueAtPercentile(99.5), 199);
  EXPECT_EQ(histogram.ValueAtPercentile(100), 200);
}

TEST(HistogramTest, KnowsEveryMagnitudeWithinOnePartIn128) {
  for (int bits = 0; bits < 64; ++bits) {
    for (const uint64_t value :
         {(uint64_t{1} << bits) - 1, uint64_t{1} << bits,
          (uint64_t{1} << bits) + (uint64_t{1} << bits) / 3}) {
      Histogram histogram;
      histogram.Record(value);
      // A larger value, so that the first is not rounded down to the maximum.
      histogram.Record(std::numeric_limits<uint64_t>::max());
      const uint64_t seen = histogram.ValueAtPercentile(50);
      EXPECT_GE(seen, value);
      EXPECT_LE(seen - value, value / 128) << value;
    }
  }
}

TEST(HistogramTest, NeverExceedsTheMaximumWhichIsExact) {
  Histogram histogram;
  histogram.Record(1'000'003);
  EXPECT_EQ(histogram.max(), 1'000'003);
  EXPECT_EQ(histogram.ValueAtPercentile(50), 1'000'003);
  EXPECT_EQ(histogram.ValueAtPercentile(100), 1'000'003);
}

TEST(HistogramTest, AgreesWithSortedValues) {
  std::mt19937_64 random(20240521);
  std::lognormal_distribution<double> latencies(10, 2);
  Histogram histogram;
  std::vector<uint64_t> values;
  for (int i = 0; i < 10'000; ++i) {
    values.push_back(static_cast<uint64_t>(latencies(random)));
    histogram.Record(values.back());
  }
  std::sort(values.begin(), values.end());
  for (const double percentile : {1.0, 25.0, 50.0, 90.0, 99.0, 99.9}) {
    const auto rank = static_cast<size_t>(std::ceil(percentile * 100));
    const uint64_t expected = values[rank - 1];
    const uint64_t seen = histogram.ValueAtPercentile(percentile);
    EXPECT_GE(seen, expected) << percentile;
    EXPECT_LE(seen - expected, expected / 128) << percentile;
  }
}

TEST(HistogramTest, MergesWhatAnotherRecorded) {
  Histogram one;
  Histogram other;
  one.Record(10);
  other.Record(20);
  other.Record(30);
  one.Merge(other);
  EXPECT_EQ(one.count(), 3);
  EXPECT_EQ(one.max(), 30);
  EXPECT_EQ(one.ValueAtPercentile(50), 20);
}

TEST(HistogramTest, KnowsTheMeanExactly) {
  Histogram histogram;
  EXPECT_EQ(histogram.mean(), 0);
  histogram.Record(1000);
  histogram.Record(2001);
  EXPECT_EQ(histogram.mean(), 1500.5);
  Histogram other;
  other.Record(2999);
  histogram.Merge(other);
  EXPECT_EQ(histogram.mean(), 2000);
  histogram.Clear();
  EXPECT_EQ(histogram.mean(), 0);
}

}  // namespace
}  // namespace percore::bench
