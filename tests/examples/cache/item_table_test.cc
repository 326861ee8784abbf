#include "percore/examples/cache/item_table.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "percore/tests/examples/cache/make_item.h"

namespace percore::cache {
namespace {

TEST(ItemTableTest, FindsWhatWasPutInAndNothingElse) {
  ItemTable table;
  EXPECT_EQ(table.Find(HashedKey::Of("key")), nullptr);
  table.Put(MakeItem("key", "value"));
  ASSERT_NE(table.Find(HashedKey::Of("key")), nullptr);
  EXPECT_EQ(table.Find(HashedKey::Of("key"))->value(), "value");
  EXPECT_EQ(table.Find(HashedKey::Of("kez")), nullptr);
}

TEST(ItemTableTest, LetsANewItemTakeThePlaceOfAnOldOne) {
  ItemTable table;
  ItemPtr old = MakeItem("key", "old");
  table.Put(old.Share());
  table.Put(MakeItem("key", "new"));
  EXPECT_EQ(table.Find(HashedKey::Of("key"))->value(), "new");
  // The key of the place was the old item's; it must not be used any more.
  old = nullptr;
  EXPECT_EQ(table.Find(HashedKey::Of("key"))->value(), "new");
}

TEST(ItemTableTest, RemovesByAKeyThatLiesInTheItem) {
  ItemTable table;
  table.Put(MakeItem("key", "value"));
  table.Remove(table.Find(HashedKey::Of("key"))->key());
  EXPECT_EQ(table.Find(HashedKey::Of("key")), nullptr);
}

TEST(ItemTableTest, RemovesNothingWhereNothingIs) {
  ItemTable table;
  table.Put(MakeItem("key", "value"));
  table.Remove(HashedKey::Of("other"));
  EXPECT_NE(table.Find(HashedKey::Of("key")), nullptr);
}

TEST(ItemTableTest, KeepsKeysOfOneHashApart) {
  ItemTable table;
  for (std::string_view key : {"first", "second"}) {
    table.Put(Item::Create({key, 42}, 0, kNeverExpires, 0));
  }
  EXPECT_EQ(table.Find({"first", 42})->key().text, "first");
  EXPECT_EQ(table.Find({"second", 42})->key().text, "second");
  table.Remove({"first", 42});
  EXPECT_EQ(table.Find({"first", 42}), nullptr);
  EXPECT_NE(table.Find({"second", 42}), nullptr);
}

TEST(ItemTableTest, HoldsManyItemsThroughItsGrowth) {
  constexpr int kItems = 20000;
  ItemTable table;
  for (int i = 0; i < kItems; ++i) {
    const std::string key = std::to_string(i);
    table.Put(MakeItem(key, key));
  }
  for (int i = 0; i < kItems; i += 2) {
    table.Remove(HashedKey::Of(std::to_string(i)));
  }
  for (int i = 0; i < kItems; ++i) {
    const std::string key = std::to_string(i);
    const Item* item = table.Find(HashedKey::Of(key));
    ASSERT_EQ(item != nullptr, i % 2 == 1) << i;
    if (item == nullptr) continue;
    EXPECT_EQ(item->value(), key);
  }
}

TEST(ItemTableTest, LeavesWhatOthersHoldAlive) {
  ItemPtr held = MakeItem("key", "value");
  {
    ItemTable table;
    table.Put(held.Share());
  }
  EXPECT_EQ(held->value(), "value");
}

}  // namespace
}  // namespace percore::cache
