#include "percore/bench/load/patience.h"

#include <gtest/gtest.h>

namespace percore::bench {
namespace {

TEST(PatienceTest, IsOverWhenNothingWasAchievedForLonger) {
  Patience patience(100);
  patience.Renew(1000);
  EXPECT_FALSE(patience.IsOver(1100));
  EXPECT_TRUE(patience.IsOver(1101));
  patience.Renew(1101);
  EXPECT_FALSE(patience.IsOver(1201));
}

}  // namespace
}  // namespace percore::bench
