// The limit that one connection has of its own, and how it comes to a group.
// What groups do stands in rate_limit_group_test.cc.
#include "percore/net/rate_limiter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>

#include "percore/tests/net/rate_limit_loops.h"

namespace percore {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

constexpr int64_t kUnlimited = RateBudget::kUnlimited;

// 10 bytes in a tick.
constexpr RateLimit kSlow = {.read = {.rate = 1000, .burst = 100},
                             .write = {.rate = 1000, .burst = 100},
                             .tick = 10ms};

class RateLimiterTest : public RateLimitLoops {
 protected:
  LimitedMember& AddLimited(const RateLimit& limit = kSlow) {
    LimitedMember& member = AddMember(nullptr);
    EXPECT_TRUE(member.limiter.SetLimit(limit).ok());
    return member;
  }
  // Whose tokens are gone, and who waits for more.
  LimitedMember& AddWaiting(const RateLimit& limit = kSlow) {
    LimitedMember& member = AddLimited(limit);
    while (member.Move(kRead, kALot) > 0) continue;
    EXPECT_TRUE(member.waiting(kRead));
    return member;
  }
};

TEST_F(RateLimiterTest, IsUnlimitedAtTheBeginning) {
  LimitedMember& member = AddMember(nullptr);
  EXPECT_EQ(member.limiter.limit(), nullptr);
  EXPECT_EQ(member.limiter.group(), nullptr);
  EXPECT_EQ(member.limiter.weight(), 1);
  EXPECT_EQ(member.limiter.Tokens(kRead), kUnlimited);
  EXPECT_EQ(member.limiter.MaxNow(kRead), kUnlimited);
  EXPECT_EQ(member.Move(kRead, kALot), kALot);
  EXPECT_FALSE(member.waiting(kRead));
}

TEST_F(RateLimiterTest, RefusesAnImpossibleLimitAndKeepsTheOneThereIs) {
  LimitedMember& member = AddLimited();
  const absl::Status status =
      member.limiter.SetLimit({.read = {.rate = 1000, .burst = 9}});
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("burst of 9 bytes"));
  EXPECT_EQ(*member.limiter.limit(), kSlow);
  EXPECT_EQ(member.limiter.Tokens(kRead), 100);
}

TEST_F(RateLimiterTest, TellsItsLimitWithTheDefaultBurst) {
  LimitedMember& member = AddLimited({.read = {.rate = 5000}});
  EXPECT_EQ(member.limiter.limit()->read.burst, 500);
  EXPECT_TRUE(member.limiter.limit()->write.unlimited());
}

TEST_F(RateLimiterTest, MovesABurstAndThenWaits) {
  LimitedMember& member = AddLimited();
  EXPECT_EQ(member.limiter.MaxNow(kRead), 100);
  EXPECT_EQ(member.Move(kRead, 60), 60);
  EXPECT_EQ(member.limiter.MaxNow(kRead), 40);
  EXPECT_EQ(member.Move(kRead, 60), 40);
  EXPECT_FALSE(member.waiting(kRead));
  EXPECT_EQ(member.Move(kRead, 60), 0);
  EXPECT_TRUE(member.waiting(kRead));
  EXPECT_EQ(member.limiter.MaxNow(kRead), 0);
}

TEST_F(RateLimiterTest, IsCalledWhenATickHasPassed) {
  LimitedMember& member = AddWaiting();
  Pass(9999us);
  EXPECT_EQ(member.of(kRead).called, 0);
  EXPECT_TRUE(member.waiting(kRead));
  Pass(1us);
  EXPECT_EQ(member.of(kRead).called, 1);
  EXPECT_FALSE(member.waiting(kRead));
  EXPECT_EQ(member.limiter.Tokens(kRead), 10);
}

TEST_F(RateLimiterTest, TokensComeWithinATickToo) {
  LimitedMember& member = AddLimited();
  EXPECT_EQ(member.Move(kRead, 100), 100);
  Pass(5ms);
  EXPECT_EQ(member.limiter.Tokens(kRead), 5);
  EXPECT_EQ(member.Move(kRead, 100), 5);
}

