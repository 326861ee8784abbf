// The real Prometheus reads from a page exactly what was counted.
// (tests/e2e/prometheus_test.cc scrapes a whole server.)
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "percore/metrics/exporter.h"
#include "percore/net/listen_sockets.h"
#include "percore/net/rate_limit.h"
#include "percore/net/rate_limit_group.h"
#include "percore/net/rate_limiter.h"
#include "percore/runtime/event_base.h"
#include "percore/tests/support/blocking_client.h"
#include "percore/tests/support/subprocess.h"

namespace percore {
namespace {

constexpr char kProgram[] = "/usr/bin/prometheus";
constexpr std::chrono::seconds kDeadline{60};

// The body of the answer to a GET.
std::string Get(const SocketAddress& address, const std::string& path) {
  BlockingClient client(address);
  client.Send(absl::StrCat("GET ", path, " HTTP/1.0\r\n\r\n"));
  const std::string answer = client.ReadToEnd();
  const size_t end_of_head = answer.find("\r\n\r\n");
  return end_of_head == std::string::npos ? "" : answer.substr(end_of_head + 4);
}

// RFC 3986, section 2.1, for every byte that might need it.
std::string PercentEncode(std::string_view text) {
  std::string encoded;
  for (const char byte : text) {
    if (absl::ascii_isalnum(static_cast<unsigned char>(byte)) || byte == '_') {
      encoded.push_back(byte);
    } else {
      absl::StrAppendFormat(&encoded, "%%%02X",
                            static_cast<unsigned char>(byte));
    }
  }
  return encoded;
}

// A Prometheus that scrapes one target five times a second.
class Prometheus {
 public:
  explicit Prometheus(const std::string& target)
      : address_(ListenSockets::Open("127.0.0.1:0", 1)->address()),
        process_({kProgram, "--config.file=" + WriteConfiguration(target),
                  "--storage.tsdb.path=" + testing::TempDir() + "/tsdb",
                  "--web.listen-address=" + address_.ToString()}) {}

