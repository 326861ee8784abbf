// What the loop does when the kernel fails it.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "percore/runtime/event_base.h"
#include "percore/tests/support/backends_here.h"
#include "percore/tests/support/socket_ends.h"
#include "percore/tests/support/test_kernel.h"

namespace percore {
namespace {

using Call = TestKernel::Call;

void Count(int, EventFlags, void* count) { ++*static_cast<int*>(count); }

class EventBaseFaultTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(write(ends_[1], "x", 1), 1); }

  TestKernel kernel_{TestKernel::Clock::kManual};
  SocketEnds ends_;
  int count_ = 0;
};

TEST_F(EventBaseFaultTest, EachCallThatSetsUpALoopMayFail) {
  for (const Call call :
       {Call::kEpollCreate, Call::kEventFd, Call::kEpollCtl}) {
    kernel_.Fail(call, EMFILE);
    const absl::Status status =
        EventBase::Create({.kernel = &kernel_}).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
    EXPECT_TRUE(EventBase::Create({.kernel = &kernel_}).ok());
  }
}

TEST_F(EventBaseFaultTest, AnInterruptedWaitIsNoFailure) {
  const auto base = *EventBase::Create({.kernel = &kernel_});
  Event event(*base, ends_[0], EventFlags::kRead, &Count, &count_);
  ASSERT_TRUE(event.Add().ok());
  kernel_.Fail(Call::kEpollWait, EINTR, 3);
  EXPECT_TRUE(base->Run().ok());
  EXPECT_EQ(count_, 1);
}

TEST_F(EventBaseFaultTest, AWaitThatFailsEndsTheLoopWithTheReason) {
  const auto base = *EventBase::Create({.kernel = &kernel_});
  Event event(*base, ends_[0], EventFlags::kRead, &Count, &count_);
  ASSERT_TRUE(event.Add().ok());
  kernel_.Fail(Call::kEpollWait, EBADF);
  EXPECT_EQ(base->Run().message(), "waiting for events: Bad file descriptor");
  EXPECT_TRUE(base->Run().ok());
  EXPECT_EQ(count_, 1);
}

TEST_F(EventBaseFaultTest, AddReportsWhatTheKernelSays) {
  const auto base = *EventBase::Create({.kernel = &kernel_});
  Event event(*base, ends_[0], EventFlags::kRead, &Count, &count_);
  for (const int error : {ENOMEM, ENOSPC, EBADF}) {
    kernel_.Fail(Call::kEpollCtl, error);
    EXPECT_FALSE(event.Add().ok()) << error;
    EXPECT_EQ(base->pending_count(), 0u);
  }
  EXPECT_TRUE(event.Add().ok());
}

TEST_F(EventBaseFaultTest, ATimeoutIsNotSetWhenTheDescriptorIsRefused) {
  const auto base = *EventBase::Create({.kernel = &kernel_});
  Event event(*base, ends_[0], EventFlags::kRead, &Count, &count_);
  kernel_.Fail(Call::kEpollCtl, ENOMEM);
  EXPECT_FALSE(event.Add(std::chrono::seconds(1)).ok());
  EXPECT_EQ(base->pending_count(), 0u);
}

TEST_F(EventBaseFaultTest, AGatheredChangeIsMadeOnceThereIsMemoryAgain) {
  const auto base = *EventBase::Create({.kernel = &kernel_});
  Event event(*base, ends_[0], EventFlags::kPersist, &Count, &count_);
  ASSERT_TRUE(event.Add().ok());  // watches nothing yet
  event.SetInterest(EventFlags::kRead);
  kernel_.Fail(Call::kEpollCtl, ENOMEM, 3);
  ASSERT_TRUE(base->Run(RunMode::kOnce).ok());
  EXPECT_EQ(count_, 1);
}

// --- Every call, failing once, wherever it is made
// -----------------------------

struct Fault {
  Call call;
  int error;
};

// A loop that does a bit of everything; true in the end if all that was to be
// called was, or the failure was reported to whoever asked.
class Scenario {
 public:
  Scenario(TestKernel& kernel, const std::string& backend)
      : kernel_(kernel), backend_(backend) {}

