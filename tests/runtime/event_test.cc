// One event: its life, and what it says of itself.
#include "percore/runtime/event.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "percore/runtime/event_base.h"
#include "percore/tests/support/event_function.h"
#include "percore/tests/support/socket_ends.h"
#include "percore/tests/support/test_kernel.h"

namespace percore {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;

using Function = EventFunction;
constexpr auto kCall = CallEventFunction;

class EventTest : public testing::Test {
 protected:
  void RunOnce() { ASSERT_TRUE(base_->Run(RunMode::kNonBlocking).ok()); }
  void WriteToPeer() { ASSERT_EQ(write(ends_[1], "x", 1), 1); }

  TestKernel kernel_{TestKernel::Clock::kManual};
  std::unique_ptr<EventBase> base_ =
      *EventBase::Create({.priorities = 3, .kernel = &kernel_});
  SocketEnds ends_;
};

TEST_F(EventTest, SaysWhatItWasMadeOf) {
  Function nothing;
  Event event(*base_, ends_[0], EventFlags::kRead | EventFlags::kPersist, kCall,
              &nothing);
  EXPECT_EQ(event.fd(), ends_[0]);
  EXPECT_EQ(event.interest(), EventFlags::kRead | EventFlags::kPersist);
  EXPECT_EQ(event.callback(), kCall);
  EXPECT_EQ(event.argument(), &nothing);
  EXPECT_EQ(&event.base(), base_.get());
  EXPECT_EQ(event.priority(), 1);
  EXPECT_EQ(base_->priority_count(), 3);
}

TEST_F(EventTest, MayBeItsOwnArgument) {
  Event event(
      *base_, -1, EventFlags::kNone,
      [](int, EventFlags, void* self) {
        static_cast<Event*>(self)->set_priority(2);
      },
      Event::SelfArgument());
  EXPECT_EQ(event.argument(), &event);
  event.Activate(EventFlags::kTimeout);
  RunOnce();
  EXPECT_EQ(event.priority(), 2);
}

TEST_F(EventTest, SaysHowLongItHasLeft) {
  Event event(*base_, -1, EventFlags::kNone, nullptr, nullptr);
  EXPECT_EQ(event.remaining(), kForever);
  ASSERT_TRUE(event.Add(seconds(3)).ok());
  kernel_.Advance(seconds(1));
  EXPECT_EQ(event.remaining(), seconds(3)) << "by the cached time";
  base_->UpdateNow();
  EXPECT_EQ(event.remaining(), seconds(2));
  kernel_.Advance(seconds(9));
  base_->UpdateNow();
  EXPECT_EQ(event.remaining(), Duration::zero());
  event.RemoveTimer();
  EXPECT_EQ(event.remaining(), kForever);
}

TEST_F(EventTest, AddingAPendingTimerWithoutATimeoutChangesNothing) {
  Event timer = Event::Timer(*base_, nullptr, nullptr);
  EXPECT_EQ(timer.Add().code(), absl::StatusCode::kInvalidArgument);
  ASSERT_TRUE(timer.Add(seconds(3)).ok());
  EXPECT_TRUE(timer.Add().ok());
  EXPECT_EQ(timer.remaining(), seconds(3));
}

TEST_F(EventTest, DescribesItself) {
  Event reader(*base_, 5, EventFlags::kRead | EventFlags::kPersist, nullptr,
               nullptr);
  EXPECT_EQ(reader.Describe(), "fd 5 (read, persist), not pending, priority 1");
  Event timer = Event::Timer(*base_, nullptr, nullptr);
  ASSERT_TRUE(timer.Add(milliseconds(1500)).ok());
  EXPECT_EQ(timer.Describe(), "timer, due in 1.5 s, priority 1");
  timer.Activate(EventFlags::kTimeout);
  EXPECT_THAT(timer.Describe(), HasSubstr("active: timeout"));
  EXPECT_EQ(Event::Signal(*base_, SIGUSR1, nullptr, nullptr).Describe(),
            "signal 10 (signal, persist), not pending, priority 1");
}

TEST_F(EventTest, ActivatedForLaterItRunsInTheNextRound) {
  std::vector<std::string> order;
  Function on_later = [&](int, EventFlags what) {
    EXPECT_EQ(what, EventFlags::kRead | EventFlags::kWrite);
    order.push_back("later");
  };
  Event later(*base_, -1, EventFlags::kNone, kCall, &on_later);
  later.set_priority(2);
  Function on_first = [&](int, EventFlags) {
    order.push_back("first");
    later.ActivateLater(EventFlags::kRead);
    later.ActivateLater(EventFlags::kWrite);
  };
  Event first(*base_, -1, EventFlags::kNone, kCall, &on_first);
  first.set_priority(0);
  first.Activate(EventFlags::kTimeout);
  RunOnce();
  EXPECT_THAT(order, ElementsAre("first"));
  EXPECT_EQ(base_->active_count(), 1u);
  EXPECT_TRUE(Any(later.Pending(EventFlags::kWrite)));
  RunOnce();
  EXPECT_THAT(order, ElementsAre("first", "later"));
}

TEST_F(EventTest, ActivatedAtOnceItDoesNotWaitForLater) {
  int calls = 0;
  Function on_event = [&](int, EventFlags) { ++calls; };
  Event event(*base_, -1, EventFlags::kNone, kCall, &on_event);
  Function on_first = [&](int, EventFlags) {
    event.ActivateLater(EventFlags::kRead);
    event.Activate(EventFlags::kRead);
  };
  Event first(*base_, -1, EventFlags::kNone, kCall, &on_first);
  first.set_priority(0);
  first.Activate(EventFlags::kTimeout);
  RunOnce();
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(base_->active_count(), 0u);
}

TEST_F(EventTest, DeletedItIsNotCalledLater) {
  Function fail = [](int, EventFlags) { ADD_FAILURE(); };
  Event event(*base_, -1, EventFlags::kNone, kCall, &fail);
  event.ActivateLater(EventFlags::kRead);
  event.Del();
  RunOnce();
  EXPECT_EQ(base_->active_count(), 0u);
}

TEST_F(EventTest, ALaterActivationKeepsTheLoopFromSleeping) {
  Function nothing = [](int, EventFlags) {};
  Event event(*base_, -1, EventFlags::kNone, kCall, &nothing);
  event.ActivateLater(EventFlags::kRead);
  ASSERT_TRUE(base_->ExitAfter(std::chrono::hours(1)).ok());
  const TimePoint before = kernel_.Now();
  ASSERT_TRUE(base_->Run(RunMode::kOnce).ok());
  EXPECT_EQ(kernel_.Now(), before);
}

// --- Finalizers --------------------------------------------------------------

// What a server keeps for a client: freed only when nothing of it runs any
// more.
struct Client {
  Client(EventBase& base, std::vector<std::string>& log)
      : log(log), event(base, -1, EventFlags::kNone, &OnEvent, this) {}

