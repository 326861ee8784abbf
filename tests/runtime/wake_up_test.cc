// How one loop wakes another: by its eventfd, or from ring to ring.
#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "percore/runtime/event_base.h"
#include "percore/runtime/runtime.h"
#include "percore/runtime/watcher.h"
#include "percore/tests/support/sanitizers.h"
#include "percore/tests/support/test_kernel.h"

namespace percore {
namespace {

using Call = TestKernel::Call;

void MakeARound(EventBase& base) {
  base.AddVirtual();
  EXPECT_TRUE(base.Run(RunMode::kNonBlocking).ok());
  base.RemoveVirtual();
}

// A ring belongs to a thread.
void MakeARoundInAnotherRing(EventBase& base) {
  std::thread([&base] { MakeARound(base); }).join();
}

// A loop that sleeps in a thread of its own until it is woken once.
class Sleeper : private MessageSource {
 public:
  explicit Sleeper(const std::string& backend)
      : base_(*EventBase::Create({.backend = backend, .kernel = &kernel_})) {
    base_->set_message_source(this);
  }
  ~Sleeper() override { Join(); }

  // A ring is known to others once its loop has made a round.
  enum class First { kSleeps, kMakesARound };
  void Start(First first) {
    thread_ = std::thread([this, first] {
      if (first == First::kMakesARound) MakeARound(*base_);
      wakeups_before_ = wakeups();
      EXPECT_TRUE(base_->Run(RunMode::kUntilExit).ok());
      wakeups_before_.reset();
    });
  }
  // Returns when it has been woken.
  void Join() {
    if (thread_.joinable()) thread_.join();
  }

  EventBase& base() { return *base_; }
  uint64_t wakeups() const { return base_->stats()->wakeups.Get(); }
  int writes() { return kernel_.Count(Call::kWrite); }

 private:
  void Publish() override {}
  bool HasArrived() const override { return false; }
  size_t Deliver() override {
    if (wakeups_before_.has_value() && wakeups() > *wakeups_before_) {
      base_->Exit();
    }
    return 0;
  }

  TestKernel kernel_;
  const std::unique_ptr<EventBase> base_;
  std::optional<uint64_t> wakeups_before_;  // it was put to sleep
  std::thread thread_;
};

// A loop that wakes a sleeper in its next round.
class Waker : private MessageSource {
 public:
  explicit Waker(const std::string& backend)
      : base_(*EventBase::Create({.backend = backend, .kernel = &kernel_})) {
    base_->set_message_source(this);
  }

  absl::Status Wake(
      Sleeper& sleeper, std::function<void()> then = [] {}) {
    sleeper_ = &sleeper;
    then_ = std::move(then);
    base_->AddVirtual();
    absl::Status status = base_->Run(RunMode::kNonBlocking);
    base_->RemoveVirtual();
    return status;
  }

  EventBase& base() { return *base_; }
  TestKernel& kernel() { return kernel_; }
  int messages() { return kernel_.Count(Call::kMessageRing); }
  int writes() { return kernel_.Count(Call::kWrite); }

 private:
  void Publish() override {
    if (sleeper_ == nullptr) return;
    // As soon as it sleeps.
    while (!sleeper_->base().WakeIfSleeping(*base_)) std::this_thread::yield();
    sleeper_ = nullptr;
    then_();
  }
  bool HasArrived() const override { return false; }
  size_t Deliver() override { return 0; }

  TestKernel kernel_;
  const std::unique_ptr<EventBase> base_;
  Sleeper* sleeper_ = nullptr;
  std::function<void()> then_;
};

class WakeUpTest : public testing::Test {
 protected:
  using First = Sleeper::First;

