#include "percore/metrics/rate_limit_metrics.h"

#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "percore/net/rate_limit_group.h"
#include "percore/net/rate_limiter.h"
#include "percore/runtime/event_base.h"
#include "percore/tests/support/test_kernel.h"

namespace percore {
namespace {

using namespace std::chrono_literals;
using prometheus::MetricType;

constexpr RateLimit kBoth = {.read = {.rate = 1000, .burst = 100},
                             .write = {.rate = 2000, .burst = 200}};

class RateLimitMetricsTest : public testing::Test {
 protected:
  RateLimitMetricsTest() {
    EventBaseOptions options;
    options.kernel = &kernel_;
    base_ = *EventBase::Create(options);
  }

  std::shared_ptr<RateLimitGroup> MakeGroup(
      const std::string& name, const RateLimit& limit = kBoth,
      std::shared_ptr<RateLimitGroup> parent = nullptr) {
    return *RateLimitGroup::Create(
        limit, {.name = name, .parent = std::move(parent), .kernel = &kernel_});
  }

  std::unique_ptr<RateLimiter> MakeMember(
      const std::shared_ptr<RateLimitGroup>& group) {
    auto member = std::make_unique<RateLimiter>(
        *base_, [](RateDirection, void*) {}, nullptr);
    EXPECT_TRUE(member->Join(group).ok());
    return member;
  }

  // As much as it may. Then it waits, unless that is all it wants.
  static void Move(RateLimiter& member, RateDirection direction, size_t bytes) {
    member.Count(direction, member.Room(direction, bytes));
  }

  void PassTime(Duration duration) {
    kernel_.Advance(duration);
    ASSERT_TRUE(base_->Run(RunMode::kNonBlocking).ok());
  }

  // "name{label=value,...}", without "percore_ratelimit_", to the value.
  std::map<std::string, double> Values() {
    std::vector<prometheus::MetricFamily> families;
    metrics_.AppendTo(families);
    std::map<std::string, double> values;
    for (const auto& family : families) {
      EXPECT_TRUE(absl::StartsWith(family.name, "percore_ratelimit_"));
      for (const auto& metric : family.metric) {
        std::vector<std::string> labels;
        labels.reserve(metric.label.size());
        std::string name = family.name.substr(18) + "{";
        for (const auto& label : metric.label) {
          absl::StrAppend(&name, label.name, "=", label.value, ",");
        }
        name.back() = '}';
        values[name] = family.type == MetricType::Counter ? metric.counter.value
                                                          : metric.gauge.value;
      }
    }
    return values;
  }

