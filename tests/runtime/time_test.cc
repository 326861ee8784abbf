#include "percore/runtime/time.h"

#include <gtest/gtest.h>

namespace percore {
namespace {

using std::chrono::seconds;

constexpr TimePoint kStart{seconds(100)};

TEST(TimeTest, AddsADuration) {
  EXPECT_EQ(AddSaturated(kStart, seconds(5)), TimePoint(seconds(105)));
}

TEST(TimeTest, CountsANegativeDurationAsZero) {
  EXPECT_EQ(AddSaturated(kStart, seconds(-5)), kStart);
}

TEST(TimeTest, ASumOutOfRangeIsTheEndOfTheRange) {
  EXPECT_EQ(AddSaturated(kStart, kForever), kInfiniteFuture);
  EXPECT_EQ(AddSaturated(kInfiniteFuture, seconds(1)), kInfiniteFuture);
  EXPECT_EQ(AddSaturated(kStart, kForever - Duration(seconds(100))),
            kInfiniteFuture);
}

}  // namespace
}  // namespace percore
