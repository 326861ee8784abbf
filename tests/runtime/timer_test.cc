#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "percore/runtime/event_base.h"
#include "percore/tests/support/backends_here.h"
#include "percore/tests/support/test_kernel.h"

namespace percore {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;

// Writes down when it fired, on the clock of its base.
struct Firing {
  EventBase* base;
  TimePoint start;
  std::vector<Duration> at;

  static void Call(int, EventFlags what, void* firing) {
    EXPECT_EQ(what, EventFlags::kTimeout);
    auto& self = *static_cast<Firing*>(firing);
    self.at.push_back(self.base->Now() - self.start);
  }
};

class TimerTest : public testing::TestWithParam<std::string> {
 protected:
  TestKernel kernel_{TestKernel::Clock::kManual};
  const std::unique_ptr<EventBase> base_ =
      *EventBase::Create({.backend = GetParam(), .kernel = &kernel_});
  Firing firing_{base_.get(), base_->Now(), {}};
};

TEST_P(TimerTest, FiresExactlyWhenItIsDue) {
  Event timer = Event::Timer(*base_, &Firing::Call, &firing_);
  ASSERT_TRUE(timer.Add(microseconds(1500)).ok());
  ASSERT_TRUE(base_->Run().ok());
  EXPECT_THAT(firing_.at, ElementsAre(microseconds(1500)));
}

TEST_P(TimerTest, ZeroAndNegativeTimeoutsFireInTheNextRound) {
  Event zero = Event::Timer(*base_, &Firing::Call, &firing_);
  Event negative = Event::Timer(*base_, &Firing::Call, &firing_);
  ASSERT_TRUE(zero.Add(Duration::zero()).ok());
  ASSERT_TRUE(negative.Add(seconds(-5)).ok());
  ASSERT_TRUE(base_->Run(RunMode::kNonBlocking).ok());
  EXPECT_THAT(firing_.at, ElementsAre(Duration::zero(), Duration::zero()));
}

TEST_P(TimerTest, AFarFutureTimeoutNeverFires) {
  Event never = Event::Timer(*base_, &Firing::Call, &firing_);
  Event soon = Event::Timer(*base_, &Firing::Call, &firing_);
  ASSERT_TRUE(never.Add(kForever).ok());
  EXPECT_EQ(never.deadline(), kInfiniteFuture);
  ASSERT_TRUE(soon.Add(hours(24 * 365)).ok());
  ASSERT_TRUE(base_->Run(RunMode::kOnce).ok());
  EXPECT_THAT(firing_.at, ElementsAre(hours(24 * 365)));
}

TEST_P(TimerTest, APersistentTimerDoesNotDrift) {
  Event timer =
      Event::Timer(*base_, &Firing::Call, &firing_, EventFlags::kPersist);
  ASSERT_TRUE(timer.Add(milliseconds(10)).ok());
  while (firing_.at.size() < 3) {
    ASSERT_TRUE(base_->Run(RunMode::kOnce).ok());
    kernel_.Advance(milliseconds(3));  // a slow callback
  }
  EXPECT_THAT(firing_.at, ElementsAre(milliseconds(10), milliseconds(20),
                                      milliseconds(30)));
}

TEST_P(TimerTest, APersistentTimerThatIsLateByPeriodsDoesNotCatchUp) {
  Event timer =
      Event::Timer(*base_, &Firing::Call, &firing_, EventFlags::kPersist);
  ASSERT_TRUE(timer.Add(milliseconds(10)).ok());
  kernel_.Advance(milliseconds(35));
  ASSERT_TRUE(base_->Run(RunMode::kOnce).ok());
  ASSERT_TRUE(base_->Run(RunMode::kOnce).ok());
  EXPECT_THAT(firing_.at, ElementsAre(milliseconds(35), milliseconds(45)));
}

TEST_P(TimerTest, AddingAgainMovesTheDeadlineEitherWay) {
  Event timer = Event::Timer(*base_, &Firing::Call, &firing_);
  ASSERT_TRUE(timer.Add(milliseconds(10)).ok());
  ASSERT_TRUE(timer.Add(milliseconds(30)).ok());
  ASSERT_TRUE(base_->Run().ok());
  ASSERT_TRUE(timer.Add(milliseconds(10)).ok());
  ASSERT_TRUE(timer.Add(milliseconds(5)).ok());
  ASSERT_TRUE(base_->Run().ok());
  EXPECT_THAT(firing_.at, ElementsAre(milliseconds(30), milliseconds(35)));
}

TEST_P(TimerTest, ADeletedTimerDoesNotFire) {
  Event timer = Event::Timer(*base_, &Firing::Call, &firing_);
  ASSERT_TRUE(timer.Add(milliseconds(10)).ok());
  timer.Del();
  ASSERT_TRUE(base_->Run().ok());
  EXPECT_TRUE(firing_.at.empty());
}

TEST_P(TimerTest, CountsFromTheCachedTimeUntilItIsRefreshed) {
  kernel_.Advance(milliseconds(100));
  Event cached = Event::Timer(*base_, &Firing::Call, &firing_);
  ASSERT_TRUE(cached.Add(milliseconds(200)).ok());
  base_->UpdateNow();
  Event refreshed = Event::Timer(*base_, &Firing::Call, &firing_);
  ASSERT_TRUE(refreshed.Add(milliseconds(200)).ok());
  ASSERT_TRUE(base_->Run().ok());
  EXPECT_THAT(firing_.at, ElementsAre(milliseconds(200), milliseconds(300)));
}

TEST_P(TimerTest, AnIdleLoopSleepsUntilTheNextDeadlineInOneCall) {
  Event timer = Event::Timer(*base_, &Firing::Call, &firing_);
  ASSERT_TRUE(timer.Add(hours(1)).ok());
  ASSERT_TRUE(base_->Run().ok());
  EXPECT_EQ(base_->stats()->wait_calls.Get(), 1u);
  EXPECT_EQ(base_->stats()->timeout_events.Get(), 1u);
  EXPECT_EQ(Duration(base_->stats()->poll_nanoseconds.Get()), hours(1));
}

// An idle timeout that is put off by what runs before it in the round.
TEST_P(TimerTest, SetAnewBeforeItsCallbackRanItDoesNotFire) {
  Event idle = Event::Timer(*base_, &Firing::Call, &firing_);
  Event first = Event::Timer(
      *base_,
      [](int, EventFlags, void* idle) {
        EXPECT_TRUE(static_cast<Event*>(idle)->Add(milliseconds(10)).ok());
      },
      &idle);
  ASSERT_TRUE(first.Add(milliseconds(1)).ok());
  ASSERT_TRUE(idle.Add(milliseconds(1)).ok());
  ASSERT_TRUE(base_->Run().ok());
  EXPECT_THAT(firing_.at, ElementsAre(milliseconds(11)));
}

TEST_P(TimerTest, WithoutPrecisionItFiresAtTheNextMillisecond) {
  const std::unique_ptr<EventBase> base =
      *EventBase::Create({.backend = GetParam(),
                          .timers = TimerPrecision::kMillisecond,
                          .kernel = &kernel_});
  Firing firing{base.get(), base->Now(), {}};
  Event timer = Event::Timer(*base, &Firing::Call, &firing);
  ASSERT_TRUE(timer.Add(microseconds(1500)).ok());
  ASSERT_TRUE(base->Run().ok());
  ASSERT_TRUE(timer.Add(milliseconds(3)).ok());
  ASSERT_TRUE(base->Run().ok());
  EXPECT_THAT(firing.at, ElementsAre(milliseconds(2), milliseconds(5)));
}

// A steady stream of re-armed deadlines moves no entry and wakes nobody.
TEST_P(TimerTest, ReArmingDoesNotWakeTheLoop) {
  Event idle = Event::Timer(*base_, &Firing::Call, &firing_);
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(idle.Add(milliseconds(10) * i).ok());
  }
  EXPECT_EQ(idle.deadline(), firing_.start + milliseconds(990));
  ASSERT_TRUE(base_->Run().ok());
  EXPECT_EQ(base_->stats()->wait_calls.Get(), 1u);
}

INSTANTIATE_TEST_SUITE_P(AllBackends, TimerTest,
                         testing::ValuesIn(BackendsHere()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace percore
