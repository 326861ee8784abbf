#include "percore/net/internal/shared_budget.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <random>
#include <thread>
#include <vector>

namespace percore::internal {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint kStart = TimePoint(1h);

TEST(SharedBudgetTest, IsFullAtTheBeginning) {
  const SharedBudget budget({.rate = 1000, .burst = 100}, kStart);
  EXPECT_EQ(budget.Tokens(kStart), 100);
  EXPECT_EQ(budget.Free(kStart), 100);
  EXPECT_EQ(budget.budget(), (RateBudget{.rate = 1000, .burst = 100}));
  EXPECT_FALSE(budget.unlimited());
}

TEST(SharedBudgetTest, LendsWhatThereIs) {
  SharedBudget budget({.rate = 1000, .burst = 100}, kStart);
  EXPECT_EQ(budget.Borrow(60, 0, kStart), 60);
  EXPECT_EQ(budget.Borrow(60, 0, kStart), 40);
  EXPECT_EQ(budget.Borrow(60, 0, kStart), 0);
  EXPECT_EQ(budget.Borrow(0, 0, kStart), 0);
  EXPECT_EQ(budget.Borrow(-10, 0, kStart), 0);
}

TEST(SharedBudgetTest, WhatIsLentIsNotFreeButNotGoneEither) {
  SharedBudget budget({.rate = 1000, .burst = 100}, kStart);
  EXPECT_EQ(budget.Borrow(60, 0, kStart), 60);
  EXPECT_EQ(budget.Free(kStart), 40);
  EXPECT_EQ(budget.Tokens(kStart), 100);
}

TEST(SharedBudgetTest, WhatIsUnusedComesBack) {
  SharedBudget budget({.rate = 1000, .burst = 100}, kStart);
  EXPECT_EQ(budget.Borrow(60, 0, kStart), 60);
  budget.Repay(20, 40);
  EXPECT_EQ(budget.Tokens(kStart), 80);
  EXPECT_EQ(budget.Free(kStart), 80);
}

TEST(SharedBudgetTest, WhatWasSpentBeyondIsOwed) {
  SharedBudget budget({.rate = 1000, .burst = 100}, kStart);
  EXPECT_EQ(budget.Borrow(100, 0, kStart), 100);
  budget.Repay(250, -150);
  EXPECT_EQ(budget.Tokens(kStart), -150);
  EXPECT_EQ(budget.Free(kStart), -150);
  EXPECT_EQ(budget.Borrow(10, 0, kStart), 0);
  EXPECT_EQ(budget.Borrow(10, 0, kStart + 150ms), 0);
  EXPECT_EQ(budget.Borrow(10, 0, kStart + 151ms), 1);
}

TEST(SharedBudgetTest, RunsOverAtItsBurst) {
  SharedBudget budget({.rate = 1000, .burst = 100}, kStart);
  EXPECT_EQ(budget.Tokens(kStart + 1s), 100);
  EXPECT_EQ(budget.Borrow(1000, 0, kStart + 1s), 100);
  budget.Repay(100, 0);
  EXPECT_EQ(budget.Borrow(1000, 0, kStart + 1s), 0);
}

// It would be twice the burst at once, if what is on loan made room.
TEST(SharedBudgetTest, WhatIsLentTakesRoomUntilItIsSpent) {
  SharedBudget budget({.rate = 1000, .burst = 100}, kStart);
  EXPECT_EQ(budget.Borrow(100, 0, kStart), 100);
  EXPECT_EQ(budget.Borrow(100, 0, kStart + 1s), 0);
  budget.Repay(0, 100);
  EXPECT_EQ(budget.Borrow(1000, 0, kStart + 1s), 100);
}

TEST(SharedBudgetTest, WhatAShardHasSpentByThenMakesRoom) {
  SharedBudget budget({.rate = 1000, .burst = 100}, kStart);
  EXPECT_EQ(budget.Borrow(100, 0, kStart), 100);
  // 80 were spent at once: 50 of them have come in again.
  EXPECT_EQ(budget.Borrow(100, 80, kStart + 50ms), 50);
  budget.Repay(80, 70);
  EXPECT_EQ(budget.Tokens(kStart + 50ms), 70);
}

TEST(SharedBudgetTest, TellsUntilWhenItDoesNotRunOver) {
  SharedBudget budget({.rate = 1000, .burst = 100}, kStart);
  EXPECT_EQ(budget.LetRunOver(0, kStart), kStart);
  EXPECT_EQ(budget.LetRunOver(30, kStart), kStart + 30ms);
  budget.Take(50);
  EXPECT_EQ(budget.LetRunOver(30, kStart), kStart + 80ms);
}

TEST(SharedBudgetTest, TakesAndPutsInByHand) {
  SharedBudget budget({.rate = 1000, .burst = 100}, kStart);
  budget.Take(130);
  EXPECT_EQ(budget.Tokens(kStart), -30);
  EXPECT_EQ(budget.Free(kStart), -30);
  budget.Take(-50);
  EXPECT_EQ(budget.Tokens(kStart), 20);
  budget.Take(-500);
  EXPECT_EQ(budget.Tokens(kStart), 100);
  EXPECT_EQ(budget.Borrow(500, 0, kStart), 100);
}

TEST(SharedBudgetTest, AnotherRateHoldsFromThenOn) {
  SharedBudget budget({.rate = 1000, .burst = 1000}, kStart);
  budget.Take(1000);
  budget.Change({.rate = 2000, .burst = 500}, kStart + 100ms);
  EXPECT_EQ(budget.Tokens(kStart + 100ms), 100);
  EXPECT_EQ(budget.Tokens(kStart + 200ms), 300);
  EXPECT_EQ(budget.Tokens(kStart + 5s), 500);
}

TEST(SharedBudgetTest, ALargerBurstIsNotFullAtOnce) {
  SharedBudget budget({.rate = 1000, .burst = 100}, kStart);
  budget.Change({.rate = 1000, .burst = 1000}, kStart + 5s);
  EXPECT_EQ(budget.Tokens(kStart + 5s), 100);
  EXPECT_EQ(budget.Tokens(kStart + 6s), 1000);
}

TEST(SharedBudgetTest, LoansAndDebtsOutliveAChange) {
  SharedBudget budget({.rate = 1000, .burst = 100}, kStart);
  EXPECT_EQ(budget.Borrow(60, 0, kStart), 60);
  budget.Take(80);
  budget.Change({.rate = 1000, .burst = 50}, kStart);
  EXPECT_EQ(budget.Free(kStart), -40);
  budget.Repay(60, 0);
  EXPECT_EQ(budget.Tokens(kStart), -40);
}

TEST(SharedBudgetTest, BeginsFullWhereItWasUnlimited) {
  SharedBudget budget({}, kStart);
  EXPECT_TRUE(budget.unlimited());
  budget.Change({.rate = 1000, .burst = 100}, kStart + 1h);
  EXPECT_FALSE(budget.unlimited());
  EXPECT_EQ(budget.Tokens(kStart + 1h), 100);
  budget.Take(100);
  EXPECT_EQ(budget.Tokens(kStart + 1h + 10ms), 10);
  budget.Change({}, kStart + 2h);
  EXPECT_TRUE(budget.unlimited());
}

TEST(SharedBudgetTest, NothingDriftsWhateverIsBorrowedAndComesBack) {
  constexpr int64_t kRate = 1'234'567;
  constexpr int64_t kBurst = 20'000;
  std::mt19937_64 random(1);
  SharedBudget budget({.rate = kRate, .burst = kBurst}, kStart);
  budget.Take(kBurst);
  TimePoint now = kStart;
  int64_t spent = 0;
  for (int i = 0; i < 200'000; ++i) {
    now += 1'000'003ns;
    const int64_t lent = budget.Borrow(kBurst, 0, now);
    const auto unused = static_cast<int64_t>(random() % 100);
    budget.Repay(lent - std::min(unused, lent), std::min(unused, lent));
    spent += lent - std::min(unused, lent);
    ASSERT_EQ(spent + budget.Free(now),
              static_cast<int64_t>(BytesIn(now - kStart, kRate)));
  }
}

TEST(SharedBudgetTest, IsExhaustedAsLongAsAnyShardIs) {
  SharedBudget budget({.rate = 1000, .burst = 100}, kStart);
  EXPECT_EQ(budget.exhausted(kStart), 0ns);
  budget.BecomeExhausted(kStart);
  budget.BecomeExhausted(kStart + 10ms);
  EXPECT_EQ(budget.exhausted(kStart + 15ms), 15ms);
  budget.EndExhausted(kStart + 20ms);
  EXPECT_EQ(budget.exhausted(kStart + 25ms), 25ms);
  budget.EndExhausted(kStart + 30ms);
  EXPECT_EQ(budget.exhausted(kStart + 90ms), 30ms);
  budget.BecomeExhausted(kStart + 100ms);
  budget.EndExhausted(kStart + 105ms);
  EXPECT_EQ(budget.exhausted(kStart + 200ms), 35ms);
}

// What shards, each with a thread of its own, do to one budget at once.
class SharedBudgetThreadsTest : public testing::Test {
 protected:
  static constexpr int64_t kRate = 10'000'000;
  static constexpr int64_t kBurst = 100'000;
  static constexpr int kThreads = 4;

