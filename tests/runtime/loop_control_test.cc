// How a loop is ended, kept alive and looked into.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "percore/runtime/event_base.h"
#include "percore/tests/support/test_kernel.h"

namespace percore {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

using Function = std::function<void()>;

void Call(int, EventFlags, void* function) {
  (*static_cast<Function*>(function))();
}

class LoopControlTest : public testing::Test {
 protected:
  std::unique_ptr<Event> NewEvent(Function& function) {
    return std::make_unique<Event>(*base_, -1, EventFlags::kNone, &Call,
                                   &function);
  }

  TestKernel kernel_{TestKernel::Clock::kManual};
  const std::unique_ptr<EventBase> base_ =
      *EventBase::Create({.priorities = 3, .kernel = &kernel_});
};

TEST_F(LoopControlTest, ExitAfterEndsTheLoopThen) {
  int ticks = 0;
  Function function = [&] { ++ticks; };
  Event ticker(*base_, -1, EventFlags::kPersist, &Call, &function);
  ASSERT_TRUE(ticker.Add(milliseconds(10)).ok());
  ASSERT_TRUE(base_->ExitAfter(milliseconds(55)).ok());
  ASSERT_TRUE(base_->Run().ok());
  EXPECT_EQ(ticks, 5);
  EXPECT_TRUE(base_->got_exit());
}

TEST_F(LoopControlTest, ExitAfterKeepsTheLoopRunningAndMayBeChanged) {
  const TimePoint begin = kernel_.Now();
  ASSERT_TRUE(base_->ExitAfter(seconds(1)).ok());
  ASSERT_TRUE(base_->ExitAfter(seconds(3)).ok());
  ASSERT_TRUE(base_->Run().ok());
  EXPECT_EQ(kernel_.Now() - begin, seconds(3));
}

TEST_F(LoopControlTest, SaysHowItWasEnded) {
  Function exit = [&] {
    base_->Exit();
    EXPECT_TRUE(base_->got_exit());
  };
  Function stop = [&] { base_->Break(); };
  const auto exiting = NewEvent(exit);
  const auto breaking = NewEvent(stop);

  exiting->Activate(EventFlags::kTimeout);
  ASSERT_TRUE(base_->Run().ok());
  EXPECT_TRUE(base_->got_exit());
  EXPECT_FALSE(base_->got_break());

  breaking->Activate(EventFlags::kTimeout);
  ASSERT_TRUE(base_->Run().ok());
  EXPECT_FALSE(base_->got_exit());
  EXPECT_TRUE(base_->got_break());

  ASSERT_TRUE(base_->Run().ok());
  EXPECT_FALSE(base_->got_exit());
  EXPECT_FALSE(base_->got_break());
}

TEST_F(LoopControlTest, ContinueLooksForNewEventsFirst) {
  std::vector<std::string> order;
  Function urgent = [&] { order.push_back("urgent"); };
  Function rest = [&] { order.push_back("rest"); };
  const auto urgent_event = NewEvent(urgent);
  urgent_event->set_priority(0);
  Function first = [&] {
    order.push_back("first");
    // Due already, and seen only by looking at the clock again.
    kernel_.Advance(seconds(1));
    base_->Continue();
  };
  const auto first_event = NewEvent(first);
  const auto rest_event = NewEvent(rest);
  ASSERT_TRUE(urgent_event->Add(milliseconds(500)).ok());
  first_event->Activate(EventFlags::kTimeout);
  rest_event->Activate(EventFlags::kTimeout);
  ASSERT_TRUE(base_->Run().ok());
  EXPECT_THAT(order, ElementsAre("first", "urgent", "rest"));
}

TEST_F(LoopControlTest, BreakInAPostedFunctionLeavesTheEvents) {
  int calls = 0;
  Function function = [&] { ++calls; };
  const auto event = NewEvent(function);
  event->Activate(EventFlags::kTimeout);
  base_->Post([&] { base_->Break(); });
  ASSERT_TRUE(base_->Run().ok());
  EXPECT_EQ(calls, 0);
  ASSERT_TRUE(base_->Run().ok());
  EXPECT_EQ(calls, 1);
}

TEST_F(LoopControlTest, KnowsTheEventThatRuns) {
  BasicEvent* running = nullptr;
  Function function = [&] { running = base_->running_event(); };
  const auto event = NewEvent(function);
  event->Activate(EventFlags::kTimeout);
  ASSERT_TRUE(base_->Run().ok());
  EXPECT_EQ(running, event.get());
  EXPECT_EQ(base_->running_event(), nullptr);
}

TEST_F(LoopControlTest, AnEventDeletedInItsCallbackRunsNoMore) {
  std::unique_ptr<Event> event;
  BasicEvent* running = nullptr;
  Function function = [&] {
    event.reset();
    running = base_->running_event();
  };
  event = NewEvent(function);
  event->Activate(EventFlags::kTimeout);
  ASSERT_TRUE(base_->Run().ok());
  EXPECT_EQ(running, nullptr);
}

TEST_F(LoopControlTest, AVirtualEventKeepsTheLoopAlive) {
  base_->AddVirtual();
  EXPECT_EQ(base_->virtual_count(), 1u);
  base_->Post([&] {
    // With nothing pending but this, the loop still waits for it.
    base_->Post([&] { base_->RemoveVirtual(); });
  });
  ASSERT_TRUE(base_->Run().ok());
  EXPECT_EQ(base_->virtual_count(), 0u);
}

TEST_F(LoopControlTest, RemembersTheMostThereWere) {
  Function nothing = [] {};
  {
    const auto first = NewEvent(nothing);
    const auto second = NewEvent(nothing);
    ASSERT_TRUE(first->Add(seconds(1)).ok());
    ASSERT_TRUE(second->Add(seconds(1)).ok());
    ASSERT_TRUE(second->Add(seconds(2)).ok());
    first->Activate(EventFlags::kTimeout);
    base_->AddVirtual();
    base_->RemoveVirtual();
  }
  EXPECT_EQ(base_->maxima().pending, 2u);
  EXPECT_EQ(base_->maxima().active, 1u);
  EXPECT_EQ(base_->maxima().virtuals, 1u);
  base_->ResetMaxima();
  EXPECT_EQ(base_->maxima().pending, 0u);
  EXPECT_EQ(base_->maxima().active, 0u);
  EXPECT_EQ(base_->maxima().virtuals, 0u);
}

class EveryEventTest : public LoopControlTest {
 protected:
  std::vector<BasicEvent*> All() {
    std::vector<BasicEvent*> found;
    base_->ForEachEvent([&](BasicEvent& event) {
      found.push_back(&event);
      return true;
    });
    return found;
  }

