// How long a group had nothing to give: told while shards come and go.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <thread>
#include <vector>

#include "percore/net/internal/shared_budget.h"
#include "percore/net/rate_limit_group.h"
#include "percore/net/rate_limiter.h"
#include "percore/runtime/event_base.h"
#include "percore/runtime/kernel.h"
#include "percore/tests/support/test_kernel.h"

namespace percore {
namespace {

using internal::SharedBudget;
using namespace std::chrono_literals;

constexpr RateBudget kBudget = {.rate = 1000, .burst = 100};
constexpr TimePoint kStart = TimePoint(1h);

TEST(SharedBudgetExhaustionTest, LastsWhileAShardFindsNothing) {
  SharedBudget budget(kBudget, kStart);
  EXPECT_EQ(budget.exhausted(kStart + 1s), 0s);
  budget.BecomeExhausted(kStart + 1s);
  EXPECT_EQ(budget.exhausted(kStart + 1s), 0s);
  EXPECT_EQ(budget.exhausted(kStart + 3s), 2s);
  budget.EndExhausted(kStart + 4s);
  EXPECT_EQ(budget.exhausted(kStart + 4s), 3s);
  EXPECT_EQ(budget.exhausted(kStart + 100s), 3s);
}

TEST(SharedBudgetExhaustionTest, EpisodesAddUp) {
  SharedBudget budget(kBudget, kStart);
  for (int episode = 0; episode < 10; ++episode) {
    const TimePoint begin = kStart + episode * 1s;
    budget.BecomeExhausted(begin);
    budget.EndExhausted(begin + 1500us);
  }
  EXPECT_EQ(budget.exhausted(kStart + 100s), 15ms);
}

TEST(SharedBudgetExhaustionTest, ShardsAtTheSameTimeCountOnce) {
  SharedBudget budget(kBudget, kStart);
  budget.BecomeExhausted(kStart + 1s);
  budget.BecomeExhausted(kStart + 2s);
  budget.EndExhausted(kStart + 3s);
  EXPECT_EQ(budget.exhausted(kStart + 4s), 3s);
  budget.EndExhausted(kStart + 5s);
  EXPECT_EQ(budget.exhausted(kStart + 6s), 4s);
}

TEST(SharedBudgetExhaustionTest, AClockThatIsBehindTakesNothingAway) {
  SharedBudget budget(kBudget, kStart);
  budget.BecomeExhausted(kStart + 1s);
  budget.EndExhausted(kStart + 999ms);
  EXPECT_EQ(budget.exhausted(kStart + 2s), 0s);
}

// Never more than the time there was: no moment of a change shows a wrong one.
TEST(SharedBudgetExhaustionTest, IsNeverLongerThanTheTimeThatPassed) {
  Kernel& kernel = Kernel::Real();
  const TimePoint start = kernel.Now();
  SharedBudget budget(kBudget, start);
  std::atomic<bool> done{false};
  std::vector<std::thread> shards;
  shards.reserve(2);
  for (int shard = 0; shard < 2; ++shard) {
    shards.emplace_back([&] {
      while (!done.load()) {
        budget.BecomeExhausted(kernel.Now());
        budget.EndExhausted(kernel.Now());
      }
    });
  }
  for (int i = 0; i < 20'000; ++i) {
    const TimePoint now = kernel.Now();
    ASSERT_LE(budget.exhausted(now), now - start + 1us);
  }
  done.store(true);
  for (std::thread& shard : shards) shard.join();
}

// Whoever asks has a later clock than the loop, which is in the middle of a
// round.
TEST(SharedBudgetExhaustionTest, AGroupsNeverGoesBack) {
  TestKernel kernel(TestKernel::Clock::kManual);
  EventBaseOptions options;
  options.kernel = &kernel;
  const auto base = *EventBase::Create(options);
  const auto group = *RateLimitGroup::Create(
      {.read = kBudget}, {.name = "group", .kernel = &kernel});
  auto limiter = std::make_unique<RateLimiter>(
      *base, [](RateDirection, void*) {}, nullptr);
  ASSERT_TRUE(limiter->Join(group).ok());
  limiter->Count(RateDirection::kRead,
                 limiter->Room(RateDirection::kRead, 1000));
  ASSERT_EQ(limiter->Room(RateDirection::kRead, 1000), 0u);
  kernel.Advance(5s);
  EXPECT_EQ(group->state().read.exhausted, 5s);
  limiter = nullptr;  // the loop's time is still that of the beginning
  EXPECT_EQ(group->state().read.exhausted, 5s);
}

}  // namespace
}  // namespace percore
