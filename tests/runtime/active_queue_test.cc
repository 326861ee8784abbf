#include "percore/runtime/internal/active_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <vector>

#include "percore/runtime/event_base.h"

namespace percore::internal {
namespace {

using testing::ElementsAre;
using testing::ElementsAreArray;

// Events go by their number, which stands in place of a descriptor.
class ActiveQueueTest : public testing::Test {
 protected:
  // An event that is active when it goes is looked for in its base's queue.
  void TearDown() override {
    queue_.PromoteLater();
    RunTurn(queue_);
  }

  BasicEvent* NewEvent(int number, int priority = 0) {
    events_.emplace_back(*base_, number, EventFlags::kNone, nullptr, nullptr);
    events_.back().set_priority(priority);
    return &events_.back();
  }
  // Runs a turn; what `on_run` does belongs to it.
  template <typename OnRun>
  std::vector<int> RunTurn(ActiveQueue& queue, OnRun on_run) {
    std::vector<int> ran;
    queue.RunAll(
        [&](BasicEvent* event) {
          ran.push_back(event->fd());
          on_run(event);
        },
        [](int) { return false; });
    return ran;
  }
  std::vector<int> RunTurn(ActiveQueue& queue) {
    return RunTurn(queue, [](BasicEvent*) {});
  }

  const std::unique_ptr<EventBase> base_ =
      *EventBase::Create({.priorities = 2});
  std::deque<BasicEvent> events_;
  ActiveQueue queue_{1};
};

TEST_F(ActiveQueueTest, RunsInTheOrderInWhichTheyCame) {
  std::vector<int> numbers;
  for (int i = 0; i < 100; ++i) {
    queue_.Push(NewEvent(i));
    numbers.push_back(i);
  }
  EXPECT_EQ(queue_.size(), 100u);
  EXPECT_THAT(RunTurn(queue_), ElementsAreArray(numbers));
  EXPECT_EQ(queue_.size(), 0u);
}

TEST_F(ActiveQueueTest, WhatWasRemovedDoesNotRun) {
  for (int i = 0; i < 5; ++i) queue_.Push(NewEvent(i));
  queue_.Remove(&events_[0]);
  queue_.Remove(&events_[2]);
  queue_.Remove(&events_[4]);
  EXPECT_EQ(queue_.size(), 2u);
  EXPECT_THAT(RunTurn(queue_), ElementsAre(1, 3));
}

TEST_F(ActiveQueueTest, WhatIsRemovedDuringTheTurnDoesNotRun) {
  for (int i = 0; i < 3; ++i) queue_.Push(NewEvent(i));
  EXPECT_THAT(RunTurn(queue_,
                      [this](BasicEvent* event) {
                        if (event->fd() == 0) queue_.Remove(&events_[1]);
                      }),
              ElementsAre(0, 2));
}

TEST_F(ActiveQueueTest, WhatIsPushedDuringATurnRunsInTheNext) {
  // More than there is room for at first: the turn must end where it would.
  constexpr int kMany = 100;
  queue_.Push(NewEvent(0));
  queue_.Push(NewEvent(1));
  std::vector<int> later;
  EXPECT_THAT(RunTurn(queue_,
                      [&](BasicEvent* event) {
                        if (event->fd() != 0) return;
                        for (int i = 2; i < kMany; ++i) {
                          queue_.Push(NewEvent(i));
                          later.push_back(i);
                        }
                      }),
              ElementsAre(0, 1));
  EXPECT_THAT(RunTurn(queue_), ElementsAreArray(later));
}

TEST_F(ActiveQueueTest, AStoppedTurnIsFollowedByOneWithAllThatIsLeft) {
  for (int i = 0; i < 3; ++i) queue_.Push(NewEvent(i));
  queue_.RunAll([](BasicEvent*) {}, [](int) { return true; });
  queue_.Push(NewEvent(3));
  EXPECT_THAT(RunTurn(queue_), ElementsAre(1, 2, 3));
}

TEST_F(ActiveQueueTest, AMoreUrgentOneInterruptsTheTurn) {
  ActiveQueue queue(2);
  BasicEvent* const urgent = NewEvent(0, 0);
  for (int i = 1; i < 4; ++i) queue.Push(NewEvent(i, 1));
  EXPECT_THAT(RunTurn(queue,
                      [&](BasicEvent* event) {
                        if (event->fd() != 1) return;
                        queue.Push(urgent);
                        queue.Push(NewEvent(4, 1));
                      }),
              ElementsAre(1, 0, 2, 3));
  EXPECT_THAT(RunTurn(queue), ElementsAre(4));
}

TEST_F(ActiveQueueTest, WhatIsForLaterRunsOncePromoted) {
  queue_.PushLater(NewEvent(0));
  queue_.PushLater(NewEvent(1));
  queue_.PushLater(NewEvent(2));
  queue_.Remove(&events_[1]);
  queue_.Push(NewEvent(3));
  EXPECT_EQ(queue_.size(), 3u);
  EXPECT_THAT(RunTurn(queue_), ElementsAre(3));
  queue_.PromoteLater();
  EXPECT_THAT(RunTurn(queue_), ElementsAre(0, 2));
}

TEST_F(ActiveQueueTest, VisitsEachUntilItIsToldToStop) {
  for (int i = 0; i < 3; ++i) queue_.Push(NewEvent(i));
  queue_.PushLater(NewEvent(3));
  queue_.Remove(&events_[1]);
  std::vector<int> seen;
  EXPECT_TRUE(queue_.ForEach([&](BasicEvent* event) {
    seen.push_back(event->fd());
    return true;
  }));
  EXPECT_THAT(seen, ElementsAre(0, 2, 3));
  EXPECT_FALSE(queue_.ForEach([](BasicEvent*) { return false; }));
}

// One stays at the front all the time: gaps must not pile up behind it.
TEST_F(ActiveQueueTest, RingsReuseThePlacesOfThoseThatLeft) {
  queue_.Push(NewEvent(0));
  BasicEvent* const passing = NewEvent(1);
  for (int i = 0; i < 1'000'000; ++i) {
    queue_.Push(passing);
    queue_.Remove(passing);
  }
  EXPECT_LE(queue_.capacity(), 64u);
  EXPECT_THAT(RunTurn(queue_), ElementsAre(0));
}

}  // namespace
}  // namespace percore::internal
