#include "percore/tests/soak/connection_soak.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <fstream>
#include <functional>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "percore/buffer/buffer_memory_stats.h"
#include "percore/net/filter.h"
#include "percore/net/flow_limits.h"
#include "percore/tests/soak/soak_server.h"
#include "percore/tests/support/descriptors.h"
#include "percore/tests/support/sanitizers.h"

namespace percore {
namespace {

using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr int kShards = 2;
constexpr int kActsARound = 8;
// How long all may take to end: far more than it does.
constexpr seconds kPatience{30};
// Of memory that is not in buffers: what an allocator keeps at one time, and
// not at another.
constexpr int64_t kResidentSlack = int64_t{32} << 20;

// What the buffers of one connection may hold: the client's output, as much as
// its filter holds of it, and what is read at once; the server's high
// watermark, and what is read at once. Segments may be half empty.
constexpr int64_t kMaxBytesEach =
    2 * static_cast<int64_t>(
            SoakClient::kMaxOutput + FilterOptions().max_pending_output +
            kSoakWriteHigh + 2 * FlowLimits::kDefaultMaxSingleRead);

int64_t ResidentBytes() {
  std::ifstream file("/proc/self/statm");
  int64_t size = 0;
  int64_t resident = 0;
  file >> size >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

// The sanitizers keep freed memory for a while, to find its late users.
constexpr bool kResidentBytesTell = !kSanitized;

class Soak {
 public:
  Soak(const SoakOptions& options, std::ostream* log);
  SoakReport Run();

 private:
  // Lets clients act until it is time for a check.
  void Churn(int check);
  // All end, and everything is as it was.
  void Check();
  void ExpectSumsToMatch();
  bool RunUntil(const std::function<bool()>& condition);
  void RunOnce();
  bool ServerRests() const;
  std::string State() const;
  void Log() const;

  int64_t BufferBytes() const {
    return server_.buffer_bytes() + memory_->bytes_in_use.Get();
  }
  int64_t BufferSegments() const {
    return server_.buffer_segments() + memory_->segments_in_use.Get();
  }
  bool failed() const { return !world_.failures.empty(); }

  const SoakOptions options_;
  std::ostream* const log_;
  const steady_clock::time_point start_ = steady_clock::now();
  const std::shared_ptr<const BufferMemoryStats> memory_ =
      BufferMemoryStats::OfThisThread();
  SoakServer server_{kShards};
  const std::unique_ptr<EventBase> base_ = *EventBase::Create({});
  SoakWorld world_;
  // Before there was any client.
  const int descriptors_ = OpenDescriptors();
  const int64_t buffer_bytes_ = BufferBytes();
  const int64_t buffer_segments_ = BufferSegments();
  SoakReport report_;
  std::deque<SoakClient> clients_;  // last: they use the others
};

Soak::Soak(const SoakOptions& options, std::ostream* log)
    : options_(options),
      log_(log),
      world_{.base = *base_,
             .tcp_address = server_.tcp_address(),
             .unix_address = server_.unix_address(),
             .random = std::mt19937_64(options.seed)} {
  for (int i = 0; i < options.connections; ++i) clients_.emplace_back(world_);
  report_.bound_of_buffer_bytes = options.connections * kMaxBytesEach;
}

SoakReport Soak::Run() {
  const int checks =
      options_.seconds == 0
          ? options_.checks
          : std::max(1, options_.seconds / options_.seconds_between_checks);
  for (int check = 1; check <= checks && !failed(); ++check) {
    Churn(check);
    Check();
    Log();
  }
  clients_.clear();
  if (const absl::Status status = server_.Stop(); !status.ok()) {
    world_.Fail(absl::StrCat("the server failed: ", status.message()));
  }
  if (!failed()) ExpectSumsToMatch();
  report_.tally = world_.tally;
  report_.accepted = server_.accepted();
  report_.failures = world_.failures;
  return report_;
}

void Soak::Churn(int check) {
  const bool by_time = options_.seconds > 0;
  const auto end =
      start_ + seconds(std::min(check * options_.seconds_between_checks,
                                options_.seconds));
  const uint64_t operations =
      options_.operations / static_cast<uint64_t>(std::max(1, options_.checks));
  for (uint64_t done = 0; !failed(); done += kActsARound) {
    if (by_time ? steady_clock::now() >= end : done >= operations) return;
    for (int i = 0; i < kActsARound; ++i) {
      clients_[world_.Random(clients_.size())].Act();
    }
    RunOnce();
    report_.peak_buffer_bytes =
        std::max(report_.peak_buffer_bytes, BufferBytes());
    if (report_.peak_buffer_bytes > report_.bound_of_buffer_bytes) {
      world_.Fail("buffers hold more than they may: " + State());
    }
  }
}

void Soak::Check() {
  if (failed()) return;
  for (SoakClient& client : clients_) client.Leave();
  if (!RunUntil([&] {
        return std::all_of(
            clients_.begin(), clients_.end(),
            [](const SoakClient& client) { return client.idle(); });
      })) {
    const auto stuck =
        std::find_if(clients_.begin(), clients_.end(),
                     [](const SoakClient& client) { return !client.idle(); });
    world_.Fail("a client does not end: " + stuck->Describe());
    return;
  }
  if (!RunUntil([&] { return ServerRests(); })) {
    world_.Fail("something is left behind: " + State());
    return;
  }
  const int64_t resident = ResidentBytes();
  if (report_.first_resident_bytes == 0) {
    report_.first_resident_bytes = resident;
  }
  report_.last_resident_bytes = resident;
  if (kResidentBytesTell &&
      resident > report_.first_resident_bytes + kResidentSlack) {
    world_.Fail("the process grows: " + State());
  }
}

// Gauges of the shards are read while they run: each sum may be a moment old,
// but what has been left behind stays.
bool Soak::ServerRests() const {
  return server_.open() == 0 && OpenDescriptors() == descriptors_ &&
         BufferBytes() == buffer_bytes_ && BufferSegments() == buffer_segments_;
}

// Once the server has stopped.
void Soak::ExpectSumsToMatch() {
  const SoakTally& tally = world_.tally;
  const auto expect = [&](bool holds, const char* what) {
    if (!holds) world_.Fail(absl::StrCat("not so: ", what, "; ", State()));
  };
  expect(server_.open() == 0, "accepted = closed");
  expect(server_.cut_off() == 0, "nothing was cut off");
  expect(server_.closed(CloseReason::kCutOff) == 0, "nothing was cut off");
  expect(server_.closed(CloseReason::kDrained) == 0, "all ended before");
  expect(server_.accepted() + server_.aborted() <= tally.connects,
         "accepted <= connects");
  expect(tally.connected <= server_.accepted() + server_.aborted(),
         "connected <= accepted");
  expect(server_.received_bytes() <= tally.sent_bytes,
         "received by the server <= sent by clients");
  expect(server_.sent_bytes() <= server_.received_bytes(),
         "sent by the server <= received by it");
  expect(tally.received_bytes <= server_.sent_bytes(),
         "received by clients <= sent by the server");
}

bool Soak::RunUntil(const std::function<bool()>& condition) {
  const auto deadline = steady_clock::now() + kPatience;
  while (!condition()) {
    if (failed() || steady_clock::now() > deadline) return false;
    RunOnce();
    std::this_thread::yield();
  }
  return true;
}

void Soak::RunOnce() {
  const absl::Status status = base_->Run(RunMode::kNonBlocking);
  if (!status.ok()) {
    world_.Fail(absl::StrCat("the clients' loop failed: ", status.message()));
  }
}

std::string Soak::State() const {
  return absl::StrFormat(
      "%d of %d accepted are open, %d descriptors (before: %d), %d bytes in %d "
      "segments of buffers (%d in %d), %d MiB resident",
      server_.open(), server_.accepted(), OpenDescriptors(), descriptors_,
      BufferBytes(), BufferSegments(), buffer_bytes_, buffer_segments_,
      ResidentBytes() >> 20);
}

void Soak::Log() const {
  if (log_ == nullptr) return;
  *log_ << absl::StrFormat(
               "%3d s: %d connections, %d pairs, %d MiB echoed; %s\n",
               std::chrono::duration_cast<seconds>(steady_clock::now() - start_)
                   .count(),
               world_.tally.connects, world_.tally.pairs,
               world_.tally.received_bytes >> 20, State())
        << std::flush;
}

}  // namespace

SoakReport RunConnectionSoak(const SoakOptions& options, std::ostream* log) {
  return Soak(options, log).Run();
}

}  // namespace percore
