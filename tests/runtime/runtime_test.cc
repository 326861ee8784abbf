#include "percore/runtime/runtime.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <semaphore>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "percore/tests/support/test_kernel.h"

namespace percore {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;

// A service made of functions.
class TestService : public Service {
 public:
  explicit TestService(std::function<void()> drain = [] {})
      : drain_(std::move(drain)) {}
  void Drain() override { drain_(); }

 private:
  const std::function<void()> drain_;
};

using ServiceOr = absl::StatusOr<std::unique_ptr<Service>>;

std::unique_ptr<Runtime> MakeRuntime(int shards, RuntimeOptions options = {}) {
  options.shards = shards;
  options.stop_signals.clear();
  return *Runtime::Create(std::move(options));
}

TEST(RuntimeTest, RefusesACpuThatIsNotThere) {
  const absl::Status status = Runtime::Create({.cpus = {0, 1000}}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("CPU 1000 is not among those this process may use"));
}

TEST(RuntimeTest, RefusesNumbersOutOfRangeAndUnknownBackEnds) {
  EXPECT_FALSE(Runtime::Create({.shards = -1}).ok());
  EXPECT_FALSE(Runtime::Create({.shards = 5000}).ok());
  EXPECT_FALSE(Runtime::Create({.ring_capacity = 100}).ok());
  EXPECT_FALSE(Runtime::Create({.base = {.backend = "none"}}).ok());
}

TEST(RuntimeTest, HasAShardForEachCpuByDefault) {
  const auto runtime = Runtime::Create({});
  EXPECT_GE((*runtime)->shard_count(), 1);
  EXPECT_LE((*runtime)->shard_count(), static_cast<int>(AllowedCpus()->size()));
}

TEST(RuntimeTest, ShardsAreNamedAndPinnedThreads) {
  const CpuList allowed = *AllowedCpus();
  const auto runtime = MakeRuntime(3);
  std::vector<std::string> names(3);
  std::vector<CpuList> cpus(3);
  const absl::Status status = runtime->Run([&](Shard& shard) -> ServiceOr {
    char name[16];
    pthread_getname_np(pthread_self(), name, sizeof(name));
    names[shard.index()] = name;
    cpus[shard.index()] = *AllowedCpus();
    EXPECT_EQ(Shard::Current(), &shard);
    EXPECT_EQ(shard.count(), 3);
    runtime->RequestStop();
    return std::make_unique<TestService>();
  });
  EXPECT_TRUE(status.ok());
  EXPECT_THAT(names, ElementsAre("shard-0", "shard-1", "shard-2"));
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(cpus[i], ElementsAre(allowed[i % allowed.size()]));
    EXPECT_EQ(runtime->shard(i).cpu(), cpus[i][0]);
  }
  EXPECT_EQ(Shard::Current(), nullptr);
}

TEST(RuntimeTest, AFactoryThatFailsStopsTheRuntimeWithItsError) {
  const auto runtime = MakeRuntime(2);
  const absl::Status status = runtime->Run([](Shard& shard) -> ServiceOr {
    if (shard.index() == 1) return absl::NotFoundError("no such thing");
    return std::make_unique<TestService>();
  });
  EXPECT_EQ(status, absl::NotFoundError("no such thing"));
}

TEST(RuntimeTest, AShardThatCannotStartStopsTheRuntimeWithItsError) {
  TestKernel kernel;
  RuntimeOptions options;
  options.base.backend = "epoll";
  options.base.kernel = &kernel;
  const auto runtime = MakeRuntime(2, options);
  kernel.Fail(TestKernel::Call::kEpollCreate, EMFILE);
  int made = 0;
  const absl::Status status = runtime->Run([&](Shard&) -> ServiceOr {
    ++made;
    return std::make_unique<TestService>();
  });
  EXPECT_EQ(status.message(), "epoll_create1: Too many open files");
  EXPECT_EQ(made, 0);
}

TEST(RuntimeTest, AShardWhoseLoopFailsStopsTheRuntimeWithItsError) {
  TestKernel kernel;
  RuntimeOptions options;
  options.base.backend = "epoll";
  options.base.kernel = &kernel;
  const auto runtime = MakeRuntime(1, options);
  const absl::Status status = runtime->Run([&](Shard& shard) -> ServiceOr {
    shard.Post([&kernel] { kernel.Fail(TestKernel::Call::kEpollWait, EBADF); });
    return std::make_unique<TestService>();
  });
  EXPECT_EQ(status.message(), "waiting for events: Bad file descriptor");
}

