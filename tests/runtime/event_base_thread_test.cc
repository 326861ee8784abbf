// Who may use a loop that runs.
#include <gtest/gtest.h>

#include <memory>
#include <semaphore>
#include <thread>

#include "percore/runtime/event_base.h"

namespace percore {
namespace {

#ifdef NDEBUG

TEST(EventBaseThreadDeathTest, ADebugBuildCatchesUseFromOutside) {
  GTEST_SKIP() << "a release build does not check";
}

#else

// Uses an event of a loop that another thread runs.
void UseFromOutside() {
  const std::unique_ptr<EventBase> base = *EventBase::Create({});
  Event event(
      *base, -1, EventFlags::kNone, [](int, EventFlags, void*) {}, nullptr);
  std::binary_semaphore running(0);
  base->Post([&running] { running.release(); });
  std::thread loop([&base] { base->Run(RunMode::kUntilExit).IgnoreError(); });
  running.acquire();
  event.Activate(EventFlags::kTimeout);
  base->Exit();
  loop.join();
}

TEST(EventBaseThreadDeathTest, ADebugBuildCatchesUseFromOutside) {
  EXPECT_DEATH(UseFromOutside(), "used by another thread");
}

#endif

TEST(EventBaseThreadTest, PostAndExitAreTheWayIn) {
  const std::unique_ptr<EventBase> base = *EventBase::Create({});
  std::thread loop([&base] { base->Run(RunMode::kUntilExit).IgnoreError(); });
  std::binary_semaphore ran(0);
  base->Post([&ran] { ran.release(); });
  ran.acquire();
  base->Exit();
  loop.join();
}

TEST(EventBaseThreadTest, WakeupMakesASleepingLoopMakeARound) {
  const std::unique_ptr<EventBase> base = *EventBase::Create({});
  std::binary_semaphore round(0);
  Watcher watcher(
      *base, Watcher::When::kCheck,
      [](Watcher&, Duration, void* round) {
        static_cast<std::binary_semaphore*>(round)->release();
      },
      &round);
  std::thread loop([&base] { base->Run(RunMode::kUntilExit).IgnoreError(); });
  for (int i = 0; i < 3; ++i) {
    base->Wakeup();
    round.acquire();
  }
  base->Exit();
  loop.join();
}

TEST(EventBaseThreadTest, ALoopThatDoesNotRunBelongsToWhoeverUsesIt) {
  const std::unique_ptr<EventBase> base = *EventBase::Create({});
  std::thread([&base] {
    int calls = 0;
    Event event(
        *base, -1, EventFlags::kNone,
        [](int, EventFlags, void* calls) { ++*static_cast<int*>(calls); },
        &calls);
    event.Activate(EventFlags::kTimeout);
    EXPECT_TRUE(base->Run().ok());
    EXPECT_EQ(calls, 1);
  }).join();
}

}  // namespace
}  // namespace percore
