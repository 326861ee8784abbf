#include "percore/metrics/collector.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "percore/metrics/family.h"
#include "percore/metrics/process_metrics.h"

namespace percore {
namespace {

using prometheus::MetricType;
using Families = std::vector<prometheus::MetricFamily>;

constexpr double kNanosecond = 1e-9;
constexpr double kOne = 1;

// One sample of a family: which member of Stats it shows, in which unit, under
// which label besides the shard's.
template <typename Stats, typename Member>
struct Sample {
  Member Stats::*member;
  const char* label_value = nullptr;
};

template <typename Stats, typename Member>
struct FamilyRow {
  const char* name;
  const char* help;
  std::vector<Sample<Stats, Member>> samples;
  const char* label_name = nullptr;
  double unit = kOne;
};

template <typename Stats>
using CounterRows = std::vector<FamilyRow<Stats, Counter>>;
template <typename Stats>
using GaugeRows = std::vector<FamilyRow<Stats, Gauge>>;

const CounterRows<LoopStats>& LoopCounters() {
  static const auto& rows = *new CounterRows<LoopStats>{
      {"percore_loop_iterations_total",
       "Rounds of the loop.",
       {{&LoopStats::iterations}}},
      {"percore_loop_events_total",
       "Callbacks run, by what they were run for.",
       {{&LoopStats::read_events, "read"},
        {&LoopStats::write_events, "write"},
        {&LoopStats::signal_events, "signal"},
        {&LoopStats::timeout_events, "timeout"},
        {&LoopStats::deferred_events, "deferred"},
        {&LoopStats::message_events, "message"},
        {&LoopStats::other_events, "other"}},
       "kind"},
      {"percore_loop_busy_seconds_total",
       "Time spent outside of the wait.",
       {{&LoopStats::busy_nanoseconds}},
       nullptr,
       kNanosecond},
      {"percore_loop_poll_seconds_total",
       "Time spent waiting for events.",
       {{&LoopStats::poll_nanoseconds}},
       nullptr,
       kNanosecond},
      {"percore_loop_wakeups_total",
       "Waits that another thread ended.",
       {{&LoopStats::wakeups, "message"}},
       "cause"},
      {"percore_loop_syscalls_total",
       "System calls made by the loop itself.",
       {{&LoopStats::wait_calls, "wait"}, {&LoopStats::change_calls, "change"}},
       "call"},
  };
  return rows;
}

// Of all loops together: by shard, they would take a twelfth of the series that
// there may be.
const CounterRows<LoopStats>& RingCounters() {
  static const auto& rows = *new CounterRows<LoopStats>{
      {"percore_uring_submissions_total",
       "Requests put into rings of io_uring.",
       {{&LoopStats::ring_submissions}}},
      {"percore_uring_completions_total",
       "Completions taken from rings of io_uring.",
       {{&LoopStats::ring_completions}}},
      {"percore_uring_cq_overflows_total",
       "Times that a ring had no room for completions.",
       {{&LoopStats::ring_overflows}}},
      {"percore_uring_buffer_exhaustions_total",
       "Receives that found no buffer in a ring.",
       {{&LoopStats::ring_buffer_exhaustions}}},
  };
  return rows;
}

const GaugeRows<LoopStats>& LoopGauges() {
  static const auto& rows = *new GaugeRows<LoopStats>{
      {"percore_loop_ready_events",
       "Descriptors found ready, and requests completed, in the last round.",
       {{&LoopStats::ready_descriptors}}},
      {"percore_loop_timers_pending",
       "Timers that have not expired.",
       {{&LoopStats::timers_pending}}},
      {"percore_loop_registered_fds",
       "Descriptors watched by events.",
       {{&LoopStats::registered_descriptors}}},
  };
  return rows;
}

const CounterRows<MailboxStats>& MailboxCounters() {
  // Received before sent, which are read in this order: no message is seen
  // received on one shard that is not seen sent on another.
  static const auto& rows = *new CounterRows<MailboxStats>{
      {"percore_xshard_messages_received_total",
       "Messages received from other shards.",
       {{&MailboxStats::received}}},
      {"percore_xshard_messages_sent_total",
       "Messages sent to other shards.",
       {{&MailboxStats::sent}}},
      {"percore_xshard_queue_full_total",
       "Messages that found the ring full and waited with their sender.",
       {{&MailboxStats::queue_full}}},
      {"percore_xshard_notifications_total",
       "Wake-ups sent to shards that slept.",
       {{&MailboxStats::notifications}}},
      {"percore_xshard_notifications_elided_total",
       "Wake-ups spared because the receiver was awake.",
       {{&MailboxStats::notifications_elided}}},
  };
  return rows;
}

const GaugeRows<MailboxStats>& MailboxGauges() {
  static const auto& rows = *new GaugeRows<MailboxStats>{
      {"percore_xshard_queue_depth",
       "Messages that wait with their sender because a ring is full.",
       {{&MailboxStats::queue_depth}}},
  };
  return rows;
}

const GaugeRows<BufferMemoryStats>& BufferGauges() {
  static const auto& rows = *new GaugeRows<BufferMemoryStats>{
      {"percore_buffer_bytes",
       "Memory of buffer segments that are in use, offered to the kernel to "
       "receive into, and kept for reuse.",
       {{&BufferMemoryStats::bytes_in_use, "in_use"},
        {&BufferMemoryStats::bytes_offered, "offered"},
        {&BufferMemoryStats::bytes_pooled, "pooled"}},
       "state"},
      {"percore_buffer_file_bytes",
       "Bytes of files that have been read or mapped for buffers.",
       {{&BufferMemoryStats::file_bytes}}},
      {"percore_buffer_segments",
       "Buffer segments in use.",
       {{&BufferMemoryStats::segments_in_use}}},
  };
  return rows;
}

const CounterRows<BufferMemoryStats>& BufferCounters() {
  static const auto& rows = *new CounterRows<BufferMemoryStats>{
      {"percore_buffer_copied_bytes_total",
       "Bytes copied from one place in a buffer to another.",
       {{&BufferMemoryStats::copied_bytes}}},
  };
  return rows;
}

// Of several statistics of one shard.
enum class Counted { kAll, kNewest };

// Appends a family for each row, with the samples of every shard.
template <typename Rows, typename Sources>
void AppendRows(const Rows& rows, MetricType type, Counted counted,
                const Sources& sources, Families& families) {
  for (const auto& row : rows) {
    Family family(row.name, row.help, type);
    for (const auto& [shard, added] : sources) {
      const auto first =
          counted == Counted::kAll ? added.begin() : std::prev(added.end());
      for (const auto& sample : row.samples) {
        Family::Labels labels = {{"shard", absl::StrCat(shard)}};
        if (row.label_name != nullptr) {
          labels.push_back({row.label_name, sample.label_value});
        }
        double value = 0;
        for (auto stats = first; stats != added.end(); ++stats) {
          value += static_cast<double>(((**stats).*sample.member).Get());
        }
        family.Add(value * row.unit, std::move(labels));
      }
    }
    std::move(family).AppendTo(families);
  }
}

// The same, with the sum over all shards.
template <typename Rows, typename Sources>
void AppendSums(const Rows& rows, const Sources& sources, Families& families) {
  for (const auto& row : rows) {
    double sum = 0;
    for (const auto& [shard, added] : sources) {
      for (const auto& stats : added) {
        sum += static_cast<double>(((*stats).*row.samples[0].member).Get());
      }
    }
    Family family(row.name, row.help, MetricType::Counter);
    family.Add(sum, {});
    std::move(family).AppendTo(families);
  }
}

// What a listener's statistics were at one moment: later reads would not add
// up.
struct ListenerSnapshot {
  uint64_t accepted = 0;
  std::array<uint64_t, kAcceptErrorCount> accept_errors{};
  std::array<uint64_t, kRejectReasonCount> rejected{};
  int64_t paused = 0;
  int64_t full = 0;
  std::array<uint64_t, kCloseReasonCount> closed{};
  uint64_t received_bytes = 0;
  uint64_t sent_bytes = 0;

