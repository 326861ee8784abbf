// What the loop does when the kernel fails it.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <memory>

#include "percore/runtime/event_base.h"
#include "percore/tests/support/test_kernel.h"

namespace percore {
namespace {

using Call = TestKernel::Call;

void Count(int, EventFlags, void* count) { ++*static_cast<int*>(count); }

class EventBaseFaultTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends_.data()),
              0);
    ASSERT_EQ(write(ends_[1], "x", 1), 1);
  }
  void TearDown() override {
    for (const int fd : ends_) close(fd);
  }

  TestKernel kernel_{TestKernel::Clock::kManual};
  std::array<int, 2> ends_;
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

}  // namespace
}  // namespace percore