  TimePoint now() const { return TimePoint(Duration(clock_.load())); }

  // Borrows, moves bytes for some of it, gives the rest back.
  void Spend(uint64_t seed, int times) {
    std::mt19937_64 random(seed);
    for (int i = 0; i < times; ++i) {
      if (random() % 4 == 0) clock_ += 20'000;
      const auto wanted = static_cast<int64_t>(random() % 5000);
      const int64_t lent = budget_.Borrow(wanted, 0, now());
      ASSERT_GE(lent, 0);
      ASSERT_LE(lent, wanted);
      const auto spent =
          static_cast<int64_t>(random() % static_cast<uint64_t>(lent + 1));
      const int64_t all = spent_.fetch_add(spent) + spent;
      ASSERT_LE(all, Allowed(now()));
      budget_.Repay(spent, lent - spent);
    }
  }
  static int64_t Allowed(TimePoint now) {
    return kBurst + static_cast<int64_t>(BytesIn(now - kStart, kRate));
  }

  SharedBudget budget_{{.rate = kRate, .burst = kBurst}, kStart};
  std::atomic<Duration::rep> clock_{Nanoseconds(kStart)};
  std::atomic<int64_t> spent_{0};

 private:
  static Duration::rep Nanoseconds(TimePoint time) {
    return time.time_since_epoch().count();
  }
};

TEST_F(SharedBudgetThreadsTest, NoMoreIsSpentThanThereIsAndAllComesBack) {
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (uint64_t seed = 1; seed <= kThreads; ++seed) {
    threads.emplace_back([this, seed] { Spend(seed, 20'000); });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(spent_, Allowed(now()));
  EXPECT_EQ(budget_.Free(now()), budget_.Tokens(now()));
  EXPECT_GE(budget_.Tokens(now()), 0);
}

// All want all there is: the clock stands still, so it is the burst.
TEST_F(SharedBudgetThreadsTest, TheLastBytesAreLentOnce) {
  std::atomic<int64_t> borrowed{0};
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 10'000; ++j) {
        borrowed += budget_.Borrow(17, 0, kStart);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(borrowed, kBurst);
  borrowed += budget_.Borrow(kBurst, 0, kStart);
  EXPECT_EQ(borrowed, kBurst);
  EXPECT_EQ(budget_.Free(kStart), 0);
}

TEST_F(SharedBudgetThreadsTest, TermsChangeUnderThoseWhoBorrow) {
  std::atomic<bool> done{false};
  std::thread changing([&] {
    for (int i = 0; !done; ++i) {
      budget_.Change({.rate = kRate - i % 2, .burst = kBurst - i % 7}, now());
    }
  });
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (uint64_t seed = 1; seed < kThreads; ++seed) {
    threads.emplace_back([this, seed] { Spend(seed, 10'000); });
  }
  for (std::thread& thread : threads) thread.join();
  done = true;
  changing.join();
  EXPECT_EQ(budget_.Free(now()), budget_.Tokens(now()));
}

}  // namespace
}  // namespace percore::internal