  void Add(const ListenerStats& stats) {
    uint64_t closed_here = 0;
    for (size_t i = 0; i < closed.size(); ++i) {
      const uint64_t count = stats.closed[i].Get();
      closed[i] += count;
      closed_here += count;
    }
    // Read after closed. Relaxed loads may be reordered all the same, and what
    // was closed was accepted: open never wraps around.
    accepted += std::max(stats.accepted.Get(), closed_here);
    for (size_t i = 0; i < accept_errors.size(); ++i) {
      accept_errors[i] += stats.accept_errors[i].Get();
    }
    for (size_t i = 0; i < rejected.size(); ++i) {
      rejected[i] += stats.rejected[i].Get();
    }
    paused += stats.paused.Get();
    full += stats.full.Get();
    received_bytes += stats.received_bytes.Get();
    sent_bytes += stats.sent_bytes.Get();
  }

  void Add(const ListenerSnapshot& other) {
    accepted += other.accepted;
    for (size_t i = 0; i < accept_errors.size(); ++i) {
      accept_errors[i] += other.accept_errors[i];
    }
    for (size_t i = 0; i < rejected.size(); ++i) {
      rejected[i] += other.rejected[i];
    }
    paused += other.paused;
    full += other.full;
    for (size_t i = 0; i < closed.size(); ++i) closed[i] += other.closed[i];
    received_bytes += other.received_bytes;
    sent_bytes += other.sent_bytes;
  }