  // Asks until the answer, in JSON, has a sample. Empty after the deadline.
  std::string Query(const std::string& expression) {
    const auto deadline = std::chrono::steady_clock::now() + kDeadline;
    while (std::chrono::steady_clock::now() < deadline) {
      if (Accepts()) {
        std::string answer =
            Get(address_, "/api/v1/query?query=" + PercentEncode(expression));
        if (absl::StrContains(answer, "\"value\":[")) return answer;
      }
      process_.Errors();  // lest its log fills the pipe
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return "";
  }

  // The value of an expression that has one sample.
  std::optional<double> Value(const std::string& expression) {
    // {...,"value":[1700000000.123,"42"]}
    const std::vector<std::string> parts =
        absl::StrSplit(Query(expression), "\"value\":[");
    if (parts.size() != 2) return std::nullopt;
    const std::vector<std::string> quoted = absl::StrSplit(parts[1], '"');
    double value = 0;
    if (quoted.size() < 2 || !absl::SimpleAtod(quoted[1], &value)) {
      return std::nullopt;
    }
    return value;
  }

  const std::string& Errors() { return process_.Errors(); }

 private:
  static std::string WriteConfiguration(const std::string& target) {
    std::string path = testing::TempDir() + "/prometheus.yml";
    std::ofstream(path) << "global:\n"
                           "  scrape_interval: 200ms\n"
                           "  scrape_timeout: 200ms\n"
                           "scrape_configs:\n"
                           "  - job_name: percore\n"
                           "    static_configs:\n"
                           "      - targets: ['"
                        << target << "']\n";
    return path;
  }

  // Whether it listens yet: a BlockingClient takes a refusal for a failure.
  bool Accepts() const {
    const UniqueFd fd(socket(address_.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
    return connect(fd.get(), address_.native(), address_.native_size()) == 0;
  }

  const SocketAddress address_;
  Subprocess process_;
};

// A page with every family of a collector, no two numbers alike.
class PrometheusTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(access(kProgram, X_OK), 0)
        << kProgram << " is missing: install Debian's package 'prometheus'";
    auto exporter = Exporter::Start("127.0.0.1:0");
    ASSERT_TRUE(exporter.ok()) << exporter.status();
    exporter_ = *std::move(exporter);
    FillAndAdd();
    prometheus_ = std::make_unique<Prometheus>(exporter_->address());
    ASSERT_EQ(prometheus_->Value("up == 1"), 1) << prometheus_->Errors();
  }

  void FillAndAdd() {
    const auto loop = std::make_shared<LoopStats>();
    for (Counter* counter :
         {&loop->iterations, &loop->read_events, &loop->write_events,
          &loop->signal_events, &loop->timeout_events, &loop->deferred_events,
          &loop->message_events, &loop->other_events, &loop->wait_calls,
          &loop->change_calls, &loop->wakeups, &loop->ring_submissions,
          &loop->ring_completions, &loop->ring_overflows,
          &loop->ring_buffer_exhaustions}) {
      counter->Add(next_++);
    }
    loop->busy_nanoseconds.Add(1'500'000'000);
    loop->poll_nanoseconds.Add(2'250'000'000);
    for (Gauge* gauge : {&loop->ready_descriptors, &loop->timers_pending,
                         &loop->registered_descriptors}) {
      gauge->Set(next_++);
    }
    const auto mailboxes = std::make_shared<MailboxStats>();
    for (Counter* counter :
         {&mailboxes->sent, &mailboxes->received, &mailboxes->queue_full,
          &mailboxes->notifications, &mailboxes->notifications_elided}) {
      counter->Add(next_++);
    }
    mailboxes->queue_depth.Set(next_++);
    exporter_->collector().AddShard(0, loop, mailboxes);

    const auto memory = std::make_shared<BufferMemoryStats>();
    memory->bytes_in_use.Set(-next_++);  // a gauge of one shard may be negative
    memory->bytes_offered.Set(next_++);
    memory->bytes_pooled.Set(next_++);
    memory->segments_in_use.Set(next_++);
    memory->file_bytes.Set(next_++);
    memory->copied_bytes.Add(next_++);
    exporter_->collector().AddBufferMemory(0, memory);

    const auto listener = std::make_shared<ListenerStats>();
    listener->accepted.Add(1'000'000);
    for (Counter& counter : listener->accept_errors) counter.Add(next_++);
    for (Counter& counter : listener->closed) counter.Add(next_++);
    listener->paused.Set(1);
    listener->received_bytes.Add(next_++);
    listener->sent_bytes.Add(next_++);
    exporter_->collector().AddListener("a \"quoted\\ name\n", 0, listener);
    FillAndAddRateLimitGroup();
  }

  // It is full again before anybody looks.
  void FillAndAddRateLimitGroup() {
    constexpr int64_t kRate = 100'000'000'000;
    group_ = *RateLimitGroup::Create(
        {.read = {.rate = kRate + next_++, .burst = kRate + next_++},
         .write = {.rate = kRate + next_++, .burst = kRate + next_++}},
        {.name = "server"});
    base_ = *EventBase::Create({});
    member_ = std::make_unique<RateLimiter>(
        *base_, [](RateDirection, void*) {}, nullptr);
    ASSERT_TRUE(member_->Join(group_).ok());
    for (const RateDirection direction : kRateDirections) {
      member_->Count(direction, static_cast<size_t>(next_++));
    }
    exporter_->collector().AddRateLimitGroup(group_);
  }

  std::string Page() {
    return Get(*SocketAddress::Parse(exporter_->address()), "/metrics");
  }

  int next_ = 101;
  std::shared_ptr<RateLimitGroup> group_;
  std::unique_ptr<EventBase> base_;
  std::unique_ptr<RateLimiter> member_;
  std::unique_ptr<Exporter> exporter_;
  std::unique_ptr<Prometheus> prometheus_;
};

TEST_F(PrometheusTest, KnowsEveryFamilyOfThePage) {
  std::set<std::string> names;
  const std::string page = Page();
  for (const absl::string_view line : absl::StrSplit(page, '\n')) {
    const std::vector<std::string> words = absl::StrSplit(line, ' ');
    if (words.size() > 2 && words[1] == "TYPE") names.insert(words[2]);
  }
  EXPECT_GT(names.size(), 30u);
  for (const std::string& name : names) {
    EXPECT_NE(prometheus_->Query(name), "") << name;
  }
}

TEST_F(PrometheusTest, ReadsEveryConstantAsItWasCounted) {
  int compared = 0;
  const std::string page = Page();
  for (const absl::string_view line : absl::StrSplit(page, '\n')) {
    if (!absl::StartsWith(line, "percore_")) continue;
    if (absl::StartsWith(line, "percore_scrape_duration_") ||
        absl::StartsWith(line, "percore_memory_")) {
      continue;
    }
    // A line of the page is a selector, a space, and the value.
    const size_t space = line.rfind(' ');
    double value = 0;
    ASSERT_TRUE(absl::SimpleAtod(line.substr(space + 1), &value)) << line;
    EXPECT_EQ(prometheus_->Value(std::string(line.substr(0, space))), value)
        << line;
    ++compared;
  }
  // 50 of a shard with a listener; 17 of a group; scrape_series.
  EXPECT_EQ(compared, 68);
}

TEST_F(PrometheusTest, ReadsALabelWithQuotesAndBackslashes) {
  EXPECT_EQ(prometheus_->Value("percore_listener_accepted_total"
                               "{listener=\"a \\\"quoted\\\\ name?\"}"),
            1'000'000);
}

TEST_F(PrometheusTest, FindsAcceptedToBeOpenAndClosed) {
  EXPECT_EQ(prometheus_->Value("sum(percore_listener_accepted_total)"
                               " - sum(percore_connections_open)"
                               " - sum(percore_connections_closed_total)"),
            0);
}

}  // namespace
}  // namespace percore