  void Run() {
    auto base = EventBase::Create({.backend = backend_,
                                   .signals = SignalMethod::kSignalFd,
                                   .kernel = &kernel_});
    if (!base.ok()) base = CreateAgain();
    base_ = *std::move(base);
    Event reader(*base_, ends_[0], EventFlags::kRead | EventFlags::kPersist,
                 &Count, &reads_);
    Event writer(*base_, ends_[0], EventFlags::kWrite, &Count, &writes_);
    Event signal = Event::Signal(*base_, SIGUSR1, &Count, &signals_);
    Event timer = Event::Timer(*base_, &Count, &timeouts_);
    Add(reader);
    Add(writer);
    Add(signal);
    ASSERT_TRUE(timer.Add(std::chrono::milliseconds(1)).ok());
    RunUntil(writes_, 1);
    ASSERT_EQ(write(ends_[1], "x", 1), 1);
    RunUntil(reads_, 1);
    // Interest that goes and comes, in one round and in several.
    reader.SetInterest(EventFlags::kNone);
    reader.SetInterest(EventFlags::kRead);
    reader.SetInterest(EventFlags::kNone);
    RunOnce();
    reader.SetInterest(EventFlags::kRead);
    RunUntil(reads_, reads_ + 1);
    raise(SIGUSR1);
    RunUntil(signals_, 1);
    base_->Post([this] { ++posted_; });
    RunUntil(posted_, 1);
    RunUntil(timeouts_, 1);
    // Afresh, as after a fork.
    for (int tries = 0; !base_->ReinitAfterFork().ok(); ++tries) {
      ASSERT_LT(tries, 3);
    }
    RunUntil(reads_, reads_ + 1);
    raise(SIGUSR1);
    RunUntil(signals_, signals_ + 1);
  }

 private:
  static void Count(int, EventFlags, void* count) {
    ++*static_cast<int*>(count);
  }

  // The one failure is over.
  absl::StatusOr<std::unique_ptr<EventBase>> CreateAgain() {
    return EventBase::Create({.backend = backend_,
                              .signals = SignalMethod::kSignalFd,
                              .kernel = &kernel_});
  }
  void Add(Event& event) {
    if (event.Add().ok()) return;
    EXPECT_FALSE(Any(event.Pending(event.interest())));
    EXPECT_TRUE(event.Add().ok());
  }
  void RunOnce() {
    // The system's refusal to wait ends a Run(), and the next one goes on.
    if (!base_->Run(RunMode::kNonBlocking).ok()) {
      EXPECT_TRUE(base_->Run(RunMode::kNonBlocking).ok());
    }
  }
  void RunUntil(const int& count, int wanted) {
    for (int round = 0; round < 10 && count < wanted; ++round) {
      kernel_.Advance(std::chrono::milliseconds(1));
      RunOnce();
    }
    EXPECT_GE(count, wanted)
        << "reads " << reads_ << ", writes " << writes_ << ", signals "
        << signals_ << ", timeouts " << timeouts_ << ", posted " << posted_;
  }

  TestKernel& kernel_;
  const std::string backend_;
  std::unique_ptr<EventBase> base_;
  SocketEnds ends_;
  int reads_ = 0;
  int writes_ = 0;
  int signals_ = 0;
  int timeouts_ = 0;
  int posted_ = 0;
};

class EveryFaultTest : public testing::TestWithParam<std::string> {};

TEST_P(EveryFaultTest, LeavesALoopThatWorks) {
  const std::vector<Fault> faults = {
      {Call::kEpollCreate, EMFILE}, {Call::kEpollCreate, ENOMEM},
      {Call::kEpollCtl, ENOMEM},    {Call::kEpollCtl, ENOSPC},
      {Call::kEpollCtl, EEXIST},    {Call::kEpollCtl, ENOENT},
      {Call::kEpollCtl, EBADF},     {Call::kEpollWait, EINTR},
      {Call::kEpollWait, ENOMEM},   {Call::kPoll, EINTR},
      {Call::kPoll, ENOMEM},        {Call::kSelect, EINTR},
      {Call::kSelect, ENOMEM},      {Call::kEventFd, EMFILE},
      {Call::kEventFd, ENFILE},     {Call::kSignalFd, EMFILE},
      {Call::kSignalFd, ENOMEM},    {Call::kRead, EINTR},
      {Call::kRead, EAGAIN},        {Call::kCreateRing, ENOMEM},
      {Call::kEnableRing, ENOMEM},  {Call::kEnterRing, EINTR},
      {Call::kEnterRing, EAGAIN},   {Call::kEnterRing, ENOMEM}};
  int injected = 0;
  for (const Fault& fault : faults) {
    // The first call, the second, and so on, until there are no more.
    for (int passing = 0;; ++passing) {
      SCOPED_TRACE(testing::Message()
                   << "call " << static_cast<int>(fault.call) << " fails with "
                   << std::strerror(fault.error) << " after " << passing);
      TestKernel kernel(TestKernel::Clock::kManual);
      kernel.Fail(fault.call, fault.error, 1, passing);
      Scenario(kernel, GetParam()).Run();
      if (HasFailure() || kernel.Count(fault.call) <= passing) break;
      ++injected;
    }
    if (HasFailure()) break;
  }
  EXPECT_GT(injected, 20);
}

INSTANTIATE_TEST_SUITE_P(AllBackends, EveryFaultTest,
                         testing::ValuesIn(BackendsHere()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace percore
