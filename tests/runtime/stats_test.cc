#include "percore/runtime/stats.h"

#include <gtest/gtest.h>

#include <thread>

namespace percore {
namespace {

TEST(StatsTest, ACounterSumsWhatItsOwnerAdds) {
  Counter counter;
  counter.Add();
  counter.Add(4);
  EXPECT_EQ(counter.Get(), 5u);
}

TEST(StatsTest, AGaugeGoesBothWays) {
  Gauge gauge;
  gauge.Set(3);
  gauge.Add(-5);
  EXPECT_EQ(gauge.Get(), -2);
}

TEST(StatsTest, AnotherThreadSeesACounterOnlyGrow) {
  Counter counter;
  std::thread writer([&counter] {
    for (int i = 0; i < 100000; ++i) counter.Add();
  });
  uint64_t last = 0;
  while (last < 100000) {
    const uint64_t now = counter.Get();
    ASSERT_GE(now, last);
    last = now;
  }
  writer.join();
}

}  // namespace
}  // namespace percore
