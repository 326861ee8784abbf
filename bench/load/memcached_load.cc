// Puts a load on a memcached-like server, and prints one line of JSON that says
// what came of it. `memcached_load --help` lists the flags.
//
//   memcached_load --host_port=127.0.0.1:11211 --connections=64 --depth=16

#include <netdb.h>
#include <sched.h>
#include <time.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "percore/bench/load/clock.h"
#include "percore/bench/load/histogram.h"
#include "percore/bench/load/worker.h"

ABSL_FLAG(std::string, host_port, "127.0.0.1:11211", "The server.");
ABSL_FLAG(int, connections, 64, "Connections, over all threads.");
ABSL_FLAG(uint32_t, depth, 1, "Requests in flight on each connection.");
ABSL_FLAG(uint32_t, keys, 10000, "Different keys, all equally likely.");
ABSL_FLAG(uint32_t, value_size, 100, "Bytes in a value.");
ABSL_FLAG(double, set_ratio, 0.1, "Share of sets, 0 to 1; the rest are gets.");
ABSL_FLAG(double, seconds, 5, "How long to measure.");
ABSL_FLAG(uint64_t, requests, 0,
          "Requests to measure, over all threads, instead of --seconds.");
ABSL_FLAG(double, warmup, 1,
          "Seconds of uncounted load, after every key was set once.");
ABSL_FLAG(int, threads, 1, "Threads.");
ABSL_FLAG(std::vector<std::string>, cpus, {},
          "CPUs to pin the threads to, in turn.");
ABSL_FLAG(uint64_t, seed, 1, "Which random requests are sent.");
ABSL_FLAG(int, server_pid, 0,
          "A process on this machine whose CPU time to measure as well.");