  void SetUp() override {
    const auto made = EventBase::Create({.backend = "io_uring"});
    if (!made.ok()) GTEST_SKIP() << "NO io_uring HERE: " << made.status();
  }
};

TEST_F(WakeUpTest, GoesFromRingToRingWithTheCallThatWaits) {
  Sleeper sleeper("io_uring");
  Waker waker("io_uring");
  sleeper.Start(First::kMakesARound);
  ASSERT_TRUE(waker.Wake(sleeper).ok());
  sleeper.Join();
  EXPECT_EQ(waker.messages(), 1);
  EXPECT_EQ(waker.kernel().Count(Call::kEnterRing), 1);
  EXPECT_EQ(waker.writes() + sleeper.writes(), 0);
  EXPECT_EQ(sleeper.wakeups(), 1u);
  EXPECT_EQ(waker.base().stats()->wakeups.Get(), 0u);
}

TEST_F(WakeUpTest, NeedsNoEventFdHoweverOften) {
  Sleeper sleeper("io_uring");
  Waker waker("io_uring");
  for (int time = 1; time <= 20; ++time) {
    sleeper.Start(First::kMakesARound);
    ASSERT_TRUE(waker.Wake(sleeper).ok());
    sleeper.Join();
    EXPECT_EQ(waker.messages(), time);
    EXPECT_EQ(sleeper.wakeups(), static_cast<uint64_t>(time));
  }
  EXPECT_EQ(waker.writes() + sleeper.writes(), 0);
}

TEST_F(WakeUpTest, GoesByTheEventFdIfEitherHasNoRing) {
  for (const auto& [sleeps, wakes] :
       std::vector<std::pair<const char*, const char*>>{
           {"epoll", "io_uring"}, {"io_uring", "epoll"}, {"epoll", "epoll"}}) {
    Sleeper sleeper(sleeps);
    Waker waker(wakes);
    sleeper.Start(First::kMakesARound);
    ASSERT_TRUE(waker.Wake(sleeper).ok());
    sleeper.Join();
    EXPECT_EQ(waker.messages(), 0);
    EXPECT_EQ(sleeper.writes(), 1);
    EXPECT_EQ(sleeper.wakeups(), 1u);
  }
}

TEST_F(WakeUpTest, GoesByTheEventFdToARingThatWasNotEnteredYet) {
  Sleeper sleeper("io_uring");
  Waker waker("io_uring");
  sleeper.Start(First::kSleeps);
  ASSERT_TRUE(waker.Wake(sleeper).ok());
  sleeper.Join();
  EXPECT_EQ(waker.messages(), 0);
  EXPECT_EQ(sleeper.writes(), 1);
  EXPECT_EQ(sleeper.wakeups(), 1u);
}

TEST_F(WakeUpTest, GoesByTheEventFdIfWatchersRunBeforeTheWakerWaits) {
  Sleeper sleeper("io_uring");
  Waker waker("io_uring");
  const Watcher watcher(
      waker.base(), Watcher::When::kPrepare,
      [](Watcher&, Duration, void* sleeper) {
        static_cast<Sleeper*>(sleeper)->Join();
      },
      &sleeper);
  sleeper.Start(First::kMakesARound);
  ASSERT_TRUE(waker.Wake(sleeper).ok());
  EXPECT_EQ(waker.messages(), 0);
  EXPECT_EQ(sleeper.wakeups(), 1u);
}

TEST_F(WakeUpTest, GoesByTheEventFdFromALoopThatDoesNotRun) {
  Sleeper sleeper("io_uring");
  Waker waker("io_uring");
  sleeper.Start(First::kMakesARound);
  while (!sleeper.base().WakeIfSleeping(waker.base())) {
    std::this_thread::yield();
  }
  sleeper.Join();
  EXPECT_EQ(sleeper.writes(), 1);
  EXPECT_EQ(waker.messages(), 0);
}

TEST_F(WakeUpTest, GoesByTheEventFdIfTheKernelRefusesTheMessage) {
  for (const int error : {ENOMEM, EOVERFLOW, EINVAL}) {
    Sleeper sleeper("io_uring");
    Waker waker("io_uring");
    waker.kernel().Fail(Call::kMessageRing, error);
    sleeper.Start(First::kMakesARound);
    ASSERT_TRUE(waker.Wake(sleeper).ok());
    sleeper.Join();
    EXPECT_EQ(waker.messages(), 1);
    EXPECT_EQ(waker.writes(), 1);
    EXPECT_EQ(sleeper.wakeups(), 1u);
  }
}

TEST_F(WakeUpTest, GoesByTheEventFdIfTheWakersSystemCallFails) {
  for (const Call call : {Call::kEnableRing, Call::kEnterRing}) {
    Sleeper sleeper("io_uring");
    Waker waker("io_uring");
    waker.kernel().Fail(call, ENOMEM);
    sleeper.Start(First::kMakesARound);
    EXPECT_FALSE(waker.Wake(sleeper).ok());
    sleeper.Join();
    EXPECT_EQ(waker.messages(), 0);
    EXPECT_EQ(waker.writes(), 1);
    EXPECT_EQ(sleeper.wakeups(), 1u);
  }
}

// What is put in before the waker's own requests is not forgotten because of
// these.
TEST_F(WakeUpTest, IsNotLostIfTheRingIsFullAndTheKernelTakesNothing) {
  constexpr int kMoreThanARingHolds = 300;
  Sleeper sleeper("io_uring");
  Waker waker("io_uring");
  std::vector<std::unique_ptr<Event>> events;
  for (int i = 0; i < kMoreThanARingHolds; ++i) {
    const int fd = waker.kernel().EventFd();
    ASSERT_GE(fd, 0);
    events.push_back(std::make_unique<Event>(
        waker.base(), fd, EventFlags::kRead, [](int, EventFlags, void*) {},
        nullptr));
    ASSERT_TRUE(events.back()->Add().ok());
  }
  waker.kernel().Fail(Call::kEnterRing, ENOMEM, 5);
  sleeper.Start(First::kMakesARound);
  EXPECT_FALSE(waker.Wake(sleeper).ok());
  sleeper.Join();
  EXPECT_EQ(sleeper.wakeups(), 1u);
  for (const auto& event : events) {
    const int fd = event->fd();
    event->Del();
    waker.base().CloseDescriptor(fd);
  }
}

TEST_F(WakeUpTest, FindsTheNewRingOfALoopThatHasMovedToAnotherThread) {
  Sleeper sleeper("io_uring");
  Waker waker("io_uring");
  sleeper.Start(First::kMakesARound);
  ASSERT_TRUE(waker.Wake(sleeper).ok());
  sleeper.Join();
  // It makes its new ring after it has announced its sleep.
  sleeper.Start(First::kSleeps);
  ASSERT_TRUE(waker.Wake(sleeper).ok());
  sleeper.Join();
  EXPECT_EQ(waker.messages(), 1);
  EXPECT_EQ(sleeper.writes(), 1);
  EXPECT_EQ(sleeper.wakeups(), 2u);
  sleeper.Start(First::kMakesARound);
  ASSERT_TRUE(waker.Wake(sleeper).ok());
  sleeper.Join();
  EXPECT_EQ(waker.messages(), 2);
  EXPECT_EQ(sleeper.writes(), 1);
}

TEST_F(WakeUpTest, GoesByTheEventFdIfTheRingIsGoneMeanwhile) {
  Sleeper sleeper("io_uring");
  Waker waker("io_uring");
  sleeper.Start(First::kMakesARound);
  const absl::Status status = waker.Wake(sleeper, [&] {
    sleeper.base().Wakeup();
    sleeper.Join();
    MakeARoundInAnotherRing(sleeper.base());
    EXPECT_EQ(waker.writes(), 0);
  });
  ASSERT_TRUE(status.ok());
  EXPECT_EQ(waker.messages(), 1);
  EXPECT_EQ(waker.writes(), 1);
}

TEST_F(WakeUpTest, DoesNotDisturbALoopWhoseRingGotTheNumberMeanwhile) {
  Sleeper sleeper("io_uring");
  Waker waker("io_uring");
  std::unique_ptr<EventBase> other;
  sleeper.Start(First::kMakesARound);
  const absl::Status status = waker.Wake(sleeper, [&] {
    sleeper.base().Wakeup();
    sleeper.Join();
    MakeARoundInAnotherRing(sleeper.base());
    // The lowest number that is free is given away first.
    other = *EventBase::Create({.backend = "io_uring"});
    MakeARound(*other);
  });
  ASSERT_TRUE(status.ok());
  EXPECT_EQ(waker.messages(), 1);
  EXPECT_EQ(waker.writes(), 0) << "another ring took the message";
  for (int round = 0; round < 3; ++round) {
    bool ran = false;
    other->Post([&ran] { ran = true; });
    MakeARound(*other);
    EXPECT_TRUE(ran);
  }
  EXPECT_EQ(other->stats()->wakeups.Get(), 0u);
}

TEST_F(WakeUpTest, IsNotLostWithTheWakersRing) {
  Sleeper sleeper("io_uring");
  Waker waker("io_uring");
  sleeper.Start(First::kMakesARound);
  const absl::Status status = waker.Wake(
      sleeper, [&] { EXPECT_TRUE(waker.base().ReinitAfterFork().ok()); });
  ASSERT_TRUE(status.ok());
  sleeper.Join();
  EXPECT_EQ(waker.messages(), 1);
  EXPECT_EQ(sleeper.wakeups(), 1u);
}

// Shards that pass tokens on, each to all in turn, and so are woken all the
// time.
class TokenService : public Service {
 public:
  TokenService(Shard& shard, std::atomic<int>& left) {
    Pass(shard, left, shard.index());
  }
  void Drain() override {}

