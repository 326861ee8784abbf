#include "percore/examples/cache/lru_list.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

namespace percore::cache {
namespace {

class LruListTest : public testing::Test {
 protected:
  LruListTest() {
    for (size_t i = 0; i < items_.size(); ++i) {
      items_[i] =
          Item::Create(HashedKey::Of(std::to_string(i)), 0, kNeverExpires, 0);
    }
  }

  void Push(int index) { list_.PushNewest(items_[index].get()); }
  void Use(int index) { list_.MoveToNewest(items_[index].get()); }
  void Remove(int index) { list_.Remove(items_[index].get()); }

  // Empties the list from its old end.
  std::string TakeAll() {
    std::string keys;
    while (list_.oldest() != nullptr) {
      keys += list_.oldest()->key().text;
      list_.Remove(list_.oldest());
    }
    return keys;
  }

  std::array<ItemPtr, 4> items_;
  LruList list_;
};

TEST_F(LruListTest, IsEmptyAtFirst) { EXPECT_EQ(list_.oldest(), nullptr); }

TEST_F(LruListTest, KeepsTheOrderOfPushing) {
  for (int i : {2, 0, 3, 1}) Push(i);
  EXPECT_EQ(TakeAll(), "2031");
}

TEST_F(LruListTest, MovesWhatIsUsedToTheNewEndFromAnywhere) {
  for (int i : {0, 1, 2, 3}) Push(i);
  Use(0);
  Use(2);
  Use(2);
  EXPECT_EQ(TakeAll(), "1302");
}

TEST_F(LruListTest, UsesTheOnlyItem) {
  Push(1);
  Use(1);
  EXPECT_EQ(TakeAll(), "1");
}

TEST_F(LruListTest, RemovesFromBothEndsAndTheMiddle) {
  for (int i : {0, 1, 2, 3}) Push(i);
  Remove(1);
  EXPECT_EQ(list_.oldest(), items_[0].get());
  Remove(0);
  EXPECT_EQ(list_.oldest(), items_[2].get());
  Remove(3);
  EXPECT_EQ(TakeAll(), "2");
}

TEST_F(LruListTest, TakesARemovedItemAgain) {
  Push(0);
  Push(1);
  Remove(0);
  Push(0);
  EXPECT_EQ(TakeAll(), "10");
}

}  // namespace
}  // namespace percore::cache
