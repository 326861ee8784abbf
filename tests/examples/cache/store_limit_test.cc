// How a store keeps to its limit.
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "percore/examples/cache/store.h"
#include "percore/tests/examples/cache/make_item.h"

namespace percore::cache {
namespace {

constexpr UnixSeconds kNow = 1'700'000'000;

class FullStoreTest : public testing::Test {
 protected:
  // Room for exactly three items with a key of one byte and ten of value.
  static constexpr size_t kFootprint = sizeof(Item) + 1 + 10 + 2;
  FullStoreTest() {
    for (std::string_view key : {"a", "b", "c"}) SetTen(key);
  }

  void SetTen(std::string_view key, UnixSeconds expiry = kNeverExpires) {
    EXPECT_EQ(small_.Set(MakeItem(key, "0123456789", 0, expiry), kNow),
              StoreResult::kStored);
  }

  // The keys that are there, without using them: an "add" too large for the
  // store changes nothing.
  std::string Keys() {
    std::string keys;
    for (std::string_view key : {"a", "b", "c", "d", "e"}) {
      if (small_.Add(MakeItem(key, std::string(kMaxValueSize, 'x')), kNow) ==
          StoreResult::kNotStored) {
        keys += key;
      }
    }
    return keys;
  }

  Store small_{{.limit_bytes = 3 * kFootprint}};
};

TEST_F(FullStoreTest, HoldsExactlyItsLimit) {
  EXPECT_EQ(Keys(), "abc");
  EXPECT_EQ(small_.statistics().bytes, small_.statistics().limit_maxbytes);
  EXPECT_EQ(small_.statistics().evictions, 0);
}

TEST_F(FullStoreTest, EvictsWhatWasStoredFirst) {
  SetTen("d");
  EXPECT_EQ(Keys(), "bcd");
  EXPECT_EQ(small_.statistics().evictions, 1);
  EXPECT_EQ(small_.statistics().evicted_unfetched, 1);
  EXPECT_EQ(small_.statistics().curr_items, 3);
}

TEST_F(FullStoreTest, KeepsWhatWasReadLast) {
  small_.Get(HashedKey::Of("a"), kNow);
  SetTen("d");
  SetTen("e");
  EXPECT_EQ(Keys(), "ade");
}

TEST_F(FullStoreTest, ARefusedAddDoesNotCountAsUse) {
  EXPECT_EQ(small_.Add(MakeItem("a", ""), kNow), StoreResult::kNotStored);
  SetTen("d");
  EXPECT_EQ(Keys(), "bcd");
}

TEST_F(FullStoreTest, KeepsWhatWasTouched) {
  small_.Touch(HashedKey::Of("a"), kNeverExpires, kNow);
  SetTen("d");
  EXPECT_EQ(Keys(), "acd");
}

TEST_F(FullStoreTest, KeepsWhatWasReplaced) {
  SetTen("a");
  SetTen("d");
  EXPECT_EQ(Keys(), "acd");
}

TEST_F(FullStoreTest, KeepsWhatWasCountedInPlace) {
  EXPECT_EQ(small_.Incr(HashedKey::Of("a"), 1, kNow).value, 123456790);
  SetTen("d");
  EXPECT_EQ(Keys(), "acd");
}

TEST_F(FullStoreTest, CountsTheReadEvictedItemsAsRead) {
  small_.Get(HashedKey::Of("a"), kNow);
  for (std::string_view key : {"d", "e", "b"}) SetTen(key);
  EXPECT_EQ(small_.statistics().evictions, 3);
  EXPECT_EQ(small_.statistics().evicted_unfetched, 2);
}

TEST_F(FullStoreTest, EvictsAsManyAsALargeItemNeeds) {
  EXPECT_EQ(small_.Set(MakeItem("d", std::string(11, 'x')), kNow),
            StoreResult::kStored);
  EXPECT_EQ(Keys(), "cd");
  EXPECT_EQ(small_.statistics().evictions, 2);
}

TEST_F(FullStoreTest, GivesTheWholeRoomToOneItem) {
  const size_t size = 3 * kFootprint - sizeof(Item) - 1 - 2;
  EXPECT_EQ(small_.Set(MakeItem("d", std::string(size, 'x')), kNow),
            StoreResult::kStored);
  EXPECT_EQ(Keys(), "d");
}

TEST_F(FullStoreTest, ReclaimsExpiredAndFlushedItemsInsteadOfEvicting) {
  small_.FlushAll(kNow, kNow);
  SetTen("d");
  SetTen("e", kAlreadyExpired);
  SetTen("a");
  SetTen("b");
  SetTen("c");
  EXPECT_EQ(Keys(), "abc");
  // Of the eight, "d" is the only live one that has to go.
  EXPECT_EQ(small_.statistics().reclaimed, 4);
  EXPECT_EQ(small_.statistics().evictions, 1);
}

TEST_F(FullStoreTest, ReplacingAnItemBySameSizeEvictsNothing) {
  SetTen("a");
  EXPECT_EQ(small_.statistics().evictions, 0);
  EXPECT_EQ(Keys(), "abc");
}

TEST_F(FullStoreTest, AnAppendMayEvictOthersAndNotItself) {
  EXPECT_EQ(small_.Append(MakeItem("a", "x"), kNow), StoreResult::kStored);
  EXPECT_EQ(Keys(), "ac");
  EXPECT_EQ(small_.Get(HashedKey::Of("a"), kNow)->value(), "0123456789x");
}

TEST_F(FullStoreTest, AnEvictedItemLivesOnInItsReply) {
  const ItemPtr reply = small_.Get(HashedKey::Of("a"), kNow);
  for (std::string_view key : {"b", "c", "d"}) SetTen(key);
  EXPECT_EQ(Keys(), "bcd");
  EXPECT_EQ(reply->value(), "0123456789");
}

TEST_F(FullStoreTest, RefusesWhatIsLargerThanTheStoreAndRemovesTheOldValue) {
  const std::string value(3 * kFootprint, 'x');
  EXPECT_EQ(small_.Set(MakeItem("a", value), kNow), StoreResult::kOutOfMemory);
  EXPECT_EQ(small_.statistics().store_no_memory, 1);
  EXPECT_EQ(Keys(), "bc");
}

TEST_F(FullStoreTest, KeepsTheOldValueWhereAnotherCommandIsTooLarge) {
  const std::string value(3 * kFootprint, 'x');
  EXPECT_EQ(small_.Add(MakeItem("d", value), kNow), StoreResult::kOutOfMemory);
  EXPECT_EQ(small_.Replace(MakeItem("a", value), kNow),
            StoreResult::kOutOfMemory);
  EXPECT_EQ(small_.Append(MakeItem("a", value), kNow),
            StoreResult::kOutOfMemory);
  EXPECT_EQ(small_.CompareAndSwap(
                MakeItem("a", value),
                small_.Get(HashedKey::Of("a"), kNow)->cas_unique(), kNow),
            StoreResult::kOutOfMemory);
  EXPECT_EQ(small_.Get(HashedKey::Of("a"), kNow)->value(), "0123456789");
}

TEST(TinyStoreTest, CannotCountBeyondItsLimit) {
  Store store({.limit_bytes = sizeof(Item) + 1 + 1 + 2});
  ItemPtr item = Item::Create(HashedKey::Of("a"), 0, kNeverExpires, 1);
  item->mutable_value()[0] = '9';
  EXPECT_EQ(store.Set(std::move(item), kNow), StoreResult::kStored);
  EXPECT_EQ(store.Incr(HashedKey::Of("a"), 1, kNow).outcome,
            ArithmeticResult::Outcome::kOutOfMemory);
  EXPECT_EQ(store.Get(HashedKey::Of("a"), kNow)->value(), "9");
}

TEST(TinyStoreTest, HoldsNothingWithoutRoom) {
  Store store({.limit_bytes = 0});
  EXPECT_EQ(
      store.Set(Item::Create(HashedKey::Of("a"), 0, kNeverExpires, 0), kNow),
      StoreResult::kOutOfMemory);
  EXPECT_EQ(store.statistics().curr_items, 0);
}

}  // namespace
}  // namespace percore::cache
