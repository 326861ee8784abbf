#include "percore/runtime/internal/choose_backend.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <memory>
#include <string>

#include "percore/tests/support/backends_here.h"
#include "percore/tests/support/test_kernel.h"

namespace percore::internal {
namespace {

using testing::ElementsAre;

class ChooseBackendTest : public testing::Test {
 protected:
  void SetUp() override {
    if (BackendsHere() != BackendNames()) GTEST_SKIP() << "NO io_uring HERE";
  }
  void TearDown() override {
    for (const char* name : {"PERCORE_NOEPOLL", "PERCORE_NOIO_URING",
                             "PERCORE_NOPOLL", "PERCORE_NOSELECT"}) {
      unsetenv(name);
    }
  }

  static std::string NameOf(const BackendDemands& demands) {
    return (*ChooseBackend(demands, Kernel::Real()))->name();
  }
  static absl::Status StatusOf(const BackendDemands& demands) {
    return ChooseBackend(demands, Kernel::Real()).status();
  }
};

TEST_F(ChooseBackendTest, NamesAllBestFirst) {
  EXPECT_THAT(BackendNames(),
              ElementsAre("epoll", "io_uring", "poll", "select"));
}

TEST_F(ChooseBackendTest, TakesTheBestThatIsNotToBeAvoided) {
  EXPECT_EQ(NameOf({}), "epoll");
  EXPECT_EQ(NameOf({.avoid = {"epoll"}}), "io_uring");
  EXPECT_EQ(NameOf({.avoid = {"io_uring", "epoll"}}), "poll");
  EXPECT_EQ(NameOf({.avoid = {"poll", "io_uring", "epoll"}}), "select");
}

TEST_F(ChooseBackendTest, TakesTheOneThatIsNamed) {
  for (const std::string& name : BackendNames()) {
    EXPECT_EQ(NameOf({.name = name}), name);
  }
}

TEST_F(ChooseBackendTest, ListensToTheEnvironmentUnlessToldNotTo) {
  setenv("PERCORE_NOEPOLL", "", 1);
  EXPECT_EQ(NameOf({}), "io_uring");
  EXPECT_EQ(NameOf({.environment = false}), "epoll");
  EXPECT_EQ(NameOf({.name = "epoll"}), "epoll");
  setenv("PERCORE_NOIO_URING", "1", 1);
  EXPECT_EQ(NameOf({}), "poll");
  setenv("PERCORE_NOPOLL", "1", 1);
  EXPECT_EQ(NameOf({}), "select");
}

TEST_F(ChooseBackendTest, TakesOneThatHasWhatIsRequired) {
  EXPECT_EQ(NameOf({.avoid = {"epoll", "io_uring"},
                    .require = BackendFeatures::kEarlyClose}),
            "poll");
  EXPECT_EQ(NameOf({.require = BackendFeatures::kEdgeTriggered |
                               BackendFeatures::kConstantTime}),
            "epoll");
}

TEST_F(ChooseBackendTest, SaysOfEachWhatIsInTheWay) {
  setenv("PERCORE_NOEPOLL", "", 1);
  const absl::Status status =
      StatusOf({.avoid = {"io_uring", "poll"},
                .require = BackendFeatures::kEdgeTriggered |
                           BackendFeatures::kAnyDescriptor});
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(
      status.message(),
      "no back end meets the demands: epoll is switched off by "
      "PERCORE_NOEPOLL; io_uring is to be avoided; poll is to be avoided; "
      "select lacks "
      "edge-triggered");
}

TEST_F(ChooseBackendTest, ANamedOneMustMeetTheDemandsToo) {
  EXPECT_EQ(
      StatusOf({.name = "select", .require = BackendFeatures::kEarlyClose})
          .message(),
      "no back end meets the demands: select lacks early close");
  EXPECT_EQ(StatusOf({.name = "poll", .avoid = {"poll"}}).message(),
            "no back end meets the demands: poll is to be avoided");
}

TEST_F(ChooseBackendTest, RefusesNamesThatAreNone) {
  for (const BackendDemands& demands : {BackendDemands{.name = "kqueue"},
                                        BackendDemands{.avoid = {"kqueue"}}}) {
    const absl::Status status = StatusOf(demands);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(status.message(),
              "unknown back end 'kqueue': this build has epoll, io_uring, "
              "poll, select");
  }
}

TEST_F(ChooseBackendTest, ASystemThatGivesNothingIsNotAskedForLess) {
  TestKernel kernel;
  kernel.Fail(TestKernel::Call::kEpollCreate, EMFILE);
  EXPECT_EQ(ChooseBackend({}, kernel).status().code(),
            absl::StatusCode::kResourceExhausted);
}

TEST_F(ChooseBackendTest, WhatTheSystemDoesNotHaveIsPassedOver) {
  for (const int error : {ENOSYS, EPERM}) {
    TestKernel kernel;
    kernel.Fail(TestKernel::Call::kCreateRing, error);
    EXPECT_STREQ((*ChooseBackend({.avoid = {"epoll"}}, kernel))->name(),
                 "poll");
  }
}

TEST_F(ChooseBackendTest, ByNameItSaysWhyTheSystemDoesNotHaveIt) {
  const struct {
    int error;
    absl::StatusCode code;
    const char* message;
  } cases[] = {
      {ENOSYS, absl::StatusCode::kUnimplemented,
       "io_uring: this kernel is too old"},
      {EPERM, absl::StatusCode::kPermissionDenied,
       "io_uring: switched off on this system (sysctl "
       "kernel.io_uring_disabled, or seccomp)"},
      {ENOMEM, absl::StatusCode::kResourceExhausted,
       "io_uring_setup: Cannot allocate memory"},
  };
  for (const auto& c : cases) {
    TestKernel kernel;
    kernel.Fail(TestKernel::Call::kCreateRing, c.error);
    const absl::Status status =
        ChooseBackend({.name = "io_uring"}, kernel).status();
    EXPECT_EQ(status.code(), c.code);
    EXPECT_EQ(status.message(), c.message);
  }
}

TEST_F(ChooseBackendTest, IoUringIsTheBestForALoopOfOneThread) {
  EXPECT_EQ(NameOf({.one_thread = true}), "io_uring");
  EXPECT_EQ(NameOf({.name = "epoll", .one_thread = true}), "epoll");
  EXPECT_EQ(NameOf({.avoid = {"io_uring"}, .one_thread = true}), "epoll");
  EXPECT_EQ(
      NameOf({.require = BackendFeatures::kEdgeTriggered, .one_thread = true}),
      "io_uring");
  setenv("PERCORE_NOIO_URING", "", 1);
  EXPECT_EQ(NameOf({.one_thread = true}), "epoll");
  EXPECT_EQ(NameOf({.one_thread = true, .environment = false}), "io_uring");
}

TEST_F(ChooseBackendTest, WithoutAllOfIoUringItFallsBackAndSaysSoOnce) {
  testing::internal::CaptureStderr();
  // The last: a kernel before Linux 6.1, whose rings any thread may enter.
  for (const int error : {ENOSYS, EPERM, ENOMEM, EMFILE, EINVAL}) {
    TestKernel kernel;
    kernel.Fail(TestKernel::Call::kCreateRing, error, error == EINVAL ? 2 : 1);
    EXPECT_STREQ((*ChooseBackend({.one_thread = true}, kernel))->name(),
                 "epoll");
  }
  EXPECT_EQ(
      testing::internal::GetCapturedStderr(),
      "percore: info: falling back to epoll: io_uring: this kernel is too "
      "old\n");
}

TEST_F(ChooseBackendTest, ARingDoesWithoutWhatTheKernelDoesNotKnow) {
  for (int refused = 1; refused < 4; ++refused) {
    TestKernel kernel;
    kernel.Fail(TestKernel::Call::kCreateRing, EINVAL, refused);
    EXPECT_TRUE(ChooseBackend({.name = "io_uring"}, kernel).ok()) << refused;
  }
  TestKernel kernel;
  kernel.Fail(TestKernel::Call::kCreateRing, EINVAL, 4);
  EXPECT_EQ(ChooseBackend({.name = "io_uring"}, kernel).status().code(),
            absl::StatusCode::kUnimplemented);
}

TEST(BackendFeaturesTest, SayThemselvesInWords) {
  EXPECT_EQ(ToString(BackendFeatures::kNone), "none");
  EXPECT_EQ(ToString(BackendFeatures::kConstantTime), "constant time");
  EXPECT_EQ(
      ToString(BackendFeatures::kEarlyClose | BackendFeatures::kEdgeTriggered |
               BackendFeatures::kAnyDescriptor),
      "edge-triggered, any descriptor, early close");
}

}  // namespace
}  // namespace percore::internal
