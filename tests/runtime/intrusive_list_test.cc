#include "percore/runtime/intrusive_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace percore {
namespace {

using testing::ElementsAre;

struct Task {
  int number;
  ListLink<Task> link;
};

class IntrusiveListTest : public testing::Test {
 protected:
  using List = IntrusiveList<Task, &Task::link>;

  void SetUp() override {
    for (Task* task : {&one_, &two_, &three_}) list_.PushBack(task);
  }

  std::vector<int> Numbers() const {
    std::vector<int> numbers;
    for (const Task* task = list_.first(); task != nullptr;
         task = List::Next(task)) {
      numbers.push_back(task->number);
    }
    return numbers;
  }

  Task one_ = {1, {}};
  Task two_ = {2, {}};
  Task three_ = {3, {}};
  List list_;
};

TEST_F(IntrusiveListTest, KeepsTheOrder) {
  EXPECT_THAT(Numbers(), ElementsAre(1, 2, 3));
}

TEST_F(IntrusiveListTest, RemovesFromAnywhere) {
  list_.Remove(&two_);
  EXPECT_THAT(Numbers(), ElementsAre(1, 3));
  list_.Remove(&three_);
  EXPECT_THAT(Numbers(), ElementsAre(1));
  list_.Remove(&one_);
  EXPECT_TRUE(list_.empty());
  EXPECT_EQ(list_.first(), nullptr);
}

TEST_F(IntrusiveListTest, AnElementMayComeBack) {
  EXPECT_EQ(list_.PopFront(), &one_);
  list_.PushBack(&one_);
  EXPECT_THAT(Numbers(), ElementsAre(2, 3, 1));
}

}  // namespace
}  // namespace percore
