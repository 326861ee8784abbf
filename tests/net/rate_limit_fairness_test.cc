// How exact groups are, and how fair: on several loops, under the test clock.
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "percore/net/rate_limit_group.h"
#include "percore/tests/net/rate_limit_loops.h"

namespace percore {
namespace {

using namespace std::chrono_literals;

// How members are spread over loops.
struct Spread {
  const char* name;
  std::vector<int> members;  // of each loop
};

int Sum(const std::vector<int>& numbers) {
  int sum = 0;
  for (const int number : numbers) sum += number;
  return sum;
}

class RateLimitFairnessTest : public RateLimitLoops {
 protected:
  void AddBusyOnAll(const Group& group, const std::vector<int>& members) {
    for (size_t loop = 0; loop < members.size(); ++loop) {
      for (int i = 0; i < members[loop]; ++i) AddBusy(group, kWrite, loop);
    }
  }
  double Jain() const {
    std::vector<double> moved;
    for (const auto& member : members_) {
      moved.push_back(static_cast<double>(member->moved(kWrite)));
    }
    return JainsIndex(moved);
  }
  double Share(size_t first, size_t count) const {
    int64_t moved = 0;
    for (size_t i = first; i < first + count; ++i) {
      moved += members_[i]->moved(kWrite);
    }
    return static_cast<double>(moved) / static_cast<double>(Moved(kWrite));
  }
};

class RateLimitSpreadTest : public RateLimitFairnessTest,
                            public testing::WithParamInterface<Spread> {};

// A tick has two of them, at least.
constexpr Duration kStep = 5ms;

// Rates at which a member has much, a little, and less than its minimum share
// in a tick.
constexpr int64_t kRates[] = {100'000'000, 10'000'000, 1'000'000};

TEST_P(RateLimitSpreadTest, StaysWithinOnePercentOfItsRateAndNeverAbove) {
  for (const int64_t rate : kRates) {
    SCOPED_TRACE(rate);
    members_.clear();
    const Group group = MakeGroup({.write = {.rate = rate}});
    AddBusyOnAll(group, GetParam().members);
    const int64_t burst = group->limit().write.burst;
    for (Duration time{}; time <= 1s; time += kStep) {
      Turn();
      ASSERT_LE(Moved(kWrite), burst + rate / 1000 * (time / 1ms));
      kernel_.Advance(kStep);
    }
    EXPECT_GE(Moved(kWrite), burst + rate * 99 / 100);
    // Any second after it, which does not begin with a burst.
    ForgetMoved();
    Pass(1s, kStep);
    EXPECT_GE(Moved(kWrite), rate * 99 / 100);
    EXPECT_LE(Moved(kWrite), rate * 101 / 100);
  }
}

TEST_P(RateLimitSpreadTest, EquallyBusyMembersGetTheSameInTwoSeconds) {
  for (const int64_t rate : kRates) {
    SCOPED_TRACE(rate);
    members_.clear();
    AddBusyOnAll(MakeGroup({.write = {.rate = rate}}), GetParam().members);
    Turn();
    ForgetMoved();
    Pass(2s, kStep);
    EXPECT_GE(Jain(), 0.99);
  }
}

TEST_P(RateLimitSpreadTest, EquallyBusyMembersGetNearlyTheSameInATenth) {
  // Ten ticks, in each of which everybody has his minimum share.
  const int64_t rate = 6'400 * int64_t{Sum(GetParam().members)};
  AddBusyOnAll(MakeGroup({.write = {.rate = rate}}), GetParam().members);
  Turn();
  Pass(50ms, kStep);
  for (int i = 0; i < 5; ++i) {
    ForgetMoved();
    Pass(100ms, kStep);
    EXPECT_GE(Jain(), 0.9);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Spreads, RateLimitSpreadTest,
    testing::Values(Spread{"AThousandOnFour", {250, 250, 250, 250}},
                    Spread{"AThousandUnevenly", {970, 20, 9, 1}},
                    Spread{"AHundredUnevenly", {1, 2, 97}},
                    Spread{"OneOnEach", {1, 1, 1, 1}},
                    Spread{"AllOnOne", {1000}}),
    [](const auto& info) { return info.param.name; });

TEST_F(RateLimitFairnessTest, MembersGetInProportionToTheirWeights) {
  const Group group = MakeGroup({.write = {.rate = 10'000'000}});
  const int weights[] = {1, 2, 3, 5, 10, 29};
  for (size_t i = 0; i < std::size(weights); ++i) {
    AddBusy(group, kWrite, i % 2, weights[i]);
  }
  Turn();
  Pass(100ms);
  ForgetMoved();
  Pass(1s);
  for (size_t i = 0; i < std::size(weights); ++i) {
    const double share = weights[i] / 50.0;
    EXPECT_NEAR(Share(i, 1), share, 0.03 * share) << weights[i];
  }
}

TEST_F(RateLimitFairnessTest, WeightsHoldAcrossLoopsWithUnequalNumbers) {
  const Group group = MakeGroup({.write = {.rate = 10'000'000}});
  AddBusy(group, kWrite, 0, 100);
  for (int i = 0; i < 100; ++i) AddBusy(group, kWrite, 1);
  for (int i = 0; i < 50; ++i) AddBusy(group, kWrite, 2, 4);
  Turn();
  Pass(100ms);
  ForgetMoved();
  Pass(1s);
  EXPECT_NEAR(Share(0, 1), 0.25, 0.0075);
  EXPECT_NEAR(Share(1, 100), 0.25, 0.0075);
  EXPECT_NEAR(Share(101, 50), 0.5, 0.015);
}

TEST_F(RateLimitFairnessTest, AWeightMayBeChangedWhileItWaits) {
  const Group group = MakeGroup({.write = {.rate = 10'000'000}});
  AddBusy(group, kWrite, 0);
  AddBusy(group, kWrite, 1);
  Turn();
  Pass(100ms);
  ASSERT_TRUE(members_[0]->limiter.SetWeight(3).ok());
  Pass(100ms);
  ForgetMoved();
  Pass(1s);
  EXPECT_NEAR(Share(0, 1), 0.75, 0.0225);
  ASSERT_TRUE(members_[0]->limiter.SetWeight(1).ok());
  Pass(100ms);
  ForgetMoved();
  Pass(1s);
  EXPECT_NEAR(Share(0, 1), 0.5, 0.015);
}

TEST_F(RateLimitFairnessTest, WhatOneDoesNotUseIsTheOthers) {
  const Group group = MakeGroup({.write = {.rate = 1'000'000}});
  LimitedMember& modest = AddMember(group, 0);
  modest.of(kWrite).wants = 50;  // in a millisecond: 50,000 in a second
  AddMember(group, 1);           // idle
  AddBusy(group, kWrite, 0);
  AddBusy(group, kWrite, 0);
  Turn();
  Pass(100ms);
  ForgetMoved();
  Pass(1s);
  EXPECT_NEAR(static_cast<double>(Moved(kWrite)), 1'000'000, 10'000);
  EXPECT_EQ(members_[1]->moved(kWrite), 0);
  EXPECT_NEAR(Share(2, 1), Share(3, 1), 0.01);
  EXPECT_NEAR(static_cast<double>(modest.moved(kWrite)), 50'000, 1'000);
}

// Who reads does not know how much there is.
TEST_F(RateLimitFairnessTest, WhatOneIsGrantedAndLeavesIsTheOthers) {
  const Group group = MakeGroup({.read = {.rate = 10'000'000}});
  for (int i = 0; i < 99; ++i) AddMember(group);
  LimitedMember& busy = AddBusy(group, kRead);
  const auto pass = [&](Duration time) {
    for (Duration passed{}; passed < time; passed += 1ms) {
      Pass(1ms);
      for (int i = 0; i < 99; ++i) {
        if (members_[i]->limiter.Room(kRead, 65536) == 0) continue;
        members_[i]->limiter.Count(kRead, 1);
      }
    }
  };
  pass(200ms);
  ForgetMoved();
  pass(1s);
  EXPECT_GT(busy.moved(kRead), 9'800'000);
}

TEST_F(RateLimitFairnessTest,
       ModestOnesOnOneLoopLeaveABusyOneOnAnotherTheRest) {
  const Group group = MakeGroup({.write = {.rate = 10'000'000}});
  for (int i = 0; i < 100; ++i) {
    AddMember(group, 0).of(kWrite).wants = 1;
  }
  AddBusy(group, kWrite, 1);
  Turn();
  Pass(300ms);
  ForgetMoved();
  Pass(1s);
  EXPECT_NEAR(static_cast<double>(Moved(kWrite)), 10'000'000, 100'000);
}

// They move a little at a time, as connections do.
TEST_F(RateLimitFairnessTest, NobodyWaitsAnyMoreWhenThereIsEnoughAgain) {
  const Group group = MakeGroup({.write = {.rate = 100'000'000}});
  for (size_t i = 0; i < 8; ++i) AddBusy(group, kWrite, i % 4).most = 1000;
  for (const auto& member : members_) member->of(kWrite).wants = 3000;
  group->Take(kWrite, group->limit().write.burst);
  Turn();
  EXPECT_EQ(group->state().write.suspended, 8);
  Pass(200ms);
  const uint64_t before = group->state().write.suspensions;
  ForgetMoved();
  Pass(100ms);
  EXPECT_EQ(group->state().write.suspensions, before);
  EXPECT_EQ(Moved(kWrite), 8 * 3000 * 100);
}

TEST_F(RateLimitFairnessTest, AMemberAloneHasAllOfIt) {
  const Group group = MakeGroup({.write = {.rate = 1'000'000}});
  for (size_t i = 0; i < 20; ++i) AddMember(group, i % 4);
  AddBusy(group, kWrite, 2);
  Turn();
  Pass(100ms);
  ForgetMoved();
  Pass(1s);
  EXPECT_NEAR(static_cast<double>(Moved(kWrite)), 1'000'000, 10'000);
}

TEST_F(RateLimitFairnessTest, WhoComesLaterHasItsPartFromTheNextTickOn) {
  const Group group = MakeGroup({.write = {.rate = 1'000'000}});
  AddBusy(group, kWrite, 0);
  Turn();
  Pass(500ms);
  AddBusy(group, kWrite, 1);
  Pass(20ms);
  ForgetMoved();
  Pass(100ms);
  EXPECT_NEAR(Share(1, 1), 0.5, 0.05);
}

TEST_F(RateLimitFairnessTest, WhoGoesLeavesItsPartToTheOthers) {
  const Group group = MakeGroup({.write = {.rate = 1'000'000}});
  AddBusy(group, kWrite, 0);
  AddBusy(group, kWrite, 1);
  Turn();
  Pass(500ms);
  members_.pop_back();
  Pass(20ms);
  ForgetMoved();
  Pass(1s);
  EXPECT_NEAR(static_cast<double>(Moved(kWrite)), 1'000'000, 10'000);
}

TEST_F(RateLimitFairnessTest, MembersThatWaitAreServedInTheOrderOfTheirComing) {
  const Group group =
      MakeGroup({.write = {.rate = 6400, .burst = 6400}}, {.min_share = 64});
  AddMember(group).Move(kWrite, 6400);
  std::vector<LimitedMember*> members;
  for (int i = 0; i < 5; ++i) {
    members.push_back(&AddBusy(group, kWrite));
    EXPECT_EQ(members.back()->Move(kWrite, 64), 0);
  }
  for (int served = 1; served <= 20; ++served) {
    Pass(10ms);
    for (int i = 0; i < 5; ++i) {
      EXPECT_EQ(members[i]->moved(kWrite), (served + 4 - i) / 5 * 64);
    }
  }
}

// What is saved up while a loop was busy elsewhere is not lost.
TEST_F(RateLimitFairnessTest, ALoopThatTurnsSeldomKeepsItsRate) {
  const Group group =
      MakeGroup({.write = {.rate = 1'000'000, .burst = 200'000}});
  for (size_t i = 0; i < 4; ++i) AddBusy(group, kWrite, i);
  Turn();
  ForgetMoved();
  Pass(1s, 37ms);
  EXPECT_GE(Moved(kWrite), 950'000);
  EXPECT_LE(Moved(kWrite), 1'000'000);
}

TEST_F(RateLimitFairnessTest, ATickOfAHundredMicrosecondsIsAsExact) {
  const Group group = MakeGroup(
      {.write = {.rate = 100'000'000, .burst = 50'000}, .tick = 100us});
  for (size_t i = 0; i < 8; ++i) AddBusy(group, kWrite, i % 4);
  Turn();
  ForgetMoved();
  Pass(100ms, 50us);
  EXPECT_GE(Moved(kWrite), 9'900'000);
  EXPECT_LE(Moved(kWrite), 10'000'000);
  EXPECT_GE(Jain(), 0.99);
}

// In no tick does much more move than in another.
TEST_F(RateLimitFairnessTest, IsSmoothFromTickToTick) {
  const Group group = MakeGroup({.write = {.rate = 10'000'000}});
  for (size_t i = 0; i < 40; ++i) AddBusy(group, kWrite, i % 4);
  Turn();
  Pass(100ms);
  for (int tick = 0; tick < 50; ++tick) {
    ForgetMoved();
    Pass(10ms);
    EXPECT_NEAR(static_cast<double>(Moved(kWrite)), 100'000, 5'000);
  }
}

TEST_F(RateLimitFairnessTest, WeightsHoldWhereAMinimumShareIsMoreThanAPart) {
  const Group group = MakeGroup({.write = {.rate = 10'000}});
  AddBusy(group, kWrite, 0, 1);
  AddBusy(group, kWrite, 0, 9);
  Turn();
  Pass(1s);
  ForgetMoved();
  Pass(60s, 10ms);
  EXPECT_NEAR(Share(1, 1), 0.9, 0.027);
}

TEST_F(RateLimitFairnessTest, WhatOneLeavesIsTheOthersOnAllLoops) {
  const Group group = MakeGroup({.write = {.rate = 1'000'000}});
  for (int i = 0; i < 10; ++i) {
    AddMember(group, 0).of(kWrite).wants = 10;
  }
  AddBusy(group, kWrite, 0);
  AddBusy(group, kWrite, 1);
  Turn();
  Pass(100ms);
  ForgetMoved();
  Pass(1s);
  EXPECT_NEAR(Share(0, 10), 0.1, 0.01);
  EXPECT_NEAR(Share(10, 1), 0.45, 0.01);
  EXPECT_NEAR(Share(11, 1), 0.45, 0.01);
}

}  // namespace
}  // namespace percore
