// What is this back end's own: requests in a ring, which keep files open.
#include "percore/runtime/internal/io_uring_backend.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>
#include <thread>
#include <vector>

#include "percore/tests/support/test_kernel.h"

namespace percore::internal {
namespace {

using Call = TestKernel::Call;

class IoUringBackendTest : public testing::Test {
 protected:
  void SetUp() override {
    auto made = IoUringBackend::Create(kernel_, /*one_thread=*/false);
    if (!made.ok()) GTEST_SKIP() << "NO io_uring HERE: " << made.status();
    backend_ = *std::move(made);
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends_.data()),
              0);
  }
  void TearDown() override {
    backend_ = nullptr;
    for (const int fd : ends_) close(fd);
  }

  std::vector<ReadyDescriptor> Look() {
    ReadyList ready;
    EXPECT_GE(backend_->Wait(Duration::zero(), ready), 0);
    return {ready.begin(), ready.end()};
  }
  // What a read says of whether the peer's end is closed: 0, or -1 and EAGAIN.
  bool PeerSeesTheEnd() {
    char byte;
    return read(ends_[1], &byte, 1) == 0;
  }

  TestKernel kernel_;
  std::unique_ptr<IoUringBackend> backend_;
  std::array<int, 2> ends_ = {-1, -1};
};

TEST_F(IoUringBackendTest, ALoopOfOneThreadHasItsRingRegistered) {
  Look();
  EXPECT_EQ(kernel_.Count(Call::kRegisterRing), 0);
  ASSERT_EQ(write(ends_[1], "x", 1), 1);
  for (const int error : {0, EINVAL}) {
    if (error != 0) kernel_.Fail(Call::kRegisterRing, error);
    backend_ = *IoUringBackend::Create(kernel_, /*one_thread=*/true);
    ASSERT_EQ(backend_->Add(ends_[0], EventFlags::kRead, 1), 0);
    EXPECT_EQ(Look().size(), 1u);
    EXPECT_EQ(Look().size(), 1u);
  }
  EXPECT_EQ(kernel_.Count(Call::kRegisterRing), 2);
}

// A promise that was not kept.
TEST_F(IoUringBackendTest, ARegisteredRingMayEndInAnotherThreadAllTheSame) {
  backend_ = *IoUringBackend::Create(kernel_, /*one_thread=*/true);
  auto other = *IoUringBackend::Create(kernel_, /*one_thread=*/true);
  Look();
  std::thread([&] {
    // As the first of this thread it has the number that the other has in its.
    ReadyList ready;
    EXPECT_GE(other->Wait(Duration::zero(), ready), 0);
    backend_ = nullptr;
    EXPECT_GE(other->Wait(Duration::zero(), ready), 0);
    other = nullptr;
  }).join();
}

TEST_F(IoUringBackendTest, OneCallARoundWhateverIsAddedChangedAndReady) {
  ASSERT_EQ(write(ends_[1], "x", 1), 1);
  ASSERT_EQ(backend_->Add(ends_[0], EventFlags::kRead, 1), 0);
  ASSERT_EQ(backend_->Add(ends_[1], EventFlags::kRead, 1), 0);
  const int calls = kernel_.Count(Call::kEnterRing);
  EXPECT_EQ(Look().size(), 1u);
  ASSERT_EQ(backend_->Modify(ends_[1], EventFlags::kWrite, 2), 0);
  EXPECT_EQ(Look().size(), 2u);
  ASSERT_EQ(backend_->Remove(ends_[1]), 0);
  EXPECT_EQ(Look().size(), 1u);
  EXPECT_EQ(kernel_.Count(Call::kEnterRing), calls + 3);
}

TEST_F(IoUringBackendTest, WhatIsForgottenIsClosedByTheRing) {
  ASSERT_EQ(backend_->Add(ends_[0], EventFlags::kRead, 1), 0);
  EXPECT_TRUE(Look().empty());
  backend_->Forget(ends_[0]);
  backend_->ring()->Close(ends_[0]);
  ends_[0] = -1;
  EXPECT_TRUE(PeerSeesTheEnd());
  EXPECT_TRUE(Look().empty());
}

