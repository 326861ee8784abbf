#include "percore/runtime/debug_mode.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "percore/runtime/event_base.h"
#include "percore/runtime/log.h"

namespace percore {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// Room for an event: what a freed object leaves behind, without being freed, so
// that a sanitizer has nothing to say.
struct Room {
  Event* Make(EventBase& base) {
    return new (bytes) Event(
        base, -1, EventFlags::kNone, [](int, EventFlags, void*) {}, nullptr);
  }
  Event* event() { return reinterpret_cast<Event*>(bytes); }

  alignas(Event) unsigned char bytes[sizeof(Event)] = {};
};

class DebugModeTest : public testing::Test {
 protected:
  void SetUp() override {
    EnableDebugMode();
    SetLogSink(
        [](LogLevel level, std::string_view message, void* lines) {
          EXPECT_EQ(level, LogLevel::kError);
          static_cast<std::vector<std::string>*>(lines)->emplace_back(message);
        },
        &lines_);
  }
  void TearDown() override { SetLogSink(nullptr, nullptr); }

  const std::unique_ptr<EventBase> base_ = *EventBase::Create({});
  std::vector<std::string> lines_;
};

TEST_F(DebugModeTest, HasNothingAgainstProperUse) {
  Room room;
  for (int i = 0; i < 2; ++i) {
    Event* event = room.Make(*base_);
    ASSERT_TRUE(event->Add(std::chrono::seconds(1)).ok());
    event->Del();
    ASSERT_TRUE(event->Add(Duration::zero()).ok());
    ASSERT_TRUE(base_->Run().ok());
    event->~Event();
  }
  EXPECT_THAT(lines_, IsEmpty());
}

TEST_F(DebugModeTest, RefusesToAddAnEventThatIsGone) {
  Room room;
  room.Make(*base_)->~Event();
  const absl::Status status = room.event()->Add(std::chrono::seconds(1));
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(room.event()->Add().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(lines_,
              ElementsAre(HasSubstr("added after it was destroyed: timer"),
                          HasSubstr("added after it was destroyed: timer")));
  EXPECT_EQ(base_->pending_count(), 0u);
}

TEST_F(DebugModeTest, ReportsEdgeAndLevelOnOneDescriptor) {
  std::array<int, 2> ends;
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()), 0);
  Event level(*base_, ends[0], EventFlags::kRead, nullptr, nullptr);
  Event edge(*base_, ends[0], EventFlags::kRead | EventFlags::kEdgeTriggered,
             nullptr, nullptr);
  ASSERT_TRUE(level.Add().ok());
  EXPECT_FALSE(edge.Add().ok());
  EXPECT_THAT(lines_, ElementsAre(HasSubstr("edge- and level-triggered")));
  level.Del();
  for (const int fd : ends) close(fd);
}

TEST_F(DebugModeTest, KnowsAnEventThatFiredAsNoLongerPending) {
  Room room;
  ASSERT_TRUE(room.Make(*base_)->Add(Duration::zero()).ok());
  ASSERT_TRUE(base_->Run().ok());
  // The memory is used for another one, without a word: sloppy, and harmless.
  room.Make(*base_)->~Event();
  EXPECT_THAT(lines_, IsEmpty());
}

// Debug mode is for the whole process: last.
TEST(DebugModeDeathTest, AbortsWhenAPendingEventIsInitialisedAnew) {
  const auto overwrite = [] {
    EnableDebugMode();
    const std::unique_ptr<EventBase> base = *EventBase::Create({});
    Room room;
    Event* event = room.Make(*base);
    if (event->Add(std::chrono::hours(1)).ok()) room.Make(*base);
  };
  EXPECT_DEATH(overwrite(),
               "initialised anew while pending: timer.*due in 3600 s");
}

}  // namespace
}  // namespace percore