  TestKernel kernel_{TestKernel::Clock::kManual};
  std::unique_ptr<EventBase> base_;
  RateLimitMetrics metrics_{4};
};

TEST_F(RateLimitMetricsTest, WithoutGroupsThereIsNothing) {
  EXPECT_TRUE(Values().empty());
}

TEST_F(RateLimitMetricsTest, ShowsEveryNumberOfAGroup) {
  const auto group = MakeGroup("server");
  metrics_.Add(group);
  const auto reader = MakeMember(group);
  const auto writer = MakeMember(group);
  // One takes what there is, and waits for more; the other has what it wants.
  Move(*reader, RateDirection::kRead, 1000);
  Move(*reader, RateDirection::kRead, 1000);
  Move(*writer, RateDirection::kWrite, 50);
  kernel_.Advance(5ms);
  std::map<std::string, double> values = Values();
  EXPECT_EQ(values["suspended_members{group=server,direction=read}"], 1);
  EXPECT_EQ(values["exhausted_seconds_total{group=server,direction=read}"],
            0.005);

  PassTime(20ms);
  const std::map<std::string, double> expected = {
      {"rate_bytes_per_second{group=server,direction=read}", 1000},
      {"rate_bytes_per_second{group=server,direction=write}", 2000},
      {"burst_bytes{group=server,direction=read}", 100},
      {"burst_bytes{group=server,direction=write}", 200},
      // What one moved is told to the group; it has been granted more.
      {"tokens_bytes{group=server,direction=read}", 25},
      {"tokens_bytes{group=server,direction=write}", 200},
      {"bytes_total{group=server,direction=read}", 100},
      {"bytes_total{group=server,direction=write}", 50},
      {"members{group=server}", 2},
      {"suspended_members{group=server,direction=read}", 1},
      {"suspended_members{group=server,direction=write}", 0},
      {"suspensions_total{group=server,direction=read}", 1},
      {"suspensions_total{group=server,direction=write}", 0},
      {"throttled_seconds_total{group=server,direction=read}", 0},
      {"throttled_seconds_total{group=server,direction=write}", 0},
      {"exhausted_seconds_total{group=server,direction=read}", 0.025},
      {"exhausted_seconds_total{group=server,direction=write}", 0},
  };
  EXPECT_EQ(Values(), expected);
}

TEST_F(RateLimitMetricsTest, AMembersWaitCountsWhenItIsOver) {
  const auto group = MakeGroup("server");
  metrics_.Add(group);
  const auto member = MakeMember(group);
  Move(*member, RateDirection::kRead, 100);
  Move(*member, RateDirection::kRead, 100);
  group->Pause();
  PassTime(2s);
  std::map<std::string, double> values = Values();
  EXPECT_EQ(values["throttled_seconds_total{group=server,direction=read}"], 0);
  EXPECT_EQ(values["suspended_members{group=server,direction=read}"], 1);
  member->Leave();
  values = Values();
  EXPECT_EQ(values["throttled_seconds_total{group=server,direction=read}"], 2);
  EXPECT_EQ(values["suspended_members{group=server,direction=read}"], 0);
}

TEST_F(RateLimitMetricsTest, DebtIsNegative) {
  const auto group = MakeGroup("server");
  metrics_.Add(group);
  group->Take(RateDirection::kWrite, 1200);
  EXPECT_EQ(Values()["tokens_bytes{group=server,direction=write}"], -1000);
}

TEST_F(RateLimitMetricsTest, WithoutALimitThereIsNoRateAndAllElse) {
  const auto group = MakeGroup("server", {.write = {.rate = 10}});
  metrics_.Add(group);
  const auto member = MakeMember(group);
  Move(*member, RateDirection::kRead, 12345);
  const std::map<std::string, double> values = Values();
  for (const char* name :
       {"rate_bytes_per_second", "burst_bytes", "tokens_bytes"}) {
    EXPECT_FALSE(
        values.contains(absl::StrCat(name, "{group=server,direction=read}")));
    EXPECT_TRUE(
        values.contains(absl::StrCat(name, "{group=server,direction=write}")));
  }
  EXPECT_EQ(values.at("bytes_total{group=server,direction=read}"), 12345);
  EXPECT_EQ(values.at("suspended_members{group=server,direction=read}"), 0);
}

TEST_F(RateLimitMetricsTest, ALimitThatIsChangedIsShownAsItIs) {
  const auto group = MakeGroup("server");
  metrics_.Add(group);
  ASSERT_TRUE(group->SetLimit({.read = {.rate = 5, .burst = 7}}).ok());
  const std::map<std::string, double> values = Values();
  EXPECT_EQ(values.at("rate_bytes_per_second{group=server,direction=read}"), 5);
  EXPECT_EQ(values.at("burst_bytes{group=server,direction=read}"), 7);
  EXPECT_FALSE(
      values.contains("rate_bytes_per_second{group=server,direction=write}"));
}

TEST_F(RateLimitMetricsTest, AGroupWithoutANameIsNotShown) {
  metrics_.Add(MakeGroup(""));
  metrics_.Add(nullptr);
  EXPECT_TRUE(Values().empty());
  EXPECT_EQ(metrics_.group_count(), 0u);
}

TEST_F(RateLimitMetricsTest, TheSameGroupCountsOnce) {
  const auto group = MakeGroup("server");
  for (int i = 0; i < 3; ++i) metrics_.Add(group);
  EXPECT_EQ(metrics_.group_count(), 1u);
  EXPECT_EQ(Values()["rate_bytes_per_second{group=server,direction=read}"],
            1000);
}

TEST_F(RateLimitMetricsTest, GroupsOfOneNameAddUp) {
  const auto first = MakeGroup("tenant");
  const auto second = MakeGroup("tenant");
  metrics_.Add(first);
  metrics_.Add(second);
  const auto a = MakeMember(first);
  const auto b = MakeMember(second);
  Move(*a, RateDirection::kRead, 30);
  Move(*b, RateDirection::kRead, 12);
  std::map<std::string, double> values = Values();
  EXPECT_EQ(values["bytes_total{group=tenant,direction=read}"], 42);
  EXPECT_EQ(values["members{group=tenant}"], 2);
  EXPECT_EQ(values["rate_bytes_per_second{group=tenant,direction=write}"],
            4000);
  EXPECT_EQ(values["burst_bytes{group=tenant,direction=write}"], 400);
  EXPECT_EQ(values["tokens_bytes{group=tenant,direction=write}"], 400);
}

TEST_F(RateLimitMetricsTest, GroupsOfWhichOneHasNoLimitHaveNoneTogether) {
  const auto limited = MakeGroup("tenant");
  const auto unlimited = MakeGroup("tenant", {});
  metrics_.Add(limited);
  metrics_.Add(unlimited);
  EXPECT_FALSE(
      Values().contains("rate_bytes_per_second{group=tenant,direction=read}"));
}

TEST_F(RateLimitMetricsTest, BytesInsideAreBytesAround) {
  const auto server = MakeGroup("server");
  const auto tenant = MakeGroup("tenant", kBoth, server);
  metrics_.Add(server);
  metrics_.Add(tenant);
  const auto member = MakeMember(tenant);
  Move(*member, RateDirection::kRead, 10);
  std::map<std::string, double> values = Values();
  EXPECT_EQ(values["bytes_total{group=server,direction=read}"], 10);
  EXPECT_EQ(values["bytes_total{group=tenant,direction=read}"], 10);
  EXPECT_EQ(values["members{group=server}"], 1);
}

TEST_F(RateLimitMetricsTest, NamesBeyondTheLimitAddUpUnderOther) {
  std::vector<std::shared_ptr<RateLimitGroup>> groups;
  std::vector<std::unique_ptr<RateLimiter>> members;
  for (int i = 0; i < 10; ++i) {
    groups.push_back(MakeGroup(absl::StrCat("group", i)));
    metrics_.Add(groups.back());
    members.push_back(MakeMember(groups.back()));
    Move(*members.back(), RateDirection::kRead, 5);
  }
  const std::map<std::string, double> values = Values();
  EXPECT_EQ(values.at("bytes_total{group=group3,direction=read}"), 5);
  EXPECT_FALSE(values.contains("bytes_total{group=group4,direction=read}"));
  EXPECT_EQ(values.at("bytes_total{group=_other,direction=read}"), 30);
  EXPECT_EQ(values.at("members{group=_other}"), 6);
  EXPECT_EQ(values.at("rate_bytes_per_second{group=_other,direction=read}"),
            6000);
}

TEST_F(RateLimitMetricsTest, ResettingTheTotalsResetsNoCounter) {
  const auto group = MakeGroup("server");
  metrics_.Add(group);
  const auto member = MakeMember(group);
  Move(*member, RateDirection::kRead, 10);
  group->ResetTotals();
  EXPECT_EQ(group->totals().read, 0u);
  EXPECT_EQ(Values()["bytes_total{group=server,direction=read}"], 10);
}

TEST_F(RateLimitMetricsTest, WhatAGroupCountedStaysWhenItIsGone) {
  auto group = MakeGroup("server");
  metrics_.Add(group);
  auto member = MakeMember(group);
  Move(*member, RateDirection::kRead, 100);
  Move(*member, RateDirection::kRead, 100);
  PassTime(10ms);
  const std::map<std::string, double> before = Values();
  member = nullptr;
  group = nullptr;
  const std::map<std::string, double> after = Values();
  for (const char* name :
       {"bytes_total{group=server,direction=read}",
        "suspensions_total{group=server,direction=read}",
        "exhausted_seconds_total{group=server,direction=read}"}) {
    EXPECT_GT(before.at(name), 0) << name;
    EXPECT_EQ(after.at(name), before.at(name)) << name;
  }
  EXPECT_EQ(after.at("members{group=server}"), 0);
  EXPECT_EQ(after.at("suspended_members{group=server,direction=read}"), 0);
  EXPECT_FALSE(after.contains("tokens_bytes{group=server,direction=read}"));
  EXPECT_EQ(metrics_.group_count(), 0u);
}

TEST_F(RateLimitMetricsTest, AGroupIsNotGoneWhileItHasMembers) {
  auto group = MakeGroup("server");
  metrics_.Add(group);
  auto member = MakeMember(group);
  group = nullptr;
  EXPECT_EQ(Values().at("members{group=server}"), 1);
  Move(*member, RateDirection::kRead, 10);
  EXPECT_EQ(Values().at("bytes_total{group=server,direction=read}"), 10);
}

TEST_F(RateLimitMetricsTest, AGroupThatComesAgainGoesOnCounting) {
  for (int i = 1; i <= 3; ++i) {
    const auto group = MakeGroup("tenant");
    metrics_.Add(group);
    const auto member = MakeMember(group);
    Move(*member, RateDirection::kRead, 10);
    std::map<std::string, double> values = Values();
    EXPECT_EQ(values["bytes_total{group=tenant,direction=read}"], 10 * i);
    EXPECT_EQ(values["rate_bytes_per_second{group=tenant,direction=read}"],
              1000);
  }
}

// No scrape ever comes.
TEST_F(RateLimitMetricsTest, GroupsThatComeAndGoTakeNoMemory) {
  for (int i = 0; i < 1000; ++i) {
    metrics_.Add(MakeGroup(absl::StrCat("group", i)));
    EXPECT_LE(metrics_.group_count(), 4u);
  }
}

}  // namespace
}  // namespace percore