TEST_F(IoUringBackendTest, WhatIsRemovedIsClosedAtTheEndOfTheRound) {
  ASSERT_EQ(backend_->Add(ends_[0], EventFlags::kRead, 1), 0);
  EXPECT_TRUE(Look().empty());
  ASSERT_EQ(backend_->Remove(ends_[0]), 0);
  close(ends_[0]);
  ends_[0] = -1;
  EXPECT_TRUE(Look().empty());
  EXPECT_TRUE(PeerSeesTheEnd());
}

TEST_F(IoUringBackendTest, ItsEndLetsGoOfTheFiles) {
  ASSERT_EQ(backend_->Add(ends_[0], EventFlags::kRead, 1), 0);
  EXPECT_TRUE(Look().empty());
  close(ends_[0]);
  ends_[0] = -1;
  EXPECT_FALSE(PeerSeesTheEnd()) << "the request keeps the file open";
  backend_ = nullptr;
  EXPECT_TRUE(PeerSeesTheEnd());
}

TEST_F(IoUringBackendTest, AReportOfAnOldRequestIsNotTakenForANewOne) {
  ASSERT_EQ(backend_->Add(ends_[0], EventFlags::kRead, 1), 0);
  EXPECT_TRUE(Look().empty());
  // Ready before the request is replaced by one for something else.
  ASSERT_EQ(write(ends_[1], "x", 1), 1);
  ASSERT_EQ(backend_->Modify(ends_[0], EventFlags::kClosed, 2), 0);
  EXPECT_TRUE(Look().empty());
  ASSERT_EQ(backend_->Modify(ends_[0], EventFlags::kRead, 3), 0);
  const std::vector<ReadyDescriptor> ready = Look();
  ASSERT_EQ(ready.size(), 1u);
  EXPECT_EQ(ready[0].generation, 3u);
}

TEST_F(IoUringBackendTest, MoreDescriptorsThanTheRingTakesAtOnce) {
  constexpr int kCount = 3000;
  std::vector<int> copies;
  ASSERT_EQ(write(ends_[1], "x", 1), 1);
  for (int i = 0; i < kCount; ++i) {
    const int copy = dup(ends_[0]);
    if (copy < 0) GTEST_SKIP() << "no " << kCount << " descriptors here";
    copies.push_back(copy);
    ASSERT_EQ(backend_->Add(copy, EventFlags::kRead, 1), 0);
  }
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(Look().size(), static_cast<size_t>(kCount));
  }
  for (const int copy : copies) {
    backend_->Forget(copy);
    close(copy);
  }
}

TEST_F(IoUringBackendTest, AnotherThreadGetsARingOfItsOwn) {
  ASSERT_EQ(backend_->Add(ends_[0], EventFlags::kRead, 1), 0);
  EXPECT_TRUE(Look().empty());
  std::thread([this] {
    EXPECT_TRUE(Look().empty());
    ASSERT_EQ(write(ends_[1], "x", 1), 1);
    EXPECT_EQ(Look().size(), 1u);
  }).join();
  EXPECT_EQ(Look().size(), 1u);
  kernel_.Fail(Call::kCreateRing, EMFILE);
  std::thread([this] {
    ReadyList ready;
    EXPECT_EQ(backend_->Wait(Duration::zero(), ready), -EMFILE);
    EXPECT_GE(backend_->Wait(Duration::zero(), ready), 0);
    EXPECT_EQ(ready.size(), 1u);
  }).join();
}

TEST_F(IoUringBackendTest, AFailedCallLosesNothing) {
  ASSERT_EQ(write(ends_[1], "x", 1), 1);
  ASSERT_EQ(backend_->Add(ends_[0], EventFlags::kRead, 1), 0);
  ReadyList ready;
  for (const int error : {EINTR, EAGAIN, ENOMEM}) {
    kernel_.Fail(Call::kEnterRing, error);
    EXPECT_EQ(backend_->Wait(Duration::zero(), ready), -error);
    EXPECT_EQ(ready.size(), 0u);
    EXPECT_EQ(Look().size(), 1u);
  }
}

}  // namespace
}  // namespace percore::internal
