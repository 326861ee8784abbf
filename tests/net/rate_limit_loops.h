// What the tests of groups of limits begin with: members on loops that one
// thread turns, under a clock that stands still.
#ifndef PERCORE_TESTS_NET_RATE_LIMIT_LOOPS_H_
#define PERCORE_TESTS_NET_RATE_LIMIT_LOOPS_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "percore/net/rate_limit.h"
#include "percore/net/rate_limit_group.h"
#include "percore/net/rate_limiter.h"
#include "percore/runtime/event_base.h"
#include "percore/tests/support/test_kernel.h"

namespace percore {

inline constexpr RateDirection kRead = RateDirection::kRead;
inline constexpr RateDirection kWrite = RateDirection::kWrite;

// In the place of a connection: moves bytes that are nowhere.
struct LimitedMember {
  explicit LimitedMember(EventBase& base)
      : limiter(base, &LimitedMember::OnTokens, this) {}
  LimitedMember(const LimitedMember&) = delete;
  LimitedMember& operator=(const LimitedMember&) = delete;

  static void OnTokens(RateDirection direction, void* member) {
    ++static_cast<LimitedMember*>(member)->of(direction).called;
  }

  // As many of so many bytes as it may now, and how many that were.
  int64_t Move(RateDirection direction, int64_t bytes) {
    const size_t room = limiter.Room(direction, static_cast<size_t>(bytes));
    if (room == 0) return 0;
    limiter.Count(direction, room);
    of(direction).moved += static_cast<int64_t>(room);
    return static_cast<int64_t>(room);
  }
  bool waiting(RateDirection direction) const {
    return limiter.waiting(direction);
  }
  int64_t moved(RateDirection direction) const {
    return sides[static_cast<size_t>(direction)].moved;
  }

  struct Side {
    int64_t moved = 0;
    int called = 0;  // when there were tokens
    // Comes to be moved in each turn of the loops, and waits for that.
    int64_t wants = 0;
    int64_t backlog = 0;
  };
  Side& of(RateDirection direction) {
    return sides[static_cast<size_t>(direction)];
  }

  std::array<Side, 2> sides;
  int64_t most = int64_t{1} << 20;  // at a time
  RateLimiter limiter;
};

class RateLimitLoops : public testing::Test {
 protected:
  using Group = std::shared_ptr<RateLimitGroup>;

  // For good: a loop is there before its members, and goes after them.
  EventBase& AddLoop() {
    EventBaseOptions options;
    options.kernel = &kernel_;
    bases_.push_back(*EventBase::Create(options));
    return *bases_.back();
  }
  EventBase& loop(size_t index = 0) {
    while (bases_.size() <= index) AddLoop();
    return *bases_[index];
  }
  Group MakeGroup(const RateLimit& limit,
                  RateLimitGroup::Options options = {}) {
    options.kernel = &kernel_;
    auto group = RateLimitGroup::Create(limit, std::move(options));
    EXPECT_TRUE(group.ok()) << group.status();
    return *std::move(group);
  }
  // Null for no group.
  LimitedMember& AddMember(const Group& group, size_t on_loop = 0,
                           int weight = 1) {
    members_.push_back(std::make_unique<LimitedMember>(loop(on_loop)));
    if (group != nullptr) {
      EXPECT_TRUE(members_.back()->limiter.Join(group, weight).ok());
    }
    return *members_.back();
  }
  // That moves what it may, and waits for more. Always.
  LimitedMember& AddBusy(const Group& group, RateDirection direction,
                         size_t on_loop = 0, int weight = 1) {
    LimitedMember& member = AddMember(group, on_loop, weight);
    member.of(direction).wants = kALot;
    return member;
  }

  // Each loop once, and then each member that wants something.
  void Turn() {
    for (const auto& base : bases_) {
      base->UpdateNow();
      ASSERT_TRUE(base->Run(RunMode::kNonBlocking).ok());
    }
    for (const auto& member : members_) {
      for (const RateDirection direction : kRateDirections) {
        MoveBacklog(*member, direction);
      }
    }
  }
  void Pass(Duration time, Duration step = std::chrono::milliseconds(1)) {
    for (Duration passed{}; passed < time; passed += step) {
      kernel_.Advance(std::min(step, time - passed));
      Turn();
    }
  }
  // What has been borrowed comes back.
  void Settle() {
    for (const auto& member : members_) member->sides = {};
    Pass(std::chrono::seconds(10), std::chrono::milliseconds(100));
  }
  size_t PendingTimers() const {
    size_t pending = 0;
    for (const auto& base : bases_) pending += base->pending_count();
    return pending;
  }

  int64_t Moved(RateDirection direction) const {
    int64_t moved = 0;
    for (const auto& member : members_) moved += member->moved(direction);
    return moved;
  }
  void ForgetMoved() {
    for (const auto& member : members_) {
      for (auto& side : member->sides) side.moved = 0;
    }
  }

  static void MoveBacklog(LimitedMember& member, RateDirection direction) {
    LimitedMember::Side& side = member.of(direction);
    side.backlog = std::min(side.backlog + side.wants, kALot);
    while (side.backlog > 0 && !member.waiting(direction)) {
      side.backlog -=
          member.Move(direction, std::min(side.backlog, member.most));
    }
  }

  static constexpr int64_t kALot = int64_t{1} << 20;

  TestKernel kernel_{TestKernel::Clock::kManual};
  std::vector<std::unique_ptr<EventBase>> bases_;
  std::vector<std::unique_ptr<LimitedMember>> members_;
};

// 1 if all are the same, 1/n if one has all. (R. Jain et al., 1984)
template <typename Numbers>
double JainsIndex(const Numbers& numbers) {
  double sum = 0;
  double squares = 0;
  for (const double number : numbers) {
    sum += number;
    squares += number * number;
  }
  return squares == 0
             ? 1
             : sum * sum / (static_cast<double>(numbers.size()) * squares);
}

}  // namespace percore

#endif  // PERCORE_TESTS_NET_RATE_LIMIT_LOOPS_H_
