#include "percore/net/rate_limit_group.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "percore/tests/net/rate_limit_loops.h"

namespace percore {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

constexpr int64_t kUnlimited = RateBudget::kUnlimited;

// 100 bytes in a tick.
constexpr RateLimit kLimit = {.read = {.rate = 10'000, .burst = 1000},
                              .write = {.rate = 10'000, .burst = 1000},
                              .tick = 10ms};

class RateLimitGroupTest : public RateLimitLoops {
 protected:
  // A member that has used up all there is, and waits.
  LimitedMember& AddWaiting(const Group& group, size_t on_loop = 0) {
    LimitedMember& member = AddMember(group, on_loop);
    while (member.Move(kRead, kALot) > 0) continue;
    EXPECT_TRUE(member.waiting(kRead));
    return member;
  }
};

TEST_F(RateLimitGroupTest, IsWhatItWasMadeAs) {
  const Group group =
      MakeGroup(kLimit, {.name = "tenant", .weight = 7, .min_share = 99});
  EXPECT_EQ(group->name(), "tenant");
  EXPECT_EQ(group->weight(), 7);
  EXPECT_EQ(group->min_share(), 99);
  EXPECT_EQ(group->parent(), nullptr);
  EXPECT_EQ(group->limit(), kLimit);
  EXPECT_EQ(group->state().members, 0);
  EXPECT_EQ(group->totals().read, 0u);
}

TEST_F(RateLimitGroupTest, HasDefaults) {
  const Group group = MakeGroup({.read = {.rate = 5000}});
  EXPECT_EQ(group->name(), "");
  EXPECT_EQ(group->weight(), 1);
  EXPECT_EQ(group->min_share(), 64);
  EXPECT_FALSE(group->paused(kRead));
  EXPECT_FALSE(group->paused(kWrite));
  EXPECT_EQ(group->limit().read.burst, 500);
  EXPECT_EQ(group->limit().tick, 10ms);
  EXPECT_EQ(group->Tokens(kRead), 500);
  EXPECT_EQ(group->Tokens(kWrite), kUnlimited);
}

TEST_F(RateLimitGroupTest, RefusesWhatIsImpossible) {
  const struct {
    RateLimit limit;
    RateLimitGroup::Options options;
    const char* message;
  } cases[] = {
      {{.read = {.rate = 10'000, .burst = 99}}, {}, "burst of 99 bytes"},
      {{.tick = Duration::zero()}, {}, "tick of 0 ns"},
      {kLimit, {.weight = 0}, "weight of 0: it must be from 1 to 10000"},
      {kLimit, {.weight = 10'001}, "weight of 10001"},
      {kLimit, {.min_share = 0}, "minimum share of 0: it must be at least 1"},
  };
  for (const auto& [limit, options, message] : cases) {
    const absl::Status status = RateLimitGroup::Create(limit, options).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), HasSubstr(message));
  }
}

TEST_F(RateLimitGroupTest, MovesABurstAndThenTheRate) {
  const Group group = MakeGroup(kLimit);
  LimitedMember& member = AddBusy(group, kRead);
  Turn();
  EXPECT_EQ(member.moved(kRead), 1000);
  EXPECT_TRUE(member.waiting(kRead));
  Pass(9ms);
  EXPECT_EQ(member.moved(kRead), 1000);
  Pass(1ms);
  EXPECT_EQ(member.moved(kRead), 1100);
  Pass(990ms);
  EXPECT_EQ(member.moved(kRead), 11'000);
}

TEST_F(RateLimitGroupTest, DirectionsHaveNothingToDoWithEachOther) {
  const Group group = MakeGroup(kLimit);
  AddWaiting(group);
  LimitedMember& writer = AddMember(group);
  EXPECT_EQ(writer.Move(kWrite, 300), 300);
  Pass(10ms);
  EXPECT_EQ(group->Tokens(kWrite), 800);
  EXPECT_EQ(group->state().write.bytes, 300u);
  EXPECT_EQ(group->state().read.bytes, 1000u);
}

TEST_F(RateLimitGroupTest, AnUnlimitedDirectionIsCountedAndNotHeldUp) {
  const Group group = MakeGroup({.read = kLimit.read});
  AddWaiting(group);
  LimitedMember& writer = AddMember(group);
  EXPECT_EQ(writer.Move(kWrite, kALot), kALot);
  EXPECT_EQ(writer.limiter.MaxNow(kWrite), kUnlimited);
  EXPECT_EQ(group->totals().written, static_cast<uint64_t>(kALot));
  EXPECT_EQ(loop().pending_count(), 1u);  // the reader's
}

TEST_F(RateLimitGroupTest, WhatOneLoopBorrowedAndDoesNotUseComesBack) {
  const Group group = MakeGroup(kLimit);
  LimitedMember& member = AddMember(group, 0);
  LimitedMember& other = AddMember(group, 1);
  EXPECT_EQ(member.Move(kRead, 1), 1);  // of a slice
  EXPECT_EQ(other.Move(kRead, kALot), 985);
  kernel_.Advance(10ms);
  Turn();
  EXPECT_EQ(group->Tokens(kRead), 114);
  EXPECT_EQ(other.Move(kRead, kALot), 114);
}

TEST_F(RateLimitGroupTest, NothingIsPendingWhenAllHasComeBack) {
  const Group group = MakeGroup(kLimit);
  LimitedMember& member = AddMember(group, 0);
  AddMember(group, 1);
  EXPECT_EQ(PendingTimers(), 0u);
  EXPECT_EQ(member.Move(kRead, 10), 10);
  EXPECT_EQ(PendingTimers(), 1u);
  Pass(10ms);
  EXPECT_EQ(PendingTimers(), 0u);
  EXPECT_EQ(group->Tokens(kRead), 1000);
}

TEST_F(RateLimitGroupTest, NothingIsPendingOnALoopWhereNobodyMoves) {
  const Group group = MakeGroup(kLimit);
  AddMember(group, 1);
  AddBusy(group, kRead, 0);
  Pass(100ms);
  EXPECT_EQ(loop(1).pending_count(), 0u);
}

// A byte a second: the loop sleeps until it is there.
TEST_F(RateLimitGroupTest, WhoWaitsLongIsNotLookedAfterMeanwhile) {
  const Group group =
      MakeGroup({.read = {.rate = 1, .burst = 100}, .tick = 1ms});
  LimitedMember& member = AddWaiting(group);
  const uint64_t before = loop().stats()->iterations.Get();
  const TimePoint began = kernel_.Now();
  while (member.waiting(kRead)) {
    ASSERT_TRUE(loop().Run(RunMode::kOnce).ok());
  }
  // Its minimum share, and the tick in which it is told what was spent.
  EXPECT_EQ(kernel_.Now() - began, 64s + 1ms);
  EXPECT_LE(loop().stats()->iterations.Get() - before, 2u);
}

TEST_F(RateLimitGroupTest, GivesAMinimumShareAtATime) {
  const Group group = MakeGroup(kLimit, {.min_share = 50});
  std::vector<LimitedMember*> members;
  members.reserve(10);
  for (int i = 0; i < 10; ++i) members.push_back(&AddBusy(group, kRead));
  Turn();
  ForgetMoved();
  // 100 bytes in a tick: two at a time, each in its turn.
  for (int round = 0; round < 5; ++round) {
    Pass(10ms);
    int served = 0;
    for (const LimitedMember* member : members) {
      EXPECT_EQ(member->moved(kRead) % 50, 0);
      served += member->moved(kRead) == 50 ? 1 : 0;
    }
    EXPECT_EQ(served, 2 * (round + 1));
  }
}

TEST_F(RateLimitGroupTest, AMinimumShareMayBeLessThanWhatAMemberWants) {
  const Group group = MakeGroup(kLimit, {.min_share = 500});
  AddWaiting(group);
  LimitedMember& modest = AddMember(group);
  EXPECT_EQ(modest.Move(kRead, 3), 0);
  members_[0]->limiter.Leave();
  Pass(20ms);
  EXPECT_EQ(modest.of(kRead).called, 1);
}

TEST_F(RateLimitGroupTest, AMinimumShareBeyondTheBurstIsTheBurst) {
  const Group group = MakeGroup(kLimit, {.min_share = 1'000'000});
  LimitedMember& member = AddBusy(group, kRead);
  Turn();
  Pass(1s);
  EXPECT_EQ(member.moved(kRead), 11'000);
}

TEST_F(RateLimitGroupTest, ItsMinimumShareMayBeChanged) {
  const Group group = MakeGroup(kLimit);
  LimitedMember& member = AddBusy(group, kRead);
  group->SetMinShare(300);
  EXPECT_EQ(group->min_share(), 300);
  Turn();
  ForgetMoved();
  Pass(29ms);
  EXPECT_EQ(member.moved(kRead), 0);
  Pass(1ms);
  EXPECT_EQ(member.moved(kRead), 300);
  group->SetMinShare(-3);
  EXPECT_EQ(group->min_share(), 1);
}

TEST_F(RateLimitGroupTest, TakesByHandAndMayOwe) {
  const Group group = MakeGroup(kLimit, {.min_share = 1});
  LimitedMember& member = AddMember(group);
  group->Take(kRead, 1500);
  EXPECT_EQ(group->Tokens(kRead), -500);
  EXPECT_EQ(group->Tokens(kWrite), 1000);
  EXPECT_EQ(member.limiter.MaxNow(kRead), 0);
  EXPECT_EQ(member.Move(kRead, 1), 0);
  Pass(50ms);
  EXPECT_EQ(member.of(kRead).called, 0);
  Pass(1ms);
  EXPECT_EQ(member.of(kRead).called, 1);
  EXPECT_EQ(group->totals().read, 0u);  // no bytes have moved
}

TEST_F(RateLimitGroupTest, WhatIsTakenAfterARestIsGone) {
  const Group group = MakeGroup(kLimit);
  AddMember(group);
  Pass(1h, 1h);
  group->Take(kRead, 700);
  EXPECT_EQ(group->Tokens(kRead), 300);
  LimitedMember& member = AddMember(group);
  EXPECT_EQ(member.Move(kRead, kALot), 300);
}

TEST_F(RateLimitGroupTest, MembersGoOnWhenSomeArePutIn) {
  const Group group = MakeGroup(kLimit);
  LimitedMember& member = AddWaiting(group);
  group->Take(kRead, -300);
  Turn();
  EXPECT_EQ(member.of(kRead).called, 1);
  EXPECT_EQ(member.Move(kRead, kALot), 300);
}

TEST_F(RateLimitGroupTest, TakingWhileMembersWaitMakesThemWaitLonger) {
  const Group group = MakeGroup(kLimit, {.min_share = 100});
  LimitedMember& member = AddWaiting(group);
  group->Take(kRead, 200);
  Pass(29ms);
  EXPECT_EQ(member.of(kRead).called, 0);
  Pass(2ms);
  EXPECT_EQ(member.of(kRead).called, 1);
}

TEST_F(RateLimitGroupTest, RefusesToChangeIntoWhatIsImpossible) {
  const Group group = MakeGroup(kLimit);
  const absl::Status status = group->SetLimit({.read = {.rate = 0}});
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(group->limit(), kLimit);
}

TEST_F(RateLimitGroupTest, AFasterLimitIsFeltByThoseWhoWait) {
  const Group group = MakeGroup({.read = {.rate = 1, .burst = 100}});
  LimitedMember& member = AddWaiting(group);
  member.of(kRead).wants = kALot;
  ASSERT_TRUE(group->SetLimit(kLimit).ok());
  EXPECT_EQ(group->limit(), kLimit);
  Turn();
  ForgetMoved();
  Pass(10ms);
  EXPECT_EQ(member.moved(kRead), 100);
}

TEST_F(RateLimitGroupTest, ASlowerLimitIsFeltByThoseWhoWait) {
  const Group group = MakeGroup(kLimit, {.min_share = 1});
  LimitedMember& member = AddWaiting(group);
  ASSERT_TRUE(group->SetLimit({.read = {.rate = 1, .burst = 100}}).ok());
  Turn();
  Pass(999ms);
  EXPECT_EQ(member.of(kRead).called, 0);
  Pass(1ms);
  EXPECT_EQ(member.of(kRead).called, 1);
}

TEST_F(RateLimitGroupTest, AllGoOnWithoutALimit) {
  const Group group = MakeGroup(kLimit);
  LimitedMember& first = AddWaiting(group, 0);
  LimitedMember& second = AddWaiting(group, 1);
  ASSERT_TRUE(group->SetLimit({}).ok());
  EXPECT_EQ(group->Tokens(kRead), kUnlimited);
  Turn();
  for (LimitedMember* member : {&first, &second}) {
    EXPECT_EQ(member->of(kRead).called, 1);
    EXPECT_EQ(member->Move(kRead, kALot), kALot);
  }
  EXPECT_EQ(group->state().read.suspended, 0);
}

TEST_F(RateLimitGroupTest, ALimitWhereThereWasNoneBeginsFull) {
  const Group group = MakeGroup({});
  LimitedMember& member = AddMember(group);
  EXPECT_EQ(member.Move(kRead, kALot), kALot);
  Pass(1h, 1h);
  ASSERT_TRUE(group->SetLimit(kLimit).ok());
  Turn();
  EXPECT_EQ(group->Tokens(kRead), 1000);
  EXPECT_EQ(member.Move(kRead, kALot), 1000);
}

TEST_F(RateLimitGroupTest, AnotherTickIsFeltByThoseWhoWait) {
  const Group group =
      MakeGroup({.read = {.rate = 10'000, .burst = 10'000}, .tick = 500ms});
  LimitedMember& member = AddWaiting(group);
  ASSERT_TRUE(
      group->SetLimit({.read = {.rate = 10'000, .burst = 10'000}, .tick = 10ms})
          .ok());
  Turn();
  Pass(10ms);
  EXPECT_EQ(member.of(kRead).called, 1);
}

TEST_F(RateLimitGroupTest, NothingMovesWhileItIsPaused) {
  const Group group = MakeGroup(kLimit);
  LimitedMember& member = AddMember(group);
  group->Pause();
  EXPECT_TRUE(group->paused(kRead));
  EXPECT_TRUE(group->paused(kWrite));
  EXPECT_EQ(member.limiter.MaxNow(kRead), 0);
  EXPECT_EQ(member.Move(kRead, 1), 0);
  EXPECT_EQ(member.Move(kWrite, 1), 0);
  Pass(1h, 1s);
  EXPECT_EQ(member.of(kRead).called, 0);
  EXPECT_EQ(PendingTimers(), 0u);
  group->Resume();
  Turn();
  EXPECT_EQ(member.of(kRead).called, 1);
  EXPECT_EQ(member.of(kWrite).called, 1);
  EXPECT_EQ(member.Move(kRead, kALot), 1000);
}

TEST_F(RateLimitGroupTest, EachDirectionIsPausedByItself) {
  const Group group = MakeGroup(kLimit);
  LimitedMember& member = AddMember(group);
  group->Pause(EventFlags::kRead);
  EXPECT_TRUE(group->paused(kRead));
  EXPECT_FALSE(group->paused(kWrite));
  EXPECT_EQ(member.Move(kRead, 1), 0);
  EXPECT_EQ(member.Move(kWrite, 1), 1);
  group->Pause(EventFlags::kWrite);
  group->Resume(EventFlags::kRead);
  Turn();
  EXPECT_EQ(member.of(kRead).called, 1);
  EXPECT_EQ(member.Move(kRead, 1), 1);
  EXPECT_EQ(member.Move(kWrite, 1), 0);
}

TEST_F(RateLimitGroupTest, AnUnlimitedGroupCanBePaused) {
  const Group group = MakeGroup({});
  LimitedMember& member = AddMember(group);
  group->Pause();
  EXPECT_EQ(member.Move(kRead, 1), 0);
  group->Resume();
  Turn();
  EXPECT_EQ(member.Move(kRead, kALot), kALot);
}

TEST_F(RateLimitGroupTest, WhoWaitsWaitsOnWhileItIsPaused) {
  const Group group = MakeGroup(kLimit);
  LimitedMember& member = AddWaiting(group);
  group->Pause();
  Pass(1s);
  EXPECT_EQ(member.of(kRead).called, 0);
  EXPECT_EQ(PendingTimers(), 0u);
  EXPECT_EQ(group->state().read.suspended, 1);
  group->Resume();
  Turn();
  EXPECT_EQ(member.Move(kRead, kALot), 1000);
}

// What is on loan, and what was granted, is not used any more either.
TEST_F(RateLimitGroupTest, APauseIsFeltByThoseWhoHaveBorrowed) {
  const Group group = MakeGroup(kLimit);
  LimitedMember& lucky = AddMember(group, 0);
  LimitedMember& granted = AddWaiting(group, 1);
  group->Take(kRead, -1000);
  Turn();
  EXPECT_EQ(granted.of(kRead).called, 1);
  EXPECT_EQ(granted.Move(kRead, 1), 1);
  group->Pause();
  Turn();
  EXPECT_EQ(lucky.Move(kRead, 1), 0);
  EXPECT_EQ(granted.Move(kRead, 1), 0);
}

TEST_F(RateLimitGroupTest, CountsWhatMovesAndForgetsOnRequest) {
  const Group group = MakeGroup(kLimit);
  LimitedMember& first = AddMember(group, 0);
  LimitedMember& second = AddMember(group, 1);
  first.Move(kRead, 100);
  second.Move(kRead, 20);
  second.Move(kWrite, 3);
  EXPECT_EQ(group->totals().read, 120u);
  EXPECT_EQ(group->totals().written, 3u);
  group->ResetTotals();
  EXPECT_EQ(group->totals().read, 0u);
  EXPECT_EQ(group->totals().written, 0u);
  EXPECT_EQ(group->state().read.bytes, 120u);  // only ever grows
  first.Move(kRead, 7);
  EXPECT_EQ(group->totals().read, 7u);
}

TEST_F(RateLimitGroupTest, WhatMembersMovedStaysWhenTheyAreGone) {
  const Group group = MakeGroup(kLimit);
  AddMember(group).Move(kRead, 100);
  AddMember(group, 1).Move(kWrite, 50);
  members_.clear();
  EXPECT_EQ(group->totals().read, 100u);
  EXPECT_EQ(group->totals().written, 50u);
  EXPECT_EQ(group->Tokens(kRead), 900);
  EXPECT_EQ(PendingTimers(), 0u);
}

TEST_F(RateLimitGroupTest, GoesOnUntilItsLastMemberHasLeft) {
  Group group = MakeGroup(kLimit);
  LimitedMember& member = AddWaiting(group);
  const std::weak_ptr<RateLimitGroup> weak = group;
  group = nullptr;
  EXPECT_FALSE(weak.expired());
  Pass(10ms);
  EXPECT_EQ(member.Move(kRead, kALot), 100);
  EXPECT_EQ(member.limiter.group(), weak.lock());
  member.limiter.Leave();
  EXPECT_TRUE(weak.expired());
}

TEST_F(RateLimitGroupTest, WhoeverWaitsMayBeDestroyed) {
  const Group group = MakeGroup(kLimit);
  LimitedMember& first = AddWaiting(group);
  LimitedMember& second = AddWaiting(group);
  EXPECT_EQ(group->state().read.suspended, 2);
  EXPECT_EQ(&first, members_.front().get());
  members_.erase(members_.begin());
  EXPECT_EQ(group->state().read.suspended, 1);
  EXPECT_EQ(group->state().members, 1);
  Pass(10ms);
  EXPECT_EQ(second.of(kRead).called, 1);
  members_.clear();
  EXPECT_EQ(group.use_count(), 1);
  EXPECT_EQ(PendingTimers(), 0u);
}

// They are not lost with it.
TEST_F(RateLimitGroupTest, WhatWasGrantedToOneThatGoesIsThereForOthers) {
  const Group group = MakeGroup(kLimit);
  AddWaiting(group);
  Pass(10ms);
  EXPECT_EQ(members_[0]->of(kRead).called, 1);
  members_.clear();
  EXPECT_EQ(group->Tokens(kRead), 100);
  EXPECT_EQ(AddMember(group).Move(kRead, kALot), 100);
}

}  // namespace
}  // namespace percore
