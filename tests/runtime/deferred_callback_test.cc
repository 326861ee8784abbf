#include "percore/runtime/deferred_callback.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "percore/runtime/event_base.h"

namespace percore {
namespace {

using testing::ElementsAre;

using Function = std::function<void()>;

void Call(void* function) { (*static_cast<Function*>(function))(); }

class DeferredCallbackTest : public testing::Test {
 protected:
  void RunOnce() { ASSERT_TRUE(base_->Run(RunMode::kNonBlocking).ok()); }

  const std::unique_ptr<EventBase> base_ =
      *EventBase::Create({.deferred_per_round = 2});
  std::vector<int> order_;
};

TEST_F(DeferredCallbackTest, RunFirstInFirstOutAndOnceEach) {
  Function first = [this] { order_.push_back(1); };
  Function second = [this] { order_.push_back(2); };
  DeferredCallback one(*base_, &Call, &first);
  DeferredCallback two(*base_, &Call, &second);
  one.Schedule();
  two.Schedule();
  one.Schedule();
  EXPECT_TRUE(one.scheduled());
  ASSERT_TRUE(base_->Run().ok());
  EXPECT_THAT(order_, ElementsAre(1, 2));
  EXPECT_FALSE(one.scheduled());
}

TEST_F(DeferredCallbackTest, ARoundRunsABoundedNumberAndTheNextTheRest) {
  Function function = [this] { order_.push_back(1); };
  std::vector<std::unique_ptr<DeferredCallback>> callbacks;
  for (int i = 0; i < 5; ++i) {
    callbacks.push_back(
        std::make_unique<DeferredCallback>(*base_, &Call, &function));
    callbacks.back()->Schedule();
  }
  RunOnce();
  EXPECT_EQ(order_.size(), 2u);
  RunOnce();
  EXPECT_EQ(order_.size(), 4u);
  ASSERT_TRUE(base_->Run().ok());
  EXPECT_EQ(order_.size(), 5u);
  EXPECT_EQ(base_->stats()->deferred_events.Get(), 5u);
}

TEST_F(DeferredCallbackTest, OneScheduledByItselfWaitsForTheNextRound) {
  std::optional<DeferredCallback> callback;
  Function function = [&] {
    order_.push_back(1);
    callback->Schedule();
  };
  callback.emplace(*base_, &Call, &function);
  callback->Schedule();
  RunOnce();
  EXPECT_EQ(order_.size(), 1u);
}

TEST_F(DeferredCallbackTest, ACancelledOneDoesNotRun) {
  Function function = [this] { order_.push_back(1); };
  DeferredCallback callback(*base_, &Call, &function);
  callback.Cancel();  // nothing to cancel
  callback.Schedule();
  callback.Cancel();
  ASSERT_TRUE(base_->Run().ok());
  EXPECT_TRUE(order_.empty());
}

TEST_F(DeferredCallbackTest, MayBeDestroyedInItsOwnCallbackOrBefore) {
  std::unique_ptr<DeferredCallback> self;
  std::unique_ptr<DeferredCallback> other;
  Function destroy = [&] {
    order_.push_back(1);
    self.reset();
    other.reset();
  };
  self = std::make_unique<DeferredCallback>(*base_, &Call, &destroy);
  other = std::make_unique<DeferredCallback>(*base_, &Call, &destroy);
  self->Schedule();
  other->Schedule();
  ASSERT_TRUE(base_->Run().ok());
  EXPECT_THAT(order_, ElementsAre(1));
}

}  // namespace
}  // namespace percore
