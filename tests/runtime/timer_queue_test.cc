#include "percore/runtime/internal/timer_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <vector>

#include "percore/runtime/event_base.h"

namespace percore::internal {
namespace {

TimePoint At(int64_t nanoseconds) { return TimePoint(Duration(nanoseconds)); }

class TimerQueueTest : public testing::Test {
 protected:
  Event* NewEvent() {
    events_.push_back(std::make_unique<Event>(*base_, -1, EventFlags::kNone,
                                              nullptr, nullptr));
    return events_.back().get();
  }

  void TearDown() override {
    while (queue_.PopExpired(kInfiniteFuture) != nullptr) {
    }
  }

  const std::unique_ptr<EventBase> base_ = *EventBase::Create({});
  std::vector<std::unique_ptr<Event>> events_;
  TimerQueue queue_{At(0)};
};

TEST_F(TimerQueueTest, AnEmptyQueueHasNoDeadline) {
  EXPECT_EQ(queue_.NextDeadline(), kInfiniteFuture);
  EXPECT_EQ(queue_.PopExpired(kInfiniteFuture), nullptr);
}

TEST_F(TimerQueueTest, GivesOutWhatIsDueAndNothingElse) {
  Event* event = NewEvent();
  queue_.Schedule(event, At(10));
  EXPECT_EQ(queue_.PopExpired(At(9)), nullptr);
  EXPECT_EQ(queue_.NextDeadline(), At(10));
  EXPECT_EQ(queue_.PopExpired(At(10)), event);
  EXPECT_FALSE(TimerQueue::Contains(event));
}

TEST_F(TimerQueueTest, EqualDeadlinesComeInTheOrderTheyWereSet) {
  std::vector<Event*> order;
  for (int i = 0; i < 100; ++i) {
    order.push_back(NewEvent());
    queue_.Schedule(order.back(), At(5));
  }
  for (Event* event : order) EXPECT_EQ(queue_.PopExpired(At(5)), event);
}

TEST_F(TimerQueueTest, AnExtendedDeadlineMovesBehindItsEquals) {
  Event* extended = NewEvent();
  Event* other = NewEvent();
  queue_.Schedule(extended, At(1));
  queue_.Schedule(other, At(5));
  queue_.Schedule(extended, At(5));
  EXPECT_EQ(queue_.NextDeadline(), At(5));
  EXPECT_EQ(queue_.PopExpired(At(5)), other);
  EXPECT_EQ(queue_.PopExpired(At(5)), extended);
}

TEST_F(TimerQueueTest, AShortenedDeadlineComesFirst) {
  Event* shortened = NewEvent();
  Event* other = NewEvent();
  queue_.Schedule(shortened, At(100));
  queue_.Schedule(other, At(5));
  queue_.Schedule(shortened, At(2));
  EXPECT_EQ(queue_.PopExpired(At(50)), shortened);
}

// A deadline that is put off again and again, across rows of the wheel.
TEST_F(TimerQueueTest, APutOffDeadlineIsFoundAgainHoweverFarItWent) {
  Event* event = NewEvent();
  int64_t deadline = 1;
  for (; deadline < INT64_MAX / 8; deadline *= 3) {
    queue_.Schedule(event, At(deadline));
    EXPECT_EQ(queue_.NextDeadline(), At(deadline));
  }
  queue_.Schedule(event, At(deadline));
  EXPECT_EQ(queue_.PopExpired(At(deadline - 1)), nullptr);
  EXPECT_EQ(queue_.PopExpired(At(deadline)), event);
  EXPECT_EQ(queue_.size(), 0u);
}

TEST_F(TimerQueueTest, FarDeadlinesComeInOrder) {
  std::vector<int64_t> deadlines;
  for (int64_t far = 1; far < INT64_MAX / 8; far *= 7) {
    for (const int64_t near : {0, 1, 70000, 300000000}) {
      deadlines.push_back(far + near);
    }
  }
  deadlines.push_back(INT64_MAX);
  std::mt19937 random(1);
  std::shuffle(deadlines.begin(), deadlines.end(), random);
  for (const int64_t deadline : deadlines) {
    queue_.Schedule(NewEvent(), At(deadline));
  }
  std::sort(deadlines.begin(), deadlines.end());
  for (const int64_t deadline : deadlines) {
    // In steps, as a loop does that sleeps until the next deadline.
    Event* event = nullptr;
    while (event == nullptr) {
      const TimePoint next = queue_.NextDeadline();
      ASSERT_LE(next, At(deadline));
      event = queue_.PopExpired(next);
    }
    EXPECT_EQ(event->deadline(), kInfiniteFuture) << "it is pending no more";
    EXPECT_FALSE(TimerQueue::Contains(event));
  }
  EXPECT_EQ(queue_.NextDeadline(), kInfiniteFuture);
}

TEST_F(TimerQueueTest, ManyCloseTogetherAreReachedInFewSteps) {
  constexpr int64_t kFar = int64_t{3600} * 1'000'000'000;
  for (int i = 0; i < 1000; ++i) {
    queue_.Schedule(NewEvent(), At(kFar + i * 1000));
  }
  int steps = 0;
  for (TimePoint now = At(0); queue_.size() > 0; ++steps) {
    ASSERT_LT(steps, 1010);
    ASSERT_GE(queue_.NextDeadline(), now);
    now = queue_.NextDeadline();
    queue_.PopExpired(now);
  }
}

// What comes and goes at once leaves nothing behind.
TEST_F(TimerQueueTest, DeletedNearDeadlinesTakeUpNoRoom) {
  Event* first = NewEvent();
  Event* last = NewEvent();
  queue_.Schedule(first, At(1));
  EXPECT_EQ(queue_.PopExpired(At(5'000'000)), first);
  queue_.Schedule(first, At(1));
  for (int i = 0; i < 100'000; ++i) {
    queue_.Schedule(last, At(2));
    Event* other = NewEvent();
    queue_.Schedule(other, At(2));
    queue_.Remove(last);
    queue_.Schedule(last, At(3));
    queue_.Remove(other);
    events_.pop_back();
  }
  EXPECT_LT(queue_.near_capacity(), 1000u);
  EXPECT_EQ(queue_.PopExpired(At(10)), first);
  EXPECT_EQ(queue_.PopExpired(At(10)), last);
}

TEST_F(TimerQueueTest, VisitsEveryEventOnce) {
  std::vector<Event*> events;
  for (const int64_t deadline : {9, 5, 7, 1'000'000'000}) {
    events.push_back(NewEvent());
    queue_.Schedule(events.back(), At(deadline));
  }
  Event* due = NewEvent();
  queue_.Schedule(due, At(3));
  EXPECT_EQ(queue_.PopExpired(At(3)), due);
  std::vector<Event*> seen;
  EXPECT_TRUE(queue_.ForEach([&](Event* event) {
    seen.push_back(event);
    return true;
  }));
  EXPECT_THAT(seen, testing::UnorderedElementsAreArray(events));
  EXPECT_FALSE(queue_.ForEach([](Event*) { return false; }));
}

// Random schedules, extensions, removals and expiries against an ordered map,
// with delays of every magnitude.
TEST_F(TimerQueueTest, AgreesWithAnOrderedMap) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937_64 random(seed);
  std::vector<Event*> events;
  events.reserve(200);
  for (int i = 0; i < 200; ++i) events.push_back(NewEvent());
  std::map<std::pair<int64_t, int>, Event*> model;  // by deadline and order
  std::map<Event*, std::pair<int64_t, int>> keys;
  int64_t now = 0;
  // From nanoseconds to days; a few values each, so that some are equal.
  const auto some_time = [&random] {
    const int64_t unit = int64_t{1} << (random() % 46);
    return static_cast<int64_t>(random() % 8) * unit;
  };

  for (int step = 0; step < 40'000; ++step) {
    Event* event = events[random() % events.size()];
    switch (random() % 4) {
      case 0:
      case 1: {
        const int64_t deadline = now + some_time();
        if (keys.contains(event)) model.erase(keys[event]);
        keys[event] = {deadline, step};
        model[keys[event]] = event;
        queue_.Schedule(event, At(deadline));
        break;
      }
      case 2:
        if (!keys.contains(event)) break;
        model.erase(keys[event]);
        keys.erase(event);
        queue_.Remove(event);
        break;
      case 3:
        if (model.empty()) break;
        ASSERT_LE(queue_.NextDeadline(), At(model.begin()->first.first));
        now += some_time() / 16;
        while (!model.empty() && model.begin()->first.first <= now) {
          ASSERT_EQ(queue_.PopExpired(At(now)), model.begin()->second);
          keys.erase(model.begin()->second);
          model.erase(model.begin());
        }
        ASSERT_EQ(queue_.PopExpired(At(now)), nullptr);
        ASSERT_GT(queue_.NextDeadline(), At(now));
        break;
    }
    ASSERT_EQ(queue_.size(), model.size());
    ASSERT_EQ(TimerQueue::Contains(event), keys.contains(event));
  }
}

}  // namespace
}  // namespace percore::internal
