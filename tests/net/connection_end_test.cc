// How connections of every kind end: by timeouts, ends of file, peers that are
// gone, and by being destroyed, anywhere.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "percore/tests/net/connection_contract.h"

namespace percore {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

using ConnectionEndTest = ConnectionContractTest;

TEST_P(ConnectionEndTest, TimesOutWhenNothingArrives) {
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

TEST_P(ConnectionEndTest, WhatArrivesStartsTheReadTimeoutAnew) {
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

TEST_P(ConnectionEndTest, TheReadTimeoutRestsWhileReadingIsSuspended) {
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

TEST_P(ConnectionEndTest, TimesOutWhenThePeerTakesNothing) {
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

TEST_P(ConnectionEndTest, ATimeoutOfZeroIsNone) {
  near_.connection->SetTimeouts(seconds(5), seconds(5));
  near_.connection->SetTimeouts(Duration::zero(), Duration::zero());
  Pass(seconds(60));
  EXPECT_THAT(near_.events, IsEmpty());
}

TEST_P(ConnectionEndTest, FinishedOutputIsAnEndOfFileAfterTheLastByte) {
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

TEST_P(ConnectionEndTest, TheEndOfFileWaitsForReading) {
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

TEST_P(ConnectionEndTest, FinishingWithNothingToSendIsAnEndOfFile) {
  near_.connection->Flush(EventFlags::kWrite, FlushMode::kFinished);
  Run();
  EXPECT_THAT(far_.events, ElementsAre(kEndOfFile));
}

TEST_P(ConnectionEndTest, APeerThatIsGoneIsAnEndOfFile) {
  near_.connection.reset();
  Run();
  EXPECT_THAT(far_.events, ElementsAre(kEndOfFile));
}

TEST_P(ConnectionEndTest, WritingToAPeerThatIsGoneIsAnError) {
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

TEST_P(ConnectionEndTest, MayBeDestroyedInItsReadCallback) {
  far_.on_read = [&] { far_.connection.reset(); };
  near_.output().Append("x");
  Run();
  EXPECT_EQ(far_.connection, nullptr);
  EXPECT_THAT(near_.events, ElementsAre(kEndOfFile));
}

TEST_P(ConnectionEndTest, MayBeDestroyedInItsWriteCallback) {
  near_.on_written = [&] { near_.connection.reset(); };
  near_.output().Append("x");
  Run();
  EXPECT_EQ(near_.connection, nullptr);
}

TEST_P(ConnectionEndTest, MayBeDestroyedInItsEventCallback) {
  far_.on_event = [&](ConnectionEvent) { far_.connection.reset(); };
  near_.connection->Flush(EventFlags::kWrite, FlushMode::kFinished);
  Run();
  EXPECT_EQ(far_.connection, nullptr);
}

TEST_P(ConnectionEndTest, MayBeDestroyedByItsTimeout) {
  far_.on_event = [&](ConnectionEvent) { far_.connection.reset(); };
  far_.connection->SetTimeouts(seconds(1), Duration::zero());
  Pass(seconds(1));
  EXPECT_EQ(far_.connection, nullptr);
}

TEST_P(ConnectionEndTest, MayBeDestroyedWithItsPeerInACallback) {
  far_.on_read = [&] {
    near_.connection.reset();
    far_.connection.reset();
  };
  near_.output().Append("x");
  Run();
  EXPECT_EQ(far_.connection, nullptr);
}

TEST_P(ConnectionEndTest, MayBeDestroyedInACallbackWithinACallback) {
  far_.on_written = [&] { far_.connection.reset(); };
  far_.on_read = [&] { far_.connection->Trigger(EventFlags::kWrite); };
  near_.output().Append("x");
  Run();
  EXPECT_EQ(far_.connection, nullptr);
}

TEST_P(ConnectionEndTest, MayBeDestroyedWithBytesOnTheirWay) {
  near_.output().Append(ALot());
  far_.output().Append("x");
  Run(2);
  far_.connection.reset();
  near_.connection.reset();
  Run();
}

INSTANTIATE_TEST_SUITE_P(AllKinds, ConnectionEndTest,
                         testing::ValuesIn(AllConnectionKinds()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace percore
