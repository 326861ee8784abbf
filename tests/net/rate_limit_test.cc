#include "percore/net/rate_limit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace percore {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

constexpr int64_t kMost = RateBudget::kMost;

// What Check() says of a limit that it refuses; empty if it does not.
std::string Refusal(const RateLimit& limit) {
  const absl::Status status = limit.Check();
  if (status.ok()) return "";
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  return std::string(status.message());
}

TEST(RateLimitTest, IsUnlimitedByDefault) {
  const RateLimit limit;
  EXPECT_TRUE(limit.read.unlimited());
  EXPECT_TRUE(limit.write.unlimited());
  EXPECT_EQ(limit.tick, 10ms);
  EXPECT_EQ(Refusal(limit), "");
  EXPECT_EQ(limit.WithBursts(), limit);
}

TEST(RateLimitTest, MayLimitOneDirectionAlone) {
  const RateLimit limit = {.write = {.rate = 1000}};
  EXPECT_EQ(Refusal(limit), "");
  EXPECT_TRUE(limit.budget(RateDirection::kRead).unlimited());
  EXPECT_EQ(limit.budget(RateDirection::kWrite).rate, 1000);
}

TEST(RateLimitTest, ARateIsAtLeastOneByteASecond) {
  for (const int64_t rate : {int64_t{0}, int64_t{-1}, INT64_MIN}) {
    EXPECT_THAT(Refusal({.read = {.rate = rate}}),
                HasSubstr("nothing would ever move"));
  }
  EXPECT_EQ(Refusal({.read = {.rate = 1}}), "");
}

TEST(RateLimitTest, SaysWhichDirectionItIs) {
  EXPECT_EQ(Refusal({.read = {.rate = 0}}),
            "read rate of 0 bytes a second: nothing would ever move (a group "
            "can be paused)");
  EXPECT_EQ(Refusal({.write = {.rate = -2}}),
            "write rate of -2 bytes a second: nothing would ever move (a group "
            "can be paused)");
}

TEST(RateLimitTest, ABurstHoldsWhatATickBrings) {
  const RateLimit limit = {.read = {.rate = 100'000, .burst = 1000},
                           .tick = 10ms};
  EXPECT_EQ(Refusal(limit), "");
  EXPECT_EQ(Refusal({.read = {.rate = 100'000, .burst = 999}, .tick = 10ms}),
            "read burst of 999 bytes: a tick brings 1000 (100000 bytes a "
            "second), which must fit");
  EXPECT_THAT(Refusal({.write = {.rate = 100'000, .burst = 999}}),
              HasSubstr("write burst of 999"));
  EXPECT_EQ(Refusal({.read = {.rate = 100'000, .burst = 999}, .tick = 9ms}),
            "");
}

// Though a tick brings none, most of the time.
TEST(RateLimitTest, ABurstIsAtLeastOneByte) {
  EXPECT_EQ(Refusal({.read = {.rate = 1, .burst = 1}, .tick = 100us}), "");
  EXPECT_THAT(Refusal({.read = {.rate = 1, .burst = -1}, .tick = 100us}),
              HasSubstr("burst of -1 bytes: a tick brings 1"));
}

TEST(RateLimitTest, ATickIsFromAHundredMicrosecondsToAnHour) {
  EXPECT_EQ(Refusal({.tick = 100us}), "");
  EXPECT_EQ(Refusal({.tick = 1h}), "");
  for (const Duration tick : {Duration(0), Duration(-1), Duration(99'999),
                              Duration(1h) + 1ns, Duration::max()}) {
    EXPECT_THAT(Refusal({.tick = tick}), HasSubstr("tick of "));
  }
  EXPECT_EQ(Refusal({.tick = Duration::zero()}),
            "tick of 0 ns: it must be from 100000 to 3600000000000");
}

TEST(RateLimitTest, NothingIsMoreThanCanBeMeasured) {
  EXPECT_EQ(Refusal({.read = {.rate = kMost, .burst = kMost}}), "");
  for (const RateBudget& budget :
       {RateBudget{.rate = kMost + 1},
        RateBudget{.rate = 1000, .burst = INT64_MAX},
        RateBudget{.rate = RateBudget::kUnlimited - 1},
        RateBudget{.rate = 1000, .burst = kMost + 1}}) {
    EXPECT_THAT(Refusal({.read = budget}),
                HasSubstr("cannot be measured (leave it unlimited)"));
  }
}

// By itself no burst can be made that would be refused.
TEST(RateLimitTest, ATickOfTheFastestMustFitIntoTheLargestBurst) {
  EXPECT_EQ(Refusal({.read = {.rate = kMost}, .tick = 1s}), "");
  EXPECT_THAT(Refusal({.read = {.rate = kMost}, .tick = 1001ms}),
              HasSubstr("a tick brings"));
}

TEST(RateLimitTest, SaysWhatIsWrongWithTheFirst) {
  EXPECT_THAT(Refusal({.read = {.rate = 0}, .write = {.rate = -1}}),
              HasSubstr("read rate of 0"));
}

TEST(RateLimitTest, TheDefaultBurstIsATenthOfASecond) {
  const RateLimit limit = {.read = {.rate = 1'000'000}, .tick = 10ms};
  EXPECT_EQ(limit.WithBursts().read.burst, 100'000);
  EXPECT_EQ(limit.WithBursts().read.rate, 1'000'000);
  EXPECT_EQ(limit.WithBursts().tick, 10ms);
}

TEST(RateLimitTest, TheDefaultBurstIsTwoTicksAtLeast) {
  const RateLimit limit = {.write = {.rate = 1000}, .tick = 2s};
  EXPECT_EQ(limit.WithBursts().write.burst, 4000);
}

TEST(RateLimitTest, TheDefaultBurstIsOneByteAtLeast) {
  EXPECT_EQ(RateLimit{.read = {.rate = 1}}.WithBursts().read.burst, 1);
}

TEST(RateLimitTest, TheDefaultBurstIsNoMoreThanCanBeMeasured) {
  const RateLimit limit = {.read = {.rate = kMost}, .tick = 1s};
  EXPECT_EQ(limit.WithBursts().read.burst, kMost);
}

TEST(RateLimitTest, ABurstThatIsGivenStays) {
  const RateLimit limit = {.read = {.rate = 1000, .burst = 77}, .tick = 1ms};
  EXPECT_EQ(limit.WithBursts(), limit);
}

TEST(RateLimitTest, WhatWithBurstsMakesIsPossible) {
  for (const Duration tick :
       {Duration(100us), Duration(3ms), Duration(1s), Duration(1h)}) {
    for (int64_t rate = 1; rate <= kMost; rate *= 2) {
      const RateLimit limit = {.read = {.rate = rate}, .tick = tick};
      if (!limit.Check().ok()) continue;
      EXPECT_EQ(Refusal(limit.WithBursts()), "") << rate << " " << tick.count();
    }
  }
}

}  // namespace
}  // namespace percore
