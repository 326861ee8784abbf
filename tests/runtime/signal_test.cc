#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "percore/runtime/event_base.h"
#include "percore/tests/support/signal_parameters.h"

namespace percore {
namespace {

void Count(int signal, EventFlags what, void* count) {
  EXPECT_EQ(signal, SIGUSR1);
  EXPECT_EQ(what, EventFlags::kSignal);
  ++*static_cast<int*>(count);
}

void Ignore(int) {}

class SignalTest : public testing::TestWithParam<SignalParameters> {
 protected:
  void RunOnce(EventBase& base) {
    ASSERT_TRUE(base.Run(RunMode::kNonBlocking).ok());
  }

  std::unique_ptr<EventBase> NewBase() {
    return *EventBase::Create({.backend = std::get<0>(GetParam()),
                               .signals = std::get<1>(GetParam())});
  }
  bool UsesSignalFd() const {
    return std::get<1>(GetParam()) == SignalMethod::kSignalFd;
  }

  const std::unique_ptr<EventBase> base_ = NewBase();
  int count_ = 0;
};

TEST_P(SignalTest, RunsTheCallbackOnTheLoop) {
  Event event = Event::Signal(*base_, SIGUSR1, &Count, &count_);
  ASSERT_TRUE(event.Add().ok());
  raise(SIGUSR1);
  EXPECT_EQ(count_, 0);  // not in the handler
  RunOnce(*base_);
  EXPECT_EQ(count_, 1);
}

TEST_P(SignalTest, CountsEveryDelivery) {
  Event event = Event::Signal(*base_, SIGUSR1, &Count, &count_);
  ASSERT_TRUE(event.Add().ok());
  for (int i = 0; i < 3; ++i) raise(SIGUSR1);
  RunOnce(*base_);
  // Of a signal that is blocked the kernel keeps one.
  EXPECT_EQ(count_, UsesSignalFd() ? 1 : 3);
  EXPECT_EQ(base_->stats()->signal_events.Get(), 1u);
}

TEST_P(SignalTest, SeveralEventsSeeTheSameSignal) {
  int other = 0;
  Event first = Event::Signal(*base_, SIGUSR1, &Count, &count_);
  Event second = Event::Signal(*base_, SIGUSR1, &Count, &other);
  ASSERT_TRUE(first.Add().ok());
  ASSERT_TRUE(second.Add().ok());
  raise(SIGUSR1);
  RunOnce(*base_);
  EXPECT_EQ(count_, 1);
  EXPECT_EQ(other, 1);
}

TEST_P(SignalTest, ReachesSeveralLoops) {
  const std::unique_ptr<EventBase> other_base = NewBase();
  int other = 0;
  Event first = Event::Signal(*base_, SIGUSR1, &Count, &count_);
  Event second = Event::Signal(*other_base, SIGUSR1, &Count, &other);
  ASSERT_TRUE(first.Add().ok());
  ASSERT_TRUE(second.Add().ok());
  raise(SIGUSR1);
  RunOnce(*base_);
  RunOnce(*other_base);
  EXPECT_EQ(count_, 1);
  EXPECT_EQ(other, 1);
}

TEST_P(SignalTest, SaysHowSignalsCome) {
  EXPECT_EQ(base_->signal_method(), std::get<1>(GetParam()));
}

TEST_P(SignalTest, BlocksOnlyWhatASignalFdNeedsAndOnlyMeanwhile) {
  const auto is_blocked = [] {
    sigset_t blocked;
    pthread_sigmask(SIG_BLOCK, nullptr, &blocked);
    return sigismember(&blocked, SIGUSR1) == 1;
  };
  {
    Event first = Event::Signal(*base_, SIGUSR1, &Count, &count_);
    Event second = Event::Signal(*base_, SIGUSR1, &Count, &count_);
    ASSERT_TRUE(first.Add().ok());
    ASSERT_TRUE(second.Add().ok());
    first.Del();
    EXPECT_EQ(is_blocked(), UsesSignalFd());
  }
  EXPECT_FALSE(is_blocked());
}

// Where the kernel lets another thread have the signal, the handler counts it.
TEST_P(SignalTest, ASignalIsCountedOnceWhicheverThreadTakesIt) {
  Event event = Event::Signal(*base_, SIGUSR1, &Count, &count_);
  ASSERT_TRUE(event.Add().ok());
  std::thread([] {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
    pthread_kill(pthread_self(), SIGUSR1);
  }).join();
  RunOnce(*base_);
  EXPECT_EQ(count_, 1);
}

TEST_P(SignalTest, WakesASleepingLoop) {
  Event event = Event::Signal(
      *base_, SIGUSR1,
      [](int, EventFlags, void* base) {
        static_cast<EventBase*>(base)->Exit();
      },
      base_.get());
  ASSERT_TRUE(event.Add().ok());
  std::thread other([] { kill(getpid(), SIGUSR1); });
  EXPECT_TRUE(base_->Run(RunMode::kUntilExit).ok());
  other.join();
}

TEST_P(SignalTest, TheLastEventRestoresTheDispositionThatTheFirstFound) {
  struct sigaction before = {};
  before.sa_handler = &Ignore;
  sigaction(SIGUSR1, &before, nullptr);
  {
    Event first = Event::Signal(*base_, SIGUSR1, &Count, &count_);
    Event second = Event::Signal(*base_, SIGUSR1, &Count, &count_);
    ASSERT_TRUE(first.Add().ok());
    ASSERT_TRUE(second.Add().ok());
    first.Del();
    struct sigaction during;
    sigaction(SIGUSR1, nullptr, &during);
    EXPECT_NE(during.sa_handler, &Ignore);
  }
  struct sigaction after;
  sigaction(SIGUSR1, nullptr, &after);
  EXPECT_EQ(after.sa_handler, &Ignore);
}

TEST_P(SignalTest, RefusesWhatIsNoSignal) {
  for (const int signal : {0, -1, NSIG, SIGKILL}) {
    Event event = Event::Signal(*base_, signal, &Count, &count_);
    EXPECT_EQ(event.Add().code(), absl::StatusCode::kInvalidArgument) << signal;
  }
  Event mixed(*base_, SIGUSR1, EventFlags::kSignal | EventFlags::kRead, &Count,
              &count_);
  EXPECT_EQ(mixed.Add().code(), absl::StatusCode::kInvalidArgument);
}

// Loops come and go while signals rain: no handler touches a dead one.
TEST_P(SignalTest, SubscriptionsMayChangeWhileSignalsArrive) {
  Event keep_handled = Event::Signal(*base_, SIGUSR1, &Count, &count_);
  ASSERT_TRUE(keep_handled.Add().ok());
  std::atomic<bool> done{false};
  std::thread sender([&done] {
    while (!done.load()) kill(getpid(), SIGUSR1);
  });
  for (int i = 0; i < 200; ++i) {
    const std::unique_ptr<EventBase> base = NewBase();
    int count = 0;
    Event event = Event::Signal(*base, SIGUSR1, &Count, &count);
    ASSERT_TRUE(event.Add().ok());
    RunOnce(*base);
  }
  done.store(true);
  sender.join();
}

INSTANTIATE_TEST_SUITE_P(AllBackends, SignalTest, AllSignalParameters(),
                         NameOfSignalParameters);

}  // namespace
}  // namespace percore
