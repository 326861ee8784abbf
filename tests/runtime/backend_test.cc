// What every back end must do, whatever it is made of.
#include "percore/runtime/internal/backend.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "percore/runtime/internal/choose_backend.h"
#include "percore/tests/support/backends_here.h"

namespace percore::internal {
namespace {

using testing::IsEmpty;

constexpr EventFlags kBoth = EventFlags::kRead | EventFlags::kWrite;

class BackendTest : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends_.data()),
              0);
  }
  void TearDown() override {
    for (const int fd : ends_) close(fd);
  }

  bool Has(BackendFeatures feature) const {
    return Any(backend_->features() & feature);
  }
  void WriteToPeer() { ASSERT_EQ(write(ends_[1], "x", 1), 1); }

  // What is ready now.
  std::vector<ReadyDescriptor> Look() {
    ReadyList ready;
    EXPECT_GE(backend_->Wait(Duration::zero(), ready), 0);
    return {ready.begin(), ready.end()};
  }
  // `ends_[0]` alone is ready, for this, under this generation.
  void ExpectReady(EventFlags what, uint32_t generation) {
    const std::vector<ReadyDescriptor> ready = Look();
    ASSERT_EQ(ready.size(), 1u);
    EXPECT_EQ(ready[0].fd, ends_[0]);
    EXPECT_EQ(ready[0].what, what);
    EXPECT_EQ(ready[0].generation, generation);
  }

  const std::unique_ptr<Backend> backend_ =
      *ChooseBackend({.name = GetParam()}, Kernel::Real());
  std::array<int, 2> ends_;
};

TEST_P(BackendTest, KnowsItsName) { EXPECT_EQ(backend_->name(), GetParam()); }

TEST_P(BackendTest, ReportsWhatIsReadyAsLongAsItIs) {
  ASSERT_EQ(backend_->Add(ends_[0], EventFlags::kRead, 7), 0);
  EXPECT_THAT(Look(), IsEmpty());
  WriteToPeer();
  ExpectReady(EventFlags::kRead, 7);
  ExpectReady(EventFlags::kRead, 7);
}

TEST_P(BackendTest, ReportsOnlyWhatIsAskedFor) {
  WriteToPeer();
  ASSERT_EQ(backend_->Add(ends_[0], EventFlags::kWrite, 1), 0);
  ExpectReady(EventFlags::kWrite, 1);
  ASSERT_EQ(backend_->Modify(ends_[0], kBoth, 1), 0);
  ExpectReady(kBoth, 1);
  ASSERT_EQ(backend_->Modify(ends_[0], EventFlags::kRead, 1), 0);
  ExpectReady(EventFlags::kRead, 1);
}

TEST_P(BackendTest, ModifyingGivesANewGeneration) {
  WriteToPeer();
  ASSERT_EQ(backend_->Add(ends_[0], EventFlags::kRead, 1), 0);
  ASSERT_EQ(backend_->Modify(ends_[0], EventFlags::kRead, 2), 0);
  ExpectReady(EventFlags::kRead, 2);
}

TEST_P(BackendTest, ForgetsWhatIsRemoved) {
  WriteToPeer();
  ASSERT_EQ(backend_->Add(ends_[0], EventFlags::kRead, 1), 0);
  EXPECT_EQ(backend_->Remove(ends_[0]), 0);
  EXPECT_THAT(Look(), IsEmpty());
  EXPECT_EQ(backend_->Remove(ends_[0]), -ENOENT);
  ASSERT_EQ(backend_->Add(ends_[0], EventFlags::kRead, 2), 0);
  ExpectReady(EventFlags::kRead, 2);
}

TEST_P(BackendTest, ResetForgetsEverything) {
  WriteToPeer();
  ASSERT_EQ(backend_->Add(ends_[0], EventFlags::kRead, 1), 0);
  ASSERT_EQ(backend_->Reset(), 0);
  EXPECT_THAT(Look(), IsEmpty());
  EXPECT_EQ(backend_->Add(ends_[0], EventFlags::kRead, 2), 0);
  ExpectReady(EventFlags::kRead, 2);
}

TEST_P(BackendTest, SaysWhatItDoesNotKnowAndWhatItHas) {
  EXPECT_EQ(backend_->Modify(ends_[0], EventFlags::kRead, 1), -ENOENT);
  ASSERT_EQ(backend_->Add(ends_[0], EventFlags::kRead, 1), 0);
  EXPECT_EQ(backend_->Add(ends_[0], EventFlags::kRead, 1), -EEXIST);
}

TEST_P(BackendTest, RefusesAClosedDescriptor) {
  const int closed = dup(ends_[0]);
  close(closed);
  EXPECT_EQ(backend_->Add(closed, EventFlags::kRead, 1), -EBADF);
  EXPECT_THAT(Look(), IsEmpty());
}

TEST_P(BackendTest, AClosedDescriptorIsForgottenAndDoesNotEndWaits) {
  const int closed = socket(AF_UNIX, SOCK_STREAM, 0);
  ASSERT_EQ(backend_->Add(closed, EventFlags::kRead, 1), 0);
  ASSERT_EQ(backend_->Add(ends_[0], EventFlags::kRead, 2), 0);
  close(closed);
  Look();
  EXPECT_THAT(Look(), IsEmpty());
  WriteToPeer();
  ExpectReady(EventFlags::kRead, 2);
  EXPECT_EQ(
      backend_->Modify(closed, EventFlags::kRead, 1),
      GetParam() == "epoll" || GetParam() == "io_uring" ? -EBADF : -ENOENT);
}

