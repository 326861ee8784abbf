// What groups tell of themselves, to the nanosecond.
#include <gtest/gtest.h>

#include <chrono>

#include "percore/net/rate_limit_group.h"
#include "percore/tests/net/rate_limit_loops.h"

namespace percore {
namespace {

using namespace std::chrono_literals;

// 100 bytes in a tick.
constexpr RateLimit kLimit = {.read = {.rate = 10'000, .burst = 1000},
                              .write = {.rate = 10'000, .burst = 1000},
                              .tick = 10ms};

class RateLimitStateTest : public RateLimitLoops {
 protected:
  static void UseUp(LimitedMember& member) {
    while (member.Move(kRead, kALot) > 0) continue;
  }
};

TEST_F(RateLimitStateTest, TellsItsTerms) {
  const Group group = MakeGroup({.write = kLimit.write});
  const RateLimitGroup::State state = group->state();
  EXPECT_TRUE(state.of(kRead).budget.unlimited());
  EXPECT_EQ(state.of(kWrite).budget, kLimit.write);
  EXPECT_EQ(state.of(kRead).tokens, RateBudget::kUnlimited);
  EXPECT_EQ(state.of(kWrite).tokens, 1000);
}

TEST_F(RateLimitStateTest, CountsMembersOnAllLoopsAndInGroupsInside) {
  const Group outer = MakeGroup(kLimit);
  const Group inner = MakeGroup(kLimit, {.parent = outer});
  AddMember(outer, 0);
  AddMember(inner, 0);
  AddMember(inner, 1);
  EXPECT_EQ(outer->state().members, 3);
  EXPECT_EQ(inner->state().members, 2);
  members_.pop_back();
  EXPECT_EQ(outer->state().members, 2);
  EXPECT_EQ(inner->state().members, 1);
  members_.clear();
  EXPECT_EQ(outer->state().members, 0);
}

TEST_F(RateLimitStateTest, CountsThoseWhoWaitAndHowOften) {
  const Group group = MakeGroup(kLimit, {.min_share = 1});
  LimitedMember& first = AddMember(group, 0);
  LimitedMember& second = AddMember(group, 1);
  UseUp(first);
  EXPECT_EQ(group->state().read.suspended, 1);
  EXPECT_EQ(group->state().read.suspensions, 1u);
  UseUp(second);
  EXPECT_EQ(group->state().read.suspended, 2);
  EXPECT_EQ(group->state().read.suspensions, 2u);
  EXPECT_EQ(group->state().write.suspensions, 0u);
  Pass(10ms);
  EXPECT_EQ(group->state().read.suspended, 0);
  UseUp(first);
  EXPECT_EQ(group->state().read.suspended, 1);
  EXPECT_EQ(group->state().read.suspensions, 3u);
}

TEST_F(RateLimitStateTest, AddsUpHowLongMembersWaited) {
  const Group group = MakeGroup(kLimit);
  UseUp(AddMember(group));
  EXPECT_EQ(group->state().read.throttled, 0ns);
  Pass(10ms);
  EXPECT_EQ(group->state().read.throttled, 10ms);
  Pass(10ms);
  EXPECT_EQ(group->state().read.throttled, 10ms);
  EXPECT_EQ(group->state().write.throttled, 0ns);
}

TEST_F(RateLimitStateTest, AddsUpTheTimeOfAllWhoWait) {
  const Group group = MakeGroup(kLimit);
  group->Pause();
  LimitedMember& first = AddMember(group, 0);
  EXPECT_EQ(first.Move(kRead, 1), 0);
  Pass(30ms);
  EXPECT_EQ(AddMember(group, 1).Move(kRead, 1), 0);
  Pass(20ms);
  group->Resume();
  Turn();
  EXPECT_EQ(group->state().read.throttled, 70ms);
  EXPECT_EQ(group->state().read.suspended, 0);
}

TEST_F(RateLimitStateTest, EachGroupCountsTheTimeThatWasSpentInIt) {
  const Group first = MakeGroup(kLimit);
  const Group second = MakeGroup(kLimit);
  first->Pause();
  second->Pause();
  LimitedMember& member = AddMember(first);
  EXPECT_EQ(member.Move(kRead, 1), 0);
  Pass(30ms);
  ASSERT_TRUE(member.limiter.Join(second).ok());
  Pass(7ms);
  second->Resume();
  Turn();
  EXPECT_EQ(first->state().read.throttled, 30ms);
  EXPECT_EQ(second->state().read.throttled, 7ms);
  EXPECT_EQ(first->state().read.suspensions, 1u);
  EXPECT_EQ(second->state().read.suspensions, 1u);
}

TEST_F(RateLimitStateTest, WhoeverGoesWhileItWaitsHasWaited) {
  const Group group = MakeGroup(kLimit);
  group->Pause();
  EXPECT_EQ(AddMember(group).Move(kRead, 1), 0);
  EXPECT_EQ(AddMember(group).Move(kRead, 1), 0);
  Pass(30ms);
  members_[0]->limiter.Leave();
  members_.clear();
  EXPECT_EQ(group->state().read.throttled, 60ms);
  EXPECT_EQ(group->state().read.suspensions, 2u);
  EXPECT_EQ(group->state().read.suspended, 0);
}

TEST_F(RateLimitStateTest, AGroupAroundCountsThoseInsideToo) {
  const Group outer = MakeGroup({});
  const Group inner = MakeGroup(kLimit, {.parent = outer});
  LimitedMember& member = AddMember(inner);
  UseUp(member);
  EXPECT_EQ(outer->state().read.suspended, 1);
  Pass(10ms);
  EXPECT_EQ(outer->state().read.suspensions, 1u);
  EXPECT_EQ(outer->state().read.throttled, 10ms);
  EXPECT_EQ(outer->state().read.bytes, 1000u);
  // It had enough, all the time.
  EXPECT_EQ(outer->state().read.exhausted, 0ns);
}

TEST_F(RateLimitStateTest, IsExhaustedWhileSomebodyWaitsForWhatIsNotThere) {
  const Group group = MakeGroup(kLimit);
  LimitedMember& member = AddMember(group);
  EXPECT_EQ(member.Move(kRead, kALot), 1000);
  Pass(5ms);
  EXPECT_EQ(group->state().read.exhausted, 0ns);  // nobody has asked
  EXPECT_EQ(member.Move(kRead, 50), 50);
  EXPECT_EQ(member.Move(kRead, 50), 0);
  Pass(3ms);
  EXPECT_EQ(group->state().read.exhausted, 3ms);
  Pass(1s);
  const Duration exhausted = group->state().read.exhausted;
  EXPECT_EQ(exhausted, group->state().read.throttled);
  EXPECT_GE(exhausted, 5ms);
  EXPECT_LE(exhausted, 15ms);
  EXPECT_EQ(group->state().write.exhausted, 0ns);
}

TEST_F(RateLimitStateTest, IsNotExhaustedBecauseAMemberIs) {
  const Group group = MakeGroup(kLimit);
  LimitedMember& member = AddMember(group);
  ASSERT_TRUE(
      member.limiter.SetLimit({.read = {.rate = 1000, .burst = 10}}).ok());
  UseUp(member);
  Pass(5ms);
  EXPECT_EQ(group->state().read.suspended, 1);
  EXPECT_EQ(group->state().read.exhausted, 0ns);
}

TEST_F(RateLimitStateTest, IsNotExhaustedBecauseAGroupAroundIs) {
  const Group outer = MakeGroup(kLimit);
  const Group inner =
      MakeGroup({.read = {.rate = 1'000'000}}, {.parent = outer});
  UseUp(AddMember(inner));
  Pass(5ms);
  EXPECT_EQ(outer->state().read.exhausted, 5ms);
  EXPECT_EQ(inner->state().read.exhausted, 0ns);
}

TEST_F(RateLimitStateTest, IsNotExhaustedWhileItIsPaused) {
  const Group group = MakeGroup(kLimit);
  group->Pause();
  EXPECT_EQ(AddMember(group).Move(kRead, 1), 0);
  Pass(1s);
  EXPECT_EQ(group->state().read.exhausted, 0ns);
}

// As it is under a load that never ends.
TEST_F(RateLimitStateTest, IsExhaustedAllTheTimeUnderLoad) {
  const Group group = MakeGroup(kLimit);
  for (size_t i = 0; i < 4; ++i) AddBusy(group, kRead, i);
  Turn();
  Pass(1s);
  EXPECT_GE(group->state().read.exhausted, 980ms);
  EXPECT_LE(group->state().read.exhausted, 1s);
  EXPECT_GE(group->state().read.throttled, 3900ms);
  EXPECT_EQ(group->state().read.suspended, 4);
}

}  // namespace
}  // namespace percore
