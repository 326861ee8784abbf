#include "percore/examples/proxy_service/client_networks.h"

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "percore/tests/support/test_kernel.h"

namespace percore::proxy {
namespace {

using namespace std::chrono_literals;

constexpr RateLimit kLimit = {.read = {.rate = 1000, .burst = 100},
                              .write = {.rate = 1000, .burst = 100}};

class ClientNetworksTest : public testing::Test {
 protected:
  ClientNetworks::Visit Enter(std::string_view client) {
    return networks_.Enter(*SocketAddress::Parse(client));
  }

  TestKernel kernel_{TestKernel::Clock::kManual};
  std::shared_ptr<RateLimitGroup> server_ =
      *RateLimitGroup::Create({}, {.name = "server", .kernel = &kernel_});
  int made_ = 0;
  ClientNetworks networks_{
      server_,
      {.limit = kLimit,
       .on_group = [this](const std::shared_ptr<RateLimitGroup>&) { ++made_; },
       .kernel = &kernel_}};
};

TEST_F(ClientNetworksTest, ClientsOfANetworkShareAGroup) {
  const auto one = Enter("192.0.2.1:1");
  const auto two = Enter("192.0.2.2:2");
  const auto other = Enter("192.0.3.1:1");
  EXPECT_EQ(one.group(), two.group());
  EXPECT_NE(one.group(), other.group());
  EXPECT_EQ(networks_.size(), 2u);
  EXPECT_EQ(made_, 2);
}

TEST_F(ClientNetworksTest, AGroupIsInsideOfTheServersAndHasTheLimit) {
  const auto visit = Enter("192.0.2.1:1");
  EXPECT_EQ(visit.group()->parent(), server_);
  EXPECT_EQ(visit.group()->limit(), kLimit);
  EXPECT_EQ(visit.group()->name(), "network");
}

TEST_F(ClientNetworksTest, ANetworkGoesWithItsLastClient) {
  auto one = Enter("192.0.2.1:1");
  auto two = Enter("192.0.2.1:2");
  one = {};
  EXPECT_EQ(networks_.size(), 1u);
  const std::weak_ptr<RateLimitGroup> group = two.group();
  two = {};
  EXPECT_EQ(networks_.size(), 0u);
  EXPECT_EQ(networks_.group_count(), 0u);
  EXPECT_TRUE(group.expired());
}

TEST_F(ClientNetworksTest, AVisitThatIsMovedEndsOnce) {
  auto one = Enter("192.0.2.1:1");
  ClientNetworks::Visit moved = std::move(one);
  one = std::move(moved);
  EXPECT_EQ(networks_.size(), 1u);
  one = Enter("192.0.2.2:1");
  EXPECT_EQ(networks_.size(), 1u);
  one = {};
  EXPECT_EQ(networks_.size(), 0u);
}

// Else everybody could have a full bucket as often as he connects.
TEST_F(ClientNetworksTest, WhoComesAgainFindsTheTokensHeLeft) {
  auto visit = Enter("192.0.2.1:1");
  visit.group()->Take(RateDirection::kRead, 350);
  visit = {};
  EXPECT_EQ(networks_.size(), 0u);
  kernel_.Advance(100ms);
  visit = Enter("192.0.2.99:1");
  EXPECT_EQ(visit.group()->Tokens(RateDirection::kRead), -150);
  EXPECT_EQ(made_, 1);
}

TEST_F(ClientNetworksTest, AGroupIsDroppedWhenItsTokensAreBack) {
  auto visit = Enter("192.0.2.1:1");
  visit.group()->Take(RateDirection::kWrite, 350);
  visit = {};
  EXPECT_EQ(networks_.group_count(), 1u);
  kernel_.Advance(349ms);
  visit = Enter("192.0.3.1:1");
  EXPECT_EQ(networks_.group_count(), 2u);
  kernel_.Advance(1ms);
  visit = Enter("192.0.3.2:1");
  EXPECT_EQ(networks_.group_count(), 1u);
}

TEST_F(ClientNetworksTest, GroupsThatWaitForTheirTokensAreBounded) {
  for (int i = 0; i < 5000; ++i) {
    const auto visit =
        Enter(absl::StrCat("10.", i / 256, ".", i % 256, ".1:1"));
    visit.group()->Take(RateDirection::kRead, 1'000'000);
  }
  EXPECT_EQ(networks_.group_count(), ClientNetworks::kMostLeaving);
}

TEST_F(ClientNetworksTest, WhoComesBackBeforeThatStays) {
  auto visit = Enter("192.0.2.1:1");
  visit.group()->Take(RateDirection::kRead, 350);
  visit = {};
  visit = Enter("192.0.2.1:1");
  kernel_.Advance(10s);
  const auto other = Enter("192.0.3.1:1");
  EXPECT_EQ(networks_.size(), 2u);
  visit = {};
  EXPECT_EQ(networks_.size(), 1u);
  EXPECT_EQ(networks_.group_count(), 1u);
}

TEST_F(ClientNetworksTest, ALimitIsThatOfAllNetworksNowAndLater) {
  const auto now = Enter("192.0.2.1:1");
  const RateLimit limit = {.read = {.rate = 7, .burst = 9}};
  ASSERT_TRUE(networks_.SetLimit(limit).ok());
  const auto later = Enter("192.0.3.1:1");
  EXPECT_EQ(now.group()->limit(), limit);
  EXPECT_EQ(later.group()->limit(), limit);
  EXPECT_EQ(networks_.limit(), limit);
}

TEST_F(ClientNetworksTest, ABadLimitChangesNothing) {
  const auto visit = Enter("192.0.2.1:1");
  EXPECT_FALSE(networks_.SetLimit({.read = {.rate = 0}}).ok());
  EXPECT_EQ(visit.group()->limit(), kLimit);
  EXPECT_EQ(networks_.limit(), kLimit);
}

// What ThreadSanitizer is for.
TEST_F(ClientNetworksTest, ThreadsComeAndGoAtOnce) {
  ClientNetworks networks(server_, {.limit = kLimit, .kernel = &kernel_});
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&networks, thread] {
      std::array<ClientNetworks::Visit, 3> visits;
      for (int i = 0; i < 500; ++i) {
        visits[static_cast<size_t>(i % 3)] =
            networks.Enter(*SocketAddress::Parse(
                absl::StrCat("10.0.", i % 7, ".", thread, ":1")));
        if (i % 100 == 0) networks.SetLimit(kLimit).IgnoreError();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(networks.size(), 0u);
}

}  // namespace
}  // namespace percore::proxy
