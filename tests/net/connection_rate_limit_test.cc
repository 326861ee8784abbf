// Limits on how fast connections of every kind move their bytes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "percore/net/buffer_event_pair.h"
#include "percore/net/rate_limit_group.h"
#include "percore/net/rate_limiter.h"
#include "percore/tests/net/connection_contract.h"

namespace percore {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using Call = TestKernel::Call;

constexpr RateDirection kRead = RateDirection::kRead;
constexpr RateDirection kWrite = RateDirection::kWrite;

// 100 bytes in a tick.
constexpr RateBudget kSlow = {.rate = 10'000, .burst = 1000};
constexpr RateLimit kSlowRead = {.read = kSlow};
constexpr RateLimit kSlowWrite = {.write = kSlow};

class ConnectionRateLimitTest : public ConnectionContractTest {
 protected:
  std::shared_ptr<RateLimitGroup> MakeGroup(const RateLimit& limit) {
    return *RateLimitGroup::Create(limit, {.kernel = &kernel_});
  }
  void Limit(ConnectionSide& side, const RateLimit& limit) {
    ASSERT_TRUE(side.connection->rate_limiter().SetLimit(limit).ok());
  }
  void Join(ConnectionSide& side,
            const std::shared_ptr<RateLimitGroup>& group) {
    ASSERT_TRUE(side.connection->rate_limiter().Join(group).ok());
  }
  static bool Waits(const ConnectionSide& side, RateDirection direction) {
    return side.connection->rate_limiter().waiting(direction);
  }
  static int64_t Tokens(const ConnectionSide& side, RateDirection direction) {
    return side.connection->rate_limiter().Tokens(direction);
  }
  // In steps of a tick.
  void PassTicks(int ticks) {
    for (int i = 0; i < ticks; ++i) Pass(10ms);
  }
  // Which cannot be compressed.
  static std::string Bytes(size_t size) { return ALot().substr(0, size); }
  // That `near_` has sent of `size`.
  size_t Sent(size_t size) { return size - near_.output().size(); }
};

TEST_P(ConnectionRateLimitTest, IsUnlimitedAtTheBeginning) {
  EXPECT_EQ(far_.connection->rate_limiter().limit(), nullptr);
  near_.output().Append(Bytes(100'000));
  EXPECT_TRUE(RunUntil([&] { return far_.input().size() == 100'000; }));
}

TEST_P(ConnectionRateLimitTest, ReadsNoFasterThanItsLimit) {
  Limit(far_, kSlowRead);
  near_.output().Append(Bytes(3000));
  Run();
  EXPECT_EQ(far_.input().size(), 1000u);
  EXPECT_TRUE(Waits(far_, kRead));
  Pass(9ms);
  EXPECT_EQ(far_.input().size(), 1000u);
  Pass(1ms);
  EXPECT_EQ(far_.input().size(), 1100u);
  PassTicks(18);
  EXPECT_EQ(far_.input().size(), 2900u);
  PassTicks(1);
  EXPECT_EQ(far_.input().ToString(), Bytes(3000));
  EXPECT_THAT(far_.events, IsEmpty());
}

TEST_P(ConnectionRateLimitTest, WritesNoFasterThanItsLimit) {
  Limit(near_, kSlowWrite);
  near_.output().Append(Bytes(3000));
  Run();
  EXPECT_EQ(Sent(3000), 1000u);
  EXPECT_TRUE(Waits(near_, kWrite));
  Pass(9ms);
  EXPECT_EQ(Sent(3000), 1000u);
  Pass(1ms);
  EXPECT_EQ(Sent(3000), 1100u);
  PassTicks(18);
  EXPECT_EQ(Sent(3000), 2900u);
  PassTicks(1);
  EXPECT_EQ(Sent(3000), 3000u);
  EXPECT_EQ(far_.input().ToString(), Bytes(3000));
  EXPECT_THAT(near_.events, IsEmpty());
}

TEST_P(ConnectionRateLimitTest, TheOtherDirectionIsNotHeldUp) {
  Limit(near_, kSlowRead);
  far_.output().Append(Bytes(3000));
  Run();
  EXPECT_TRUE(Waits(near_, kRead));
  near_.output().Append(Bytes(50'000));
  EXPECT_TRUE(RunUntil([&] { return far_.input().size() == 50'000; }));
  EXPECT_EQ(near_.input().size(), 1000u);
}

TEST_P(ConnectionRateLimitTest, AGroupHoldsForBothEndsTogether) {
  const auto group = MakeGroup({.write = {.rate = 100'000, .burst = 10'000}});
  Join(near_, group);
  Join(far_, group);
  near_.output().Append(Bytes(60'000));
  far_.output().Append(Bytes(60'000));
  Run();
  size_t before = near_.output().size() + far_.output().size();
  EXPECT_EQ(before, 110'000u);
  for (int tick = 0; tick < 50; ++tick) {
    Pass(10ms);
    const size_t left = near_.output().size() + far_.output().size();
    EXPECT_LE(before - left, 1000u);
    before = left;
  }
  EXPECT_NEAR(static_cast<double>(before), 60'000, 1000);
  // Each got half, of what came after the burst.
  EXPECT_NEAR(static_cast<double>(group->totals().written), 60'000, 1000);
  EXPECT_EQ(group->state().members, 2);
  EXPECT_EQ(group->state().write.suspended, 2);
  PassTicks(70);
  EXPECT_EQ(group->totals().written, 120'000u);
  EXPECT_EQ(group->state().write.suspended, 0);
  EXPECT_EQ(far_.input().ToString(), Bytes(60'000));
  EXPECT_EQ(near_.input().ToString(), Bytes(60'000));
}

TEST_P(ConnectionRateLimitTest, AGroupServesEachInItsTurn) {
  const auto group = MakeGroup({.write = {.rate = 100'000, .burst = 1000}});
  group->Take(kWrite, 1000);
  Join(near_, group);
  Join(far_, group);
  near_.output().Append(Bytes(60'000));
  far_.output().Append(Bytes(60'000));
  Run();
  PassTicks(50);
  EXPECT_NEAR(static_cast<double>(near_.output().size()), 35'000, 1000);
  EXPECT_NEAR(static_cast<double>(far_.output().size()), 35'000, 1000);
}

// Each waits for its own tokens; neither loses them to the wait of the other.
TEST_P(ConnectionRateLimitTest, WhoSendsAndWhoReceivesMayBothBeLimited) {
  const auto group = MakeGroup({.read = kSlow, .write = kSlow});
  constexpr size_t kSize = 5000;
  std::vector<std::pair<ConnectionSide, ConnectionSide>> transfers(3);
  for (auto& [sender, receiver] : transfers) {
    Ends ends = GetParam().connect(*base_, {});
    sender.Take(std::move(ends.near));
    receiver.Take(std::move(ends.far));
    Join(sender, group);
    Join(receiver, group);
    ASSERT_TRUE(receiver.connection->Enable(EventFlags::kRead).ok());
    sender.output().Append(Bytes(kSize));
  }
  Run();
  PassTicks(200);
  for (auto& [sender, receiver] : transfers) {
    EXPECT_EQ(receiver.input().ToString(), Bytes(kSize));
  }
}

TEST_P(ConnectionRateLimitTest, BothItsOwnLimitAndItsGroupHold) {
  const auto group = MakeGroup({.read = {.rate = 10'000, .burst = 500}});
  Join(far_, group);
  Limit(far_, {.read = {.rate = 1'000'000, .burst = 10'000},
               .write = {.rate = 10'000, .burst = 300}});
  EXPECT_EQ(far_.connection->rate_limiter().MaxNow(kRead), 500);
  EXPECT_EQ(far_.connection->rate_limiter().MaxNow(kWrite), 300);
  near_.output().Append(Bytes(2000));
  far_.output().Append(Bytes(2000));
  Run();
  EXPECT_EQ(far_.input().size(), 500u);
  EXPECT_EQ(far_.output().size(), 1700u);
  EXPECT_EQ(Tokens(far_, kRead), 9500);
}

TEST_P(ConnectionRateLimitTest, AllArrivesIntactAndInTime) {
  constexpr size_t kSize = 100'000;
  constexpr RateBudget kBudget = {.rate = 100'000, .burst = 10'000};
  for (const RateLimit& limit :
       {RateLimit{.read = kBudget}, RateLimit{.write = kBudget}}) {
    Limit(limit.read.unlimited() ? near_ : far_, limit);
    const TimePoint began = kernel_.Now();
    near_.output().Append(Bytes(kSize));
    while (far_.input().size() < kSize && kernel_.Now() - began < 2s) {
      Pass(1ms);
    }
    EXPECT_EQ(far_.input().ToString(), Bytes(kSize));
    EXPECT_GE(kernel_.Now() - began, 900ms);
    EXPECT_LE(kernel_.Now() - began, 915ms);
    near_.connection->rate_limiter().ClearLimit();
    far_.connection->rate_limiter().ClearLimit();
    far_.input().Clear();
  }
}

TEST_P(ConnectionRateLimitTest, SleepsAsLongAsItWaits) {
  Limit(far_, {.read = {.rate = 1, .burst = 100}});
  far_.connection->rate_limiter().Take(kRead, 160);
  near_.output().Append("x");
  const uint64_t before = base_->stats()->iterations.Get();
  const TimePoint began = kernel_.Now();
  while (far_.input().empty()) {
    ASSERT_TRUE(base_->Run(RunMode::kOnce).ok());
  }
  EXPECT_EQ(kernel_.Now() - began, 61s);
  EXPECT_LE(base_->stats()->iterations.Get() - before, 12u);
}

// 20 ticks: each end has a round in which it is its turn, and one that finds
// no more.
TEST_P(ConnectionRateLimitTest, UsesLittleCpuWhileBothEndsWait) {
  Limit(near_, kSlowWrite);
  Limit(far_, {.read = {.rate = 100'000, .burst = 1000}});
  near_.output().Append(Bytes(3000));
  Run();
  const uint64_t before = base_->stats()->iterations.Get();
  const TimePoint began = kernel_.Now();
  while (far_.input().size() < 3000) {
    ASSERT_TRUE(base_->Run(RunMode::kOnce).ok());
  }
  EXPECT_LE(base_->stats()->iterations.Get() - before, 100u);
  EXPECT_GE(kernel_.Now() - began, 200ms);
}

TEST_P(ConnectionRateLimitTest, AFasterLimitIsFeltWhileItWaits) {
  Limit(near_, {.write = {.rate = 1, .burst = 1000}});
  near_.output().Append(Bytes(3000));
  Run();
  EXPECT_EQ(Sent(3000), 1000u);
  Limit(near_, {.write = {.rate = 100'000, .burst = 10'000}});
  PassTicks(1);
  EXPECT_EQ(Sent(3000), 2000u);
  Limit(near_, {.write = {.rate = 1, .burst = 1}});
  PassTicks(10);
  EXPECT_EQ(Sent(3000), 2000u);
}

TEST_P(ConnectionRateLimitTest, GoesOnAtOnceWithoutALimit) {
  Limit(near_, kSlowWrite);
  Limit(far_, {.read = {.rate = 10, .burst = 500}});
  near_.output().Append(Bytes(3000));
  Run();
  EXPECT_EQ(far_.input().size(), 500u);
  near_.connection->rate_limiter().ClearLimit();
  Run();
  EXPECT_EQ(far_.input().size(), 500u);
  far_.connection->rate_limiter().ClearLimit();
  Run();
  EXPECT_EQ(far_.input().ToString(), Bytes(3000));
}

TEST_P(ConnectionRateLimitTest, GoesOnAtOnceWhenItLeavesItsGroup) {
  const auto group = MakeGroup({.read = kSlow, .write = kSlow});
  Join(near_, group);
  Join(far_, group);
  near_.output().Append(Bytes(3000));
  Run();
  EXPECT_LE(far_.input().size(), 1000u);
  near_.connection->rate_limiter().Leave();
  far_.connection->rate_limiter().Leave();
  Run();
  EXPECT_EQ(far_.input().ToString(), Bytes(3000));
  EXPECT_EQ(group->state().members, 0);
}

TEST_P(ConnectionRateLimitTest, NothingMovesWhileItsGroupIsPaused) {
  const auto group = MakeGroup({});
  Join(near_, group);
  Join(far_, group);
  group->Pause(EventFlags::kWrite);
  near_.output().Append(Bytes(3000));
  far_.output().Append(Bytes(3000));
  PassTicks(10);
  EXPECT_EQ(far_.input().size() + near_.input().size(), 0u);
  group->Resume();
  group->Pause(EventFlags::kRead);
  PassTicks(10);
  EXPECT_EQ(far_.input().size() + near_.input().size(), 0u);
  group->Resume();
  Run();
  EXPECT_EQ(far_.input().ToString(), Bytes(3000));
  EXPECT_EQ(near_.input().ToString(), Bytes(3000));
}

TEST_P(ConnectionRateLimitTest, TheWriteTimeoutRestsWhileItWaits) {
  Limit(near_, {.write = {.rate = 1, .burst = 100}});
  near_.connection->SetTimeouts(Duration::zero(), 5s);
  near_.connection->rate_limiter().Take(kWrite, 500);
  near_.output().Append("x");
  Run();
  ASSERT_TRUE(Waits(near_, kWrite));
  for (int i = 0; i < 60; ++i) Pass(1s);
  EXPECT_TRUE(Waits(near_, kWrite));
  EXPECT_THAT(near_.events, IsEmpty());
  near_.connection->rate_limiter().ClearLimit();
  Run();
  EXPECT_EQ(far_.input().ToString(), "x");
}

TEST_P(ConnectionRateLimitTest, TheReadTimeoutRestsWhileItWaits) {
  Limit(far_, {.read = {.rate = 10, .burst = 100}});
  far_.connection->SetTimeouts(5s, Duration::zero());
  near_.output().Append(Bytes(200));
  Run();
  EXPECT_EQ(far_.input().size(), 100u);
  far_.connection->rate_limiter().Take(kRead, 500);
  Run();
  ASSERT_TRUE(Waits(far_, kRead));
  for (int i = 0; i < 49; ++i) Pass(1s);
  EXPECT_TRUE(Waits(far_, kRead));
  EXPECT_THAT(far_.events, IsEmpty());
  far_.connection->rate_limiter().ClearLimit();
  Run();
  EXPECT_EQ(far_.input().size(), 200u);
  Pass(4s);
  EXPECT_THAT(far_.events, IsEmpty());
  Pass(1s);
  EXPECT_THAT(far_.events, ElementsAre(kReadTimeout));
}

TEST_P(ConnectionRateLimitTest, TheEndIsToldAfterTheLastByte) {
  Limit(far_, kSlowRead);
  near_.output().Append(Bytes(1500));
  near_.connection->Flush(EventFlags::kWrite, FlushMode::kFinished);
  Run();
  EXPECT_EQ(far_.input().size(), 1000u);
  EXPECT_THAT(far_.events, IsEmpty());
  PassTicks(4);
  EXPECT_EQ(far_.input().size(), 1400u);
  EXPECT_THAT(far_.events, IsEmpty());
  PassTicks(2);
  EXPECT_EQ(far_.input().ToString(), Bytes(1500));
  EXPECT_THAT(far_.events, ElementsAre(kEndOfFile));
}

TEST_P(ConnectionRateLimitTest, FinishesItsOutputWhenItMayBeSent) {
  Limit(near_, kSlowWrite);
  near_.output().Append(Bytes(1500));
  near_.connection->Flush(EventFlags::kWrite, FlushMode::kFinished);
  Run();
  EXPECT_EQ(Sent(1500), 1000u);
  EXPECT_FALSE(near_.connection->output_finished());
  EXPECT_THAT(far_.events, IsEmpty());
  PassTicks(6);
  EXPECT_TRUE(near_.connection->output_finished());
  EXPECT_EQ(far_.input().ToString(), Bytes(1500));
  EXPECT_THAT(far_.events, ElementsAre(kEndOfFile));
}

TEST_P(ConnectionRateLimitTest, AFlushMovesNoMoreThanTheLimit) {
  Limit(near_, kSlowWrite);
  near_.output().Append(Bytes(3000));
  for (int i = 0; i < 3; ++i) {
    near_.connection->Flush(EventFlags::kWrite, FlushMode::kNormal);
    near_.connection->Flush(EventFlags::kWrite, FlushMode::kFlush);
    far_.connection->Flush(EventFlags::kRead, FlushMode::kFlush);
    EXPECT_EQ(Sent(3000), 1000u);
  }
  Run();
  EXPECT_EQ(Sent(3000), 1000u);
  PassTicks(20);
  EXPECT_EQ(far_.input().ToString(), Bytes(3000));
}

TEST_P(ConnectionRateLimitTest, APeerThatGoesIsNoticedWhenItMayReadAgain) {
  Limit(far_, kSlowRead);
  far_.connection->rate_limiter().Take(kRead, 1050);
  near_.output().Append("x");
  Run();
  near_.connection.reset();
  Pass(1s);
  ASSERT_FALSE(far_.events.empty());
  EXPECT_TRUE(Any(far_.events[0] & ConnectionEvent::kReading));
  EXPECT_FALSE(far_.connection->read_enabled());
}

TEST_P(ConnectionRateLimitTest, APeerThatGoesIsNoticedByAWriterThatWaits) {
  Limit(near_, kSlowWrite);
  near_.output().Append(Bytes(3000));
  Run();
  ASSERT_TRUE(Waits(near_, kWrite));
  far_.connection.reset();
  PassTicks(30);
  EXPECT_FALSE(near_.events.empty());
}

TEST_P(ConnectionRateLimitTest, MayBeDestroyedWhileItWaits) {
  const auto group = MakeGroup({.read = kSlow, .write = kSlow});
  Join(near_, group);
  Join(far_, group);
  Limit(near_, kSlowWrite);
  Limit(far_, kSlowRead);
  near_.output().Append(Bytes(3000));
  far_.output().Append(Bytes(3000));
  Run();
  EXPECT_GE(group->state().read.suspended + group->state().write.suspended, 2);
  near_.connection.reset();
  Run();
  far_.connection.reset();
  EXPECT_EQ(group->state().members, 0);
  EXPECT_EQ(group->state().read.suspended, 0);
  EXPECT_EQ(group->state().write.suspended, 0);
  PassTicks(10);
}

TEST_P(ConnectionRateLimitTest, MayBeDestroyedInACallbackWhenItGoesOn) {
  Limit(far_, kSlowRead);
  near_.output().Append(Bytes(3000));
  Run();
  ASSERT_TRUE(Waits(far_, kRead));
  far_.on_read = [&] { far_.connection.reset(); };
  PassTicks(10);
  EXPECT_EQ(far_.connection, nullptr);
}

TEST_P(ConnectionRateLimitTest, MayBeLimitedInItsOwnCallback) {
  far_.connection->SetMaxSingle(EventFlags::kRead, 100);
  far_.on_read = [&] { Limit(far_, {.read = {.rate = 10'000, .burst = 200}}); };
  near_.output().Append(Bytes(3000));
  Run();
  EXPECT_EQ(far_.input().size(), 300u);
  far_.on_read = [&] { far_.connection->rate_limiter().ClearLimit(); };
  PassTicks(2);
  EXPECT_TRUE(RunUntil([&] { return far_.input().size() == 3000; }));
}

TEST_P(ConnectionRateLimitTest, HoldsBesideWatermarks) {
  Limit(far_, kSlowRead);
  far_.connection->SetWatermarks(EventFlags::kRead, 0, 300);
  near_.output().Append(Bytes(3000));
  std::string received;
  const auto take = [&] {
    received += far_.input().ToString();
    far_.input().Clear();
    Run();
  };
  Run();
  EXPECT_EQ(far_.input().size(), 300u);
  EXPECT_FALSE(Waits(far_, kRead));  // for tokens
  EXPECT_EQ(Tokens(far_, kRead), 700);
  take();
  take();
  EXPECT_EQ(far_.input().size(), 300u);
  take();
  EXPECT_EQ(far_.input().size(), 100u);
  PassTicks(1);
  EXPECT_EQ(far_.input().size(), 200u);
  PassTicks(10);
  EXPECT_EQ(far_.input().size(), 300u);
  for (int i = 0; i < 30; ++i) {
    take();
    PassTicks(1);
  }
  take();
  EXPECT_EQ(received, Bytes(3000));
}

TEST_P(ConnectionRateLimitTest, ADisabledOneDoesNotGoOnWithNewTokens) {
  Limit(far_, kSlowRead);
  near_.output().Append(Bytes(3000));
  Run();
  far_.connection->Disable(EventFlags::kRead);
  PassTicks(50);
  EXPECT_EQ(far_.input().size(), 1000u);
  ASSERT_TRUE(far_.connection->Enable(EventFlags::kRead).ok());
  Run();
  EXPECT_EQ(far_.input().size(), 2000u);
}

TEST_P(ConnectionRateLimitTest, ItsLimitGoesAlongWithAnotherTransport) {
  Limit(far_, kSlowRead);
  near_.output().Append(Bytes(3000));
  Run();
  ASSERT_TRUE(Waits(far_, kRead));
  auto [transport, others] = MakePairTransports(*base_);
  ConnectionSide other;
  other.Take(std::make_unique<BufferEvent>(*base_, std::move(others)));
  ASSERT_TRUE(far_.connection->SetTransport(std::move(transport)).ok());
  far_.input().Clear();
  other.output().Append(Bytes(500));
  Run();
  EXPECT_EQ(far_.input().size(), 0u);
  PassTicks(1);
  EXPECT_EQ(far_.input().size(), 100u);
  PassTicks(4);
  EXPECT_EQ(far_.input().ToString(), Bytes(500));
}

TEST_P(ConnectionRateLimitTest, WhatWaitsToBeSentGoesByAnotherTransport) {
  Limit(near_, kSlowWrite);
  near_.output().Append(Bytes(1500));
  Run();
  ASSERT_TRUE(Waits(near_, kWrite));
  ASSERT_TRUE(near_.connection->SetTransport(nullptr).ok());
  PassTicks(3);
  EXPECT_EQ(Sent(1500), 1000u);
  auto [transport, others] = MakePairTransports(*base_);
  ConnectionSide other;
  other.Take(std::make_unique<BufferEvent>(*base_, std::move(others)));
  ASSERT_TRUE(other.connection->Enable(EventFlags::kRead).ok());
  ASSERT_TRUE(near_.connection->SetTransport(std::move(transport)).ok());
  Run();
  EXPECT_EQ(Sent(1500), 1300u);
  PassTicks(2);
  EXPECT_EQ(other.input().ToString(), Bytes(1500).substr(1000));
}

TEST_P(ConnectionRateLimitTest, MayBeDetachedWhileItWaits) {
  Limit(near_, kSlowWrite);
  Limit(far_, kSlowRead);
  near_.output().Append(Bytes(3000));
  Run();
  const UniqueFd near_socket = near_.connection->Detach();
  const UniqueFd far_socket = far_.connection->Detach();
  EXPECT_EQ(Sent(3000), 1000u);
  PassTicks(10);
  EXPECT_EQ(Sent(3000), 1000u);
}

// What the kernel did not take after all costs nothing.
TEST_P(ConnectionRateLimitTest, TokensOfWhatWasNotSentAreGivenBack) {
  kernel_.LimitTransfers(70);
  Limit(near_, {.write = {.rate = 1, .burst = 1000}});
  near_.output().Append(Bytes(800));
  ASSERT_TRUE(RunUntil([&] { return far_.input().size() == 800; }));
  EXPECT_EQ(Tokens(near_, kWrite), 200);
  EXPECT_EQ(far_.input().ToString(), Bytes(800));
}

TEST_P(ConnectionRateLimitTest, TokensOfWhatFailedAreGivenBack) {
  for (const int error : {EAGAIN, EINTR}) {
    SCOPED_TRACE(error);
    Limit(near_, {.write = {.rate = 1, .burst = 1000}});
    kernel_.Fail(Call::kWritev, error, 3);
    near_.output().Append(Bytes(800));
    ASSERT_TRUE(RunUntil([&] { return far_.input().size() == 800; }));
    EXPECT_EQ(Tokens(near_, kWrite), 200);
    near_.connection->rate_limiter().ClearLimit();
    far_.input().Clear();
    Run();
  }
}

TEST_P(ConnectionRateLimitTest, ShortReadsCountAsWhatTheyAre) {
  kernel_.LimitTransfers(70);
  Limit(far_, {.read = {.rate = 1, .burst = 1000}});
  near_.output().Append(Bytes(800));
  ASSERT_TRUE(RunUntil([&] { return far_.input().size() == 800; }));
  EXPECT_EQ(Tokens(far_, kRead), 200);
}

TEST_P(ConnectionRateLimitTest, TotalsAreWhatWasMoved) {
  const auto group = MakeGroup({});
  Join(near_, group);
  Join(far_, group);
  near_.output().Append(Bytes(5000));
  far_.output().Append(Bytes(300));
  ASSERT_TRUE(RunUntil([&] { return far_.input().size() == 5000; }));
  Run();
  EXPECT_EQ(group->totals().read, 5300u);
  EXPECT_EQ(group->totals().written, 5300u);
}

INSTANTIATE_TEST_SUITE_P(AllKinds, ConnectionRateLimitTest,
                         testing::ValuesIn(AllConnectionKinds()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace percore
