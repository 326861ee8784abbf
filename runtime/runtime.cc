#include "percore/runtime/runtime.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "percore/runtime/error.h"

namespace percore {
namespace {

// A message that is on its way when the connections are gone may be answered
// with another: the fences go round once for each.
constexpr int kFenceRounds = 2;

absl::StatusOr<CpuList> ChooseCpus(const CpuList& wanted) {
  absl::StatusOr<CpuList> allowed = AllowedCpus();
  if (!allowed.ok() || wanted.empty()) return allowed;
  for (const int cpu : wanted) {
    if (!std::binary_search(allowed->begin(), allowed->end(), cpu)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "CPU ", cpu, " is not among those this process may use (",
          FormatCpuList(*allowed), ")"));
    }
  }
  return wanted;
}

int DefaultShards(size_t cpus) {
  const std::optional<double> quota = CgroupCpuQuota();
  const int count = static_cast<int>(cpus);
  if (!quota) return count;
  return std::clamp(static_cast<int>(std::ceil(*quota)), 1, count);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Runtime>> Runtime::Create(
    RuntimeOptions options) {
  if (options.shards < 0 || options.shards > 1024) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the number of shards must be 0 to 1024, not ", options.shards));
  }
  if (!std::has_single_bit(options.ring_capacity)) {
    return absl::InvalidArgumentError(
        absl::StrCat("the ring capacity must be a power of two, not ",
                     options.ring_capacity));
  }
  absl::StatusOr<CpuList> cpus = ChooseCpus(options.cpus);
  if (!cpus.ok()) return cpus.status();
  const int shards =
      options.shards > 0 ? options.shards : DefaultShards(cpus->size());

  // A ring would be a waste on a loop that has nothing to carry, in a thread
  // that is interrupted when the ring goes.
  EventBaseOptions control_options = options.base;
  if (control_options.backend.empty()) {
    control_options.avoid_backends.push_back("io_uring");
  }
  absl::StatusOr<std::unique_ptr<EventBase>> control =
      EventBase::Create(control_options);
  if (!control.ok()) return control.status();
  std::unique_ptr<Runtime> runtime(new Runtime(
      std::move(options), *std::move(cpus), shards, *std::move(control)));
  if (absl::Status status = runtime->CatchSignals(); !status.ok()) {
    return status;
  }
  return runtime;
}

Runtime::Runtime(RuntimeOptions options, CpuList cpus, int shards,
                 std::unique_ptr<EventBase> control)
    : options_(std::move(options)),
      control_(std::move(control)),
      states_(shards),
      loops_ready_(shards),
      loops_done_(shards),
      services_gone_(shards + 1),  // the shards and the control loop
      drain_timer_(Event::Timer(
          *control_,
          [](int, EventFlags, void* runtime) {
            static_cast<Runtime*>(runtime)->BeginSettling();
          },
          this)) {
  for (int index = 0; index < shards; ++index) {
    const int cpu = cpus[index % cpus.size()];
    shards_.emplace_back(
        new Shard(*this, index, shards, cpu, options_.ring_capacity));
  }
}

Runtime::~Runtime() = default;

absl::Status Runtime::Run(const ServiceFactory& factory) {
  StartThreads(factory);
  const absl::Status control_status = control_->Run(RunMode::kUntilExit);
  StopNow();
  for (std::thread& thread : threads_) thread.join();
  for (const ShardState& state : states_) cut_off_ += state.cut_off;

  const absl::Status status = FirstError();
  return status.ok() ? control_status : status;
}

absl::Status Runtime::CatchSignals() {
  for (const int signal : options_.stop_signals) {
    signals_.push_back(std::make_unique<Event>(
        *control_, signal, EventFlags::kSignal | EventFlags::kPersist,
        [](int, EventFlags, void* runtime) {
          static_cast<Runtime*>(runtime)->Signalled();
        },
        this));
    if (absl::Status status = signals_.back()->Add(); !status.ok()) {
      return status;
    }
  }
  return absl::OkStatus();
}

void Runtime::RequestStop() {
  control_->Post([this] { Stop(); });
}

