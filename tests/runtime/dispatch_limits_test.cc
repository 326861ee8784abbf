// How long active events run before the loop looks for new ones.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <vector>

#include "percore/runtime/event_base.h"
#include "percore/tests/support/test_kernel.h"

namespace percore {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;

class DispatchLimitsTest : public testing::Test {
 protected:
  // Ten events at this priority, each of which takes a millisecond.
  void Start(DispatchLimits limits, int priority) {
    base_ = *EventBase::Create(
        {.priorities = 3, .limits = limits, .kernel = &kernel_});
    for (int i = 0; i < 10; ++i) {
      events_.push_back(std::make_unique<Event>(
          *base_, -1, EventFlags::kNone,
          [](int, EventFlags, void* argument) {
            auto* self = static_cast<DispatchLimitsTest*>(argument);
            ++self->ran_;
            self->kernel_.Advance(milliseconds(1));
          },
          this));
      events_.back()->set_priority(priority);
      events_.back()->Activate(EventFlags::kTimeout);
    }
  }
  // How many run in each round until all have.
  std::vector<int> Rounds() {
    std::vector<int> rounds;
    while (ran_ < 10) {
      const int before = ran_;
      EXPECT_TRUE(base_->Run(RunMode::kNonBlocking).ok());
      rounds.push_back(ran_ - before);
    }
    return rounds;
  }

  TestKernel kernel_{TestKernel::Clock::kManual};
  std::unique_ptr<EventBase> base_;
  std::vector<std::unique_ptr<Event>> events_;
  int ran_ = 0;
};

TEST_F(DispatchLimitsTest, WithoutLimitsARoundRunsAll) {
  Start({}, 0);
  EXPECT_THAT(Rounds(), ElementsAre(10));
}

TEST_F(DispatchLimitsTest, CallbacksAreCounted) {
  Start({.max_callbacks = 4}, 0);
  EXPECT_THAT(Rounds(), ElementsAre(4, 4, 2));
}

TEST_F(DispatchLimitsTest, TimeIsMeasured) {
  Start({.max_interval = milliseconds(3)}, 0);
  EXPECT_THAT(Rounds(), ElementsAre(3, 3, 3, 1));
}

TEST_F(DispatchLimitsTest, UrgentEventsAreNotLimited) {
  Start({.from_priority = 1, .max_callbacks = 1}, 0);
  EXPECT_THAT(Rounds(), ElementsAre(10));
}

TEST_F(DispatchLimitsTest, LessUrgentEventsAre) {
  Start({.from_priority = 1, .max_callbacks = 5}, 2);
  EXPECT_THAT(Rounds(), ElementsAre(5, 5));
}

TEST_F(DispatchLimitsTest, DeferredCallbacksRunAllTheSame) {
  Start({.max_callbacks = 4}, 0);
  int deferred = 0;
  DeferredCallback callback(
      *base_, [](void* count) { ++*static_cast<int*>(count); }, &deferred);
  callback.Schedule();
  ASSERT_TRUE(base_->Run(RunMode::kNonBlocking).ok());
  EXPECT_EQ(ran_, 4);
  EXPECT_EQ(deferred, 1);
}

TEST_F(DispatchLimitsTest, ImpossibleLimitsAreRefused) {
  EXPECT_FALSE(EventBase::Create({.limits = {.max_callbacks = 0}}).ok());
  EXPECT_FALSE(
      EventBase::Create({.limits = {.max_interval = Duration::zero()}}).ok());
  EXPECT_FALSE(EventBase::Create({.limits = {.from_priority = -1}}).ok());
}

}  // namespace
}  // namespace percore
