#include "percore/metrics/collector.h"

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "percore/net/rate_limit.h"
#include "percore/net/rate_limit_group.h"

namespace percore {
namespace {

using prometheus::MetricType;

constexpr RateLimit kRateLimit = {.read = {.rate = 1000},
                                  .write = {.rate = 2000}};

// "name{label=value,...}" to the sample's value.
std::map<std::string, double> Values(const Collector& collector) {
  std::map<std::string, double> values;
  for (const auto& family : collector.Collect()) {
    for (const auto& metric : family.metric) {
      std::string name = family.name + "{";
      for (const auto& label : metric.label) {
        absl::StrAppend(&name, label.name, "=", label.value, ",");
      }
      name.back() == '{' ? name.pop_back() : (name.back() = '}', void());
      values[name] = family.type == MetricType::Counter ? metric.counter.value
                                                        : metric.gauge.value;
    }
  }
  return values;
}

TEST(CollectorTest, ShowsEveryNumberOfALoop) {
  const auto loop = std::make_shared<LoopStats>();
  loop->iterations.Add(1);
  loop->read_events.Add(2);
  loop->write_events.Add(3);
  loop->signal_events.Add(4);
  loop->timeout_events.Add(5);
  loop->deferred_events.Add(6);
  loop->message_events.Add(7);
  loop->other_events.Add(8);
  loop->busy_nanoseconds.Add(1'500'000'000);
  loop->poll_nanoseconds.Add(2'500'000'000);
  loop->wakeups.Add(9);
  loop->wait_calls.Add(10);
  loop->change_calls.Add(11);
  loop->ready_descriptors.Set(12);
  loop->timers_pending.Set(13);
  loop->registered_descriptors.Set(14);
  loop->ring_submissions.Add(15);
  loop->ring_completions.Add(16);
  loop->ring_overflows.Add(17);
  loop->ring_buffer_exhaustions.Add(18);
  Collector collector;
  collector.AddShard(3, loop, std::make_shared<MailboxStats>());
  const auto values = Values(collector);
  const std::map<std::string, double> expected = {
      {"percore_loop_iterations_total{shard=3}", 1},
      {"percore_loop_events_total{shard=3,kind=read}", 2},
      {"percore_loop_events_total{shard=3,kind=write}", 3},
      {"percore_loop_events_total{shard=3,kind=signal}", 4},
      {"percore_loop_events_total{shard=3,kind=timeout}", 5},
      {"percore_loop_events_total{shard=3,kind=deferred}", 6},
      {"percore_loop_events_total{shard=3,kind=message}", 7},
      {"percore_loop_events_total{shard=3,kind=other}", 8},
      {"percore_loop_busy_seconds_total{shard=3}", 1.5},
      {"percore_loop_poll_seconds_total{shard=3}", 2.5},
      {"percore_loop_wakeups_total{shard=3,cause=message}", 9},
      {"percore_loop_syscalls_total{shard=3,call=wait}", 10},
      {"percore_loop_syscalls_total{shard=3,call=change}", 11},
      {"percore_loop_ready_events{shard=3}", 12},
      {"percore_loop_timers_pending{shard=3}", 13},
      {"percore_loop_registered_fds{shard=3}", 14},
      {"percore_uring_submissions_total", 15},
      {"percore_uring_completions_total", 16},
      {"percore_uring_cq_overflows_total", 17},
      {"percore_uring_buffer_exhaustions_total", 18},
  };
  for (const auto& [name, value] : expected) {
    ASSERT_TRUE(values.contains(name)) << name;
    EXPECT_DOUBLE_EQ(values.at(name), value) << name;
  }
}

TEST(CollectorTest, ShowsEveryNumberOfTheMailboxes) {
  const auto mailboxes = std::make_shared<MailboxStats>();
  mailboxes->sent.Add(1);
  mailboxes->received.Add(2);
  mailboxes->queue_depth.Set(3);
  mailboxes->queue_full.Add(4);
  mailboxes->notifications.Add(5);
  mailboxes->notifications_elided.Add(6);
  Collector collector;
  collector.AddShard(0, std::make_shared<LoopStats>(), mailboxes);
  const auto values = Values(collector);
  EXPECT_EQ(values.at("percore_xshard_messages_sent_total{shard=0}"), 1);
  EXPECT_EQ(values.at("percore_xshard_messages_received_total{shard=0}"), 2);
  EXPECT_EQ(values.at("percore_xshard_queue_depth{shard=0}"), 3);
  EXPECT_EQ(values.at("percore_xshard_queue_full_total{shard=0}"), 4);
  EXPECT_EQ(values.at("percore_xshard_notifications_total{shard=0}"), 5);
  EXPECT_EQ(values.at("percore_xshard_notifications_elided_total{shard=0}"), 6);
}

TEST(CollectorTest, ShowsTheMemoryOfBuffers) {
  const auto memory = std::make_shared<BufferMemoryStats>();
  memory->bytes_in_use.Set(1);
  memory->bytes_pooled.Set(2);
  memory->segments_in_use.Set(3);
  memory->copied_bytes.Add(4);
  memory->file_bytes.Set(5);
  memory->bytes_offered.Set(6);
  Collector collector;
  collector.AddBufferMemory(0, memory);
  const auto values = Values(collector);
  EXPECT_EQ(values.at("percore_buffer_bytes{shard=0,state=in_use}"), 1);
  EXPECT_EQ(values.at("percore_buffer_bytes{shard=0,state=pooled}"), 2);
  EXPECT_EQ(values.at("percore_buffer_bytes{shard=0,state=offered}"), 6);
  EXPECT_EQ(values.at("percore_buffer_segments{shard=0}"), 3);
  EXPECT_EQ(values.at("percore_buffer_copied_bytes_total{shard=0}"), 4);
  EXPECT_EQ(values.at("percore_buffer_file_bytes{shard=0}"), 5);
}

TEST(CollectorTest, ShowsEveryNumberOfAListener) {
  const auto stats = std::make_shared<ListenerStats>();
  stats->accepted.Add(30);
  for (size_t i = 0; i < kAcceptErrorCount; ++i) {
    stats->accept_errors[i].Add(i + 1);
  }
  for (size_t i = 0; i < kCloseReasonCount; ++i) stats->closed[i].Add(i + 1);
  for (size_t i = 0; i < kRejectReasonCount; ++i) stats->rejected[i].Add(i + 1);
  stats->paused.Set(1);
  stats->full.Set(1);
  stats->received_bytes.Add(100);
  stats->sent_bytes.Add(200);
  Collector collector;
  collector.AddListener("web", 2, stats);
  const auto values = Values(collector);
  const std::string labels = "{listener=web,shard=2";
  const std::string total = "{listener=web";
  const std::map<std::string, double> expected = {
      {"percore_listener_accepted_total" + labels + "}", 30},
      {"percore_listener_paused" + total + "}", 1},
      {"percore_listener_full" + total + "}", 1},
      {"percore_listener_rejected_total" + total + ",reason=no_descriptors}",
       1},
      {"percore_listener_rejected_total" + total + ",reason=limit}", 2},
      {"percore_connections_open" + labels + "}", 30 - 21},
      {"percore_connection_received_bytes_total" + labels + "}", 100},
      {"percore_connection_sent_bytes_total" + labels + "}", 200},
      {"percore_listener_accept_errors_total" + total +
           ",reason=no_descriptors}",
       1},
      {"percore_listener_accept_errors_total" + total + ",reason=no_memory}",
       2},
      {"percore_listener_accept_errors_total" + total + ",reason=aborted}", 3},
      {"percore_listener_accept_errors_total" + total + ",reason=other}", 4},
      {"percore_connections_closed_total" + total + ",reason=eof}", 1},
      {"percore_connections_closed_total" + total + ",reason=local}", 2},
      {"percore_connections_closed_total" + total + ",reason=error}", 3},
      {"percore_connections_closed_total" + total + ",reason=timeout}", 4},
      {"percore_connections_closed_total" + total + ",reason=drained}", 5},
      {"percore_connections_closed_total" + total + ",reason=cut_off}", 6},
  };
  for (const auto& [name, value] : expected) {
    ASSERT_TRUE(values.contains(name)) << name;
    EXPECT_EQ(values.at(name), value) << name;
  }
}

TEST(CollectorTest, ShowsTheseFamiliesAndNoOthers) {
  using Row = std::tuple<std::string, MetricType, std::string>;
  constexpr MetricType kCounter = MetricType::Counter;
  constexpr MetricType kGauge = MetricType::Gauge;
  Collector collector;
  collector.AddShard(0, std::make_shared<LoopStats>(),
                     std::make_shared<MailboxStats>());
  collector.AddBufferMemory(0, std::make_shared<BufferMemoryStats>());
  collector.AddListener("web", 0, std::make_shared<ListenerStats>());
  const auto group = *RateLimitGroup::Create(kRateLimit, {.name = "server"});
  collector.AddRateLimitGroup(group);
  std::set<Row> families;
  for (const auto& family : collector.Collect()) {
    // Those of the process are process_metrics_test.cc's.
    if (absl::StartsWith(family.name, "process_")) continue;
    if (absl::StartsWith(family.name, "percore_memory_")) continue;
    for (const auto& metric : family.metric) {
      std::vector<std::string> labels;
      for (const auto& label : metric.label) labels.push_back(label.name);
      families.insert({family.name, family.type, absl::StrJoin(labels, ",")});
    }
  }
  const std::set<Row> expected = {
      {"percore_loop_iterations_total", kCounter, "shard"},
      {"percore_loop_events_total", kCounter, "shard,kind"},
      {"percore_loop_busy_seconds_total", kCounter, "shard"},
      {"percore_loop_poll_seconds_total", kCounter, "shard"},
      {"percore_loop_wakeups_total", kCounter, "shard,cause"},
      {"percore_loop_syscalls_total", kCounter, "shard,call"},
      {"percore_loop_ready_events", kGauge, "shard"},
      {"percore_loop_timers_pending", kGauge, "shard"},
      {"percore_loop_registered_fds", kGauge, "shard"},
      {"percore_uring_submissions_total", kCounter, ""},
      {"percore_uring_completions_total", kCounter, ""},
      {"percore_uring_cq_overflows_total", kCounter, ""},
      {"percore_uring_buffer_exhaustions_total", kCounter, ""},
      {"percore_xshard_messages_sent_total", kCounter, "shard"},
      {"percore_xshard_messages_received_total", kCounter, "shard"},
      {"percore_xshard_queue_full_total", kCounter, "shard"},
      {"percore_xshard_queue_depth", kGauge, "shard"},
      {"percore_xshard_notifications_total", kCounter, "shard"},
      {"percore_xshard_notifications_elided_total", kCounter, "shard"},
      {"percore_listener_accepted_total", kCounter, "listener,shard"},
      {"percore_listener_accept_errors_total", kCounter, "listener,reason"},
      {"percore_listener_rejected_total", kCounter, "listener,reason"},
      {"percore_listener_paused", kGauge, "listener"},
      {"percore_listener_full", kGauge, "listener"},
      {"percore_connections_open", kGauge, "listener,shard"},
      {"percore_connections_closed_total", kCounter, "listener,reason"},
      {"percore_connection_received_bytes_total", kCounter, "listener,shard"},
      {"percore_connection_sent_bytes_total", kCounter, "listener,shard"},
      {"percore_buffer_bytes", kGauge, "shard,state"},
      {"percore_buffer_file_bytes", kGauge, "shard"},
      {"percore_buffer_segments", kGauge, "shard"},
      {"percore_buffer_copied_bytes_total", kCounter, "shard"},
      {"percore_ratelimit_rate_bytes_per_second", kGauge, "group,direction"},
      {"percore_ratelimit_burst_bytes", kGauge, "group,direction"},
      {"percore_ratelimit_tokens_bytes", kGauge, "group,direction"},
      {"percore_ratelimit_bytes_total", kCounter, "group,direction"},
      {"percore_ratelimit_members", kGauge, "group"},
      {"percore_ratelimit_suspended_members", kGauge, "group,direction"},
      {"percore_ratelimit_suspensions_total", kCounter, "group,direction"},
      {"percore_ratelimit_throttled_seconds_total", kCounter,
       "group,direction"},
      {"percore_ratelimit_exhausted_seconds_total", kCounter,
       "group,direction"},
      {"percore_scrape_series", kGauge, ""},
      {"percore_scrape_duration_seconds", kGauge, ""},
  };
  EXPECT_EQ(families, expected);
}

TEST(CollectorTest, CountersOfAShardAddedAgainDoNotGoBack) {
  const auto first = std::make_shared<LoopStats>();
  const auto second = std::make_shared<LoopStats>();
  const auto first_mailboxes = std::make_shared<MailboxStats>();
  const auto first_memory = std::make_shared<BufferMemoryStats>();
  const auto second_memory = std::make_shared<BufferMemoryStats>();
  first->iterations.Add(1);
  first->timers_pending.Set(10);
  second->iterations.Add(2);
  second->timers_pending.Set(20);
  first_mailboxes->sent.Add(3);
  first_mailboxes->queue_depth.Set(30);
  first_memory->copied_bytes.Add(4);
  first_memory->bytes_in_use.Set(-40);
  second_memory->bytes_in_use.Set(100);
  Collector collector;
  collector.AddShard(0, first, first_mailboxes);
  collector.AddBufferMemory(0, first_memory);
  collector.AddShard(0, second, std::make_shared<MailboxStats>());
  collector.AddBufferMemory(0, second_memory);
  const auto values = Values(collector);
  EXPECT_EQ(values.at("percore_loop_iterations_total{shard=0}"), 3);
  EXPECT_EQ(values.at("percore_loop_timers_pending{shard=0}"), 20);
  EXPECT_EQ(values.at("percore_xshard_messages_sent_total{shard=0}"), 3);
  EXPECT_EQ(values.at("percore_xshard_queue_depth{shard=0}"), 0);
  EXPECT_EQ(values.at("percore_buffer_copied_bytes_total{shard=0}"), 4);
  // Freed by one thread, counted by another: only the sum is right.
  EXPECT_EQ(values.at("percore_buffer_bytes{shard=0,state=in_use}"), 60);
}

TEST(CollectorTest, TheSameStatisticsCountOnce) {
  const auto loop = std::make_shared<LoopStats>();
  const auto listener = std::make_shared<ListenerStats>();
  loop->iterations.Add(1);
  listener->accepted.Add(2);
  Collector collector;
  for (int i = 0; i < 3; ++i) {
    collector.AddShard(0, loop, std::make_shared<MailboxStats>());
    collector.AddListener("web", 0, listener);
  }
  const auto values = Values(collector);
  EXPECT_EQ(values.at("percore_loop_iterations_total{shard=0}"), 1);
  EXPECT_EQ(values.at("percore_listener_accepted_total{listener=web,shard=0}"),
            2);
}

TEST(CollectorTest, NullAddsNothing) {
  Collector collector;
  collector.AddShard(0, nullptr, nullptr);
  collector.AddBufferMemory(0, nullptr);
  collector.AddListener("web", 0, nullptr);
  collector.AddRateLimitGroup(nullptr);
  const auto values = Values(collector);
  EXPECT_FALSE(values.contains("percore_loop_iterations_total{shard=0}"));
  EXPECT_FALSE(values.contains("percore_buffer_segments{shard=0}"));
  EXPECT_FALSE(
      values.contains("percore_listener_accepted_total{listener=web,shard=0}"));
}

TEST(CollectorTest, ListenersWithTheSameLabelAddUp) {
  Collector collector;
  for (const char* name : {"web\x01", "web\x02"}) {
    const auto stats = std::make_shared<ListenerStats>();
    stats->accepted.Add(1);
    collector.AddListener(name, 0, stats);
  }
  EXPECT_EQ(Values(collector).at(
                "percore_listener_accepted_total{listener=web?,shard=0}"),
            2);
}

TEST(CollectorTest, AsManyListenersAsTheLimitKeepTheirNames) {
  Collector collector;
  for (size_t i = 0; i < Collector::kMaxListeners; ++i) {
    collector.AddListener(absl::StrCat("listener", i), 0,
                          std::make_shared<ListenerStats>());
  }
  const auto values = Values(collector);
  for (size_t i = 0; i < Collector::kMaxListeners; ++i) {
    EXPECT_TRUE(
        values.contains(absl::StrCat("percore_listener_accepted_total{listener="
                                     "listener",
                                     i, ",shard=0}")))
        << i;
  }
  EXPECT_FALSE(values.contains(
      "percore_listener_accepted_total{listener=_other,shard=0}"));
}

TEST(CollectorTest, AListenerWithANameStaysNamedWhenTheLimitIsReached) {
  Collector collector;
  for (size_t i = 0; i < Collector::kMaxListeners + 1; ++i) {
    collector.AddListener(absl::StrCat("listener", i), 0,
                          std::make_shared<ListenerStats>());
  }
  collector.AddListener("listener0", 1, std::make_shared<ListenerStats>());
  EXPECT_TRUE(Values(collector).contains(
      "percore_listener_accepted_total{listener=listener0,shard=1}"));
}

TEST(CollectorTest, AListenerAddedAgainAddsUp) {
  const auto first = std::make_shared<ListenerStats>();
  const auto second = std::make_shared<ListenerStats>();
  first->accepted.Add(1);
  second->accepted.Add(2);
  Collector collector;
  collector.AddListener("web", 0, first);
  collector.AddListener("web", 0, second);
  EXPECT_EQ(Values(collector).at(
                "percore_listener_accepted_total{listener=web,shard=0}"),
            3);
}

TEST(CollectorTest, ListenersBeyondTheLimitAddUpUnderOther) {
  Collector collector;
  for (size_t i = 0; i < Collector::kMaxListeners + 10; ++i) {
    const auto stats = std::make_shared<ListenerStats>();
    stats->accepted.Add(1);
    collector.AddListener(absl::StrCat("listener", i), 0, stats);
  }
  EXPECT_EQ(Values(collector).at(
                "percore_listener_accepted_total{listener=_other,shard=0}"),
            10);
}

TEST(CollectorTest, LabelsAreLegalWhateverTheNameIs) {
  Collector collector;
  collector.AddListener("a\xff\n\"b", 0, std::make_shared<ListenerStats>());
  EXPECT_TRUE(Values(collector).contains(
      "percore_listener_accepted_total{listener=a??\"b,shard=0}"));
}

TEST(CollectorTest, NamesFollowTheConventions) {
  Collector collector;
  collector.AddShard(0, std::make_shared<LoopStats>(),
                     std::make_shared<MailboxStats>());
  collector.AddBufferMemory(0, std::make_shared<BufferMemoryStats>());
  collector.AddListener("web", 0, std::make_shared<ListenerStats>());
  const auto group = *RateLimitGroup::Create(kRateLimit, {.name = "server"});
  collector.AddRateLimitGroup(group);
  for (const auto& family : collector.Collect()) {
    EXPECT_TRUE(absl::StartsWith(family.name, "percore_") ||
                absl::StartsWith(family.name, "process_"))
        << family.name;
    EXPECT_EQ(absl::EndsWith(family.name, "_total"),
              family.type == MetricType::Counter)
        << family.name;
    EXPECT_FALSE(family.help.empty()) << family.name;
    EXPECT_FALSE(family.metric.empty()) << family.name;
  }
}

TEST(CollectorTest, AsManyRateLimitGroupsAsTheLimitKeepTheirNames) {
  Collector collector;
  std::vector<std::shared_ptr<RateLimitGroup>> groups;
  for (size_t i = 0; i < Collector::kMaxRateLimitGroups + 10; ++i) {
    groups.push_back(*RateLimitGroup::Create(
        kRateLimit, {.name = absl::StrCat("group", i)}));
    collector.AddRateLimitGroup(groups.back());
  }
  const auto values = Values(collector);
  for (size_t i = 0; i < Collector::kMaxRateLimitGroups; ++i) {
    EXPECT_TRUE(values.contains(
        absl::StrCat("percore_ratelimit_members{group=group", i, "}")))
        << i;
  }
  EXPECT_FALSE(values.contains("percore_ratelimit_members{group=group256}"));
  EXPECT_EQ(values.at("percore_ratelimit_rate_bytes_per_second{group=_other,"
                      "direction=write}"),
            20000);
}

TEST(CollectorTest, ARateLimitGroupsLabelIsLegalWhateverItsNameIs) {
  Collector collector;
  const auto group = *RateLimitGroup::Create({}, {.name = "a\xff\n\"b"});
  collector.AddRateLimitGroup(group);
  EXPECT_TRUE(
      Values(collector).contains("percore_ratelimit_members{group=a??\"b}"));
}

TEST(CollectorTest, ReasonsAddUpOverTheShards) {
  Collector collector;
  for (int shard = 0; shard < 3; ++shard) {
    const auto stats = std::make_shared<ListenerStats>();
    stats->accepted.Add(10);
    stats->closed[0].Add(2);
    stats->accept_errors[0].Add(1);
    stats->paused.Set(1);
    collector.AddListener("web", shard, stats);
  }
  const auto values = Values(collector);
  EXPECT_EQ(
      values.at("percore_connections_closed_total{listener=web,reason=eof}"),
      6);
  EXPECT_EQ(values.at("percore_listener_accept_errors_total{listener=web,"
                      "reason=no_descriptors}"),
            3);
  EXPECT_EQ(values.at("percore_listener_paused{listener=web}"), 3);
}

TEST(CollectorTest, SixtyFourShardsStayWithinTheBudgetOfSeries) {
  Collector collector;
  for (int shard = 0; shard < 64; ++shard) {
    collector.AddShard(shard, std::make_shared<LoopStats>(),
                       std::make_shared<MailboxStats>());
    collector.AddBufferMemory(shard, std::make_shared<BufferMemoryStats>());
    for (const char* name : {"web", "admin", "internal", "probe"}) {
      collector.AddListener(name, shard, std::make_shared<ListenerStats>());
    }
  }
  const auto values = Values(collector);
  EXPECT_LE(values.size(), 3000u);
  EXPECT_EQ(values.at("percore_scrape_series"),
            static_cast<double>(values.size()));
  EXPECT_GT(values.at("percore_scrape_duration_seconds"), 0);
}

TEST(CollectorTest, CountersStayWhenWhatTheyCountedIsGone) {
  Collector collector;
  {
    const auto loop = std::make_shared<LoopStats>();
    loop->iterations.Add(7);
    collector.AddShard(0, loop, std::make_shared<MailboxStats>());
  }
  EXPECT_EQ(Values(collector).at("percore_loop_iterations_total{shard=0}"), 7);
}

TEST(CollectorTest, AConnectionSeenClosedWasAccepted) {
  const auto stats = std::make_shared<ListenerStats>();
  stats->closed[0].Add();  // as if this store were seen before that of accepted
  Collector collector;
  collector.AddListener("web", 0, stats);
  const auto values = Values(collector);
  EXPECT_EQ(values.at("percore_listener_accepted_total{listener=web,shard=0}"),
            1);
  EXPECT_EQ(values.at("percore_connections_open{listener=web,shard=0}"), 0);
}

// Sums that must hold, held while the numbers change under the scrape.
TEST(CollectorTest, AcceptedIsOpenAndClosedInEveryScrape) {
  const auto stats = std::make_shared<ListenerStats>();
  Collector collector;
  collector.AddListener("web", 0, stats);
  std::atomic<bool> done{false};
  std::thread shard([&] {
    while (!done.load()) {
      stats->accepted.Add();
      stats->closed[0].Add();
    }
  });
  std::thread registrar([&] {
    for (int i = 1; i < 50; ++i) {
      collector.AddListener("web", i, std::make_shared<ListenerStats>());
    }
  });
  for (int i = 0; i < 200; ++i) {
    const auto values = Values(collector);
    const double accepted =
        values.at("percore_listener_accepted_total{listener=web,shard=0}");
    const double open =
        values.at("percore_connections_open{listener=web,shard=0}");
    const double closed =
        values.at("percore_connections_closed_total{listener=web,reason=eof}");
    EXPECT_GE(open, 0);
    EXPECT_EQ(accepted, open + closed);
  }
  done.store(true);
  shard.join();
  registrar.join();
}

// What ThreadSanitizer is for.
TEST(CollectorTest, IsFilledAndReadAtOnce) {
  constexpr int kShards = 64;
  Collector collector;
  std::atomic<int> adding{3};
  std::thread shards([&] {
    for (int shard = 0; shard < kShards; ++shard) {
      collector.AddShard(shard, std::make_shared<LoopStats>(),
                         std::make_shared<MailboxStats>());
      collector.AddBufferMemory(shard, std::make_shared<BufferMemoryStats>());
    }
    --adding;
  });
  std::thread listeners([&] {
    for (int shard = 0; shard < kShards; ++shard) {
      collector.AddListener("web", shard, std::make_shared<ListenerStats>());
    }
    --adding;
  });
  std::thread groups([&] {
    for (int i = 0; i < 300; ++i) {
      // Gone at once, or a little later.
      collector.AddRateLimitGroup(
          *RateLimitGroup::Create(kRateLimit, {.name = absl::StrCat(i)}));
    }
    --adding;
  });
  do {
    const auto values = Values(collector);
    EXPECT_EQ(values.at("percore_scrape_series"),
              static_cast<double>(values.size()));
  } while (adding.load() > 0);
  shards.join();
  listeners.join();
  groups.join();
  const auto values = Values(collector);
  EXPECT_TRUE(values.contains("percore_loop_iterations_total{shard=63}"));
  EXPECT_TRUE(values.contains("percore_buffer_segments{shard=63}"));
  EXPECT_TRUE(
      values.contains("percore_connections_open{listener=web,shard=63}"));
  EXPECT_TRUE(values.contains("percore_ratelimit_members{group=255}"));
}

}  // namespace
}  // namespace percore
