#include "percore/net/internal/token_bucket.h"

#include <gtest/gtest.h>

#include <chrono>
#include <random>

namespace percore::internal {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint kStart = TimePoint(1h);
constexpr Duration kYear = 365 * 24h;

TEST(TokenBucketTest, BytesAreRoundedDown) {
  EXPECT_EQ(BytesIn(0ns, 1000), 0u);
  EXPECT_EQ(BytesIn(999'999ns, 1000), 0u);
  EXPECT_EQ(BytesIn(1ms, 1000), 1u);
  EXPECT_EQ(BytesIn(1'999'999ns, 1000), 1u);
  EXPECT_EQ(BytesIn(kYear, RateBudget::kMost),
            uint64_t{RateBudget::kMost} * 365 * 86400);
}

TEST(TokenBucketTest, TimesAreRoundedUp) {
  EXPECT_EQ(TimeFor(0, 1000), 0ns);
  EXPECT_EQ(TimeFor(-5, 1000), 0ns);
  EXPECT_EQ(TimeFor(1, 3), 333'333'334ns);
  EXPECT_EQ(TimeFor(3, 3), 1s);
  EXPECT_EQ(TimeFor(1, RateBudget::kMost), 1ns);
}

TEST(TokenBucketTest, NoTimeIsLongerThanAYear) {
  EXPECT_EQ(TimeFor(INT64_MAX, 1), kYear);
}

TEST(TokenBucketTest, ATimeBringsWhatItIsForAndNoLessTimeDoes) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 10'000; ++i) {
    const auto rate = static_cast<int64_t>(random() % RateBudget::kMost) + 1;
    const auto bytes = static_cast<int64_t>(random() % 1'000'000) + 1;
    const Duration time = TimeFor(bytes, rate);
    if (time == kYear) continue;
    EXPECT_GE(BytesIn(time, rate), static_cast<uint64_t>(bytes));
    EXPECT_LT(BytesIn(time - 1ns, rate), static_cast<uint64_t>(bytes));
  }
}

TEST(TokenBucketTest, IsFullAtTheBeginning) {
  TokenBucket bucket({.rate = 1000, .burst = 50}, kStart);
  EXPECT_EQ(bucket.Tokens(kStart), 50);
  EXPECT_EQ(bucket.TimeUntil(50, kStart), 0ns);
}

TEST(TokenBucketTest, FillsSmoothlyAndNoFurther) {
  TokenBucket bucket({.rate = 1000, .burst = 50}, kStart);
  bucket.Take(50);
  EXPECT_EQ(bucket.Tokens(kStart), 0);
  EXPECT_EQ(bucket.Tokens(kStart + 999us), 0);
  EXPECT_EQ(bucket.Tokens(kStart + 1ms), 1);
  EXPECT_EQ(bucket.Tokens(kStart + 49ms), 49);
  EXPECT_EQ(bucket.Tokens(kStart + 50ms), 50);
  EXPECT_EQ(bucket.Tokens(kStart + 10s), 50);
}

TEST(TokenBucketTest, ADebtIsPaidOffAtTheRate) {
  TokenBucket bucket({.rate = 1000, .burst = 50}, kStart);
  bucket.Take(2050);
  EXPECT_EQ(bucket.Tokens(kStart), -2000);
  EXPECT_EQ(bucket.TimeUntil(1, kStart), 2001ms);
  EXPECT_EQ(bucket.Tokens(kStart + 1s), -1000);
  EXPECT_EQ(bucket.Tokens(kStart + 2001ms), 1);
}

TEST(TokenBucketTest, WhatIsPutInFindsRoomOrIsLost) {
  TokenBucket bucket({.rate = 1000, .burst = 50}, kStart);
  bucket.Take(-10);
  EXPECT_EQ(bucket.Tokens(kStart), 50);
  bucket.Take(30);
  bucket.Take(-10);
  EXPECT_EQ(bucket.Tokens(kStart), 30);
}

TEST(TokenBucketTest, ALongRestBringsNoMoreThanABurst) {
  for (const int64_t rate : {int64_t{1}, int64_t{1000}, RateBudget::kMost}) {
    TokenBucket bucket({.rate = rate, .burst = rate}, kStart);
    EXPECT_EQ(bucket.Tokens(kStart + kYear), rate);
    bucket.Take(rate);
    EXPECT_EQ(bucket.Tokens(kStart + kYear), 0);
    EXPECT_EQ(bucket.Tokens(kStart + kYear + 500ms), rate / 2);
  }
}

TEST(TokenBucketTest, NothingDriftsInAYearOfOddTicks) {
  constexpr int64_t kRate = 1'234'567;
  constexpr Duration kTick = 157'680'123'457ns;
  constexpr int kTicks = 200'000;
  static_assert(kTick * kTicks > kYear / 1000 * 999);
  TokenBucket bucket({.rate = kRate, .burst = 2 * kRate * 158}, kStart);
  int64_t taken = 0;
  TimePoint now = kStart;
  for (int i = 0; i < kTicks; ++i) {
    now += kTick;
    const int64_t tokens = bucket.Tokens(now);
    bucket.Take(tokens);
    taken += tokens;
  }
  // The bucket was full, and what came with the first tick ran over.
  EXPECT_EQ(taken, bucket.budget().burst +
                       static_cast<int64_t>(BytesIn(now - kStart, kRate)) -
                       static_cast<int64_t>(BytesIn(kTick, kRate)));
}

TEST(TokenBucketTest, SmallStepsLoseNothing) {
  TokenBucket bucket({.rate = 3, .burst = 10}, kStart);
  bucket.Take(10);
  int64_t taken = 0;
  for (int ms = 1; ms <= 10'000; ++ms) {
    const int64_t tokens = bucket.Tokens(kStart + ms * 1ms);
    bucket.Take(tokens);
    taken += tokens;
  }
  EXPECT_EQ(taken, 30);
}

TEST(TokenBucketTest, AnotherRateHoldsFromThenOn) {
  TokenBucket bucket({.rate = 1000, .burst = 1000}, kStart);
  bucket.Take(1000);
  bucket.Change({.rate = 2000, .burst = 1000}, kStart + 100ms);
  EXPECT_EQ(bucket.Tokens(kStart + 100ms), 100);
  EXPECT_EQ(bucket.Tokens(kStart + 200ms), 300);
  EXPECT_EQ(bucket.budget().rate, 2000);
}

TEST(TokenBucketTest, ASmallerBurstKeepsWhatFindsRoom) {
  TokenBucket bucket({.rate = 1000, .burst = 1000}, kStart);
  bucket.Change({.rate = 1000, .burst = 300}, kStart + 5s);
  EXPECT_EQ(bucket.Tokens(kStart + 5s), 300);
  bucket.Take(100);
  bucket.Change({.rate = 1000, .burst = 250}, kStart + 5s);
  EXPECT_EQ(bucket.Tokens(kStart + 5s), 200);
}

TEST(TokenBucketTest, ALargerBurstIsNotFullAtOnce) {
  TokenBucket bucket({.rate = 1000, .burst = 100}, kStart);
  bucket.Change({.rate = 1000, .burst = 1000}, kStart + 5s);
  EXPECT_EQ(bucket.Tokens(kStart + 5s), 100);
  EXPECT_EQ(bucket.Tokens(kStart + 5500ms), 600);
}

TEST(TokenBucketTest, ADebtOutlivesAChange) {
  TokenBucket bucket({.rate = 1000, .burst = 100}, kStart);
  bucket.Take(600);
  bucket.Change({.rate = 100, .burst = 100}, kStart + 100ms);
  EXPECT_EQ(bucket.Tokens(kStart + 100ms), -400);
  EXPECT_EQ(bucket.Tokens(kStart + 4100ms), 0);
}

// However often terms change, no more comes in than the fastest would bring.
TEST(TokenBucketTest, ChangesMakeNothingOutOfNothing) {
  TokenBucket bucket({.rate = 1000, .burst = 100}, kStart);
  int64_t taken = 0;
  TimePoint now = kStart;
  for (int i = 0; i < 10'000; ++i) {
    now += 700us;
    bucket.Change({.rate = 1000 - i % 2, .burst = 100 + i % 3}, now);
    const int64_t tokens = bucket.Tokens(now);
    EXPECT_LE(tokens, 100 + i % 3);
    bucket.Take(tokens);
    taken += tokens;
    EXPECT_LE(taken, 102 + static_cast<int64_t>(BytesIn(now - kStart, 1000)));
  }
}

TEST(TokenBucketTest, AClockThatIsBehindBringsNothing) {
  TokenBucket bucket({.rate = 1000, .burst = 100}, kStart);
  bucket.Take(100);
  EXPECT_EQ(bucket.Tokens(kStart - 1s), 0);
  EXPECT_EQ(bucket.Tokens(kStart + 10ms), 10);
}

}  // namespace
}  // namespace percore::internal