  uint64_t open() const {
    uint64_t open = accepted;
    for (const uint64_t count : closed) open -= count;
    return open;
  }
};

constexpr std::array<const char*, kAcceptErrorCount> kAcceptErrorNames = {
    "no_descriptors", "no_memory", "aborted", "other"};
constexpr std::array<const char*, kRejectReasonCount> kRejectReasonNames = {
    "no_descriptors", "limit"};
constexpr std::array<const char*, kCloseReasonCount> kCloseReasonNames = {
    "eof", "local", "error", "timeout", "drained", "cut_off"};

void AppendListeners(
    const std::map<std::pair<std::string, int>, ListenerSnapshot>& listeners,
    Families& families) {
  Family accepted("percore_listener_accepted_total", "Connections accepted.",
                  MetricType::Counter);
  Family errors("percore_listener_accept_errors_total",
                "Failures to accept a connection, by reason.",
                MetricType::Counter);
  Family rejected(
      "percore_listener_rejected_total",
      "Connections closed as soon as they were accepted, by reason.",
      MetricType::Counter);
  Family paused(
      "percore_listener_paused",
      "Shards on which the listener rests because it ran out of something.",
      MetricType::Gauge);
  Family full(
      "percore_listener_full",
      "Shards on which the listener waits, at a limit, for a connection "
      "to be closed.",
      MetricType::Gauge);
  Family open("percore_connections_open",
              "Connections accepted and not closed.", MetricType::Gauge);
  Family closed("percore_connections_closed_total",
                "Connections closed, by reason.", MetricType::Counter);
  Family received("percore_connection_received_bytes_total",
                  "Bytes received on accepted connections.",
                  MetricType::Counter);
  Family sent("percore_connection_sent_bytes_total",
              "Bytes sent on accepted connections.", MetricType::Counter);

  std::map<std::string, ListenerSnapshot> totals;
  for (const auto& [key, snapshot] : listeners) {
    const Family::Labels labels = {{"listener", key.first},
                                   {"shard", absl::StrCat(key.second)}};
    accepted.Add(static_cast<double>(snapshot.accepted), labels);
    open.Add(static_cast<double>(snapshot.open()), labels);
    received.Add(static_cast<double>(snapshot.received_bytes), labels);
    sent.Add(static_cast<double>(snapshot.sent_bytes), labels);
    totals[key.first].Add(snapshot);
  }
  // By reason, but not by shard: both would take most of the series there are.
  for (const auto& [listener, total] : totals) {
    const auto with_reason = [&name = listener](const char* reason) {
      return Family::Labels{{"listener", name}, {"reason", reason}};
    };
    for (size_t i = 0; i < kAcceptErrorCount; ++i) {
      errors.Add(static_cast<double>(total.accept_errors[i]),
                 with_reason(kAcceptErrorNames[i]));
    }
    for (size_t i = 0; i < kRejectReasonCount; ++i) {
      rejected.Add(static_cast<double>(total.rejected[i]),
                   with_reason(kRejectReasonNames[i]));
    }
    paused.Add(static_cast<double>(total.paused), {{"listener", listener}});
    full.Add(static_cast<double>(total.full), {{"listener", listener}});
    for (size_t i = 0; i < kCloseReasonCount; ++i) {
      closed.Add(static_cast<double>(total.closed[i]),
                 with_reason(kCloseReasonNames[i]));
    }
  }
  for (Family* family : {&accepted, &errors, &rejected, &paused, &full, &open,
                         &closed, &received, &sent}) {
    std::move(*family).AppendTo(families);
  }
}

// The newest of `sources` is `stats`, which are there once.
template <typename Stats>
void AddNewest(std::vector<std::shared_ptr<const Stats>>& sources,
               std::shared_ptr<const Stats> stats) {
  std::erase(sources, stats);
  sources.push_back(std::move(stats));
}

}  // namespace

void Collector::AddShard(int shard, std::shared_ptr<const LoopStats> loop,
                         std::shared_ptr<const MailboxStats> mailboxes) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (loop != nullptr) AddNewest(loops_[shard], std::move(loop));
  if (mailboxes != nullptr) {
    AddNewest(mailboxes_[shard], std::move(mailboxes));
  }
}

