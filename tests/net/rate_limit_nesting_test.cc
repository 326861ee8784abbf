// Groups inside groups.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "percore/net/rate_limit_group.h"
#include "percore/tests/net/rate_limit_loops.h"

namespace percore {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

constexpr RateLimit kLimit = {.read = {.rate = 10'000, .burst = 1000},
                              .write = {.rate = 10'000, .burst = 1000}};
constexpr RateLimit kFast = {.read = {.rate = 1'000'000},
                             .write = {.rate = 1'000'000}};

class RateLimitNestingTest : public RateLimitLoops {
 protected:
  // So many, each inside the one before.
  std::vector<Group> MakeChain(int count, Group parent = nullptr) {
    std::vector<Group> chain;
    for (int i = 0; i < count; ++i) {
      chain.push_back(MakeGroup(kLimit, {.parent = parent}));
      parent = chain.back();
    }
    return chain;
  }
  // In each of a group's members', from the first to the last.
  int64_t MovedBy(size_t first, size_t count) const {
    int64_t moved = 0;
    for (size_t i = first; i < first + count; ++i) {
      moved += members_[i]->moved(kWrite);
    }
    return moved;
  }
};

TEST_F(RateLimitNestingTest, AGroupKnowsTheOneAroundIt) {
  const Group outer = MakeGroup(kLimit);
  const Group inner = MakeGroup(kLimit, {.parent = outer});
  EXPECT_EQ(inner->parent(), outer);
  ASSERT_TRUE(inner->SetParent(nullptr).ok());
  EXPECT_EQ(inner->parent(), nullptr);
  ASSERT_TRUE(inner->SetParent(outer).ok());
  EXPECT_EQ(inner->parent(), outer);
}

TEST_F(RateLimitNestingTest, NoGroupContainsItself) {
  const Group outer = MakeGroup(kLimit, {.name = "outer"});
  const Group middle = MakeGroup(kLimit, {.parent = outer});
  const Group inner = MakeGroup(kLimit, {.parent = middle});
  for (const Group& group : {outer, middle, inner}) {
    EXPECT_EQ(outer->SetParent(group),
              absl::InvalidArgumentError(
                  "rate-limit group 'outer' would contain itself"));
  }
  EXPECT_EQ(outer->parent(), nullptr);
  EXPECT_TRUE(inner->SetParent(outer).ok());
}

TEST_F(RateLimitNestingTest, EightDeepIsDeepEnough) {
  const std::vector<Group> chain = MakeChain(8);
  const absl::Status status =
      RateLimitGroup::Create(kLimit, {.parent = chain.back()}).status();
  EXPECT_EQ(status, absl::InvalidArgumentError(
                        "rate-limit groups nested more than 8 deep"));
  EXPECT_EQ(MakeGroup(kLimit)->SetParent(chain.back()), status);
  EXPECT_TRUE(MakeGroup(kLimit)->SetParent(chain[6]).ok());
}

// A group does not know those inside: whoever joins one of them is told.
TEST_F(RateLimitNestingTest, NobodyJoinsAGroupThatIsNestedTooDeeply) {
  const std::vector<Group> outer = MakeChain(4);
  const std::vector<Group> inner = MakeChain(5);
  ASSERT_TRUE(inner[0]->SetParent(outer[3]).ok());
  LimitedMember& member = AddMember(nullptr);
  EXPECT_EQ(
      member.limiter.Join(inner[4]),
      absl::InvalidArgumentError("rate-limit groups nested more than 8 deep"));
  EXPECT_EQ(member.limiter.group(), nullptr);
  EXPECT_TRUE(member.limiter.Join(inner[3]).ok());
}

TEST_F(RateLimitNestingTest, EightLevelsWorkTogether) {
  const std::vector<Group> chain = MakeChain(8);
  LimitedMember& member = AddBusy(chain.back(), kWrite);
  Turn();
  Pass(1s);
  EXPECT_GE(member.moved(kWrite), 10'800);
  EXPECT_LE(member.moved(kWrite), 11'000);
  for (const Group& group : chain) {
    EXPECT_EQ(group->totals().written,
              static_cast<uint64_t>(member.moved(kWrite)));
    EXPECT_EQ(group->state().write.suspended, 1);
  }
}

TEST_F(RateLimitNestingTest, AGroupWithMembersStaysWhereItIs) {
  const Group outer = MakeGroup(kLimit);
  const Group middle = MakeGroup(kLimit, {.name = "middle"});
  const Group inner = MakeGroup(kLimit, {.parent = middle});
  AddMember(inner);
  const absl::Status refused =
      absl::FailedPreconditionError("rate-limit group 'middle' has members");
  EXPECT_EQ(middle->SetParent(outer), refused);
  EXPECT_EQ(middle->parent(), nullptr);
  members_.clear();
  EXPECT_TRUE(middle->SetParent(outer).ok());
  EXPECT_EQ(middle->SetParent(middle).code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(RateLimitNestingTest, MembersMayComeBackAfterAMove) {
  const Group outer = MakeGroup(kLimit);
  const Group inner = MakeGroup(kFast);
  EXPECT_EQ(AddMember(inner).Move(kRead, 5), 5);
  members_.clear();
  ASSERT_TRUE(inner->SetParent(outer).ok());
  EXPECT_EQ(AddMember(inner).Move(kRead, 7), 7);
  EXPECT_EQ(inner->totals().read, 12u);
  EXPECT_EQ(outer->totals().read, 7u);
}

TEST_F(RateLimitNestingTest, TheNarrowestOfAllAroundHolds) {
  const Group outer = MakeGroup(kFast);
  const Group middle = MakeGroup(kLimit, {.parent = outer});
  const Group inner = MakeGroup(kFast, {.parent = middle});
  LimitedMember& member = AddMember(inner);
  EXPECT_EQ(member.limiter.MaxNow(kRead), 1000);
  EXPECT_EQ(member.Move(kRead, kALot), 1000);
  EXPECT_EQ(member.Move(kRead, kALot), 0);
  Pass(10ms);
  EXPECT_EQ(inner->Tokens(kRead), 100'000);
  EXPECT_EQ(outer->Tokens(kRead), 100'000);
  EXPECT_EQ(middle->Tokens(kRead), 100);
}

TEST_F(RateLimitNestingTest, AGroupIsOneMemberHoweverManyItHas) {
  const Group outer = MakeGroup(kFast);
  const Group first = MakeGroup({}, {.parent = outer});
  const Group second = MakeGroup({}, {.parent = outer});
  for (size_t i = 0; i < 50; ++i) AddBusy(first, kWrite, i % 2);
  AddBusy(second, kWrite, 0);
  AddBusy(outer, kWrite, 1);
  Turn();
  Pass(100ms);
  ForgetMoved();
  Pass(1s);
  EXPECT_NEAR(static_cast<double>(Moved(kWrite)), 1'000'000, 10'000);
  EXPECT_NEAR(static_cast<double>(MovedBy(0, 50)), 333'333, 10'000);
  EXPECT_NEAR(static_cast<double>(MovedBy(50, 1)), 333'333, 10'000);
  EXPECT_NEAR(static_cast<double>(MovedBy(51, 1)), 333'333, 10'000);
}

TEST_F(RateLimitNestingTest, AGroupHasItsWeightAmongTheMembersOfAnother) {
  const Group outer = MakeGroup(kFast);
  const Group heavy = MakeGroup({}, {.parent = outer, .weight = 6});
  const Group light = MakeGroup({}, {.parent = outer, .weight = 3});
  for (size_t i = 0; i < 3; ++i) AddBusy(heavy, kWrite, i);
  for (size_t i = 0; i < 30; ++i) AddBusy(light, kWrite, i % 3);
  AddBusy(outer, kWrite, 2);
  Turn();
  Pass(100ms);
  ForgetMoved();
  Pass(1s);
  EXPECT_NEAR(static_cast<double>(MovedBy(0, 3)), 600'000, 18'000);
  EXPECT_NEAR(static_cast<double>(MovedBy(3, 30)), 300'000, 9'000);
  EXPECT_NEAR(static_cast<double>(MovedBy(33, 1)), 100'000, 3'000);
}

TEST_F(RateLimitNestingTest, MembersInsideShareWhatTheirGroupGets) {
  const Group outer = MakeGroup(kFast);
  const Group inner = MakeGroup({}, {.parent = outer});
  AddBusy(inner, kWrite, 0, 1);
  AddBusy(inner, kWrite, 0, 3);
  AddBusy(outer, kWrite, 1);
  Turn();
  Pass(100ms);
  ForgetMoved();
  Pass(1s);
  EXPECT_NEAR(static_cast<double>(MovedBy(0, 1)), 125'000, 4'000);
  EXPECT_NEAR(static_cast<double>(MovedBy(1, 1)), 375'000, 12'000);
}

TEST_F(RateLimitNestingTest, WhatAnIdleGroupLeavesIsTheOthers) {
  const Group outer = MakeGroup(kFast);
  const Group idle = MakeGroup({}, {.parent = outer, .weight = 100});
  const Group active = MakeGroup({}, {.parent = outer});
  AddMember(idle, 0);
  AddBusy(active, kWrite, 0);
  AddBusy(active, kWrite, 1);
  Turn();
  Pass(100ms);
  ForgetMoved();
  Pass(1s);
  EXPECT_NEAR(static_cast<double>(Moved(kWrite)), 1'000'000, 10'000);
}

TEST_F(RateLimitNestingTest, AGroupBelowItsPartLeavesTheRestToTheOthers) {
  const Group outer = MakeGroup(kFast);
  const Group narrow =
      MakeGroup({.write = {.rate = 100'000}}, {.parent = outer});
  AddBusy(narrow, kWrite, 0);
  AddBusy(outer, kWrite, 0);
  Turn();
  Pass(500ms);
  ForgetMoved();
  Pass(1s);
  EXPECT_NEAR(static_cast<double>(MovedBy(0, 1)), 100'000, 1'000);
  EXPECT_NEAR(static_cast<double>(MovedBy(1, 1)), 900'000, 10'000);
}

TEST_F(RateLimitNestingTest, APauseAroundHoldsInside) {
  const Group outer = MakeGroup(kFast);
  const Group inner = MakeGroup(kFast, {.parent = outer});
  LimitedMember& member = AddMember(inner);
  outer->Pause();
  EXPECT_FALSE(inner->paused(kRead));
  EXPECT_EQ(member.Move(kRead, 1), 0);
  Pass(1s);
  EXPECT_EQ(member.of(kRead).called, 0);
  EXPECT_EQ(PendingTimers(), 0u);
  outer->Resume();
  Turn();
  EXPECT_EQ(member.of(kRead).called, 1);
}

TEST_F(RateLimitNestingTest, APauseInsideLeavesTheOthersAlone) {
  const Group outer = MakeGroup(kFast);
  const Group inner = MakeGroup({}, {.parent = outer});
  AddBusy(inner, kWrite);
  AddBusy(outer, kWrite);
  Turn();
  inner->Pause();
  Turn();
  ForgetMoved();
  Pass(1s);
  EXPECT_EQ(MovedBy(0, 1), 0);
  EXPECT_NEAR(static_cast<double>(MovedBy(1, 1)), 1'000'000, 10'000);
}

TEST_F(RateLimitNestingTest, NothingIsPendingWhenAllHasComeBack) {
  const Group outer = MakeGroup(kFast);
  const Group inner = MakeGroup(kFast, {.parent = outer});
  AddBusy(inner, kWrite, 0);
  AddBusy(inner, kWrite, 1);
  AddBusy(outer, kWrite, 1);
  Turn();
  Pass(100ms);
  Settle();
  EXPECT_EQ(PendingTimers(), 0u);
  EXPECT_EQ(outer->Tokens(kWrite), 100'000);
  EXPECT_EQ(inner->Tokens(kWrite), 100'000);
}

TEST_F(RateLimitNestingTest, AGroupGoesOnUntilThoseInsideAreGone) {
  Group outer = MakeGroup(kLimit);
  Group inner = MakeGroup(kLimit, {.parent = outer});
  AddMember(inner);
  const std::weak_ptr<RateLimitGroup> weak = outer;
  outer = nullptr;
  inner = nullptr;
  EXPECT_FALSE(weak.expired());
  EXPECT_EQ(members_[0]->Move(kRead, kALot), 1000);
  EXPECT_EQ(weak.lock()->totals().read, 1000u);
  members_.clear();
  EXPECT_TRUE(weak.expired());
}

}  // namespace
}  // namespace percore
