#include "percore/runtime/watcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "percore/runtime/event_base.h"
#include "percore/tests/support/test_kernel.h"

namespace percore {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;

using Function = std::function<void(Duration)>;

void Call(Watcher&, Duration duration, void* function) {
  (*static_cast<Function*>(function))(duration);
}

class WatcherTest : public testing::Test {
 protected:
  std::unique_ptr<Watcher> NewWatcher(Watcher::When when, Function& function) {
    return std::make_unique<Watcher>(*base_, when, &Call, &function);
  }
  void RunOnce() { ASSERT_TRUE(base_->Run(RunMode::kNonBlocking).ok()); }

  TestKernel kernel_{TestKernel::Clock::kManual};
  const std::unique_ptr<EventBase> base_ =
      *EventBase::Create({.kernel = &kernel_});
};

TEST_F(WatcherTest, StandBeforeAndBehindTheWait) {
  std::vector<std::string> order;
  Function before = [&](Duration timeout) {
    EXPECT_EQ(timeout, milliseconds(30));
    order.push_back("prepare");
  };
  Function behind = [&](Duration waited) {
    EXPECT_EQ(waited, milliseconds(30));
    order.push_back("check");
  };
  const auto prepare = NewWatcher(Watcher::When::kPrepare, before);
  const auto check = NewWatcher(Watcher::When::kCheck, behind);
  Event timer = Event::Timer(
      *base_,
      [](int, EventFlags, void* order) {
        static_cast<std::vector<std::string>*>(order)->push_back("timer");
      },
      &order);
  ASSERT_TRUE(timer.Add(milliseconds(30)).ok());
  ASSERT_TRUE(base_->Run().ok());
  EXPECT_THAT(order, ElementsAre("prepare", "check", "timer"));
}

TEST_F(WatcherTest, DoNotKeepTheLoopRunning) {
  Function nothing = [](Duration) { FAIL() << "there is no round"; };
  const auto watcher = NewWatcher(Watcher::When::kPrepare, nothing);
  EXPECT_TRUE(base_->Run().ok());
}

TEST_F(WatcherTest, AreToldOfAWaitWithoutEnd) {
  std::vector<Duration> timeouts;
  Function function = [&](Duration timeout) {
    timeouts.push_back(timeout);
    base_->Exit();
  };
  const auto watcher = NewWatcher(Watcher::When::kPrepare, function);
  ASSERT_TRUE(base_->Run(RunMode::kUntilExit).ok());
  EXPECT_THAT(timeouts, ElementsAre(kForever));
}

TEST_F(WatcherTest, WhatAPrepareWatcherActivatesEndsTheWait) {
  int calls = 0;
  Event event(
      *base_, -1, EventFlags::kNone,
      [](int, EventFlags, void* calls) { ++*static_cast<int*>(calls); },
      &calls);
  Function function = [&](Duration) { event.Activate(EventFlags::kTimeout); };
  const auto watcher = NewWatcher(Watcher::When::kPrepare, function);
  // The loop would wait for an hour otherwise.
  ASSERT_TRUE(base_->ExitAfter(std::chrono::hours(1)).ok());
  const TimePoint begin = kernel_.Now();
  ASSERT_TRUE(base_->Run(RunMode::kOnce).ok());
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(kernel_.Now(), begin);
}

TEST_F(WatcherTest, RunInOrderAndMayDestroyEachOther) {
  std::vector<int> order;
  std::unique_ptr<Watcher> second;
  std::unique_ptr<Watcher> third;
  Function on_first = [&](Duration) {
    order.push_back(1);
    second.reset();
  };
  Function on_second = [&](Duration) { order.push_back(2); };
  Function on_third = [&](Duration) {
    order.push_back(3);
    third.reset();
  };
  const auto first = NewWatcher(Watcher::When::kCheck, on_first);
  second = NewWatcher(Watcher::When::kCheck, on_second);
  third = NewWatcher(Watcher::When::kCheck, on_third);
  base_->AddVirtual();  // something to run for
  RunOnce();
  EXPECT_THAT(order, ElementsAre(1, 3));
  RunOnce();
  EXPECT_THAT(order, ElementsAre(1, 3, 1));
}

}  // namespace
}  // namespace percore
