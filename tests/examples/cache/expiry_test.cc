#include "percore/examples/cache/expiry.h"

#include <gtest/gtest.h>

#include <limits>

namespace percore::cache {
namespace {

constexpr UnixSeconds kNow = 1'700'000'000;
constexpr int64_t kThirtyDays = int64_t{30} * 24 * 60 * 60;

TEST(ExpiryTest, ZeroIsNever) { EXPECT_EQ(ExpiryOf(0, kNow), kNeverExpires); }

TEST(ExpiryTest, NegativeIsOverAtAnyTime) {
  EXPECT_LE(ExpiryOf(-1, kNow), kNow);
  EXPECT_LE(ExpiryOf(-1, 0), 0);
  EXPECT_LE(ExpiryOf(std::numeric_limits<int64_t>::min(), kNow), kNow);
}

TEST(ExpiryTest, UpToThirtyDaysIsFromNow) {
  EXPECT_EQ(ExpiryOf(1, kNow), kNow + 1);
  EXPECT_EQ(ExpiryOf(kThirtyDays, kNow), kNow + kThirtyDays);
}

TEST(ExpiryTest, AboveThirtyDaysIsAMomentSince1970) {
  EXPECT_EQ(ExpiryOf(kThirtyDays + 1, kNow), kThirtyDays + 1);
  EXPECT_EQ(ExpiryOf(kNow + 10, kNow), kNow + 10);
}

TEST(ExpiryTest, MomentsAfter2038AreInTheFuture) {
  EXPECT_EQ(ExpiryOf(int64_t{1} << 31, kNow), int64_t{1} << 31);
  EXPECT_EQ(ExpiryOf(99'999'999'999, kNow), 99'999'999'999);
}

TEST(ExpiryTest, AFlushWithoutDelayIsNowAndOtherwiseFollowsTheSameRules) {
  EXPECT_EQ(FlushMomentOf(0, kNow), kNow);
  EXPECT_LE(FlushMomentOf(-1, kNow), kNow);
  EXPECT_EQ(FlushMomentOf(5, kNow), kNow + 5);
  EXPECT_EQ(FlushMomentOf(kNow + 60, kNow), kNow + 60);
}

}  // namespace
}  // namespace percore::cache