  Function nothing_ = [] {};
  // A descriptor event with a timeout, a timer, a signal and one that is only
  // active.
  Event reader_{*base_, 0, EventFlags::kRead | EventFlags::kPersist, &Call,
                &nothing_};
  Event timer_ = Event::Timer(*base_, &Call, &nothing_);
  Event signal_ = Event::Signal(*base_, SIGUSR2, &Call, &nothing_);
  Event active_{*base_, -1, EventFlags::kNone, &Call, &nothing_};
};

TEST_F(EveryEventTest, IsVisitedOnceWhereverItStands) {
  EXPECT_THAT(All(), IsEmpty());
  ASSERT_TRUE(reader_.Add(seconds(1)).ok());
  ASSERT_TRUE(timer_.Add(seconds(2)).ok());
  ASSERT_TRUE(signal_.Add().ok());
  active_.Activate(EventFlags::kTimeout);
  reader_.Activate(EventFlags::kRead);
  timer_.Activate(EventFlags::kTimeout);
  EXPECT_THAT(All(),
              UnorderedElementsAre(&reader_, &timer_, &signal_, &active_));
}

TEST_F(EveryEventTest, AVisitMayEndEarly) {
  ASSERT_TRUE(timer_.Add(seconds(2)).ok());
  ASSERT_TRUE(signal_.Add().ok());
  active_.Activate(EventFlags::kTimeout);
  for (size_t most = 1; most <= 3; ++most) {
    size_t visited = 0;
    base_->ForEachEvent([&](BasicEvent&) { return ++visited < most; });
    EXPECT_EQ(visited, most);
  }
}

TEST_F(EveryEventTest, IsDumpedInWords) {
  ASSERT_TRUE(reader_.Add(seconds(1)).ok());
  ASSERT_TRUE(signal_.Add().ok());
  active_.Activate(EventFlags::kTimeout);
  active_.set_priority(2);
  std::ostringstream out;
  base_->Dump(out);
  EXPECT_EQ(out.str(),
            "event base on epoll: 3 pending, 1 active, 0 virtual\n"
            "  fd 0 (read, persist), due in 1 s, priority 1\n"
            "  signal 12 (signal, persist), priority 1\n"
            "  timer, active: timeout, priority 2\n");
  EXPECT_EQ(timer_.Describe(), "timer, not pending, priority 1");
}

}  // namespace
}  // namespace percore
