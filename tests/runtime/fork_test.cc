// A loop in a child of fork(), beside its parent's.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <tuple>

#include "percore/runtime/event_base.h"
#include "percore/tests/support/signal_parameters.h"

namespace percore {
namespace {

void Count(int, EventFlags, void* count) { ++*static_cast<int*>(count); }

class ForkTest : public testing::TestWithParam<SignalParameters> {
 protected:
  void SetUp() override {
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends_.data()),
              0);
  }
  void TearDown() override {
    for (const int fd : ends_) close(fd);
  }

  // Runs `in_child` in a child; what it returns is true if all went well there.
  static void ExpectInChild(const std::function<bool()>& in_child) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) _exit(in_child() ? 0 : 1);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  }

  bool RunOnce() { return base_->Run(RunMode::kNonBlocking).ok(); }
  bool WriteToPeer() { return write(ends_[1], "x", 1) == 1; }

  std::unique_ptr<EventBase> base_ = *EventBase::Create(
      {.backend = std::get<0>(GetParam()), .signals = std::get<1>(GetParam())});
  std::array<int, 2> ends_;
  int count_ = 0;
};

TEST_P(ForkTest, TheChildsLoopHasAllEventsOfTheParents) {
  Event reader(*base_, ends_[0], EventFlags::kRead, &Count, &count_);
  Event timer = Event::Timer(*base_, &Count, &count_);
  ASSERT_TRUE(reader.Add().ok());
  ASSERT_TRUE(timer.Add(std::chrono::milliseconds(1)).ok());
  ExpectInChild([&] {
    if (!base_->ReinitAfterFork().ok() || !WriteToPeer()) return false;
    base_->Post([&] { ++count_; });
    return base_->Run().ok() && count_ == 3;
  });
}

TEST_P(ForkTest, TheParentIsNotDisturbedByWhatTheChildDoes) {
  Event reader(*base_, ends_[0], EventFlags::kRead, &Count, &count_);
  ASSERT_TRUE(reader.Add().ok());
  ASSERT_TRUE(RunOnce());
  ExpectInChild([&] {
    if (!base_->ReinitAfterFork().ok()) return false;
    reader.Del();
    base_->Post([] {});
    if (!RunOnce()) return false;
    base_.reset();
    return true;
  });
  ASSERT_TRUE(RunOnce());
  EXPECT_EQ(base_->stats()->wakeups.Get(), 0u);
  EXPECT_EQ(count_, 0);
  ASSERT_TRUE(WriteToPeer());
  ASSERT_TRUE(RunOnce());
  EXPECT_EQ(count_, 1);
}

TEST_P(ForkTest, SignalsReachTheProcessThatTheyAreFor) {
  Event event = Event::Signal(*base_, SIGUSR1, &Count, &count_);
  ASSERT_TRUE(event.Add().ok());
  ExpectInChild([&] {
    // One before, which is not lost, and one after.
    raise(SIGUSR1);
    if (!base_->ReinitAfterFork().ok()) return false;
    if (!RunOnce() || count_ != 1) return false;
    raise(SIGUSR1);
    return RunOnce() && count_ == 2;
  });
  ASSERT_TRUE(RunOnce());
  EXPECT_EQ(count_, 0);
  EXPECT_EQ(base_->stats()->wakeups.Get(), 0u);
  raise(SIGUSR1);
  ASSERT_TRUE(RunOnce());
  EXPECT_EQ(count_, 1);
}

TEST_P(ForkTest, AChildMayBeMadeInACallback) {
  bool ok = false;
  struct Context {
    EventBase& base;
    bool& ok;
  } context{*base_, ok};
  Event event(
      *base_, -1, EventFlags::kNone,
      [](int, EventFlags, void* argument) {
        auto& [base, ok] = *static_cast<Context*>(argument);
        const pid_t child = fork();
        if (child == 0) _exit(base.ReinitAfterFork().ok() ? 0 : 1);
        int status = 1;
        ok = waitpid(child, &status, 0) == child && status == 0;
      },
      &context);
  event.Activate(EventFlags::kTimeout);
  ASSERT_TRUE(base_->Run().ok());
  EXPECT_TRUE(ok);
}

INSTANTIATE_TEST_SUITE_P(AllBackends, ForkTest, AllSignalParameters(),
                         NameOfSignalParameters);

}  // namespace
}  // namespace percore
