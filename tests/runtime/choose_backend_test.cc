#include "percore/runtime/internal/choose_backend.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <memory>
#include <string>

#include "percore/tests/support/test_kernel.h"

namespace percore::internal {
namespace {

using testing::ElementsAre;

class ChooseBackendTest : public testing::Test {
 protected:
  void TearDown() override {
    for (const char* name :
         {"PERCORE_NOEPOLL", "PERCORE_NOPOLL", "PERCORE_NOSELECT"}) {
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
  EXPECT_THAT(BackendNames(), ElementsAre("epoll", "poll", "select"));
}

TEST_F(ChooseBackendTest, TakesTheBestThatIsNotToBeAvoided) {
  EXPECT_EQ(NameOf({}), "epoll");
  EXPECT_EQ(NameOf({.avoid = {"epoll"}}), "poll");
  EXPECT_EQ(NameOf({.avoid = {"poll", "epoll"}}), "select");
}

TEST_F(ChooseBackendTest, TakesTheOneThatIsNamed) {
  for (const std::string& name : BackendNames()) {
    EXPECT_EQ(NameOf({.name = name}), name);
  }
}

TEST_F(ChooseBackendTest, ListensToTheEnvironmentUnlessToldNotTo) {
  setenv("PERCORE_NOEPOLL", "", 1);
  EXPECT_EQ(NameOf({}), "poll");
  EXPECT_EQ(NameOf({.environment = false}), "epoll");
  EXPECT_EQ(NameOf({.name = "epoll"}), "epoll");
  setenv("PERCORE_NOPOLL", "1", 1);
  EXPECT_EQ(NameOf({}), "select");
}

TEST_F(ChooseBackendTest, TakesOneThatHasWhatIsRequired) {
  EXPECT_EQ(
      NameOf({.avoid = {"epoll"}, .require = BackendFeatures::kEarlyClose}),
      "poll");
  EXPECT_EQ(NameOf({.require = BackendFeatures::kEdgeTriggered |
                               BackendFeatures::kConstantTime}),
            "epoll");
}

TEST_F(ChooseBackendTest, SaysOfEachWhatIsInTheWay) {
  setenv("PERCORE_NOEPOLL", "", 1);
  const absl::Status status =
      StatusOf({.avoid = {"poll"},
                .require = BackendFeatures::kEdgeTriggered |
                           BackendFeatures::kAnyDescriptor});
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(status.message(),
            "no back end meets the demands: epoll is switched off by "
            "PERCORE_NOEPOLL; poll is to be avoided; select lacks "
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
              "unknown back end 'kqueue': this build has epoll, poll, select");
  }
}

TEST_F(ChooseBackendTest, ASystemThatGivesNothingIsNotAskedForLess) {
  TestKernel kernel;
  kernel.Fail(TestKernel::Call::kEpollCreate, EMFILE);
  EXPECT_EQ(ChooseBackend({}, kernel).status().code(),
            absl::StatusCode::kResourceExhausted);
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