  static void OnEvent(int, EventFlags, void* client) {
    auto* self = static_cast<Client*>(client);
    self->event.Finalize(&Free);
    self->log.push_back("still there after Finalize()");
  }
  static void Free(Event& event, void* client) {
    auto* self = static_cast<Client*>(client);
    EXPECT_EQ(&self->event, &event);
    self->log.push_back("finalized");
    delete self;
  }

  std::vector<std::string>& log;
  Event event;
};

TEST_F(EventTest, AFinalizerMayFreeTheEventThatRan) {
  std::vector<std::string> log;
  auto* client = new Client(*base_, log);
  client->event.Activate(EventFlags::kTimeout);
  RunOnce();
  EXPECT_THAT(log, ElementsAre("still there after Finalize()", "finalized"));
}

TEST_F(EventTest, FinalizersKeepTheLoopRunning) {
  std::vector<std::string> log;
  auto* client = new Client(*base_, log);
  ASSERT_TRUE(client->event.Add(seconds(1)).ok());
  client->event.Finalize(&Client::Free);
  EXPECT_EQ(base_->pending_count(), 0u);
  ASSERT_TRUE(base_->Run().ok());
  EXPECT_THAT(log, ElementsAre("finalized"));
}

TEST_F(EventTest, ABaseThatGoesCallsTheFinalizersThatAreLeft) {
  std::vector<std::string> log;
  (new Client(*base_, log))->event.Finalize(&Client::Free);
  base_.reset();
  EXPECT_THAT(log, ElementsAre("finalized"));
}

TEST_F(EventTest, OnceFinalizedItIsNeverCalledAgain) {
  Function fail = [](int, EventFlags) { ADD_FAILURE(); };
  Event event(*base_, ends_[0], EventFlags::kRead, kCall, &fail);
  ASSERT_TRUE(event.Add(seconds(1)).ok());
  WriteToPeer();
  event.Activate(EventFlags::kRead);
  static int finalized;
  finalized = 0;
  event.Finalize([](Event&, void*) { ++finalized; });
  event.Finalize([](Event&, void*) { ADD_FAILURE() << "twice"; });
  EXPECT_EQ(event.callback(), nullptr);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(event.Add().code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_EQ(event.Add(seconds(1)).code(),
              absl::StatusCode::kFailedPrecondition);
    event.Activate(EventFlags::kRead);
    event.ActivateLater(EventFlags::kRead);
    event.Del();
    ASSERT_TRUE(base_->Run().ok());
    EXPECT_EQ(finalized, 1);
  }
}

TEST_F(EventTest, DestroyedBeforeThenItIsNotFinalized) {
  {
    Event event(*base_, -1, EventFlags::kNone, nullptr, nullptr);
    event.Finalize([](Event&, void*) { ADD_FAILURE(); });
  }
  RunOnce();
}

// --- Events that nobody keeps ------------------------------------------------

TEST_F(EventTest, OnceCallsWhenTheDescriptorIsReadyAndNeverAgain) {
  std::vector<EventFlags> seen;
  const auto see = [&](EventFlags what) { seen.push_back(what); };
  ASSERT_TRUE(base_->Once(ends_[0], EventFlags::kRead, see).ok());
  RunOnce();
  EXPECT_TRUE(seen.empty());
  WriteToPeer();
  RunOnce();
  RunOnce();
  EXPECT_THAT(seen, ElementsAre(EventFlags::kRead));
  EXPECT_EQ(base_->pending_count(), 0u);
}

TEST_F(EventTest, OnceCallsWhenTheTimeIsUp) {
  std::vector<EventFlags> seen;
  const auto see = [&](EventFlags what) { seen.push_back(what); };
  ASSERT_TRUE(base_->Once(ends_[0], EventFlags::kRead, seconds(2), see).ok());
  ASSERT_TRUE(base_->Once(-1, EventFlags::kNone, seconds(1), see).ok());
  ASSERT_TRUE(base_->Run().ok());
  EXPECT_THAT(seen, ElementsAre(EventFlags::kTimeout, EventFlags::kTimeout));
}

TEST_F(EventTest, OnceMayCallForItselfAgain) {
  int calls = 0;
  std::function<void(EventFlags)> again = [&](EventFlags) {
    if (++calls < 3) {
      EXPECT_TRUE(base_->Once(-1, EventFlags::kNone, seconds(1), again).ok());
    }
  };
  ASSERT_TRUE(base_->Once(-1, EventFlags::kNone, seconds(1), again).ok());
  ASSERT_TRUE(base_->Run().ok());
  EXPECT_EQ(calls, 3);
}

TEST_F(EventTest, OnceRefusesWhatCannotBe) {
  const auto fail = [](EventFlags) { ADD_FAILURE(); };
  EXPECT_EQ(
      base_->Once(ends_[0], EventFlags::kRead | EventFlags::kPersist, fail)
          .code(),
      absl::StatusCode::kInvalidArgument);
  EXPECT_FALSE(base_->Once(987, EventFlags::kRead, fail).ok());
  EXPECT_EQ(base_->pending_count(), 0u);
}

TEST_F(EventTest, WhatOnceHoldsGoesWithTheBase) {
  const auto held = std::make_shared<int>(0);
  ASSERT_TRUE(base_
                  ->Once(-1, EventFlags::kNone, seconds(1),
                         [held](EventFlags) { ADD_FAILURE(); })
                  .ok());
  EXPECT_EQ(held.use_count(), 2);
  base_.reset();
  EXPECT_EQ(held.use_count(), 1);
}

// --- By descriptor, and by signal --------------------------------------------

TEST_F(EventTest, AllEventsOfADescriptorAreActivatedAtOnce) {
  std::vector<std::pair<std::string, EventFlags>> seen;
  Function on_reader = [&](int, EventFlags what) {
    seen.emplace_back("reader", what);
  };
  Function on_writer = [&](int, EventFlags what) {
    seen.emplace_back("writer", what);
  };
  Event reader(*base_, ends_[0], EventFlags::kRead, kCall, &on_reader);
  Event writer(*base_, ends_[0], EventFlags::kWrite, kCall, &on_writer);
  ASSERT_TRUE(reader.Add().ok());
  base_->ActivateDescriptor(ends_[0], EventFlags::kRead | EventFlags::kWrite);
  base_->ActivateDescriptor(-1, EventFlags::kRead);
  base_->ActivateDescriptor(100'000, EventFlags::kRead);
  RunOnce();
  EXPECT_THAT(seen, ElementsAre(std::pair("reader", EventFlags::kRead)))
      << "the writer is not pending";
}

TEST_F(EventTest, AllEventsOfASignalAreActivatedAtOnce) {
  int calls = 0;
  Function count = [&](int signal, EventFlags what) {
    EXPECT_EQ(signal, SIGUSR2);
    EXPECT_EQ(what, EventFlags::kSignal);
    ++calls;
  };
  Event first = Event::Signal(*base_, SIGUSR2, kCall, &count);
  Event second = Event::Signal(*base_, SIGUSR2, kCall, &count);
  ASSERT_TRUE(first.Add().ok());
  ASSERT_TRUE(second.Add().ok());
  base_->ActivateSignal(SIGUSR2);
  base_->ActivateSignal(SIGUSR1);
  base_->ActivateSignal(-1);
  base_->ActivateSignal(10'000);
  RunOnce();
  EXPECT_EQ(calls, 2);
}

TEST_F(EventTest, EdgeAndLevelOnOneDescriptorAreRefused) {
  Event level(*base_, ends_[0], EventFlags::kRead, nullptr, nullptr);
  Event edge(*base_, ends_[0], EventFlags::kWrite | EventFlags::kEdgeTriggered,
             nullptr, nullptr);
  ASSERT_TRUE(level.Add().ok());
  const absl::Status status = edge.Add();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("edge- and level-triggered"));
  EXPECT_EQ(base_->pending_count(), 1u);
  level.Del();
  EXPECT_TRUE(edge.Add().ok());
  EXPECT_FALSE(level.Add().ok());
}

}  // namespace
}  // namespace percore
