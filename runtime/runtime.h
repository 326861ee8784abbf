// Starts a shard on every CPU, runs a service on each, and stops them in order.
//
// ```cpp
// auto runtime = percore::Runtime::Create({.shards = 1});
// if (!runtime.ok()) return;
// struct StopAtOnce : percore::Service {
//   explicit StopAtOnce(percore::Shard& shard) {
//     shard.runtime().RequestStop();
//   }
//   void Drain() override {}
// };
// absl::Status status = (*runtime)->Run(
//     [](percore::Shard& shard)
//         -> absl::StatusOr<std::unique_ptr<percore::Service>> {
//       return std::make_unique<StopAtOnce>(shard);
//     });
// ```
//
// Stopping, by SIGTERM or RequestStop():
//
//   1. every service is told to Drain(): it accepts no more and finishes
//   2. the runtime waits until no shard's gate is held, or the drain deadline
//   3. messages still on their way between shards are delivered
//   4. services are destroyed, each on its own thread; Run() returns
//
// A second signal goes to step 4 at once.
#ifndef PERCORE_RUNTIME_RUNTIME_H_
#define PERCORE_RUNTIME_RUNTIME_H_

#include <signal.h>

#include <atomic>
#include <latch>
#include <memory>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "percore/runtime/cpu_set.h"
#include "percore/runtime/event_base.h"
#include "percore/runtime/service.h"
#include "percore/runtime/shard.h"

namespace percore {

struct RuntimeOptions {
  // Number of shards; 0 for one on each CPU of `cpus`, but no more than the
  // cgroup's quota pays for.
  int shards = 0;
  // CPUs to pin shards to, round robin; empty for all that the process may use.
  CpuList cpus = {};
  // For each shard's loop.
  EventBaseOptions base = {};
  // How long open connections may take to finish once the runtime stops.
  Duration drain_deadline = std::chrono::seconds(10);
  // Signals that stop the runtime. Empty: only RequestStop() does.
  std::vector<int> stop_signals = {SIGINT, SIGTERM};
  // Messages that the ring between two shards holds, a power of two. 64 bytes
  // each, and touched only when used.
  size_t ring_capacity = 256;
};

// Thread: the one that made it, unless a comment says otherwise.
class Runtime {
 public:
  // Starts nothing yet, but stop signals are kept for Run() from now on.
  // Errors: InvalidArgument for a CPU that does not exist or is not allowed to
  // the process, an unknown back end, numbers out of range.
  static absl::StatusOr<std::unique_ptr<Runtime>> Create(
      RuntimeOptions options);
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;
  ~Runtime();

  // Any thread.
  int shard_count() const { return static_cast<int>(shards_.size()); }
  Shard& shard(int index) const { return *shards_[index]; }

  // Starts the shards' threads, makes their services and runs until the runtime
  // stops. Once. Errors: the first that a shard's start or its factory gave; a
  // shard whose loop failed. The runtime is then stopped as well.
  absl::Status Run(const ServiceFactory& factory);

  // Any thread, before Run() too: stops as the first signal does. Asking again
  // changes nothing.
  void RequestStop();

  // Connections and other work that were cut off by the drain deadline or a
  // second signal. Valid once Run() has returned.
  size_t cut_off() const { return cut_off_; }

 private:
  enum class Phase { kStarting, kRunning, kDraining, kSettling, kStopped };

  Runtime(RuntimeOptions options, CpuList cpus, int shards,
          std::unique_ptr<EventBase> control);

  // Each shard's thread.
  void RunShard(int index, const ServiceFactory& factory);
  void Report(void (Runtime::*report)());

  // The control loop, which Run() runs in its own thread, and where signals and
  // the shards' reports arrive.
  void StartThreads(const ServiceFactory& factory);
  void ShardStarted();
  void ShardFailed();
  absl::Status CatchSignals();
  void Signalled();
  void Stop();
  void BeginDraining();
  void ShardDrained();
  void BeginSettling();
  void SendFences();
  void ShardSettled();
  void StopNow();
  bool AllReported() { return ++reports_ == shard_count(); }
  absl::Status FirstError() const;

  // What a shard's thread keeps for the runtime. Written by that thread; read
  // by the control loop after a report, or once the thread is gone.
  struct ShardState {
    absl::Status start_status;
    absl::Status loop_status;
    std::unique_ptr<Service> service;
    int fences = 0;  // received in this round
    size_t cut_off = 0;
  };

  const RuntimeOptions options_;
  const std::unique_ptr<EventBase> control_;
  std::vector<std::unique_ptr<Shard>> shards_;
  std::vector<ShardState> states_;  // by shard
  std::vector<std::thread> threads_;
  // No service is made before every shard can be posted to, none is destroyed
  // while any shard may still run its messages, and no loop while any service
  // may still post to it.
  std::latch loops_ready_;
  std::latch loops_done_;
  std::latch services_gone_;
  std::atomic<bool> start_failed_{false};

  std::vector<std::unique_ptr<Event>> signals_;
  Event drain_timer_;
  Phase phase_ = Phase::kStarting;
  int reports_ = 0;  // of shards, in this phase
  int fence_rounds_ = 0;
  bool stop_requested_ = false;
  bool shard_failed_ = false;
  size_t cut_off_ = 0;
};

}  // namespace percore

#endif  // PERCORE_RUNTIME_RUNTIME_H_