namespace percore::bench {
namespace {

using std::chrono::steady_clock;

constexpr double kForEver = 1e6;  // Seconds.

// Of all workers; `results.cpu_share` is that of the busiest.
struct Totals {
  Results results;
  double seconds = 0;
  double server_cpu_seconds = 0;
};

steady_clock::duration Seconds(double seconds) {
  return std::chrono::duration_cast<steady_clock::duration>(
      std::chrono::duration<double>(seconds));
}

double InSeconds(int64_t nanoseconds) {
  return static_cast<double>(nanoseconds) / kNanosecondsPerSecond;
}

absl::Status CheckFlags() {
  const int threads = absl::GetFlag(FLAGS_threads);
  if (threads < 1 || absl::GetFlag(FLAGS_connections) < threads) {
    return absl::InvalidArgumentError(
        "--threads must be at least 1, and --connections at least --threads");
  }
  const uint32_t keys = absl::GetFlag(FLAGS_keys);
  if (keys < static_cast<uint32_t>(threads) || keys > Workload::kMaxKeys) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--keys must be at least --threads, and at most ", Workload::kMaxKeys));
  }
  if (absl::GetFlag(FLAGS_depth) < 1) {
    return absl::InvalidArgumentError("--depth must be at least 1");
  }
  const double set_ratio = absl::GetFlag(FLAGS_set_ratio);
  if (!(set_ratio >= 0 && set_ratio <= 1)) {
    return absl::InvalidArgumentError("--set_ratio must be in 0..1");
  }
  return absl::OkStatus();
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

using AddressPtr = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

absl::StatusOr<AddressPtr> Resolve(const std::string& host_port) {
  const std::pair<std::string, std::string> parts =
      absl::StrSplit(host_port, absl::MaxSplits(':', 1));
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error =
      getaddrinfo(parts.first.c_str(), parts.second.c_str(), &hints, &found);
  if (error != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("--host_port=", host_port, ": ", gai_strerror(error)));
  }
  return AddressPtr(found, &freeaddrinfo);
}

absl::StatusOr<clockid_t> ServerCpuClock() {
  clockid_t clock = CLOCK_PROCESS_CPUTIME_ID;
  const int pid = absl::GetFlag(FLAGS_server_pid);
  if (pid != 0 && clock_getcpuclockid(pid, &clock) != 0) {
    return absl::InvalidArgumentError(absl::StrCat("no process ", pid));
  }
  return clock;
}

absl::Status PinThisThread(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  if (sched_setaffinity(0, sizeof(set), &set) != 0) {
    return absl::InvalidArgumentError(absl::StrCat("cannot run on CPU ", cpu));
  }
  return absl::OkStatus();
}

// Sleeps until `done()`, or until `seconds` have passed.
void SleepUntil(absl::FunctionRef<bool()> done, double seconds) {
  const auto deadline = steady_clock::now() + Seconds(seconds);
  while (!done() && steady_clock::now() < deadline) {
    std::this_thread::sleep_until(
        std::min(deadline, steady_clock::now() + std::chrono::milliseconds(5)));
  }
}

// The workers' shares of connections, keys and requests differ by one at most.
template <typename T>
T ShareOf(T total, int worker, int workers) {
  return total * static_cast<T>(worker + 1) / static_cast<T>(workers) -
         total * static_cast<T>(worker) / static_cast<T>(workers);
}

std::vector<std::unique_ptr<Worker>> MakeWorkers(Run& run,
                                                 const addrinfo* address) {
  const int workers = absl::GetFlag(FLAGS_threads);
  std::vector<std::unique_ptr<Worker>> made;
  uint64_t next_key = 0;
  for (int i = 0; i < workers; ++i) {
    const uint64_t keys = ShareOf<uint64_t>(run.keys, i, workers);
    made.push_back(std::make_unique<Worker>(
        run, Worker::Options{
                 .address = address,
                 .connections =
                     ShareOf(absl::GetFlag(FLAGS_connections), i, workers),
                 .first_key = static_cast<uint32_t>(next_key),
                 .end_key = static_cast<uint32_t>(next_key + keys),
                 .requests = ShareOf(absl::GetFlag(FLAGS_requests), i, workers),
                 .seed = absl::GetFlag(FLAGS_seed) + static_cast<uint64_t>(i),
             }));
    next_key += keys;
  }
  return made;
}

void Add(const Results& results, Totals* totals) {
  Results& sum = totals->results;
  sum.requests += results.requests;
  sum.hits += results.hits;
  sum.misses += results.misses;
  sum.server_errors += results.server_errors;
  sum.total_requests += results.total_requests;
  sum.cpu_share = std::max(sum.cpu_share, results.cpu_share);
  sum.latency_ns.Merge(results.latency_ns);
}

// Takes the run through its phases, and measures around kMeasure. Goes on
// at once when a worker has ended in error.
void Conduct(Run& run, int workers, clockid_t server_clock, Totals* totals) {
  const auto one_ended = [&] { return run.running.load() < workers; };
  const auto all_ended = [&] { return run.running.load() == 0; };
  SleepUntil([&] { return run.preloading.load() == 0 || one_ended(); },
             kForEver);
  run.phase.store(Run::Phase::kWarmUp, std::memory_order_release);
  SleepUntil(one_ended, absl::GetFlag(FLAGS_warmup));

  const int64_t server_cpu_ns = ReadClock(server_clock);
  const int64_t begin_ns = MonotonicNow();
  run.phase.store(Run::Phase::kMeasure, std::memory_order_release);
  if (absl::GetFlag(FLAGS_requests) > 0) {
    SleepUntil(all_ended, kForEver);
  } else {
    SleepUntil(one_ended, absl::GetFlag(FLAGS_seconds));
  }
  run.phase.store(Run::Phase::kStop, std::memory_order_release);
  totals->seconds = InSeconds(MonotonicNow() - begin_ns);
  totals->server_cpu_seconds =
      InSeconds(ReadClock(server_clock) - server_cpu_ns);
}

absl::StatusOr<Totals> Measure() {
  if (absl::Status status = CheckFlags(); !status.ok()) return status;
  const absl::StatusOr<std::vector<int>> cpus = ParseCpus();
  if (!cpus.ok()) return cpus.status();
  const absl::StatusOr<AddressPtr> address =
      Resolve(absl::GetFlag(FLAGS_host_port));
  if (!address.ok()) return address.status();
  const absl::StatusOr<clockid_t> server_clock = ServerCpuClock();
  if (!server_clock.ok()) return server_clock.status();

  Run run(absl::GetFlag(FLAGS_value_size));
  run.keys = absl::GetFlag(FLAGS_keys);
  run.set_ratio = absl::GetFlag(FLAGS_set_ratio);
  run.depth = absl::GetFlag(FLAGS_depth);
  const std::vector<std::unique_ptr<Worker>> workers =
      MakeWorkers(run, address->get());
  const int count = static_cast<int>(workers.size());
  run.preloading = count;
  run.running = count;

  std::vector<absl::Status> statuses(workers.size());
  std::vector<std::thread> threads;
  for (size_t i = 0; i < workers.size(); ++i) {
    threads.emplace_back([&, i] {
      if (!cpus->empty()) {
        statuses[i] = PinThisThread((*cpus)[i % cpus->size()]);
      }
      if (statuses[i].ok()) statuses[i] = workers[i]->Work();
      run.running.fetch_sub(1);
    });
  }
  Totals totals;
  Conduct(run, count, *server_clock, &totals);
  for (std::thread& thread : threads) thread.join();

  for (size_t i = 0; i < workers.size(); ++i) {
    if (!statuses[i].ok()) return statuses[i];
    Add(workers[i]->results(), &totals);
  }
  return totals;
}

void Print(const Totals& totals) {
  const Results& results = totals.results;
  const auto percentile_us = [&results](double percentile) {
    return static_cast<double>(
               results.latency_ns.ValueAtPercentile(percentile)) /
           1000;
  };
  absl::PrintF(
      "{\"requests_per_second\": %.1f, \"seconds\": %.3f, \"requests\": %d, "
      "\"hits\": %d, \"misses\": %d, \"server_errors\": %d, "
      "\"total_requests\": %d, "
      "\"latency_us\": {\"p50\": %.1f, \"p90\": %.1f, \"p99\": %.1f, "
      "\"p99.9\": %.1f, \"max\": %.1f}, "
      "\"load_cpu_share\": %.3f",
      static_cast<double>(results.requests) / totals.seconds, totals.seconds,
      results.requests, results.hits, results.misses, results.server_errors,
      results.total_requests, percentile_us(50), percentile_us(90),
      percentile_us(99), percentile_us(99.9), percentile_us(100),
      totals.results.cpu_share);
  if (absl::GetFlag(FLAGS_server_pid) != 0) {
    absl::PrintF(", \"server_cpu_seconds\": %.6f", totals.server_cpu_seconds);
  }
  absl::PrintF("}\n");
}

}  // namespace
}  // namespace percore::bench

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage(
      "Puts a load on a memcached-like server, and prints what came of it.");
  absl::ParseCommandLine(argc, argv);
  const absl::StatusOr<percore::bench::Totals> totals =
      percore::bench::Measure();
  if (!totals.ok()) {
    absl::FPrintF(stderr, "memcached_load: %s\n", totals.status().message());
    return 1;
  }
  percore::bench::Print(*totals);
  return 0;
}
