// What an event without a timer does by itself. The rest of it is tested as a
// part of Event.
#include "percore/runtime/basic_event.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "percore/runtime/event.h"
#include "percore/runtime/event_base.h"
#include "percore/tests/support/event_function.h"
#include "percore/tests/support/socket_ends.h"

namespace percore {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;

using Function = EventFunction;
constexpr auto kCall = CallEventFunction;

class BasicEventTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(write(ends_[1], "x", 1), 1); }
  void RunOnce() { ASSERT_TRUE(base_->Run(RunMode::kNonBlocking).ok()); }

  const std::unique_ptr<EventBase> base_ = *EventBase::Create({});
  SocketEnds ends_;
};

TEST_F(BasicEventTest, IsCalledAsLongAsItsDescriptorIsReady) {
  int calls = 0;
  Function count = [&](int, EventFlags) { ++calls; };
  BasicEvent event(*base_, ends_[0], EventFlags::kRead | EventFlags::kPersist,
                   kCall, &count);
  ASSERT_TRUE(event.Add().ok());
  RunOnce();
  RunOnce();
  EXPECT_EQ(calls, 2);
  event.Del();
  RunOnce();
  EXPECT_EQ(calls, 2);
}

TEST_F(BasicEventTest, IsCalledOnceUnlessItIsPersistent) {
  int calls = 0;
  Function count = [&](int, EventFlags) { ++calls; };
  BasicEvent event(*base_, ends_[0], EventFlags::kRead, kCall, &count);
  ASSERT_TRUE(event.Add().ok());
  ASSERT_TRUE(base_->Run().ok());
  EXPECT_EQ(calls, 1);
}

TEST_F(BasicEventTest, MayBeDestroyedInItsCallback) {
  std::optional<BasicEvent> event;
  Function destroy = [&](int, EventFlags) { event.reset(); };
  event.emplace(*base_, ends_[0], EventFlags::kRead | EventFlags::kPersist,
                kCall, &destroy);
  ASSERT_TRUE(event->Add().ok());
  ASSERT_TRUE(base_->Run().ok());
  EXPECT_FALSE(event.has_value());
}

TEST_F(BasicEventTest, NeedsADescriptor) {
  BasicEvent event(*base_, -1, EventFlags::kRead, kCall, nullptr);
  EXPECT_EQ(event.Add().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(BasicEventTest, LeavesSignalsOut) {
  const BasicEvent event(
      *base_, SIGUSR1, EventFlags::kSignal | EventFlags::kRead, kCall, nullptr);
  EXPECT_EQ(event.interest(), EventFlags::kRead);
}

TEST_F(BasicEventTest, ShowsAmongTheOthers) {
  Function nothing = [](int, EventFlags) {};
  BasicEvent basic(*base_, ends_[0], EventFlags::kRead, kCall, &nothing);
  Event full(*base_, ends_[0], EventFlags::kRead, kCall, &nothing);
  ASSERT_TRUE(basic.Add().ok());
  ASSERT_TRUE(full.Add(seconds(1)).ok());
  basic.Activate(EventFlags::kRead);
  std::vector<BasicEvent*> found;
  base_->ForEachEvent([&](BasicEvent& event) {
    found.push_back(&event);
    return true;
  });
  EXPECT_THAT(found, ElementsAre(&basic, &full));
  std::ostringstream out;
  base_->Dump(out);
  EXPECT_THAT(out.str(), HasSubstr(basic.Describe()));
  EXPECT_THAT(basic.Describe(),
              testing::EndsWith("(read), active: read, priority 0"));
}

// An Event is deleted whole by whoever knows it as a BasicEvent.
TEST_F(BasicEventTest, DelOfAnEventTakesItsTimerAway) {
  Event event(*base_, ends_[0], EventFlags::kRead, kCall, nullptr);
  ASSERT_TRUE(event.Add(seconds(1)).ok());
  BasicEvent& basic = event;
  EXPECT_EQ(basic.Pending(EventFlags::kRead | EventFlags::kTimeout),
            EventFlags::kRead | EventFlags::kTimeout);
  basic.Del();
  EXPECT_EQ(event.deadline(), kInfiniteFuture);
  EXPECT_EQ(base_->pending_count(), 0u);
}

}  // namespace
}  // namespace percore