TEST_P(BackendTest, ForgetsWithoutACallWhatIsAboutToBeClosed) {
  const int file = open("/dev/null", O_RDWR | O_CLOEXEC);
  ASSERT_EQ(backend_->Add(file, EventFlags::kRead, 1), 0);
  ASSERT_EQ(Look().size(), 1u);
  backend_->Forget(file);
  close(file);
  EXPECT_THAT(Look(), IsEmpty());
}

TEST_P(BackendTest, AHangUpMakesBothDirectionsReady) {
  ASSERT_EQ(backend_->Add(ends_[0], kBoth, 1), 0);
  close(ends_[1]);
  ends_[1] = -1;
  const std::vector<ReadyDescriptor> ready = Look();
  ASSERT_EQ(ready.size(), 1u);
  EXPECT_EQ(ready[0].what & kBoth, kBoth);
}

TEST_P(BackendTest, SeesThePeersEndWithoutReading) {
  constexpr EventFlags kEnd = EventFlags::kRead | EventFlags::kClosed;
  if (!Has(BackendFeatures::kEarlyClose)) {
    EXPECT_EQ(backend_->Add(ends_[0], kEnd, 1), -EOPNOTSUPP);
    return;
  }
  ASSERT_EQ(backend_->Add(ends_[0], kEnd, 1), 0);
  WriteToPeer();
  ExpectReady(EventFlags::kRead, 1);
  shutdown(ends_[1], SHUT_WR);
  ExpectReady(kEnd, 1);
}

TEST_P(BackendTest, ReportsEdgesOnceWhereItCan) {
  ASSERT_EQ(backend_->Add(ends_[0],
                          EventFlags::kRead | EventFlags::kEdgeTriggered, 1),
            0);
  WriteToPeer();
  ExpectReady(EventFlags::kRead, 1);
  EXPECT_EQ(Look().empty(), Has(BackendFeatures::kEdgeTriggered));
}

TEST_P(BackendTest, FilesAreAlwaysReady) {
  ASSERT_TRUE(Has(BackendFeatures::kAnyDescriptor));
  const std::string path = testing::TempDir() + "/always_ready";
  const int file = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  ASSERT_GE(file, 0);
  ASSERT_EQ(backend_->Add(file, kBoth, 3), 0);
  for (int i = 0; i < 2; ++i) {
    ReadyList ready;
    // At once, however long it may wait.
    ASSERT_GE(backend_->Wait(kForever, ready), 0);
    ASSERT_EQ(ready.size(), 1u);
    EXPECT_EQ(ready.begin()->fd, file);
    EXPECT_EQ(ready.begin()->what, kBoth);
    EXPECT_EQ(ready.begin()->generation, 3u);
  }
  EXPECT_EQ(backend_->Modify(file, EventFlags::kWrite, 4), 0);
  EXPECT_EQ(Look().at(0).what, EventFlags::kWrite);
  EXPECT_EQ(backend_->Remove(file), 0);
  EXPECT_THAT(Look(), IsEmpty());
  close(file);
}

TEST_P(BackendTest, ASocketWithTheNumberOfAFileIsASocket) {
  const int file = open("/dev/null", O_RDWR | O_CLOEXEC);
  ASSERT_EQ(backend_->Add(file, EventFlags::kRead, 1), 0);
  // The file goes without a word, and the number comes back.
  ASSERT_EQ(dup2(ends_[0], file), file);
  const int result = backend_->Modify(file, EventFlags::kRead, 2);
  if (result == -ENOENT) {
    ASSERT_EQ(backend_->Add(file, EventFlags::kRead, 2), 0);
  }
  EXPECT_THAT(Look(), IsEmpty());
  close(file);
}

TEST_P(BackendTest, WatchesNumbersBeyondFdSetsize) {
  rlimit limit = {};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  limit.rlim_cur = limit.rlim_max;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
  const int high = fcntl(ends_[0], F_DUPFD_CLOEXEC, 3000);
  if (high < 0) GTEST_SKIP() << "no descriptors above 3000 here";
  ASSERT_EQ(backend_->Add(high, EventFlags::kRead, 1), 0);
  WriteToPeer();
  EXPECT_EQ(Look().at(0).fd, high);
  close(high);
}

TEST_P(BackendTest, WaitsAsLongAsItIsTold) {
  using std::chrono::milliseconds;
  ASSERT_EQ(backend_->Add(ends_[0], EventFlags::kRead, 1), 0);
  ReadyList ready;
  const TimePoint begin = Kernel::Real().Now();
  int result;
  do {
    // The end of another test's ring, which the kernel sees to later,
    // interrupts the thread.
    result = backend_->Wait(milliseconds(20), ready);
  } while (result == -EINTR);
  EXPECT_EQ(result, 0);
  EXPECT_GE(Kernel::Real().Now() - begin, milliseconds(20));
  EXPECT_EQ(ready.size(), 0u);
}

INSTANTIATE_TEST_SUITE_P(All, BackendTest, testing::ValuesIn(BackendsHere()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace percore::internal
