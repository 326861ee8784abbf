#include "percore/bench/load/schedule.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>

#include "percore/bench/load/clock.h"

namespace percore::bench {
namespace {

constexpr int64_t kStart = 5 * kNanosecondsPerSecond;

TEST(ScheduleTest, EvenRequestsAreDueAtEqualDistances) {
  Schedule schedule(1000, Arrivals::kEven, 1);
  schedule.Start(kStart);
  for (int64_t i = 1; i <= 5000; ++i, schedule.Advance()) {
    ASSERT_EQ(schedule.next_due_ns(), kStart + i * 1'000'000);
  }
}

TEST(ScheduleTest, ARateThatDividesNoNanosecondIsMet) {
  Schedule schedule(3, Arrivals::kEven, 1);
  schedule.Start(0);
  for (int i = 1; i < 3 * 86400; ++i) schedule.Advance();
  EXPECT_NEAR(static_cast<double>(schedule.next_due_ns()),
              86400.0 * kNanosecondsPerSecond, 1e4);
}

TEST(ScheduleTest, PoissonRequestsHaveTheRateAndTheSpreadOfOne) {
  Schedule schedule(1000, Arrivals::kPoisson, 7);
  schedule.Start(kStart);
  constexpr int kRequests = 100'000;
  double squares = 0;
  int64_t last = kStart;
  for (int i = 0; i < kRequests; ++i, schedule.Advance()) {
    ASSERT_GE(schedule.next_due_ns(), last);
    const double distance = static_cast<double>(schedule.next_due_ns() - last);
    squares += (distance - 1e6) * (distance - 1e6);
    last = schedule.next_due_ns();
  }
  // An exponential distribution deviates by its mean.
  EXPECT_NEAR(static_cast<double>(last - kStart) / kRequests, 1e6, 1e4);
  EXPECT_NEAR(std::sqrt(squares / kRequests), 1e6, 2e4);
}

TEST(ScheduleTest, TheSeedSaysWhen) {
  const auto third = [](uint64_t seed) {
    Schedule schedule(1000, Arrivals::kPoisson, seed);
    schedule.Start(0);
    schedule.Advance();
    schedule.Advance();
    return schedule.next_due_ns();
  };
  EXPECT_EQ(third(1), third(1));
  EXPECT_NE(third(1), third(2));
}

}  // namespace
}  // namespace percore::bench
