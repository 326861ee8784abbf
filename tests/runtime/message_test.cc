#include "percore/runtime/message.h"

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <utility>

namespace percore {
namespace {

TEST(MessageTest, RunsASmallCallable) {
  int calls = 0;
  Message message([&calls] { ++calls; });
  message.Run();
  EXPECT_EQ(calls, 1);
}

TEST(MessageTest, RunsACallableThatDoesNotFit) {
  std::array<char, 200> large{};
  large[199] = 'x';
  char seen = 0;
  Message message([large, &seen] { seen = large[199]; });
  message.Run();
  EXPECT_EQ(seen, 'x');
}

TEST(MessageTest, CarriesMoveOnlyCaptures) {
  int seen = 0;
  Message message(
      [number = std::make_unique<int>(7), &seen] { seen = *number; });
  Message moved(std::move(message));
  moved.Run();
  EXPECT_EQ(seen, 7);
}

TEST(MessageTest, DestroysWhatItCapturedWhetherItRanOrNot) {
  auto shared = std::make_shared<int>(1);
  {
    Message never_run([shared] {});
    Message run([shared] {});
    run.Run();
    EXPECT_EQ(shared.use_count(), 2);  // ours, and the one that did not run
  }
  EXPECT_EQ(shared.use_count(), 1);
}

TEST(MessageTest, DestroysALargeCaptureOnce) {
  auto shared = std::make_shared<int>(1);
  {
    std::array<char, 100> large{};
    Message message([shared, large] { (void)large; });
    Message moved(std::move(message));
    EXPECT_EQ(shared.use_count(), 2);
  }
  EXPECT_EQ(shared.use_count(), 1);
}

}  // namespace
}  // namespace percore