void Collector::AddBufferMemory(
    int shard, std::shared_ptr<const BufferMemoryStats> memory) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (memory != nullptr) AddNewest(memory_[shard], std::move(memory));
}

void Collector::AddListener(const std::string& name, int shard,
                            std::shared_ptr<const ListenerStats> listener) {
  if (listener == nullptr) return;
  const std::lock_guard<std::mutex> lock(mutex_);
  AddNewest(listeners_[{listener_labels_.LabelOf(name), shard}],
            std::move(listener));
}

void Collector::AddRateLimitGroup(std::shared_ptr<RateLimitGroup> group) {
  const std::lock_guard<std::mutex> lock(mutex_);
  rate_limits_.Add(std::move(group));
}

std::vector<prometheus::MetricFamily> Collector::Collect() const {
  const auto began = std::chrono::steady_clock::now();
  Families families;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    AppendRows(LoopCounters(), MetricType::Counter, Counted::kAll, loops_,
               families);
    AppendSums(RingCounters(), loops_, families);
    AppendRows(LoopGauges(), MetricType::Gauge, Counted::kNewest, loops_,
               families);
    AppendRows(MailboxCounters(), MetricType::Counter, Counted::kAll,
               mailboxes_, families);
    AppendRows(MailboxGauges(), MetricType::Gauge, Counted::kNewest, mailboxes_,
               families);
    AppendRows(BufferGauges(), MetricType::Gauge, Counted::kAll, memory_,
               families);
    AppendRows(BufferCounters(), MetricType::Counter, Counted::kAll, memory_,
               families);

    std::map<ListenerKey, ListenerSnapshot> listeners;
    for (const auto& [key, sources] : listeners_) {
      for (const auto& source : sources) listeners[key].Add(*source);
    }
    AppendListeners(listeners, families);
    rate_limits_.AppendTo(families);
  }
  AppendProcessMetrics(families);

  size_t series = 2;  // the two below
  for (const auto& family : families) series += family.metric.size();
  Family scrape_series("percore_scrape_series",
                       "Series that Percore itself has on this page.",
                       MetricType::Gauge);
  scrape_series.Add(static_cast<double>(series), {});
  std::move(scrape_series).AppendTo(families);
  const std::chrono::duration<double> took =
      std::chrono::steady_clock::now() - began;
  Family duration("percore_scrape_duration_seconds",
                  "Time it took to collect this page.", MetricType::Gauge);
  duration.Add(took.count(), {});
  std::move(duration).AppendTo(families);
  return families;
}

}  // namespace percore