 private:
  static void Pass(Shard& shard, std::atomic<int>& left, int step) {
    if (left.fetch_sub(1) == 1) shard.runtime().RequestStop();
    Shard& next = shard.peer((shard.index() + 1 + step % 2) % shard.count());
    next.Post([&next, &left, step] { Pass(next, left, step + 1); });
  }
};

class WakeUpStressTest : public WakeUpTest {
 protected:
  // Tokens go round until the runtime has ended, beyond `hops`.
  void PassTokens(int shards, int hops, TestKernel& kernel) {
    RuntimeOptions options;
    options.shards = shards;
    options.ring_capacity = 2;
    options.stop_signals.clear();
    options.base.backend = "io_uring";
    options.base.kernel = &kernel;
    const auto runtime = *Runtime::Create(std::move(options));
    std::atomic<int> left{hops};
    const absl::Status status = runtime->Run(
        [&](Shard& shard) -> absl::StatusOr<std::unique_ptr<Service>> {
          return std::make_unique<TokenService>(shard, left);
        });
    EXPECT_TRUE(status.ok()) << status;
    EXPECT_LE(left, 0);
    uint64_t notifications = 0;
    for (int i = 0; i < shards; ++i) {
      notifications += runtime->shard(i).mailbox_stats()->notifications.Get();
    }
    EXPECT_LE(static_cast<uint64_t>(kernel.Count(Call::kMessageRing)),
              notifications);
  }
};

TEST_F(WakeUpStressTest, NoneIsLostBetweenShards) {
  for (const int shards : {2, 3, 4}) {
    TestKernel kernel;
    PassTokens(shards, kSanitized ? 2000 : 20000, kernel);
    EXPECT_GT(kernel.Count(Call::kMessageRing), 0);
  }
}

TEST_F(WakeUpStressTest, NoneIsLostThoughTheKernelRefusesSomeMessages) {
  for (const int shards : {2, 3, 4}) {
    TestKernel kernel;
    for (int i = 0; i < 300; ++i) {
      kernel.Fail(Call::kMessageRing, ENOMEM, /*times=*/1 + i % 2,
                  /*passing=*/i % 5);
    }
    PassTokens(shards, kSanitized ? 2000 : 20000, kernel);
  }
}

TEST_F(WakeUpStressTest, ARuntimeMayStopWhileTheyAreUnderWay) {
  for (int time = 0; time < (kSanitized ? 10 : 50); ++time) {
    TestKernel kernel;
    PassTokens(2 + time % 3, 20 + time, kernel);
  }
}

}  // namespace
}  // namespace percore
