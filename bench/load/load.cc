// Puts a load on a server, and prints one line of JSON that says what came of
// it. `load --help` lists the flags.
//
//   load --payload=echo --host_port=127.0.0.1:7777 --connections=64 --depth=16
//   load --payload=http --host_port=127.0.0.1:80 --rate=10000

#include <sched.h>
#include <time.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "percore/bench/load/address.h"
#include "percore/bench/load/clock.h"
#include "percore/bench/load/echo_payload.h"
#include "percore/bench/load/http_payload.h"
#include "percore/bench/load/measure.h"
#include "percore/bench/load/memcached_payload.h"
#include "percore/bench/load/result_line.h"

ABSL_FLAG(std::string, host_port, "127.0.0.1:7777", "The server.");
ABSL_FLAG(std::string, payload, "echo", "echo, memcached or http.");
ABSL_FLAG(uint32_t, connections, 64, "Connections, over all threads.");
ABSL_FLAG(uint32_t, depth, 1,
          "Closed loop: requests in flight on each connection.");
ABSL_FLAG(double, rate, 0,
          "Open loop: requests a second, over all threads and connections, due "
          "whatever the server does; 0 for a closed loop.");
ABSL_FLAG(std::string, arrivals, "even", "Open loop: even or poisson.");
ABSL_FLAG(uint64_t, max_queued, 1'000'000,
          "Open loop: ends the run when more requests than these wait.");
ABSL_FLAG(uint64_t, requests_per_connection, 0,
          "Closes a connection after so many requests, and opens another; 0 "
          "keeps it.");
ABSL_FLAG(uint32_t, message_size, 64, "echo: bytes in a message.");
ABSL_FLAG(uint32_t, keys, 10000, "memcached: keys, all equally likely.");
ABSL_FLAG(uint32_t, value_size, 100, "memcached: bytes in a value.");
ABSL_FLAG(double, set_ratio, 0.1,
          "memcached: share of sets, 0 to 1; the rest are gets.");
ABSL_FLAG(std::string, path, "/", "http: what to GET.");
ABSL_FLAG(double, seconds, 5, "How long to measure.");
ABSL_FLAG(uint64_t, requests, 0,
          "Requests to measure, over all threads, instead of --seconds.");
ABSL_FLAG(double, warmup, 1, "Seconds of load that is not counted.");
ABSL_FLAG(
    double, patience, 10,
    "Ends the run when the server neither answers nor accepts anything for "
    "so many seconds.");
ABSL_FLAG(int, threads, 1, "Threads.");
ABSL_FLAG(std::vector<std::string>, cpus, {},
          "CPUs to pin the threads to, in turn.");
ABSL_FLAG(uint64_t, seed, 1, "Which random requests are sent.");
ABSL_FLAG(int, server_pid, 0,
          "A process on this machine whose CPU time to measure as well.");

