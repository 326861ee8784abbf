#include "percore/runtime/internal/timer_heap.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <vector>

#include "percore/runtime/event_base.h"

namespace percore::internal {
namespace {

TimePoint At(int64_t nanoseconds) { return TimePoint(Duration(nanoseconds)); }

class TimerHeapTest : public testing::Test {
 protected:
  Event* NewEvent() {
    events_.push_back(std::make_unique<Event>(*base_, -1, EventFlags::kNone,
                                              nullptr, nullptr));
    return events_.back().get();
  }

  void TearDown() override {
    while (heap_.PopExpired(kInfiniteFuture) != nullptr) {
    }
  }

  const std::unique_ptr<EventBase> base_ = *EventBase::Create({});
  std::vector<std::unique_ptr<Event>> events_;
  TimerHeap heap_;
};

TEST_F(TimerHeapTest, AnEmptyHeapHasNoDeadline) {
  EXPECT_EQ(heap_.NextDeadline(), kInfiniteFuture);
  EXPECT_EQ(heap_.PopExpired(kInfiniteFuture), nullptr);
}

TEST_F(TimerHeapTest, GivesOutWhatIsDueAndNothingElse) {
  Event* event = NewEvent();
  heap_.Schedule(event, At(10));
  EXPECT_EQ(heap_.PopExpired(At(9)), nullptr);
  EXPECT_EQ(heap_.NextDeadline(), At(10));
  EXPECT_EQ(heap_.PopExpired(At(10)), event);
  EXPECT_FALSE(TimerHeap::Contains(event));
}

TEST_F(TimerHeapTest, EqualDeadlinesComeInTheOrderTheyWereSet) {
  std::vector<Event*> order;
  for (int i = 0; i < 100; ++i) {
    order.push_back(NewEvent());
    heap_.Schedule(order.back(), At(5));
  }
  for (Event* event : order) EXPECT_EQ(heap_.PopExpired(At(5)), event);
}

TEST_F(TimerHeapTest, AnExtendedDeadlineMovesBehindItsEquals) {
  Event* extended = NewEvent();
  Event* other = NewEvent();
  heap_.Schedule(extended, At(1));
  heap_.Schedule(other, At(5));
  heap_.Schedule(extended, At(5));
  EXPECT_EQ(heap_.NextDeadline(), At(5));
  EXPECT_EQ(heap_.PopExpired(At(5)), other);
  EXPECT_EQ(heap_.PopExpired(At(5)), extended);
}

TEST_F(TimerHeapTest, AShortenedDeadlineComesFirst) {
  Event* shortened = NewEvent();
  Event* other = NewEvent();
  heap_.Schedule(shortened, At(100));
  heap_.Schedule(other, At(5));
  heap_.Schedule(shortened, At(2));
  EXPECT_EQ(heap_.PopExpired(At(50)), shortened);
}

// Random schedules, extensions, removals and expiries against an ordered map.
TEST_F(TimerHeapTest, AgreesWithAnOrderedMap) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  std::vector<Event*> events;
  events.reserve(200);
  for (int i = 0; i < 200; ++i) events.push_back(NewEvent());
  std::map<std::pair<int64_t, int>, Event*> model;  // by deadline and order
  std::map<Event*, std::pair<int64_t, int>> keys;
  int64_t now = 0;

  for (int step = 0; step < 20000; ++step) {
    Event* event = events[random() % events.size()];
    switch (random() % 4) {
      case 0:
      case 1: {
        const int64_t deadline = now + static_cast<int64_t>(random() % 50);
        if (keys.contains(event)) model.erase(keys[event]);
        keys[event] = {deadline, step};
        model[keys[event]] = event;
        heap_.Schedule(event, At(deadline));
        break;
      }
      case 2:
        if (!keys.contains(event)) break;
        model.erase(keys[event]);
        keys.erase(event);
        heap_.Remove(event);
        break;
      case 3:
        now += static_cast<int64_t>(random() % 10);
        while (!model.empty() && model.begin()->first.first <= now) {
          ASSERT_EQ(heap_.PopExpired(At(now)), model.begin()->second);
          keys.erase(model.begin()->second);
          model.erase(model.begin());
        }
        ASSERT_EQ(heap_.PopExpired(At(now)), nullptr);
        break;
    }
    ASSERT_EQ(heap_.size(), model.size());
    ASSERT_EQ(TimerHeap::Contains(event), keys.contains(event));
  }
}

}  // namespace
}  // namespace percore::internal