TEST(RuntimeTest, PostRunsOnTheOtherShardInOrder) {
  const auto runtime = MakeRuntime(2);
  std::vector<int> order;  // shard 1's
  const absl::Status status = runtime->Run([&](Shard& shard) -> ServiceOr {
    if (shard.index() == 0) {
      for (int i = 0; i < 1000; ++i) {
        shard.peer(1).Post([&order, i] {
          EXPECT_EQ(Shard::Current()->index(), 1);
          order.push_back(i);
        });
      }
      shard.peer(1).Post([&runtime] { runtime->RequestStop(); });
    }
    return std::make_unique<TestService>();
  });
  EXPECT_TRUE(status.ok());
  ASSERT_EQ(order.size(), 1000u);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(order[i], i);
  const auto stats = runtime->shard(0).mailbox_stats();
  EXPECT_GE(stats->sent.Get(), 1001u);
  EXPECT_GT(stats->queue_full.Get(), 0u);  // a ring holds 256
}

TEST(RuntimeTest, PostToOneselfRunsLater) {
  const auto runtime = MakeRuntime(1);
  bool ran = false;
  const absl::Status status = runtime->Run([&](Shard& shard) -> ServiceOr {
    shard.Post([&] {
      ran = true;
      runtime->RequestStop();
    });
    EXPECT_FALSE(ran);
    return std::make_unique<TestService>();
  });
  EXPECT_TRUE(status.ok());
  EXPECT_TRUE(ran);
}

TEST(RuntimeTest, SubmitBringsTheResultBack) {
  const auto runtime = MakeRuntime(2);
  std::string answer;
  const absl::Status status = runtime->Run([&](Shard& shard) -> ServiceOr {
    if (shard.index() == 0) {
      shard.peer(1).Submit(
          [] { return std::to_string(Shard::Current()->index()); },
          [&](const std::string& result) {
            EXPECT_EQ(Shard::Current()->index(), 0);
            answer = "shard " + result;
            runtime->RequestStop();
          });
    }
    return std::make_unique<TestService>();
  });
  EXPECT_TRUE(status.ok());
  EXPECT_EQ(answer, "shard 1");
}

TEST(RuntimeTest, SubmitOfAFunctionWithoutResultSaysThatItIsDone) {
  const auto runtime = MakeRuntime(2);
  bool ran = false;
  const absl::Status status = runtime->Run([&](Shard& shard) -> ServiceOr {
    if (shard.index() == 1) {
      shard.peer(0).Submit([&ran] { ran = true; },
                           [&runtime] { runtime->RequestStop(); });
    }
    return std::make_unique<TestService>();
  });
  EXPECT_TRUE(status.ok());
  EXPECT_TRUE(ran);
}

TEST(RuntimeTest, AThreadOutsideMayPost) {
  const auto runtime = MakeRuntime(1);
  std::thread outsider;
  const absl::Status status = runtime->Run([&](Shard& shard) -> ServiceOr {
    outsider = std::thread([&] {
      EXPECT_EQ(Shard::Current(), nullptr);
      std::binary_semaphore ran(0);
      shard.Post([&ran] { ran.release(); });
      ran.acquire();
      // Not in the posted function: the shard may not go while Post() runs.
      runtime->RequestStop();
    });
    return std::make_unique<TestService>();
  });
  outsider.join();
  EXPECT_TRUE(status.ok());
}

// Rings of two messages and floods in every direction: nothing is lost, nothing
// comes twice, nobody sleeps while it has something to send.
TEST(RuntimeTest, FloodsThroughTinyRingsLoseNothing) {
  constexpr int kShards = 3;
  constexpr int kMessages = 5000;
  RuntimeOptions options;
  options.ring_capacity = 2;
  const auto runtime = MakeRuntime(kShards, options);
  std::vector<std::vector<int>> next(kShards, std::vector<int>(kShards, 0));
  std::vector<int> received(kShards, 0);
  std::atomic<int> finished{0};
  const absl::Status status = runtime->Run([&](Shard& shard) -> ServiceOr {
    const int from = shard.index();
    for (int i = 0; i < kMessages; ++i) {
      for (int to = 0; to < kShards; ++to) {
        shard.peer(to).Post([&, from, to, i] {
          EXPECT_EQ(next[to][from], i);
          ++next[to][from];
          if (++received[to] == kMessages * kShards && ++finished == kShards) {
            runtime->RequestStop();
          }
        });
      }
    }
    return std::make_unique<TestService>();
  });
  EXPECT_TRUE(status.ok());
  EXPECT_THAT(received, testing::Each(kMessages * kShards));
}