namespace percore::bench {
namespace {

constexpr int kMaxThreads = 1024;
constexpr uint32_t kMaxConnections = 1'000'000;
constexpr uint32_t kMaxDepth = 100'000;
constexpr uint32_t kMaxMessageSize = 16 << 20;
// Threads look at the time 50 times a second.
constexpr double kMinSeconds = 0.1;
constexpr double kMaxSeconds = 1e6;

absl::Status CheckFlags() {
  const auto complain = [](const auto&... parts) {
    return absl::InvalidArgumentError(absl::StrCat(parts...));
  };
  const int threads = absl::GetFlag(FLAGS_threads);
  const uint32_t connections = absl::GetFlag(FLAGS_connections);
  if (threads < 1 || threads > kMaxThreads) {
    return complain("--threads must be 1 to ", kMaxThreads);
  }
  if (connections < static_cast<uint32_t>(threads) ||
      connections > kMaxConnections) {
    return complain("--connections must be at least --threads, and at most ",
                    kMaxConnections);
  }
  const uint32_t depth = absl::GetFlag(FLAGS_depth);
  if (depth < 1 || depth > kMaxDepth) {
    return complain("--depth must be 1 to ", kMaxDepth);
  }
  const double rate = absl::GetFlag(FLAGS_rate);
  if (!(rate >= 0 && rate <= 1e9)) return complain("--rate must be 0 to 1e9");
  if (rate > 0 && absl::GetFlag(FLAGS_requests_per_connection) > 0) {
    return complain("--rate is for connections that stay: it does not go with ",
                    "--requests_per_connection");
  }
  const double set_ratio = absl::GetFlag(FLAGS_set_ratio);
  if (!(set_ratio >= 0 && set_ratio <= 1)) {
    return complain("--set_ratio must be in 0..1");
  }
  const uint32_t keys = absl::GetFlag(FLAGS_keys);
  if (keys < 1 || keys > MemcachedPayload::kMaxKeys) {
    return complain("--keys must be 1 to ", MemcachedPayload::kMaxKeys);
  }
  for (const uint32_t size :
       {absl::GetFlag(FLAGS_value_size), absl::GetFlag(FLAGS_message_size)}) {
    if (size > kMaxMessageSize) {
      return complain("--message_size and --value_size must be at most ",
                      kMaxMessageSize);
    }
  }
  if (absl::GetFlag(FLAGS_message_size) < 1) {
    return complain("--message_size must be at least 1");
  }
  const std::string path = absl::GetFlag(FLAGS_path);
  const bool visible = std::all_of(path.begin(), path.end(),
                                   [](char c) { return c > ' ' && c <= '~'; });
  if (path.empty() || path[0] != '/' || !visible) {
    return complain("--path must begin with /, without blanks");
  }
  if (absl::GetFlag(FLAGS_max_queued) < 1) {
    return complain("--max_queued must be at least 1");
  }
  const double warmup = absl::GetFlag(FLAGS_warmup);
  if (!(warmup >= 0 && warmup <= kMaxSeconds)) {
    return complain("--warmup must be 0 to ", kMaxSeconds);
  }
  for (const double seconds :
       {absl::GetFlag(FLAGS_seconds), absl::GetFlag(FLAGS_patience)}) {
    if (!(seconds >= kMinSeconds && seconds <= kMaxSeconds)) {
      return complain("--seconds and --patience must be ", kMinSeconds, " to ",
                      kMaxSeconds);
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Payload>> MakePayload() {
  const std::string name = absl::GetFlag(FLAGS_payload);
  if (name == "echo") {
    return std::make_unique<EchoPayload>(absl::GetFlag(FLAGS_message_size));
  }
  if (name == "memcached") {
    return std::make_unique<MemcachedPayload>(MemcachedPayload::Options{
        .keys = absl::GetFlag(FLAGS_keys),
        .set_ratio = absl::GetFlag(FLAGS_set_ratio),
        .value_size = absl::GetFlag(FLAGS_value_size),
    });
  }
  if (name == "http") {
    return std::make_unique<HttpPayload>(absl::GetFlag(FLAGS_host_port),
                                         absl::GetFlag(FLAGS_path));
  }
  return absl::InvalidArgumentError(
      absl::StrCat("--payload must be echo, memcached or http, not ", name));
}

absl::StatusOr<Arrivals> ParseArrivals() {
  const std::string name = absl::GetFlag(FLAGS_arrivals);
  if (name == "even") return Arrivals::kEven;
  if (name == "poisson") return Arrivals::kPoisson;
  return absl::InvalidArgumentError(
      absl::StrCat("--arrivals must be even or poisson, not ", name));
}

absl::StatusOr<std::vector<int>> ParseCpus() {
  std::vector<int> cpus;
  for (const std::string& text : absl::GetFlag(FLAGS_cpus)) {
    int cpu = 0;
    if (!absl::SimpleAtoi(text, &cpu) || cpu < 0 || cpu >= CPU_SETSIZE) {
      return absl::InvalidArgumentError(
          absl::StrCat("--cpus: '", text, "' is not a CPU"));
    }
    cpus.push_back(cpu);
  }
  return cpus;
}

absl::StatusOr<clockid_t> ServerCpuClock() {
  clockid_t clock = CLOCK_PROCESS_CPUTIME_ID;
  const int pid = absl::GetFlag(FLAGS_server_pid);
  if (pid != 0 && clock_getcpuclockid(pid, &clock) != 0) {
    return absl::InvalidArgumentError(absl::StrCat("no process ", pid));
  }
  return clock;
}

// What a reader of the result must know, in words.
void Remark(const Results& results) {
  if (results.cpu_share > kSaturated) {
    absl::FPrintF(stderr,
                  "load: a thread of this load used %.0f%% of its CPU: it may "
                  "be what limits the requests per second\n",
                  100 * results.cpu_share);
  }
  if (results.connections_retried > 0) {
    absl::FPrintF(stderr,
                  "load: the server did not take %d connections when first "
                  "asked: its backlog was full\n",
                  results.connections_retried);
  }
}

absl::Status MeasureByFlags() {
  if (absl::Status status = CheckFlags(); !status.ok()) return status;
  absl::StatusOr<std::vector<int>> cpus = ParseCpus();
  if (!cpus.ok()) return cpus.status();
  const absl::StatusOr<Arrivals> arrivals = ParseArrivals();
  if (!arrivals.ok()) return arrivals.status();
  const absl::StatusOr<std::unique_ptr<Payload>> payload = MakePayload();
  if (!payload.ok()) return payload.status();
  const absl::StatusOr<AddressPtr> address =
      Resolve(absl::GetFlag(FLAGS_host_port));
  if (!address.ok()) return address.status();
  const absl::StatusOr<clockid_t> server_clock = ServerCpuClock();
  if (!server_clock.ok()) return server_clock.status();

  const MeasureOptions options = {
      .run = {.address = address->get(),
              .payload = payload->get(),
              .threads = absl::GetFlag(FLAGS_threads),
              .depth = absl::GetFlag(FLAGS_depth),
              .rate = absl::GetFlag(FLAGS_rate),
              .arrivals = *arrivals,
              .max_queued = absl::GetFlag(FLAGS_max_queued),
              .requests_per_connection =
                  absl::GetFlag(FLAGS_requests_per_connection),
              .patience_ns = static_cast<int64_t>(
                  absl::GetFlag(FLAGS_patience) * kNanosecondsPerSecond)},
      .connections = absl::GetFlag(FLAGS_connections),
      .seconds = absl::GetFlag(FLAGS_seconds),
      .requests = absl::GetFlag(FLAGS_requests),
      .warmup = absl::GetFlag(FLAGS_warmup),
      .cpus = *std::move(cpus),
      .seed = absl::GetFlag(FLAGS_seed),
      .server_clock = *server_clock,
  };
  const absl::StatusOr<Measured> measured = Measure(options);
  if (!measured.ok()) return measured.status();
  absl::PrintF(
      "%s", ResultLine(*measured, options,
                       {.payload = absl::GetFlag(FLAGS_payload),
                        .server_cpu = absl::GetFlag(FLAGS_server_pid) != 0}));
  Remark(measured->results);
  return absl::OkStatus();
}

}  // namespace
}  // namespace percore::bench

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage(
      "Puts a load on a server, and prints what came of it.");
  const std::vector<char*> left = absl::ParseCommandLine(argc, argv);
  if (left.size() > 1) {
    absl::FPrintF(stderr, "load: \"%s\" is no flag\n", left[1]);
    return 1;
  }
  if (const absl::Status status = percore::bench::MeasureByFlags();
      !status.ok()) {
    absl::FPrintF(stderr, "load: %s\n", status.message());
    return 1;
  }
  return 0;
}
