#include "percore/examples/cache/item.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <utility>

namespace percore::cache {
namespace {

constexpr UnixSeconds kExpiry = 1'700'000'000;

ItemPtr MakeItem(std::string_view key, std::string_view value) {
  ItemPtr item = Item::Create(HashedKey::Of(key), 7, kExpiry, value.size());
  if (item != nullptr) value.copy(item->mutable_value().data(), value.size());
  return item;
}

TEST(ItemTest, HoldsEverythingItWasMadeOf) {
  const ItemPtr item = MakeItem("key", "value");
  ASSERT_NE(item, nullptr);
  EXPECT_EQ(item->key().text, "key");
  EXPECT_EQ(item->key().hash, HashKey("key"));
  EXPECT_EQ(item->flags(), 7);
  EXPECT_EQ(item->expiry(), kExpiry);
  EXPECT_EQ(item->cas_unique(), 0);
  EXPECT_EQ(item->value(), "value");
}

TEST(ItemTest, CopiesItsKey) {
  std::string key = "key";
  const ItemPtr item = MakeItem(key, "");
  key = "xxx";
  EXPECT_EQ(item->key().text, "key");
}

TEST(ItemTest, HasALineEndBehindTheValue) {
  const ItemPtr item = MakeItem("key", "value");
  EXPECT_EQ(item->data_block(), "value\r\n");
  EXPECT_EQ(item->data_block().data(), item->value().data());
}

TEST(ItemTest, MayHaveAnEmptyValue) {
  const ItemPtr item = MakeItem("key", "");
  EXPECT_EQ(item->value(), "");
  EXPECT_EQ(item->data_block(), "\r\n");
}

TEST(ItemTest, MayHoldBytesOfAnyKind) {
  const std::string value("a\0b\r\n\xff", 6);
  EXPECT_EQ(MakeItem("key", value)->value(), value);
}

TEST(ItemTest, ReceivesAValueTogetherWithItsLineEnd) {
  const ItemPtr item = Item::Create(HashedKey::Of("key"), 0, kNeverExpires, 3);
  EXPECT_TRUE(item->HasLineEnd());
  ASSERT_EQ(item->mutable_data_block().size(), 5);
  std::string_view("abc\r\n").copy(item->mutable_data_block().data(), 5);
  EXPECT_TRUE(item->HasLineEnd());
  EXPECT_EQ(item->value(), "abc");
}

TEST(ItemTest, KnowsADataBlockThatDoesNotEndInALineEnd) {
  const ItemPtr item = Item::Create(HashedKey::Of("key"), 0, kNeverExpires, 3);
  for (std::string_view received : {"abcde", "abc\n\n", "abc\r\r", "abc\n\r"}) {
    received.copy(item->mutable_data_block().data(), 5);
    EXPECT_FALSE(item->HasLineEnd()) << received;
  }
}

TEST(ItemTest, TakesOneBlockOfTheSizeOfItsFootprint) {
  static size_t allocated;
  static int allocations;
  allocated = 0;
  allocations = 0;
  const ItemPtr item = Item::Create(HashedKey::Of("key"), 0, kNeverExpires, 100,
                                    [](size_t size) {
                                      allocated = size;
                                      ++allocations;
                                      return std::malloc(size);
                                    });
  EXPECT_EQ(allocations, 1);
  EXPECT_EQ(allocated, item->footprint());
  EXPECT_EQ(item->footprint(), sizeof(Item) + 3 + 100 + 2);
}

TEST(ItemTest, CostsFiftySixBytesBesidesItsKeyAndValue) {
  EXPECT_EQ(sizeof(Item), 56);
}

TEST(ItemTest, IsNotMadeWithoutMemory) {
  EXPECT_EQ(Item::Create(HashedKey::Of("key"), 0, kNeverExpires, 1,
                         [](size_t) -> void* { return nullptr; }),
            nullptr);
}

TEST(ItemTest, IsMadeUpToTheLimitsAndNotAbove) {
  const std::string longest_key(kMaxKeySize, 'k');
  const ItemPtr largest =
      Item::Create(HashedKey::Of(longest_key), 0, kNeverExpires, kMaxValueSize);
  ASSERT_NE(largest, nullptr);
  EXPECT_EQ(largest->key().text, longest_key);
  EXPECT_EQ(largest->value().size(), 1048576);

  const std::string too_long_key(kMaxKeySize + 1, 'k');
  EXPECT_EQ(Item::Create(HashedKey::Of(too_long_key), 0, kNeverExpires, 0),
            nullptr);
  EXPECT_EQ(
      Item::Create(HashedKey::Of("key"), 0, kNeverExpires, kMaxValueSize + 1),
      nullptr);
}

TEST(ItemPtrTest, IsNothingAtFirst) {
  const ItemPtr none;
  EXPECT_EQ(none, nullptr);
  EXPECT_EQ(none.get(), nullptr);
  EXPECT_EQ(none.Share(), nullptr);
  EXPECT_EQ(ItemPtr::ReferTo(nullptr), nullptr);
}

// The leak checker of the address sanitizer watches these.
TEST(ItemPtrTest, MovesItsReference) {
  ItemPtr first = MakeItem("key", "value");
  Item* item = first.get();
  ItemPtr second = std::move(first);
  EXPECT_EQ(first, nullptr);  // NOLINT(bugprone-use-after-move)
  EXPECT_EQ(second.get(), item);
  ItemPtr third = MakeItem("other", "");
  third = std::move(second);
  EXPECT_EQ(second, nullptr);  // NOLINT(bugprone-use-after-move)
  EXPECT_EQ(third.get(), item);
}

TEST(ItemPtrTest, SurvivesAMoveToItself) {
  ItemPtr item = MakeItem("key", "value");
  ItemPtr& same = item;
  item = std::move(same);
  ASSERT_NE(item, nullptr);
  EXPECT_EQ(item->value(), "value");
}

TEST(ItemPtrTest, KeepsTheItemUntilTheLastReferenceGoes) {
  ItemPtr first = MakeItem("key", "value");
  ItemPtr second = first.Share();
  first = nullptr;
  EXPECT_EQ(second->value(), "value");
}

TEST(ItemPtrTest, RefersToAnItemThatSomeoneElseHolds) {
  ItemPtr first = MakeItem("key", "value");
  const ItemPtr second = ItemPtr::ReferTo(first.get());
  first = nullptr;
  EXPECT_EQ(second->value(), "value");
}

TEST(ItemPtrTest, ComesBackFromAPlainPointer) {
  ItemPtr pointer = MakeItem("key", "value");
  Item* plain = pointer.Release();
  EXPECT_EQ(pointer, nullptr);
  EXPECT_EQ(ItemPtr::Adopt(plain)->value(), "value");
}

TEST(ItemPtrTest, CrossesToAnotherThreadWithItsOnlyReference) {
  ItemPtr item = MakeItem("key", "value");
  std::thread other([item = std::move(item)] {
    EXPECT_EQ(item->value(), "value");
    EXPECT_EQ(item.Share()->key().text, "key");
  });
  other.join();
}

}  // namespace
}  // namespace percore::cache
