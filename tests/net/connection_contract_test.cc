// What a BufferEvent promises, whatever carries its bytes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "percore/net/buffer_event.h"
#include "percore/runtime/event_base.h"
#include "percore/tests/net/connection_kind.h"
#include "percore/tests/net/connection_side.h"
#include "percore/tests/support/test_kernel.h"

namespace percore {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;
using Callbacks = BufferEventOptions::Callbacks;

using Side = ConnectionSide;

class ConnectionContractTest : public testing::TestWithParam<ConnectionKind> {
 protected:
  void SetUp() override { Connect({}); }

  void Connect(const BufferEventOptions& options) {
    Ends ends = GetParam().connect(*base_, options);
    near_.Take(std::move(ends.near));
    far_.Take(std::move(ends.far));
    ASSERT_TRUE(near_.connection->Enable(EventFlags::kRead).ok());
    ASSERT_TRUE(far_.connection->Enable(EventFlags::kRead).ok());
    Run();
  }

  // Until nothing more happens.
  void Run(int rounds = 40) {
    for (int i = 0; i < rounds; ++i) {
      ASSERT_TRUE(base_->Run(RunMode::kNonBlocking).ok());
    }
  }
  void Pass(Duration duration) {
    kernel_.Advance(duration);
    // A loop that has nothing to wait for does not look at the clock.
    base_->UpdateNow();
    Run();
  }
  bool RunUntil(const std::function<bool()>& condition) {
    for (int i = 0; i < 200'000; ++i) {
      if (condition()) return true;
      if (!base_->Run(RunMode::kNonBlocking).ok()) return false;
    }
    return false;
  }
  // More than all buffers in between hold, and no smaller when compressed.
  static const std::string& ALot() {
    static const auto& bytes = *new std::string([] {
      std::string bytes(8 << 20, '\0');
      std::mt19937_64 random(1);
      for (char& byte : bytes) byte = static_cast<char>(random());
      return bytes;
    }());
    return bytes;
  }

