// What a BufferEvent promises, whatever carries its bytes.
#include "percore/tests/net/connection_contract.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "percore/net/buffer_event_pair.h"

namespace percore {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Callbacks = BufferEventOptions::Callbacks;
using Side = ConnectionSide;

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

TEST_P(ConnectionContractTest, SharesAProfileUntilItHasItsOwn) {
  ListenerStats stats;
  const BufferEvent::Profile shared = {
      .callbacks = far_.connection->callbacks(),
      .limits = {.read = {.low = 2, .high = 3}},
      .traffic_stats = &stats};
  far_.connection->ShareProfile(shared, far_.connection->argument());
  EXPECT_EQ(&far_.connection->callbacks(), &shared.callbacks);
  EXPECT_EQ(&far_.connection->limits(), &shared.limits);
  near_.output().Append("abcdef");
  Run();
  EXPECT_EQ(far_.input().ToString(), "abc");
  far_.connection->SetWatermarks(EventFlags::kRead, 2, 5);
  EXPECT_EQ(shared.limits.read.high, 3u);
  EXPECT_EQ(far_.connection->callbacks().read, shared.callbacks.read);
  Run();
  EXPECT_EQ(far_.input().ToString(), "abcde");
  EXPECT_EQ(stats.received_bytes.Get(), 5u);
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
  EXPECT_EQ(near_.connection->priority(), 0);
  near_.connection->SetPriority(99);
  EXPECT_EQ(near_.connection->priority(), 2);
}

TEST_P(ConnectionContractTest, TheMoreUrgentIsCalledFirst) {
  Ends ends = GetParam().connect(*base_, {});
  Side urgent;
  urgent.Take(std::move(ends.far));
  ASSERT_TRUE(urgent.connection->Enable(EventFlags::kRead).ok());
  Run();
  far_.connection->SetPriority(2);
  urgent.connection->SetPriority(0);
  std::string order;
  far_.on_read = [&] { order += 'f'; };
  urgent.on_read = [&] { order += 'u'; };
  near_.output().Append("first written");
  ends.near->output().Append("then written");
  Run();
  EXPECT_EQ(order, "uf");
}

TEST_P(ConnectionContractTest, KeepsWhatWasSetWithAnotherTransport) {
  far_.connection->SetWatermarks(EventFlags::kRead, 2, 0);
  far_.output().Append("unsent");
  far_.connection->Disable(EventFlags::kWrite);
  auto [transport, others] = MakePairTransports(*base_);
  Side other;
  other.Take(std::make_unique<BufferEvent>(*base_, std::move(others)));
  ASSERT_TRUE(other.connection->Enable(EventFlags::kRead).ok());
  ASSERT_TRUE(far_.connection->SetTransport(std::move(transport)).ok());
  Run();
  EXPECT_EQ(other.reads, 0);
  ASSERT_TRUE(far_.connection->Enable(EventFlags::kWrite).ok());
  other.output().Append("a");
  Run();
  EXPECT_EQ(other.input().ToString(), "unsent");
  EXPECT_EQ(far_.reads, 0);
  other.output().Append("b");
  Run();
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