TEST_F(RateLimiterTest, ATickMayBeAHundredMicroseconds) {
  LimitedMember& member =
      AddWaiting({.read = {.rate = 10'000'000, .burst = 1000}, .tick = 100us});
  Pass(99us, 1us);
  EXPECT_EQ(member.of(kRead).called, 0);
  Pass(1us);
  EXPECT_EQ(member.of(kRead).called, 1);
  EXPECT_EQ(member.limiter.Tokens(kRead), 1000);
}

// A byte in ten seconds, and ticks of ten milliseconds.
TEST_F(RateLimiterTest, IsNotCalledBeforeThereIsAByte) {
  LimitedMember& member =
      AddWaiting({.read = {.rate = 1, .burst = 1}, .tick = 10ms});
  member.limiter.Take(kRead, 9);
  const uint64_t rounds = loop().stats()->iterations.Get();
  kernel_.Advance(9999ms);
  Turn();
  EXPECT_EQ(member.of(kRead).called, 0);
  EXPECT_EQ(loop().stats()->iterations.Get(), rounds + 1);
  kernel_.Advance(1ms);
  Turn();
  EXPECT_EQ(member.of(kRead).called, 1);
}

TEST_F(RateLimiterTest, DirectionsHaveNothingToDoWithEachOther) {
  LimitedMember& member = AddWaiting();
  EXPECT_FALSE(member.waiting(kWrite));
  EXPECT_EQ(member.Move(kWrite, 70), 70);
  EXPECT_EQ(member.limiter.Tokens(kWrite), 30);
  Pass(10ms);
  EXPECT_EQ(member.of(kRead).called, 1);
  EXPECT_EQ(member.of(kWrite).called, 0);
}

TEST_F(RateLimiterTest, AnUnlimitedDirectionIsNotHeldUp) {
  LimitedMember& member = AddWaiting({.read = {.rate = 1000, .burst = 100}});
  EXPECT_EQ(member.limiter.Tokens(kWrite), kUnlimited);
  EXPECT_EQ(member.Move(kWrite, kALot), kALot);
}

TEST_F(RateLimiterTest, OverASecondItIsTheRateAndTheBurst) {
  LimitedMember& member = AddLimited();
  member.of(kRead).wants = kALot;
  Turn();
  Pass(1s);
  EXPECT_EQ(member.moved(kRead), 1100);
}

TEST_F(RateLimiterTest, AnIdleOneSavesUpABurst) {
  LimitedMember& member = AddWaiting();
  Pass(1h, 10s);
  EXPECT_EQ(member.limiter.Tokens(kRead), 100);
  EXPECT_EQ(member.Move(kRead, kALot), 100);
}

TEST_F(RateLimiterTest, TakesByHandAndMayOwe) {
  LimitedMember& member = AddLimited();
  member.limiter.Take(kRead, 150);
  EXPECT_EQ(member.limiter.Tokens(kRead), -50);
  EXPECT_EQ(member.limiter.MaxNow(kRead), 0);
  EXPECT_EQ(member.Move(kRead, 10), 0);
  Pass(50ms);
  EXPECT_EQ(member.of(kRead).called, 0);
  Pass(1ms);
  EXPECT_EQ(member.of(kRead).called, 1);
  EXPECT_EQ(member.limiter.Tokens(kRead), 1);
  EXPECT_EQ(member.limiter.Tokens(kWrite), 100);
}

TEST_F(RateLimiterTest, WhatIsTakenAfterARestIsGone) {
  LimitedMember& member = AddLimited();
  Pass(1h, 1h);
  member.limiter.Take(kRead, 70);
  EXPECT_EQ(member.limiter.Tokens(kRead), 30);
}

TEST_F(RateLimiterTest, TakesMoreWhileItWaits) {
  LimitedMember& member = AddWaiting();
  member.limiter.Take(kRead, 20);
  Pass(20ms);
  EXPECT_EQ(member.of(kRead).called, 0);
  Pass(1ms);
  EXPECT_EQ(member.of(kRead).called, 1);
}