  TestKernel kernel_{TestKernel::Clock::kManual};
  const std::unique_ptr<EventBase> base_ =
      *EventBase::Create({.priorities = 3, .kernel = &kernel_});
  Side near_;
  Side far_;
};

TEST_P(ConnectionContractTest, DeliversWhatIsWritten) {
  near_.output().Append("hello");
  Run();
  EXPECT_EQ(far_.input().ToString(), "hello");
  EXPECT_EQ(far_.reads, 1);
  EXPECT_EQ(near_.writes, 1);
  EXPECT_TRUE(near_.output().empty());
  EXPECT_THAT(far_.events, IsEmpty());
}

TEST_P(ConnectionContractTest, DeliversBothWaysAtOnce) {
  near_.output().Append("ping");
  far_.output().Append("pong");
  Run();
  EXPECT_EQ(far_.input().ToString(), "ping");
  EXPECT_EQ(near_.input().ToString(), "pong");
}

TEST_P(ConnectionContractTest, DeliversALotInOrder) {
  const std::string bytes = ALot();
  near_.output().Append(bytes);
  ASSERT_TRUE(RunUntil([&] { return far_.input().size() == bytes.size(); }));
  EXPECT_TRUE(far_.input().ToString() == bytes);
}

TEST_P(ConnectionContractTest, WritesNothingFromInsideOfAppend) {
  near_.output().Append("hello");
  EXPECT_EQ(near_.output().size(), 5u);
  EXPECT_EQ(near_.writes, 0);
}

TEST_P(ConnectionContractTest, EchoesFromTheReadCallback) {
  far_.on_read = [&] { far_.output().Append(std::move(far_.input())); };
  for (int i = 0; i < 3; ++i) {
    near_.output().Append("x");
    Run();
  }
  EXPECT_EQ(near_.input().ToString(), "xxx");
  EXPECT_EQ(near_.reads, 3);
}

TEST_P(ConnectionContractTest, AWriteCallbackMayAlwaysHaveMore) {
  // Others have their turns in between.
  int other = 0;
  Event other_event = Event::Timer(
      *base_, [](int, EventFlags, void* other) { ++*static_cast<int*>(other); },
      &other, EventFlags::kPersist);
  near_.on_written = [&] { near_.output().Append("more"); };
  far_.on_read = [&] { far_.input().Clear(); };
  near_.output().Append("first");
  for (int i = 0; i < 20; ++i) {
    other_event.Activate(EventFlags::kTimeout);
    Run(1);
  }
  EXPECT_EQ(other, 20);
}

TEST_P(ConnectionContractTest, ReadsNothingWhileDisabled) {
  far_.connection->Disable(EventFlags::kRead);
  EXPECT_EQ(far_.connection->enabled(), EventFlags::kWrite);
  near_.output().Append("x");
  Run();
  EXPECT_EQ(far_.reads, 0);
  EXPECT_TRUE(far_.input().empty());
  ASSERT_TRUE(far_.connection->Enable(EventFlags::kRead).ok());
  Run();
  EXPECT_EQ(far_.reads, 1);
}

TEST_P(ConnectionContractTest, WritesNothingWhileDisabled) {
  near_.connection->Disable(EventFlags::kWrite);
  EXPECT_EQ(near_.connection->enabled(), EventFlags::kRead);
  near_.output().Append("x");
  Run();
  EXPECT_EQ(far_.reads, 0);
  EXPECT_EQ(near_.output().size(), 1u);
  ASSERT_TRUE(near_.connection->Enable(EventFlags::kWrite).ok());
  Run();
  EXPECT_EQ(far_.input().ToString(), "x");
}

TEST_P(ConnectionContractTest, WaitsForTheReadLowWatermark) {
  far_.connection->SetWatermarks(EventFlags::kRead, 3, 0);
  near_.output().Append("ab");
  Run();
  EXPECT_EQ(far_.reads, 0);
  near_.output().Append("c");
  Run();
  EXPECT_EQ(far_.reads, 1);
}

TEST_P(ConnectionContractTest, StopsReadingAtTheReadHighWatermark) {
  far_.connection->SetWatermarks(EventFlags::kRead, 0, 4);
  near_.output().Append("abcdefgh");
  Run();
  EXPECT_EQ(far_.input().ToString(), "abcd");
  far_.input().Drain(3);  // outside of any callback
  Run();
  EXPECT_EQ(far_.input().ToString(), "defg");
  far_.connection->SetWatermarks(EventFlags::kRead, 0, 0);
  Run();
  EXPECT_EQ(far_.input().ToString(), "defgh");
}

TEST_P(ConnectionContractTest, HoldsABoundedAmountForAReaderThatDoesNotRead) {
  far_.connection->SetWatermarks(EventFlags::kRead, 0, 1000);
  near_.output().Append(ALot());
  const size_t before = near_.output().size();
  Run(2000);
  EXPECT_EQ(far_.input().size(), 1000u);
  const size_t left = near_.output().size();
  EXPECT_GT(left, 0u);
  if (!GetParam().has_kernel_buffers) {
    // Filters hold what they may, on both sides.
    EXPECT_LE(before - left, 1000u + (1u << 20));
  }
  Run(100);
  EXPECT_EQ(near_.output().size(), left);
}

TEST_P(ConnectionContractTest, StopsReadingAtTheWriteHighWatermark) {
  far_.connection->Disable(EventFlags::kRead);
  near_.connection->SetWatermarks(EventFlags::kWrite, 0, 1000);
  near_.output().Append(ALot());
  Run(2000);
  ASSERT_GT(near_.output().size(), 1000u);
  far_.output().Append("x");
  Run();
  EXPECT_EQ(near_.reads, 0);
  far_.on_read = [&] { far_.input().Clear(); };
  ASSERT_TRUE(far_.connection->Enable(EventFlags::kRead).ok());
  ASSERT_TRUE(RunUntil([&] { return near_.reads > 0; }));
  EXPECT_LE(near_.output().size(), 1000u);
}

TEST_P(ConnectionContractTest, CallsTheWriteCallbackAtTheWriteLowWatermark) {
  near_.connection->SetWatermarks(EventFlags::kWrite, 100, 0);
  far_.connection->Disable(EventFlags::kRead);
  near_.output().Append(ALot());
  Run(2000);
  EXPECT_EQ(near_.writes, 0);
  far_.on_read = [&] { far_.input().Clear(); };
  ASSERT_TRUE(far_.connection->Enable(EventFlags::kRead).ok());
  ASSERT_TRUE(RunUntil([&] { return near_.writes > 0; }));
  EXPECT_LE(near_.output().size(), 100u);
}

TEST_P(ConnectionContractTest, TellsItsLimits) {
  near_.connection->SetWatermarks(EventFlags::kRead, 1, 2);
  near_.connection->SetWatermarks(EventFlags::kWrite, 3, 4);
  near_.connection->SetMaxSingle(EventFlags::kRead, 5);
  near_.connection->SetMaxSingle(EventFlags::kWrite, 6);
  const FlowLimits expected = {.read = {.low = 1, .high = 2},
                               .write = {.low = 3, .high = 4},
                               .max_single_read = 5,
                               .max_single_write = 6};
  EXPECT_EQ(near_.connection->limits(), expected);
  near_.connection->SetMaxSingle(EventFlags::kRead | EventFlags::kWrite, 0);
  EXPECT_EQ(near_.connection->limits().max_single_read,
            FlowLimits::kDefaultMaxSingleRead);
  EXPECT_EQ(near_.connection->limits().max_single_write,
            FlowLimits::kDefaultMaxSingleWrite);
}

TEST_P(ConnectionContractTest, SharesLimitsUntilItHasItsOwn) {
  const FlowLimits shared = {.read = {.low = 2, .high = 3}};
  far_.connection->ShareLimits(shared);
  EXPECT_EQ(&far_.connection->limits(), &shared);
  near_.output().Append("abcdef");
  Run();
  EXPECT_EQ(far_.input().ToString(), "abc");
  far_.connection->SetWatermarks(EventFlags::kRead, 2, 5);
  EXPECT_EQ(shared.read.high, 3u);
  Run();
  EXPECT_EQ(far_.input().ToString(), "abcde");
}

TEST_P(ConnectionContractTest, ATurnReadsNoMoreThanItMay) {
  far_.connection->SetMaxSingle(EventFlags::kRead, 3);
  size_t largest = 0;
  size_t seen = 0;
  far_.on_read = [&] {
    largest = std::max(largest, far_.input().size() - seen);
    seen = far_.input().size();
  };
  near_.output().Append("abcdefghij");
  ASSERT_TRUE(RunUntil([&] { return far_.input().size() == 10; }));
  EXPECT_EQ(largest, 3u);
}

TEST_P(ConnectionContractTest, ATurnWritesNoMoreThanItMay) {
  near_.connection->SetMaxSingle(EventFlags::kWrite, 3);
  size_t largest = 0;
  size_t left = 10;
  near_.connection->SetWatermarks(EventFlags::kWrite, 10, 0);
  near_.on_written = [&] {
    largest = std::max(largest, left - near_.output().size());
    left = near_.output().size();
  };
  near_.output().Append("abcdefghij");
  ASSERT_TRUE(RunUntil([&] { return far_.input().size() == 10; }));
  EXPECT_EQ(largest, 3u);
}

TEST_P(ConnectionContractTest, ReadsNoMoreThanTheInputMayHold) {
  far_.input().SetSizeLimit(4);
  near_.output().Append("0123456789");
  Run();
  EXPECT_EQ(far_.input().ToString(), "0123");
  far_.input().Drain(3);
  Run();
  EXPECT_EQ(far_.input().ToString(), "3456");
  EXPECT_THAT(far_.events, IsEmpty());
}

TEST_P(ConnectionContractTest, LeavesFrozenBuffersAlone) {
  far_.input().Freeze(BufferEnd::kBack);
  ASSERT_TRUE(far_.connection->Enable(EventFlags::kRead).ok());
  near_.output().Append("one");
  Run();
  EXPECT_TRUE(far_.input().empty());
  far_.input().Unfreeze(BufferEnd::kBack);
  ASSERT_TRUE(far_.connection->Enable(EventFlags::kRead).ok());
  Run();
  EXPECT_EQ(far_.input().ToString(), "one");

  near_.output().Freeze(BufferEnd::kFront);
  near_.output().Append("two");
  Run();
  EXPECT_EQ(near_.output().size(), 3u);
  near_.output().Unfreeze(BufferEnd::kFront);
  ASSERT_TRUE(near_.connection->Enable(EventFlags::kWrite).ok());
  Run();
  EXPECT_EQ(far_.input().ToString(), "onetwo");
  EXPECT_THAT(near_.events, IsEmpty());
  EXPECT_THAT(far_.events, IsEmpty());
}

TEST_P(ConnectionContractTest, ItsCallbacksMayBeReplacedAtAnyTime) {
  int other = 0;
  const BufferEvent::Callbacks others = {
      .read = [](BufferEvent&, void* other) { ++*static_cast<int*>(other); }};
  far_.on_read = [&] { far_.connection->SetCallbacks(others, &other); };
  near_.output().Append("x");
  Run();
  near_.output().Append("x");
  Run();
  EXPECT_EQ(other, 1);
  EXPECT_EQ(far_.connection->callbacks().read, others.read);
  EXPECT_EQ(far_.connection->callbacks().event, nullptr);
  EXPECT_EQ(far_.connection->argument(), &other);
  far_.connection->SetCallbacks({}, nullptr);
  near_.output().Append("x");
  near_.connection->Flush(EventFlags::kWrite, FlushMode::kFinished);
  Run();
  EXPECT_EQ(far_.input().size(), 3u);
}

TEST_P(ConnectionContractTest, TimesOutWhenNothingArrives) {
  far_.connection->SetTimeouts(seconds(5), seconds(7));
  EXPECT_EQ(far_.connection->read_timeout(), seconds(5));
  EXPECT_EQ(far_.connection->write_timeout(), seconds(7));
  Pass(seconds(4));
  EXPECT_THAT(far_.events, IsEmpty());
  Pass(seconds(1));
  EXPECT_THAT(far_.events, ElementsAre(kReadTimeout));
  EXPECT_FALSE(far_.connection->read_enabled());
  EXPECT_TRUE(far_.connection->write_enabled());
  Pass(seconds(60));
  EXPECT_EQ(far_.events.size(), 1u);
  // Enabled again it counts again.
  ASSERT_TRUE(far_.connection->Enable(EventFlags::kRead).ok());
  Pass(seconds(5));
  EXPECT_EQ(far_.events.size(), 2u);
}

TEST_P(ConnectionContractTest, WhatArrivesStartsTheReadTimeoutAnew) {
  far_.connection->SetTimeouts(seconds(5), Duration::zero());
  for (int i = 0; i < 3; ++i) {
    Pass(seconds(4));
    near_.output().Append("x");
    Run();
  }
  EXPECT_THAT(far_.events, IsEmpty());
  Pass(seconds(5));
  EXPECT_THAT(far_.events, ElementsAre(kReadTimeout));
}

TEST_P(ConnectionContractTest, TheReadTimeoutRestsWhileReadingIsSuspended) {
  far_.connection->SetTimeouts(seconds(5), Duration::zero());
  far_.connection->SetWatermarks(EventFlags::kRead, 0, 4);
  near_.output().Append("abcd");
  Run();
  Pass(seconds(60));
  EXPECT_THAT(far_.events, IsEmpty());
  far_.input().Clear();
  Pass(seconds(4));
  EXPECT_THAT(far_.events, IsEmpty());
  Pass(seconds(1));
  EXPECT_THAT(far_.events, ElementsAre(kReadTimeout));
}

TEST_P(ConnectionContractTest, TimesOutWhenThePeerTakesNothing) {
  far_.connection->Disable(EventFlags::kRead);
  near_.connection->SetTimeouts(Duration::zero(), seconds(5));
  // nothing to write: nothing to wait for
  Pass(seconds(60));
  near_.output().Append(ALot());
  Run(2000);
  EXPECT_THAT(near_.events, IsEmpty());
  Pass(seconds(5));
  EXPECT_THAT(near_.events, ElementsAre(kWriteTimeout));
  EXPECT_FALSE(near_.connection->write_enabled());
  EXPECT_TRUE(near_.connection->read_enabled());
}

TEST_P(ConnectionContractTest, ATimeoutOfZeroIsNone) {
  near_.connection->SetTimeouts(seconds(5), seconds(5));
  near_.connection->SetTimeouts(Duration::zero(), Duration::zero());
  Pass(seconds(60));
  EXPECT_THAT(near_.events, IsEmpty());
}

TEST_P(ConnectionContractTest, FinishedOutputIsAnEndOfFileAfterTheLastByte) {
  const std::string bytes = ALot();
  near_.output().Append(bytes);
  near_.connection->Flush(EventFlags::kWrite, FlushMode::kFinished);
  ASSERT_TRUE(RunUntil([&] { return !far_.events.empty(); }));
  EXPECT_THAT(far_.events, ElementsAre(kEndOfFile));
  EXPECT_TRUE(far_.input().ToString() == bytes);
  EXPECT_TRUE(near_.connection->output_finished());
  EXPECT_FALSE(far_.connection->read_enabled());
  Run();
  EXPECT_EQ(far_.events.size(), 1u);
  // The other direction is open.
  far_.output().Append("still");
  Run();
  EXPECT_EQ(near_.input().ToString(), "still");
  EXPECT_THAT(near_.events, IsEmpty());
}

TEST_P(ConnectionContractTest, TheEndOfFileWaitsForReading) {
  far_.connection->Disable(EventFlags::kRead);
  near_.output().Append("last");
  near_.connection->Flush(EventFlags::kWrite, FlushMode::kFinished);
  Run();
  EXPECT_THAT(far_.events, IsEmpty());
  far_.connection->SetWatermarks(EventFlags::kRead, 0, 2);
  ASSERT_TRUE(far_.connection->Enable(EventFlags::kRead).ok());
  Run();
  EXPECT_EQ(far_.input().ToString(), "la");
  EXPECT_THAT(far_.events, IsEmpty());
  far_.input().Clear();
  Run();
  EXPECT_EQ(far_.input().ToString(), "st");
  EXPECT_THAT(far_.events, IsEmpty());
  far_.input().Clear();
  Run();
  EXPECT_THAT(far_.events, ElementsAre(kEndOfFile));
}

TEST_P(ConnectionContractTest, FinishingWithNothingToSendIsAnEndOfFile) {
  near_.connection->Flush(EventFlags::kWrite, FlushMode::kFinished);
  Run();
  EXPECT_THAT(far_.events, ElementsAre(kEndOfFile));
}

TEST_P(ConnectionContractTest, APeerThatIsGoneIsAnEndOfFile) {
  near_.connection.reset();
  Run();
  EXPECT_THAT(far_.events, ElementsAre(kEndOfFile));
}

TEST_P(ConnectionContractTest, WritingToAPeerThatIsGoneIsAnError) {
  far_.connection->Disable(EventFlags::kRead);
  near_.connection.reset();
  // TCP tells only by what comes back after the first byte.
  for (int i = 0; i < 3; ++i) {
    far_.output().Append("x");
    Run();
  }
  EXPECT_THAT(far_.events,
              ElementsAre(ConnectionEvent::kWriting | ConnectionEvent::kError));
  EXPECT_FALSE(far_.error.ok());
  EXPECT_EQ(far_.connection->enabled(), EventFlags::kNone);
  far_.output().Append("x");
  Run();
  EXPECT_EQ(far_.events.size(), 1u);
}

TEST_P(ConnectionContractTest, MayBeDestroyedInItsReadCallback) {
  far_.on_read = [&] { far_.connection.reset(); };
  near_.output().Append("x");
  Run();
  EXPECT_EQ(far_.connection, nullptr);
  EXPECT_THAT(near_.events, ElementsAre(kEndOfFile));
}

TEST_P(ConnectionContractTest, MayBeDestroyedInItsWriteCallback) {
  near_.on_written = [&] { near_.connection.reset(); };
  near_.output().Append("x");
  Run();
  EXPECT_EQ(near_.connection, nullptr);
}

TEST_P(ConnectionContractTest, MayBeDestroyedInItsEventCallback) {
  far_.on_event = [&](ConnectionEvent) { far_.connection.reset(); };
  near_.connection->Flush(EventFlags::kWrite, FlushMode::kFinished);
  Run();
  EXPECT_EQ(far_.connection, nullptr);
}

TEST_P(ConnectionContractTest, MayBeDestroyedByItsTimeout) {
  far_.on_event = [&](ConnectionEvent) { far_.connection.reset(); };
  far_.connection->SetTimeouts(seconds(1), Duration::zero());
  Pass(seconds(1));
  EXPECT_EQ(far_.connection, nullptr);
}

TEST_P(ConnectionContractTest, MayBeDestroyedWithItsPeerInACallback) {
  far_.on_read = [&] {
    near_.connection.reset();
    far_.connection.reset();
  };
  near_.output().Append("x");
  Run();
  EXPECT_EQ(far_.connection, nullptr);
}

TEST_P(ConnectionContractTest, MayBeDestroyedInACallbackWithinACallback) {
  far_.on_written = [&] { far_.connection.reset(); };
  far_.on_read = [&] { far_.connection->Trigger(EventFlags::kWrite); };
  near_.output().Append("x");
  Run();
  EXPECT_EQ(far_.connection, nullptr);
}

TEST_P(ConnectionContractTest, MayBeDestroyedWithBytesOnTheirWay) {
  near_.output().Append(ALot());
  far_.output().Append("x");
  Run(2);
  far_.connection.reset();
  near_.connection.reset();
  Run();
}

TEST_P(ConnectionContractTest, DefersItsCallbacks) {
  Connect({.callbacks = Callbacks::kDeferred});
  std::string order;
  far_.on_read = [&] { order += 'r'; };
  far_.on_written = [&] { order += 'w'; };
  far_.on_event = [&](ConnectionEvent) { order += 'e'; };
  near_.output().Append("x");
  near_.connection->Flush(EventFlags::kWrite, FlushMode::kFinished);
  far_.output().Append("y");
  Run();
  EXPECT_EQ(order.size(), 3u);
  EXPECT_EQ(order.back(), 'e');
}

TEST_P(ConnectionContractTest, SeveralReasonsMakeOneDeferredCall) {
  Connect({.callbacks = Callbacks::kDeferred});
  far_.connection->Trigger(EventFlags::kRead,
                           BufferEvent::TriggerWatermarks::kIgnore,
                           Callbacks::kDeferred);
  far_.connection->Trigger(EventFlags::kRead | EventFlags::kWrite,
                           BufferEvent::TriggerWatermarks::kIgnore,
                           Callbacks::kDeferred);
  far_.connection->TriggerEvent(kReadTimeout, absl::OkStatus(),
                                Callbacks::kDeferred);
  EXPECT_EQ(far_.reads + far_.writes, 0);
  Run(1);
  EXPECT_EQ(far_.reads, 1);
  EXPECT_EQ(far_.writes, 1);
  EXPECT_THAT(far_.events, ElementsAre(kReadTimeout));
}

TEST_P(ConnectionContractTest, ADeferredConnectionMayBeDestroyedAnywhere) {
  Connect({.callbacks = Callbacks::kDeferred});
  far_.on_read = [&] { far_.connection.reset(); };
  near_.output().Append("x");
  Run();
  EXPECT_EQ(far_.connection, nullptr);
  Connect({.callbacks = Callbacks::kDeferred});
  far_.connection->Trigger(EventFlags::kRead,
                           BufferEvent::TriggerWatermarks::kIgnore,
                           Callbacks::kDeferred);
  far_.connection.reset();
  Run();
}

TEST_P(ConnectionContractTest, TriggersItsCallbacksByHand) {
  far_.connection->SetWatermarks(EventFlags::kRead, 1, 0);
  far_.connection->Trigger(EventFlags::kRead | EventFlags::kWrite);
  EXPECT_EQ(far_.reads, 0);  // nothing to read
  EXPECT_EQ(far_.writes, 1);
  far_.connection->Trigger(EventFlags::kRead,
                           BufferEvent::TriggerWatermarks::kIgnore);
  EXPECT_EQ(far_.reads, 1);
  const absl::Status status = absl::AbortedError("by hand");
  far_.connection->TriggerEvent(ConnectionEvent::kError, status);
  EXPECT_THAT(far_.events, ElementsAre(ConnectionEvent::kError));
  EXPECT_EQ(far_.error, status);
  // Nothing follows from it.
  EXPECT_TRUE(far_.connection->read_enabled());
}

TEST_P(ConnectionContractTest, WhatATriggeredCallbackWritesLeaves) {
  near_.on_read = [&] { near_.output().Append("x"); };
  near_.connection->Trigger(EventFlags::kRead);
  Run();
  EXPECT_EQ(far_.input().ToString(), "x");
}

TEST_P(ConnectionContractTest, FlushMovesWithoutCallingAnybody) {
  near_.output().Append("x");
  for (const FlushMode mode :
       {FlushMode::kNormal, FlushMode::kFlush, FlushMode::kFinished}) {
    near_.connection->Flush(EventFlags::kRead | EventFlags::kWrite, mode);
  }
  EXPECT_TRUE(near_.output().empty());
  EXPECT_EQ(near_.writes + far_.reads, 0);
  Run();
  EXPECT_EQ(near_.writes, 1);
  EXPECT_EQ(far_.input().ToString(), "x");
  EXPECT_THAT(far_.events, ElementsAre(kEndOfFile));
}

TEST_P(ConnectionContractTest, FlushStopsAtTheHighWatermark) {
  far_.connection->SetWatermarks(EventFlags::kRead, 0, 2);
  near_.output().Append("abcdef");
  near_.connection->Flush(EventFlags::kWrite, FlushMode::kFlush);
  far_.connection->Flush(EventFlags::kRead, FlushMode::kFlush);
  Run();
  EXPECT_EQ(far_.input().ToString(), "ab");
}

TEST_P(ConnectionContractTest, HasAPriority) {
  EXPECT_EQ(near_.connection->priority(), 1);
  near_.connection->SetPriority(0);
  far_.connection->SetPriority(2);
  EXPECT_EQ(near_.connection->priority(), 0);
  near_.connection->SetPriority(99);
  EXPECT_EQ(near_.connection->priority(), 2);
  near_.output().Append("x");
  Run();
  EXPECT_EQ(far_.input().ToString(), "x");
}

TEST_P(ConnectionContractTest, KeepsWhatWasSetWithAnotherTransport) {
  // Only one end of the other connection keeps its filter.
  if (GetParam().changes_bytes) GTEST_SKIP() << "bytes differ on their way";
  far_.connection->SetWatermarks(EventFlags::kRead, 2, 0);
  far_.output().Append("unsent");
  Ends others = GetParam().connect(*base_, {});
  Side other;
  other.Take(std::move(others.near));
  ASSERT_TRUE(other.connection->Enable(EventFlags::kRead).ok());
  UniqueFd socket = others.far->Detach();
  if (!socket.valid()) return;  // a pair has none to give
  far_.connection->Disable(EventFlags::kWrite);
  ASSERT_TRUE(far_.connection->SetDescriptor(std::move(socket)).ok());
  Run();
  EXPECT_EQ(other.reads, 0);
  ASSERT_TRUE(far_.connection->Enable(EventFlags::kWrite).ok());
  other.output().Append("ab");
  Run();
  EXPECT_EQ(other.input().ToString(), "unsent");
  EXPECT_EQ(far_.input().ToString(), "ab");
  EXPECT_EQ(far_.reads, 1);
  EXPECT_THAT(near_.events, ElementsAre(kEndOfFile));  // of the old one
}

TEST_P(ConnectionContractTest, MayLoseItsTransportInACallback) {
  far_.on_read = [&] {
    EXPECT_TRUE(far_.connection->SetTransport(nullptr).ok());
    far_.output().Append("nowhere");
  };
  near_.output().Append("x");
  Run();
  EXPECT_EQ(far_.output().ToString(), "nowhere");
  EXPECT_EQ(far_.connection->fd(), -1);
  EXPECT_THAT(near_.events, ElementsAre(kEndOfFile));
}

INSTANTIATE_TEST_SUITE_P(AllKinds, ConnectionContractTest,
                         testing::ValuesIn(AllConnectionKinds()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace percore
