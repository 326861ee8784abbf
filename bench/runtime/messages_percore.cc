// Messages with Percore: a runtime of two shards.
#include <cstdio>
#include <cstdlib>
#include <latch>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "percore/bench/micro/micro.h"
#include "percore/bench/runtime/message_cases.h"
#include "percore/runtime/runtime.h"
#include "percore/runtime/service.h"
#include "percore/runtime/shard.h"

#ifndef PERCORE_BENCH_BACKEND
#define PERCORE_BENCH_BACKEND "epoll"
#endif

namespace percore::bench {
namespace {

class NothingToDrain : public Service {
  void Drain() override {}
};

std::unique_ptr<Runtime> MakeRuntime(const std::vector<int>& cpus) {
  absl::StatusOr<std::unique_ptr<Runtime>> runtime =
      Runtime::Create({.shards = 2,
                       .cpus = cpus,
                       .base = {.backend = PERCORE_BENCH_BACKEND},
                       .stop_signals = {}});
  if (!runtime.ok()) {
    std::fprintf(stderr, "%s\n", runtime.status().ToString().c_str());
    std::exit(3);  // This machine lacks something.
  }
  return *std::move(runtime);
}

class LoopPair {
 public:
  explicit LoopPair(const std::vector<int>& cpus)
      : runtime_(MakeRuntime(cpus)), thread_([this] { Run(); }) {
    started_.wait();
  }
  LoopPair(const LoopPair&) = delete;
  LoopPair& operator=(const LoopPair&) = delete;
  ~LoopPair() {
    runtime_->RequestStop();
    thread_.join();
  }

  void Post(int loop, void (*function)(void*), void* argument) {
    runtime_->shard(loop).Post([function, argument] { function(argument); });
  }

 private:
  void Run() {
    const absl::Status status = runtime_->Run(
        [this](Shard& /*shard*/) -> absl::StatusOr<std::unique_ptr<Service>> {
          started_.count_down();
          return std::make_unique<NothingToDrain>();
        });
    Check(status.ok(), "Runtime::Run");
  }

  std::latch started_{2};
  const std::unique_ptr<Runtime> runtime_;
  std::thread thread_;
};

}  // namespace

void AddCases() { AddMessageCases<LoopPair>(); }

}  // namespace percore::bench