void Runtime::RunShard(int index, const ServiceFactory& factory) {
  Shard& shard = *shards_[index];
  ShardState& state = states_[index];

  state.start_status = shard.Start(options_.base);
  if (!state.start_status.ok()) start_failed_.store(true);
  loops_ready_.arrive_and_wait();
  if (!start_failed_.load()) {
    absl::StatusOr<std::unique_ptr<Service>> service = factory(shard);
    state.start_status = service.status();
    if (service.ok()) state.service = *std::move(service);
  }
  const bool started = state.service != nullptr;
  Report(&Runtime::ShardStarted);

  if (started) {
    state.loop_status = shard.base().Run(RunMode::kUntilExit);
    if (!state.loop_status.ok()) Report(&Runtime::ShardFailed);
    state.cut_off = shard.gate().holders();
  }
  loops_done_.arrive_and_wait();
  state.service.reset();
  services_gone_.arrive_and_wait();
  shard.Finish();
}

void Runtime::Report(void (Runtime::*report)()) {
  control_->Post([this, report] { (this->*report)(); });
}

void Runtime::StartThreads(const ServiceFactory& factory) {
  for (int index = 0; index < shard_count(); ++index) {
    // std::thread reports the lack of threads by throwing.
    try {
      threads_.emplace_back(
          [this, index, &factory] { RunShard(index, factory); });
    } catch (const std::system_error& error) {
      states_[index].start_status =
          SystemError(error.code().value(), "starting a thread",
                      absl::StrCat("for shard ", index));
      start_failed_.store(true);
      Report(&Runtime::ShardStarted);
      loops_ready_.count_down();
      loops_done_.count_down();
      services_gone_.count_down();
    }
  }
}

void Runtime::ShardStarted() {
  if (!AllReported()) return;
  const bool started = std::all_of(
      states_.begin(), states_.end(),
      [](const ShardState& state) { return state.start_status.ok(); });
  if (!started || shard_failed_) {
    StopNow();
    return;
  }
  phase_ = Phase::kRunning;
  if (stop_requested_) BeginDraining();
}

void Runtime::ShardFailed() {
  shard_failed_ = true;
  if (phase_ != Phase::kStarting) StopNow();
}

void Runtime::Signalled() {
  if (phase_ == Phase::kDraining || phase_ == Phase::kSettling) {
    StopNow();
  } else {
    Stop();
  }
}

void Runtime::Stop() {
  stop_requested_ = true;
  if (phase_ == Phase::kRunning) BeginDraining();
}

void Runtime::BeginDraining() {
  phase_ = Phase::kDraining;
  reports_ = 0;
  for (int index = 0; index < shard_count(); ++index) {
    shards_[index]->Post([this, index] {
      states_[index].service->Drain();
      shards_[index]->gate().NotifyWhenEmpty(
          [this] { Report(&Runtime::ShardDrained); });
    });
  }
  control_->UpdateNow();
  // A pure timer: there is nothing that Add() could refuse.
  (void)drain_timer_.Add(options_.drain_deadline);
}

void Runtime::ShardDrained() {
  if (phase_ == Phase::kDraining && AllReported()) BeginSettling();
}

void Runtime::BeginSettling() {
  phase_ = Phase::kSettling;
  drain_timer_.Del();
  SendFences();
}

// Messages between two shards keep their order: once every shard has received a
// fence from every other, it has received all that was sent before.
void Runtime::SendFences() {
  reports_ = 0;
  for (int index = 0; index < shard_count(); ++index) {
    Shard& sender = *shards_[index];
    sender.Post([this, &sender] {
      for (int receiver = 0; receiver < shard_count(); ++receiver) {
        sender.peer(receiver).Post([this, receiver] {
          int& fences = states_[receiver].fences;
          if (++fences < shard_count()) return;
          fences = 0;
          Report(&Runtime::ShardSettled);
        });
      }
    });
  }
}

void Runtime::ShardSettled() {
  if (phase_ != Phase::kSettling || !AllReported()) return;
  if (++fence_rounds_ < kFenceRounds) {
    SendFences();
  } else {
    StopNow();
  }
}

void Runtime::StopNow() {
  if (phase_ == Phase::kStopped) return;
  phase_ = Phase::kStopped;
  for (const std::unique_ptr<Shard>& shard : shards_) {
    if (shard->base_ != nullptr) shard->base_->Exit();
  }
  services_gone_.count_down();
  control_->Exit();
}

absl::Status Runtime::FirstError() const {
  for (const ShardState& state : states_) {
    if (!state.start_status.ok()) return state.start_status;
    if (!state.loop_status.ok()) return state.loop_status;
  }
  return absl::OkStatus();
}

}  // namespace percore
