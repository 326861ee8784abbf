// Rate limits of datagram endpoints: what a RateLimiter itself does stands in
// rate_limiter_test.cc.
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>

#include "percore/net/datagram_endpoint.h"
#include "percore/net/rate_limit_group.h"
#include "percore/tests/net/datagram_side.h"
#include "percore/tests/support/backends_here.h"
#include "percore/tests/support/test_kernel.h"

namespace percore {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const std::string& Payload() {
  static const auto& payload = *new std::string(500, 'x');
  return payload;
}

class DatagramRateLimitTest : public testing::TestWithParam<std::string> {
 protected:
  // Until nothing more happens.
  void Run() {
    for (int i = 0; i < 20; ++i) {
      ASSERT_TRUE(base_->Run(RunMode::kNonBlocking).ok());
    }
  }
  void Pass(Duration duration) {
    kernel_.Advance(duration);
    // A loop that has nothing to wait for does not look at the clock.
    base_->UpdateNow();
    Run();
  }
  void SetLimit(DatagramSide& side, const RateLimit& limit) {
    ASSERT_TRUE(side->rate_limiter().SetLimit(limit).ok());
  }

  TestKernel kernel_{TestKernel::Clock::kManual};
  const std::unique_ptr<EventBase> base_ =
      *EventBase::Create({.backend = GetParam(), .kernel = &kernel_});
  PlainUdp peer_;
  DatagramSide side_{*base_};
};

INSTANTIATE_TEST_SUITE_P(AllBackends, DatagramRateLimitTest,
                         testing::ValuesIn(BackendsHere()),
                         [](const auto& info) { return info.param; });

TEST_P(DatagramRateLimitTest, ReceivesNoFasterThanIsAllowed) {
  SetLimit(side_, {.read = {.rate = 1000, .burst = 1500}});
  for (int i = 0; i < 6; ++i) peer_.SendTo(side_->fd(), Payload());
  Run();
  EXPECT_EQ(side_.input().size(), 3U);
  EXPECT_TRUE(side_->rate_limiter().waiting(RateDirection::kRead));
  Pass(milliseconds(500));
  EXPECT_EQ(side_.input().size(), 4U);
  Pass(seconds(1));
  EXPECT_EQ(side_.input().size(), 6U);
}

TEST_P(DatagramRateLimitTest, SendsNoFasterThanIsAllowed) {
  SetLimit(side_, {.write = {.rate = 1000, .burst = 1500}});
  for (int i = 0; i < 6; ++i) {
    ASSERT_TRUE(side_->Send(Payload(), peer_.address()));
  }
  Run();
  EXPECT_EQ(side_.output().size(), 3U);
  Pass(milliseconds(500));
  EXPECT_EQ(side_.output().size(), 2U);
  Pass(seconds(1));
  EXPECT_EQ(side_.output().size(), 0U);
  for (int i = 0; i < 6; ++i) EXPECT_EQ(peer_.Receive(), Payload());
}

TEST_P(DatagramRateLimitTest, TheNextWaitsForOneThatWasLargerThanWhatWasLeft) {
  SetLimit(side_, {.write = {.rate = 1000, .burst = 100}});
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(side_->Send(Payload(), peer_.address()));
  }
  Run();
  EXPECT_EQ(side_.output().size(), 1U);
  EXPECT_EQ(side_->rate_limiter().Tokens(RateDirection::kWrite), -400);
  Pass(milliseconds(399));
  EXPECT_EQ(side_.output().size(), 1U);
  Pass(milliseconds(20));
  EXPECT_EQ(side_.output().size(), 0U);
}

TEST_P(DatagramRateLimitTest, IsAMemberOfAGroupAsAConnectionIs) {
  auto group = *RateLimitGroup::Create({.write = {.rate = 1000, .burst = 1000}},
                                       {.kernel = &kernel_});
  DatagramSide other(*base_);
  for (DatagramSide* side : {&side_, &other}) {
    ASSERT_TRUE((*side)->rate_limiter().Join(group).ok());
    for (int i = 0; i < 4; ++i) {
      ASSERT_TRUE((*side)->Send(Payload(), peer_.address()));
    }
  }
  Run();
  EXPECT_EQ(side_.output().size() + other.output().size(), 6U);
  for (int i = 0; i < 4; ++i) Pass(seconds(1));
  EXPECT_EQ(side_.output().size() + other.output().size(), 0U);
  EXPECT_EQ(group->totals().written, 8 * Payload().size());
}

TEST_P(DatagramRateLimitTest, TimeoutsDoNotRunWhileItWaits) {
  SetLimit(side_, {.read = {.rate = 1000, .burst = 500},
                   .write = {.rate = 1000, .burst = 500}});
  side_->SetTimeouts(milliseconds(300), milliseconds(300));
  for (int i = 0; i < 2; ++i) {
    peer_.SendTo(side_->fd(), Payload());
    ASSERT_TRUE(side_->Send(Payload(), peer_.address()));
  }
  Run();
  Pass(milliseconds(450));
  EXPECT_TRUE(side_.events.empty());
  EXPECT_EQ(side_->enabled(), EventFlags::kRead | EventFlags::kWrite);
}

TEST_P(DatagramRateLimitTest, GoesOnWithoutALimitAndMayGoWhileItWaits) {
  SetLimit(side_, {.write = {.rate = 1, .burst = 1}});
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(side_->Send(Payload(), peer_.address()));
  }
  Run();
  EXPECT_EQ(side_.output().size(), 2U);
  side_->rate_limiter().ClearLimit();
  Run();
  EXPECT_EQ(side_.output().size(), 0U);
  SetLimit(side_, {.write = {.rate = 1, .burst = 1}});
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(side_->Send(Payload(), peer_.address()));
  }
  Run();
  side_.endpoint = nullptr;
  Run();
}

}  // namespace
}  // namespace percore