TEST_F(RateLimiterTest, GoesOnAtOnceWhenSomeArePutIn) {
  LimitedMember& member = AddWaiting();
  member.limiter.Take(kRead, -30);
  EXPECT_EQ(member.of(kRead).called, 1);
  EXPECT_EQ(member.limiter.Tokens(kRead), 30);
  EXPECT_EQ(member.Move(kRead, kALot), 30);
}

TEST_F(RateLimiterTest, TakingFromNoLimitDoesNothing) {
  LimitedMember& member = AddMember(nullptr);
  member.limiter.Take(kRead, 1000);
  EXPECT_EQ(member.limiter.Tokens(kRead), kUnlimited);
}

TEST_F(RateLimiterTest, ADebtStaysWhenTheLimitIsChanged) {
  LimitedMember& member = AddLimited();
  member.limiter.Take(kRead, 600);
  ASSERT_TRUE(
      member.limiter.SetLimit({.read = {.rate = 10'000, .burst = 1000}}).ok());
  EXPECT_EQ(member.limiter.Tokens(kRead), -500);
  Pass(50ms);
  EXPECT_EQ(member.limiter.Tokens(kRead), 0);
}

TEST_F(RateLimiterTest, AFasterLimitIsFeltWhileItWaits) {
  LimitedMember& member =
      AddWaiting({.read = {.rate = 1, .burst = 10}, .tick = 10ms});
  ASSERT_TRUE(member.limiter.SetLimit(kSlow).ok());
  EXPECT_TRUE(member.waiting(kRead));
  Pass(10ms);
  EXPECT_EQ(member.of(kRead).called, 1);
  EXPECT_EQ(member.limiter.Tokens(kRead), 10);
}

TEST_F(RateLimiterTest, ASlowerLimitIsFeltWhileItWaits) {
  LimitedMember& member = AddWaiting();
  ASSERT_TRUE(member.limiter.SetLimit({.read = {.rate = 1, .burst = 1}}).ok());
  Pass(999ms);
  EXPECT_EQ(member.of(kRead).called, 0);
  Pass(1ms);
  EXPECT_EQ(member.of(kRead).called, 1);
}

TEST_F(RateLimiterTest, GoesOnAtOnceWithoutALimit) {
  LimitedMember& member = AddWaiting();
  member.limiter.ClearLimit();
  EXPECT_EQ(member.of(kRead).called, 1);
  EXPECT_EQ(member.limiter.limit(), nullptr);
  EXPECT_EQ(member.Move(kRead, kALot), kALot);
  EXPECT_EQ(loop().pending_count(), 0u);
}

TEST_F(RateLimiterTest, GoesOnAtOnceWhenItsDirectionIsUnlimited) {
  LimitedMember& member = AddWaiting();
  ASSERT_TRUE(member.limiter.SetLimit({.write = kSlow.write}).ok());
  EXPECT_EQ(member.of(kRead).called, 1);
  EXPECT_EQ(member.Move(kRead, kALot), kALot);
  EXPECT_EQ(member.limiter.Tokens(kWrite), 100);
}

TEST_F(RateLimiterTest, ALimitThatIsSetAgainBeginsFull) {
  LimitedMember& member = AddWaiting();
  member.limiter.ClearLimit();
  ASSERT_TRUE(member.limiter.SetLimit(kSlow).ok());
  EXPECT_EQ(member.limiter.Tokens(kRead), 100);
}

TEST_F(RateLimiterTest, WhatIsReservedIsGoneUntilItIsCounted) {
  LimitedMember& member = AddLimited();
  EXPECT_EQ(member.limiter.Room(kWrite, 80), 80u);
  member.limiter.Reserve(kWrite, 80);
  EXPECT_EQ(member.limiter.Tokens(kWrite), 20);
  member.limiter.Count(kWrite, 30);
  EXPECT_EQ(member.limiter.Tokens(kWrite), 70);
}

TEST_F(RateLimiterTest, WhatArrivedBeyondTheLimitIsOwed) {
  LimitedMember& member = AddLimited();
  member.limiter.Count(kRead, 350);
  EXPECT_EQ(member.limiter.Tokens(kRead), -250);
  EXPECT_EQ(member.Move(kRead, 1), 0);
  Pass(250ms);
  EXPECT_EQ(member.of(kRead).called, 0);
  Pass(1ms);
  EXPECT_EQ(member.of(kRead).called, 1);
}

TEST_F(RateLimiterTest, RoomForNothingIsNotWaitedFor) {
  LimitedMember& member = AddLimited();
  EXPECT_EQ(member.Move(kRead, 100), 100);
  EXPECT_EQ(member.limiter.Room(kRead, 0), 0u);
  EXPECT_FALSE(member.waiting(kRead));
}

TEST_F(RateLimiterTest, WhoeverWaitsMayBeDestroyed) {
  AddWaiting();
  EXPECT_EQ(loop().pending_count(), 1u);
  members_.clear();
  EXPECT_EQ(loop().pending_count(), 0u);
  Pass(1s);
}

TEST_F(RateLimiterTest, JoiningNeedsAGroupAndAWeight) {
  LimitedMember& member = AddMember(nullptr);
  const Group group = MakeGroup(kSlow);
  EXPECT_EQ(member.limiter.Join(nullptr),
            absl::InvalidArgumentError("no rate-limit group"));
  for (const int weight : {0, -1, RateLimitGroup::kMaxWeight + 1}) {
    const absl::Status status = member.limiter.Join(group, weight);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()),
                HasSubstr("it must be from 1 to 10000"));
    EXPECT_EQ(member.limiter.SetWeight(weight), status);
  }
  EXPECT_EQ(member.limiter.group(), nullptr);
  EXPECT_EQ(member.limiter.weight(), 1);
  EXPECT_EQ(group->state().members, 0);
}

TEST_F(RateLimiterTest, BelongsToTheLastGroupThatItJoined) {
  const Group first = MakeGroup(kSlow);
  const Group second = MakeGroup(kSlow);
  LimitedMember& member = AddMember(first, 0, 3);
  EXPECT_EQ(member.limiter.group(), first);
  EXPECT_EQ(member.limiter.weight(), 3);
  EXPECT_EQ(first->state().members, 1);
  ASSERT_TRUE(member.limiter.Join(second).ok());
  EXPECT_EQ(member.limiter.group(), second);
  EXPECT_EQ(member.limiter.weight(), 1);
  EXPECT_EQ(first->state().members, 0);
  EXPECT_EQ(second->state().members, 1);
  member.limiter.Leave();
  EXPECT_EQ(member.limiter.group(), nullptr);
  EXPECT_EQ(second->state().members, 0);
  member.limiter.Leave();
}

TEST_F(RateLimiterTest, MovesWhatBothItsOwnLimitAndItsGroupAllow) {
  const Group group = MakeGroup({.read = {.rate = 1000, .burst = 50},
                                 .write = {.rate = 9000, .burst = 900}});
  LimitedMember& member = AddLimited();
  ASSERT_TRUE(member.limiter.Join(group).ok());
  EXPECT_EQ(member.limiter.MaxNow(kRead), 50);
  EXPECT_EQ(member.limiter.MaxNow(kWrite), 100);
  EXPECT_EQ(member.Move(kRead, kALot), 50);
  EXPECT_EQ(member.Move(kWrite, kALot), 100);
  EXPECT_EQ(member.limiter.Tokens(kRead), 50);
  EXPECT_EQ(group->Tokens(kWrite), 900);  // not told yet
  Pass(10ms);
  EXPECT_EQ(group->Tokens(kWrite), 890);
}

TEST_F(RateLimiterTest, AskingWhatCouldBeMovedTakesNothingFromOthers) {
  const Group group = MakeGroup(kSlow);
  LimitedMember& member = AddMember(group, 0);
  LimitedMember& other = AddMember(group, 1);
  EXPECT_EQ(member.limiter.MaxNow(kRead), 100);
  EXPECT_EQ(other.limiter.MaxNow(kRead), 100);
  EXPECT_EQ(other.Move(kRead, kALot), 100);
  EXPECT_EQ(member.limiter.MaxNow(kRead), 0);
  EXPECT_EQ(loop(0).pending_count(), 0u);
}

TEST_F(RateLimiterTest, AGroupThatOwesAllowsNothing) {
  const Group group = MakeGroup(kSlow);
  LimitedMember& member = AddMember(group);
  member.limiter.Count(kRead, 500);
  EXPECT_EQ(member.limiter.MaxNow(kRead), 0);
  EXPECT_EQ(member.limiter.MaxNow(kWrite), 100);
}

TEST_F(RateLimiterTest, AMemberThatWaitsForItselfDoesNotHoldUpOthers) {
  const Group group = MakeGroup({.read = {.rate = 100'000, .burst = 10'000}});
  LimitedMember& slow = AddLimited();
  ASSERT_TRUE(slow.limiter.Join(group).ok());
  slow.of(kRead).wants = kALot;
  LimitedMember& fast = AddBusy(group, kRead);
  Turn();
  ForgetMoved();
  Pass(1s);
  // It waits its turn in the group as well: what its last tick brought may be
  // left.
  EXPECT_GE(slow.moved(kRead), 990);
  EXPECT_LE(slow.moved(kRead), 1000);
  EXPECT_EQ(slow.moved(kRead) + fast.moved(kRead), 100'000);
}

TEST_F(RateLimiterTest, WhoeverWaitsForAGroupGoesOnWhenItLeaves) {
  const Group group = MakeGroup(kSlow);
  LimitedMember& member = AddMember(group);
  member.Move(kRead, kALot);
  EXPECT_EQ(member.Move(kRead, kALot), 0);
  EXPECT_EQ(group->state().read.suspended, 1);
  member.limiter.Leave();
  EXPECT_EQ(member.of(kRead).called, 1);
  EXPECT_EQ(group->state().read.suspended, 0);
  EXPECT_EQ(member.Move(kRead, kALot), kALot);
}

TEST_F(RateLimiterTest, WhoeverWaitsForItselfWaitsOnWhenItJoinsAndLeaves) {
  const Group group = MakeGroup(kSlow);
  LimitedMember& member = AddWaiting();
  ASSERT_TRUE(member.limiter.Join(group).ok());
  EXPECT_EQ(group->state().read.suspended, 1);
  EXPECT_TRUE(member.waiting(kRead));
  member.limiter.Leave();
  EXPECT_EQ(group->state().read.suspended, 0);
  EXPECT_TRUE(member.waiting(kRead));
  Pass(10ms);
  EXPECT_EQ(member.of(kRead).called, 1);
}

// As it would be free to, between the two.
TEST_F(RateLimiterTest, WhoeverWaitsIsNotCalledOnItsWayToAnEmptyGroup) {
  const Group empty = MakeGroup(kSlow);
  empty->Pause();
  const Group group = MakeGroup(kSlow);
  LimitedMember& member = AddMember(group);
  member.Move(kRead, kALot);
  EXPECT_EQ(member.Move(kRead, kALot), 0);
  ASSERT_TRUE(member.limiter.Join(empty).ok());
  EXPECT_EQ(member.of(kRead).called, 0);
  EXPECT_TRUE(member.waiting(kRead));
  EXPECT_EQ(empty->state().read.suspended, 1);
  empty->Resume();
  Turn();
  EXPECT_EQ(member.of(kRead).called, 1);
}

TEST_F(RateLimiterTest, WhoeverWaitsGoesOnInAGroupThatHasSome) {
  const Group group = MakeGroup(kSlow);
  const Group other = MakeGroup(kSlow);
  LimitedMember& member = AddMember(group);
  member.Move(kRead, kALot);
  EXPECT_EQ(member.Move(kRead, kALot), 0);
  ASSERT_TRUE(member.limiter.Join(other).ok());
  Turn();
  EXPECT_EQ(member.of(kRead).called, 1);
  EXPECT_EQ(member.Move(kRead, kALot), 100);
}

}  // namespace
}  // namespace percore
