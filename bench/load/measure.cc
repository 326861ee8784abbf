#include "percore/bench/load/measure.h"

#include <sched.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <thread>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "percore/bench/load/address.h"
#include "percore/bench/load/clock.h"
#include "percore/bench/load/worker.h"

namespace percore::bench {
namespace {

using std::chrono::steady_clock;

constexpr double kForEver = 1e9;  // Seconds.

// What one source address has ports for, with a margin: by default 28,232.
constexpr uint32_t kMostOfOneSource = 20'000;

double InSeconds(int64_t nanoseconds) {
  return static_cast<double>(nanoseconds) / kNanosecondsPerSecond;
}

// Ten thousand connections need more descriptors than the usual 1,024. If the
// system allows no more, connecting says so.
void RaiseDescriptorLimit() {
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
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
  const auto deadline =
      steady_clock::now() + std::chrono::duration_cast<steady_clock::duration>(
                                std::chrono::duration<double>(seconds));
  while (!done() && steady_clock::now() < deadline) {
    std::this_thread::sleep_until(
        std::min(deadline, steady_clock::now() + std::chrono::milliseconds(5)));
  }
}

// The workers' shares of anything differ by one at most: this is where the one
// of `worker` begins.
template <typename T>
T ShareBegin(T total, int worker, int workers) {
  return static_cast<T>(uint64_t{total} * static_cast<uint64_t>(worker) /
                        static_cast<uint64_t>(workers));
}

std::vector<std::unique_ptr<Worker>> MakeWorkers(
    Run& run, const MeasureOptions& options) {
  const int workers = run.options.threads;
  const uint32_t preload = run.options.payload->preload_count();
  std::vector<std::unique_ptr<Worker>> made;
  made.reserve(static_cast<size_t>(workers));
  for (int i = 0; i < workers; ++i) {
    const auto begin = [&](auto total) {
      return ShareBegin(total, i, workers);
    };
    const auto end = [&](auto total) {
      return ShareBegin(total, i + 1, workers);
    };
    std::optional<uint64_t> requests;
    if (options.requests > 0) {
      requests = end(options.requests) - begin(options.requests);
    }
    made.push_back(std::make_unique<Worker>(
        run, Worker::Options{
                 .first_connection = begin(options.connections),
                 .connections =
                     end(options.connections) - begin(options.connections),
                 .source = {.first_preload = begin(preload),
                            .end_preload = end(preload),
                            .requests = requests,
                            .requests_per_connection =
                                run.options.requests_per_connection,
                            .seed = options.seed + static_cast<uint64_t>(i)},
             }));
  }
  return made;
}

// Takes the run through its phases, and measures around kMeasure. Goes on at
// once when a worker has ended in error: the others then stop too.
void Conduct(Run& run, const MeasureOptions& options, Measured* measured) {
  const auto failed = [&] { return run.failed.load(); };
  SleepUntil([&] { return run.preparing.load() == 0 || failed(); }, kForEver);
  run.phase.store(Run::Phase::kWarmUp, std::memory_order_release);
  SleepUntil(failed, options.warmup);

  const int64_t server_cpu_ns = ReadClock(options.server_clock);
  const int64_t begin_ns = MonotonicNow();
  run.phase.store(Run::Phase::kMeasure, std::memory_order_release);
  if (options.requests > 0) {
    SleepUntil([&] { return run.running.load() == 0 || failed(); }, kForEver);
  } else {
    SleepUntil(failed, options.seconds);
  }
  run.phase.store(Run::Phase::kStop, std::memory_order_release);
  measured->seconds = InSeconds(MonotonicNow() - begin_ns);
  measured->server_cpu_seconds =
      InSeconds(ReadClock(options.server_clock) - server_cpu_ns);
}

}  // namespace

absl::StatusOr<Measured> Measure(const MeasureOptions& options) {
  RaiseDescriptorLimit();
  Run run;
  run.options = options.run;
  run.options.spread_sources = IsLoopback(*options.run.address) &&
                               (options.run.requests_per_connection > 0 ||
                                options.connections > kMostOfOneSource);
  run.preparing = run.options.threads;
  run.running = run.options.threads;
  const std::vector<std::unique_ptr<Worker>> workers =
      MakeWorkers(run, options);

  std::vector<absl::Status> statuses(workers.size());
  std::vector<std::thread> threads;
  threads.reserve(workers.size());
  for (size_t i = 0; i < workers.size(); ++i) {
    threads.emplace_back([&, i] {
      if (!options.cpus.empty()) {
        statuses[i] = PinThisThread(options.cpus[i % options.cpus.size()]);
      }
      if (statuses[i].ok()) statuses[i] = workers[i]->Work();
      if (!statuses[i].ok()) run.failed.store(true);
      run.running.fetch_sub(1);
    });
  }
  Measured measured;
  Conduct(run, options, &measured);
  for (std::thread& thread : threads) thread.join();

  for (size_t i = 0; i < workers.size(); ++i) {
    if (!statuses[i].ok()) return statuses[i];
    measured.results.Add(workers[i]->results());
  }
  // The threads know when the last answer came; we looked now and then.
  if (options.requests > 0) {
    measured.seconds = InSeconds(measured.results.measured_ns);
  }
  return measured;
}

}  // namespace percore::bench