TEST(RuntimeTest, DrainsEveryServiceAndWaitsForTheirGates) {
  const auto runtime = MakeRuntime(2);
  std::vector<int> finished(2, 0);
  const absl::Status status = runtime->Run([&](Shard& shard) -> ServiceOr {
    auto holder = std::make_shared<std::optional<Gate::Holder>>();
    holder->emplace(shard.gate());
    runtime->RequestStop();
    return std::make_unique<TestService>([&finished, &shard, holder] {
      // What is under way takes another message to the other shard and back.
      shard.peer(1 - shard.index())
          .Submit([] {},
                  [&finished, &shard, holder] {
                    ++finished[shard.index()];
                    holder->reset();
                  });
    });
  });
  EXPECT_TRUE(status.ok());
  EXPECT_THAT(finished, ElementsAre(1, 1));
  EXPECT_EQ(runtime->cut_off(), 0u);
}

TEST(RuntimeTest, TheDrainDeadlineCutsOffWhatDoesNotFinish) {
  TestKernel kernel(TestKernel::Clock::kManual);
  RuntimeOptions options;
  options.base.kernel = &kernel;
  options.drain_deadline = hours(1);
  const auto runtime = MakeRuntime(1, options);
  std::optional<Gate::Holder> stuck;
  const absl::Status status = runtime->Run([&](Shard& shard) -> ServiceOr {
    stuck.emplace(shard.gate());
    runtime->RequestStop();
    return std::make_unique<TestService>();
  });
  EXPECT_TRUE(status.ok());
  EXPECT_EQ(runtime->cut_off(), 1u);
  stuck.reset();
}

TEST(RuntimeTest, MessagesOnTheirWayAreDeliveredBeforeServicesGo) {
  const auto runtime = MakeRuntime(2);
  std::vector<int> received(2, 0);
  const absl::Status status = runtime->Run([&](Shard& shard) -> ServiceOr {
    runtime->RequestStop();
    return std::make_unique<TestService>([&received, &shard] {
      const int other = 1 - shard.index();
      for (int i = 0; i < 1000; ++i) {
        shard.peer(other).Post([&received, other] { ++received[other]; });
      }
    });
  });
  EXPECT_TRUE(status.ok());
  EXPECT_THAT(received, ElementsAre(1000, 1000));
}

TEST(RuntimeTest, ASignalStopsItAndASecondOneAtOnce) {
  const auto runtime = *Runtime::Create(
      {.shards = 1, .drain_deadline = hours(1), .stop_signals = {SIGUSR2}});
  std::optional<Gate::Holder> stuck;
  const absl::Status status = runtime->Run([&](Shard& shard) -> ServiceOr {
    stuck.emplace(shard.gate());
    raise(SIGUSR2);
    return std::make_unique<TestService>([] { raise(SIGUSR2); });
  });
  EXPECT_TRUE(status.ok());
  EXPECT_EQ(runtime->cut_off(), 1u);
  stuck.reset();
}

TEST(RuntimeTest, ASignalBeforeTheStartIsNotLost) {
  const auto runtime =
      *Runtime::Create({.shards = 1, .stop_signals = {SIGUSR2}});
  raise(SIGUSR2);
  EXPECT_TRUE(runtime
                  ->Run([](Shard&) -> ServiceOr {
                    return std::make_unique<TestService>();
                  })
                  .ok());
}

TEST(RuntimeTest, RefusesASignalThatNobodyCanCatch) {
  EXPECT_FALSE(Runtime::Create({.stop_signals = {SIGKILL}}).ok());
}

TEST(RuntimeTest, StatisticsOutliveTheRuntime) {
  std::shared_ptr<const LoopStats> loop;
  std::shared_ptr<const MailboxStats> mailboxes;
  {
    const auto runtime = MakeRuntime(1);
    loop = runtime->shard(0).loop_stats();
    mailboxes = runtime->shard(0).mailbox_stats();
    ASSERT_TRUE(runtime
                    ->Run([&](Shard&) -> ServiceOr {
                      runtime->RequestStop();
                      return std::make_unique<TestService>();
                    })
                    .ok());
  }
  EXPECT_GT(loop->iterations.Get(), 0u);
  EXPECT_EQ(mailboxes->sent.Get(), mailboxes->received.Get());
}

}  // namespace
}  // namespace percore
