#include "percore/runtime/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "percore/runtime/event_base.h"

namespace percore {
namespace {

using testing::ElementsAre;

using Lines = std::vector<std::pair<LogLevel, std::string>>;

void Keep(LogLevel level, std::string_view message, void* lines) {
  static_cast<Lines*>(lines)->emplace_back(level, message);
}

class LogTest : public testing::Test {
 protected:
  void TearDown() override {
    SetLogSink(nullptr, nullptr);
    SetMinimumLogLevel(LogLevel::kInfo);
  }

  Lines lines_;
};

TEST_F(LogTest, GoesToTheSink) {
  SetLogSink(&Keep, &lines_);
  Log(LogLevel::kWarning, "careful");
  EXPECT_THAT(lines_, ElementsAre(std::pair(LogLevel::kWarning, "careful")));
}

TEST_F(LogTest, GoesToStderrWithoutASink) {
  testing::internal::CaptureStderr();
  Log(LogLevel::kError, "broken");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "percore: error: broken\n");
}

TEST_F(LogTest, DropsWhatIsNotImportantEnough) {
  SetLogSink(&Keep, &lines_);
  Log(LogLevel::kDebug, "chatter");
  SetMinimumLogLevel(LogLevel::kDebug);
  Log(LogLevel::kDebug, "wanted");
  SetMinimumLogLevel(LogLevel::kFatal);
  Log(LogLevel::kError, "unwanted");
  EXPECT_THAT(lines_, ElementsAre(std::pair(LogLevel::kDebug, "wanted")));
}

TEST_F(LogTest, ASinkMayUseTheLibraryAndLog) {
  SetLogSink(
      [](LogLevel level, std::string_view message, void* lines) {
        Keep(level, message, lines);
        const std::unique_ptr<EventBase> base = *EventBase::Create({});
        base->Post([] {});
        EXPECT_TRUE(base->Run().ok());
        Log(LogLevel::kError, "from inside");
        // It may even go.
        SetLogSink(nullptr, nullptr);
      },
      &lines_);
  testing::internal::CaptureStderr();
  Log(LogLevel::kInfo, "one");
  Log(LogLevel::kInfo, "two");
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "percore: error: from inside\npercore: info: two\n");
  EXPECT_THAT(lines_, ElementsAre(std::pair(LogLevel::kInfo, "one")));
}

TEST(LogDeathTest, FatalAborts) {
  EXPECT_DEATH(LogFatal("the end"), "percore: fatal: the end");
}

TEST(LogDeathTest, ASinkMayEndTheProcessInItsOwnWay) {
  const auto die = [] {
    SetLogSink([](LogLevel level, std::string_view,
                  void*) { std::_Exit(level == LogLevel::kFatal ? 7 : 8); },
               nullptr);
    LogFatal("the end");
  };
  EXPECT_EXIT(die(), testing::ExitedWithCode(7), "");
}

TEST(LogLevelTest, HasNames) {
  EXPECT_EQ(ToString(LogLevel::kDebug), "debug");
  EXPECT_EQ(ToString(LogLevel::kInfo), "info");
  EXPECT_EQ(ToString(LogLevel::kWarning), "warning");
  EXPECT_EQ(ToString(LogLevel::kError), "error");
  EXPECT_EQ(ToString(LogLevel::kFatal), "fatal");
}

}  // namespace
}  // namespace percore
