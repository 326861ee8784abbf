// Waiting for tokens, and going on, allocates nothing. In a program of its own,
// because it counts every `new` of the process.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <new>

#include "percore/net/rate_limit_group.h"
#include "percore/tests/net/rate_limit_loops.h"

namespace {

int allocations = 0;

}  // namespace

void* operator new(size_t size) {
  ++allocations;
  void* memory = std::malloc(size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace percore {
namespace {

using namespace std::chrono_literals;

class RateLimitAllocationTest : public RateLimitLoops {
 protected:
  // Of what happens from now on.
  int AllocationsIn(Duration time) {
    const int before = allocations;
    Pass(time);
    return allocations - before;
  }
};

TEST_F(RateLimitAllocationTest, CountsWhatIsAllocated) {
  const int before = allocations;
  // Volatile, or the compiler leaves both out.
  int* volatile number = new int;
  delete number;
  EXPECT_EQ(allocations, before + 1);
}

TEST_F(RateLimitAllocationTest, AMembersOwnLimitAllocatesNothing) {
  LimitedMember& member = AddBusy(nullptr, kRead);
  ASSERT_TRUE(member.limiter.SetLimit({.read = {.rate = 10'000}}).ok());
  Turn();
  Pass(100ms);
  ForgetMoved();
  EXPECT_EQ(AllocationsIn(1s), 0);
  EXPECT_EQ(member.moved(kRead), 10'000);
  EXPECT_GE(member.of(kRead).called, 100);
}

TEST_F(RateLimitAllocationTest, GroupsInGroupsOnSeveralLoopsAllocateNothing) {
  const Group outer = MakeGroup({.read = {.rate = 1'000'000}});
  const Group inner = MakeGroup({.read = {.rate = 300'000}}, {.parent = outer});
  for (size_t i = 0; i < 40; ++i) {
    AddBusy(i % 2 == 0 ? inner : outer, kRead, i % 4);
  }
  Turn();
  Pass(200ms);
  const uint64_t before = outer->state().read.suspensions;
  EXPECT_EQ(AllocationsIn(1s), 0);
  EXPECT_GT(outer->state().read.suspensions - before, 1000u);
}

TEST_F(RateLimitAllocationTest, AskingForStatisticsAllocatesNothing) {
  const Group group = MakeGroup({.read = {.rate = 1'000'000}});
  for (size_t i = 0; i < 4; ++i) AddBusy(group, kRead, i);
  Turn();
  const int before = allocations;
  EXPECT_EQ(group->state().members, 4);
  EXPECT_GT(group->totals().read, 0u);
  EXPECT_GE(group->Tokens(kRead), 0);
  EXPECT_EQ(members_[0]->limiter.MaxNow(kRead), 0);
  EXPECT_EQ(allocations, before);
}

}  // namespace
}  // namespace percore
