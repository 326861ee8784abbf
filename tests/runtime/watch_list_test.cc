#include "percore/runtime/internal/watch_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <vector>

#include "percore/runtime/event_base.h"

namespace percore::internal {
namespace {

using testing::ElementsAre;
using testing::ElementsAreArray;
using testing::IsEmpty;

// Events go by their number, which stands in place of a descriptor.
class WatchListTest : public testing::Test {
 protected:
  void SetUp() override {
    for (int number = 0; number < 4; ++number) {
      events_.emplace_back(*base_, number, EventFlags::kNone, nullptr, nullptr);
    }
  }
  static std::vector<int> NumbersIn(const WatchList& list) {
    std::vector<int> numbers;
    for (const BasicEvent* event = list.first(); event != nullptr;
         event = WatchList::Next(event)) {
      numbers.push_back(event->fd());
    }
    return numbers;
  }

  const std::unique_ptr<EventBase> base_ = *EventBase::Create({});
  std::deque<BasicEvent> events_;
};

TEST_F(WatchListTest, IsOnePointer) {
  EXPECT_EQ(sizeof(WatchList), sizeof(void*));
}

TEST_F(WatchListTest, KeepsTheOrderInWhichTheyCame) {
  WatchList list;
  EXPECT_TRUE(list.empty());
  EXPECT_THAT(NumbersIn(list), IsEmpty());
  for (BasicEvent& event : events_) list.PushBack(&event);
  EXPECT_FALSE(list.empty());
  EXPECT_THAT(NumbersIn(list), ElementsAre(0, 1, 2, 3));
}

TEST_F(WatchListTest, TheyLeaveInAnyOrderAndComeBack) {
  std::vector<int> leaving = {0, 1, 2, 3};
  do {
    WatchList list;
    std::vector<int> left = {0, 1, 2, 3};
    for (BasicEvent& event : events_) list.PushBack(&event);
    for (const int number : leaving) {
      list.Remove(&events_[static_cast<size_t>(number)]);
      std::erase(left, number);
      ASSERT_THAT(NumbersIn(list), ElementsAreArray(left));
      // Whoever comes goes behind the last, whichever that is now.
      list.PushBack(&events_[static_cast<size_t>(number)]);
      left.push_back(number);
      ASSERT_THAT(NumbersIn(list), ElementsAreArray(left));
    }
    for (const int number : leaving) {
      list.Remove(&events_[static_cast<size_t>(number)]);
    }
    ASSERT_TRUE(list.empty());
  } while (std::next_permutation(leaving.begin(), leaving.end()));
}

}  // namespace
}  // namespace percore::internal
