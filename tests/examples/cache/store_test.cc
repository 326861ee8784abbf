#include "percore/examples/cache/store.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <utility>

#include "percore/tests/examples/cache/make_item.h"

namespace percore::cache {
namespace {

using Outcome = ArithmeticResult::Outcome;

constexpr UnixSeconds kNow = 1'700'000'000;
constexpr uint64_t kLargest = 18446744073709551615u;

// So many of the store's own allocations succeed, then none.
int allocations_left;
void* AllocateWhileAllowed(size_t size) {
  return allocations_left-- > 0 ? std::malloc(size) : nullptr;
}

class StoreTest : public testing::Test {
 protected:
  StoreTest() { allocations_left = 1'000'000; }

  void Set(std::string_view key, std::string_view value,
           UnixSeconds expiry = kNeverExpires) {
    EXPECT_EQ(store_.Set(MakeItem(key, value, 0, expiry), now_),
              StoreResult::kStored);
  }

  ItemPtr Get(std::string_view key) {
    return store_.Get(HashedKey::Of(key), now_);
  }

  // "(none)" where there is no item.
  std::string Value(std::string_view key) {
    const ItemPtr item = Get(key);
    return item == nullptr ? "(none)" : std::string(item->value());
  }

  uint64_t CasUnique(std::string_view key) { return Get(key)->cas_unique(); }

  ArithmeticResult Incr(std::string_view key, uint64_t delta) {
    return store_.Incr(HashedKey::Of(key), delta, now_);
  }
  ArithmeticResult Decr(std::string_view key, uint64_t delta) {
    return store_.Decr(HashedKey::Of(key), delta, now_);
  }
  DeleteResult Delete(std::string_view key) {
    return store_.Delete(HashedKey::Of(key), now_);
  }
  TouchResult Touch(std::string_view key, UnixSeconds expiry) {
    return store_.Touch(HashedKey::Of(key), expiry, now_);
  }

  const Statistics& statistics() const { return store_.statistics(); }

  UnixSeconds now_ = kNow;
  Store store_{{.limit_bytes = 64 << 20, .allocate = &AllocateWhileAllowed}};
};

// Get, Set and what they count.

TEST_F(StoreTest, FindsWhatWasSet) {
  EXPECT_EQ(store_.Set(MakeItem("key", "value", 7), now_),
            StoreResult::kStored);
  const ItemPtr item = Get("key");
  ASSERT_NE(item, nullptr);
  EXPECT_EQ(item->value(), "value");
  EXPECT_EQ(item->flags(), 7);
  EXPECT_EQ(statistics().cmd_set, 1);
  EXPECT_EQ(statistics().cmd_get, 1);
  EXPECT_EQ(statistics().get_hits, 1);
  EXPECT_EQ(statistics().curr_items, 1);
  EXPECT_EQ(statistics().total_items, 1);
  EXPECT_EQ(statistics().bytes, item->footprint());
}

TEST_F(StoreTest, MissesWhatWasNot) {
  EXPECT_EQ(Get("key"), nullptr);
  EXPECT_EQ(statistics().cmd_get, 1);
  EXPECT_EQ(statistics().get_misses, 1);
  EXPECT_EQ(statistics().get_hits, 0);
}

TEST_F(StoreTest, ReplacesTheValueOfAKey) {
  Set("key", "old");
  Set("key", "newer");
  EXPECT_EQ(Value("key"), "newer");
  EXPECT_EQ(statistics().curr_items, 1);
  EXPECT_EQ(statistics().total_items, 2);
  EXPECT_EQ(statistics().bytes, Get("key")->footprint());
}

TEST_F(StoreTest, KeepsKeysOfOneHashApart) {
  for (std::string_view key : {"first", "second"}) {
    ItemPtr item = Item::Create({key, 42}, 0, kNeverExpires, key.size());
    key.copy(item->mutable_value().data(), key.size());
    EXPECT_EQ(store_.Set(std::move(item), now_), StoreResult::kStored);
  }
  EXPECT_EQ(store_.Get({"first", 42}, now_)->value(), "first");
  EXPECT_EQ(store_.Get({"second", 42}, now_)->value(), "second");
  EXPECT_EQ(store_.Get({"third", 42}, now_), nullptr);
}

TEST_F(StoreTest, HoldsKeysOfAnyBytes) {
  const std::string key("a\0\xff\t", 4);
  Set(key, "value");
  EXPECT_EQ(Value(key), "value");
  EXPECT_EQ(Value("a"), "(none)");
}

TEST_F(StoreTest, OutlivesNoReply) {
  ItemPtr held;
  {
    Store store({.limit_bytes = 1000});
    store.Set(MakeItem("key", "value"), kNow);
    held = store.Get(HashedKey::Of("key"), kNow);
  }
  EXPECT_EQ(held->value(), "value");
}

// Add and Replace.

TEST_F(StoreTest, AddsOnlyWhereNothingIs) {
  EXPECT_EQ(store_.Add(MakeItem("key", "one"), now_), StoreResult::kStored);
  EXPECT_EQ(store_.Add(MakeItem("key", "two"), now_), StoreResult::kNotStored);
  EXPECT_EQ(Value("key"), "one");
  EXPECT_EQ(statistics().cmd_set, 2);
  EXPECT_EQ(statistics().total_items, 1);
}

TEST_F(StoreTest, ReplaceNeedsSomethingToReplace) {
  EXPECT_EQ(store_.Replace(MakeItem("key", "one"), now_),
            StoreResult::kNotStored);
  EXPECT_EQ(Value("key"), "(none)");
  Set("key", "one");
  EXPECT_EQ(store_.Replace(MakeItem("key", "two"), now_), StoreResult::kStored);
  EXPECT_EQ(Value("key"), "two");
  EXPECT_EQ(statistics().cmd_set, 3);
}

// Append and Prepend.

TEST_F(StoreTest, AppendsAndPrependsAndKeepsFlagsAndExpiry) {
  store_.Set(MakeItem("key", "middle", 9, kNow + 100), now_);
  EXPECT_EQ(store_.Append(MakeItem("key", " end", 1, kNow + 1), now_),
            StoreResult::kStored);
  EXPECT_EQ(store_.Prepend(MakeItem("key", "start ", 2, kNow + 2), now_),
            StoreResult::kStored);
  const ItemPtr item = Get("key");
  EXPECT_EQ(item->data_block(), "start middle end\r\n");
  EXPECT_EQ(item->flags(), 9);
  EXPECT_EQ(item->expiry(), kNow + 100);
  EXPECT_EQ(statistics().cmd_set, 3);
  EXPECT_EQ(statistics().curr_items, 1);
  EXPECT_EQ(statistics().bytes, item->footprint());
}

TEST_F(StoreTest, AppendingGivesANewCasUnique) {
  Set("key", "a");
  const uint64_t before = CasUnique("key");
  store_.Append(MakeItem("key", "b"), now_);
  EXPECT_GT(CasUnique("key"), before);
}

TEST_F(StoreTest, AppendAndPrependNeedAnItem) {
  EXPECT_EQ(store_.Append(MakeItem("key", "x"), now_), StoreResult::kNotStored);
  EXPECT_EQ(store_.Prepend(MakeItem("key", "x"), now_),
            StoreResult::kNotStored);
  EXPECT_EQ(Value("key"), "(none)");
}

TEST_F(StoreTest, AppendsUpToTheLargestValueAndNotAbove) {
  Set("key", std::string(kMaxValueSize - 1, 'x'));
  EXPECT_EQ(store_.Append(MakeItem("key", "yy"), now_),
            StoreResult::kNotStored);
  EXPECT_EQ(store_.Prepend(MakeItem("key", "yy"), now_),
            StoreResult::kNotStored);
  EXPECT_EQ(Value("key"), std::string(kMaxValueSize - 1, 'x'));
  EXPECT_EQ(store_.Append(MakeItem("key", "y"), now_), StoreResult::kStored);
  EXPECT_EQ(Value("key"), std::string(kMaxValueSize - 1, 'x') + "y");
}

TEST_F(StoreTest, AppendKeepsTheOldValueWhenMemoryFails) {
  Set("key", "old");
  allocations_left = 0;
  EXPECT_EQ(store_.Append(MakeItem("key", "x"), now_),
            StoreResult::kOutOfMemory);
  EXPECT_EQ(store_.Prepend(MakeItem("key", "x"), now_),
            StoreResult::kOutOfMemory);
  EXPECT_EQ(Value("key"), "old");
  EXPECT_EQ(statistics().store_no_memory, 2);
}

// CompareAndSwap.

TEST_F(StoreTest, SwapsTheItemThatTheClientSaw) {
  Set("key", "old");
  EXPECT_EQ(
      store_.CompareAndSwap(MakeItem("key", "new"), CasUnique("key"), now_),
      StoreResult::kStored);
  EXPECT_EQ(Value("key"), "new");
  EXPECT_EQ(statistics().cas_hits, 1);
}

TEST_F(StoreTest, DoesNotSwapAnItemThatHasChanged) {
  Set("key", "seen");
  const uint64_t seen = CasUnique("key");
  Set("key", "changed");
  EXPECT_EQ(store_.CompareAndSwap(MakeItem("key", "new"), seen, now_),
            StoreResult::kExists);
  EXPECT_EQ(Value("key"), "changed");
  EXPECT_EQ(statistics().cas_badval, 1);
}

TEST_F(StoreTest, DoesNotSwapWhatIsNotThere) {
  EXPECT_EQ(store_.CompareAndSwap(MakeItem("key", "new"), 1, now_),
            StoreResult::kNotFound);
  EXPECT_EQ(Value("key"), "(none)");
  EXPECT_EQ(statistics().cas_misses, 1);
}

TEST_F(StoreTest, NeverGivesACasUniqueTwice) {
  Set("key", "1");
  const uint64_t first = CasUnique("key");
  EXPECT_GT(first, 0);
  Delete("key");
  Set("key", "1");
  const uint64_t second = CasUnique("key");
  EXPECT_GT(second, first);
  Incr("key", 0);
  EXPECT_GT(CasUnique("key"), second);
}

TEST_F(StoreTest, TouchKeepsTheCasUnique) {
  Set("key", "1");
  const uint64_t before = CasUnique("key");
  Touch("key", kNow + 10);
  EXPECT_EQ(CasUnique("key"), before);
}

// Delete and Discard.

TEST_F(StoreTest, DeletesOnce) {
  Set("key", "value");
  EXPECT_EQ(Delete("key"), DeleteResult::kDeleted);
  EXPECT_EQ(Delete("key"), DeleteResult::kNotFound);
  EXPECT_EQ(Value("key"), "(none)");
  EXPECT_EQ(statistics().delete_hits, 1);
  EXPECT_EQ(statistics().delete_misses, 1);
  EXPECT_EQ(statistics().curr_items, 0);
  EXPECT_EQ(statistics().bytes, 0);
}

TEST_F(StoreTest, DiscardsWithoutCounting) {
  Set("key", "value");
  store_.Discard(HashedKey::Of("key"));
  store_.Discard(HashedKey::Of("key"));
  EXPECT_EQ(Value("key"), "(none)");
  EXPECT_EQ(statistics().delete_hits, 0);
  EXPECT_EQ(statistics().delete_misses, 0);
  EXPECT_EQ(statistics().bytes, 0);
}

// Incr and Decr. The values are those that memcached 1.6.18 leaves behind.

struct CountCase {
  enum class Operation { kIncr, kDecr };
  std::string_view before;
  Operation operation;
  uint64_t delta;
  uint64_t number;
  std::string_view after;
};

constexpr auto kIncr = CountCase::Operation::kIncr;
constexpr auto kDecr = CountCase::Operation::kDecr;
constexpr CountCase kCountCases[] = {
    {"5", kIncr, 1, 6, "6"},
    {"9", kIncr, 1, 10, "10"},
    {"99", kIncr, 1, 100, "100"},
    {"5", kIncr, 100000, 100005, "100005"},
    {"10", kDecr, 1, 9, "9 "},
    {"99", kDecr, 100, 0, "0 "},
    {"5", kDecr, 100, 0, "0"},
    {"5", kDecr, 5, 0, "0"},
    {"05", kIncr, 1, 6, "6 "},
    {"  5  ", kDecr, 1, 4, "4    "},
    {"5 x", kIncr, 1, 6, "6  "},
    {"18446744073709551615", kIncr, 1, 0, "0                   "},
    {"18446744073709551615", kIncr, kLargest, kLargest - 1,
     "18446744073709551614"},
    {"18446744073709551615", kDecr, 1, kLargest - 1, "18446744073709551614"},
    {"0", kIncr, kLargest, kLargest, "18446744073709551615"},
};

TEST_F(StoreTest, CountsAsMemcachedDoes) {
  for (const CountCase& c : kCountCases) {
    SCOPED_TRACE(c.before);
    Set("key", c.before);
    const ArithmeticResult result =
        c.operation == kIncr ? Incr("key", c.delta) : Decr("key", c.delta);
    EXPECT_EQ(result.outcome, Outcome::kDone);
    EXPECT_EQ(result.value, c.number);
    EXPECT_EQ(Value("key"), c.after);
    EXPECT_EQ(statistics().bytes, Get("key")->footprint());
  }
}

TEST_F(StoreTest, CountsUpAndDownAndUpAgainInOnePlace) {
  Set("key", "10");
  EXPECT_EQ(Decr("key", 1).value, 9);
  EXPECT_EQ(Value("key"), "9 ");
  EXPECT_EQ(Incr("key", 1).value, 10);
  EXPECT_EQ(Value("key"), "10");
  EXPECT_EQ(Incr("key", 90).value, 100);
  EXPECT_EQ(Get("key")->data_block(), "100\r\n");
  EXPECT_EQ(statistics().total_items, 2);
}

TEST_F(StoreTest, CountingKeepsFlagsAndExpiry) {
  store_.Set(MakeItem("key", "9", 7, kNow + 5), now_);
  Incr("key", 1);
  EXPECT_EQ(Get("key")->flags(), 7);
  EXPECT_EQ(Get("key")->expiry(), kNow + 5);
}

TEST_F(StoreTest, DoesNotCountWhatIsNoNumber) {
  for (std::string_view value :
       {"", " ", "x", "5x", "-5", "1.5", "18446744073709551616"}) {
    Set("key", value);
    EXPECT_EQ(Incr("key", 1).outcome, Outcome::kNotANumber) << value;
    EXPECT_EQ(Decr("key", 1).outcome, Outcome::kNotANumber) << value;
    EXPECT_EQ(Value("key"), value);
  }
  EXPECT_EQ(statistics().incr_hits, 0);
  EXPECT_EQ(statistics().incr_misses, 0);
  EXPECT_EQ(statistics().decr_hits, 0);
  EXPECT_EQ(statistics().decr_misses, 0);
}

TEST_F(StoreTest, DoesNotCountWhatIsNotThere) {
  EXPECT_EQ(Incr("key", 1).outcome, Outcome::kNotFound);
  EXPECT_EQ(Decr("key", 1).outcome, Outcome::kNotFound);
  EXPECT_EQ(statistics().incr_misses, 1);
  EXPECT_EQ(statistics().decr_misses, 1);
  EXPECT_EQ(statistics().get_misses, 0);
}

TEST_F(StoreTest, CountsItsCounting) {
  Set("key", "5");
  Incr("key", 1);
  Decr("key", 1);
  Decr("key", 1);
  EXPECT_EQ(statistics().incr_hits, 1);
  EXPECT_EQ(statistics().decr_hits, 2);
}

TEST_F(StoreTest, KeepsTheNumberWhenMemoryForALongerOneFails) {
  Set("key", "9");
  allocations_left = 0;
  EXPECT_EQ(Incr("key", 1).outcome, Outcome::kOutOfMemory);
  EXPECT_EQ(Value("key"), "9");
  EXPECT_EQ(statistics().incr_hits, 0);
  EXPECT_EQ(statistics().store_no_memory, 1);
}

// Replies under way.

TEST_F(StoreTest, AReplyKeepsWhatItHoldsThroughEveryChange) {
  Set("key", "10");
  const ItemPtr reply = Get("key");
  EXPECT_EQ(Decr("key", 1).value, 9);
  EXPECT_EQ(Value("key"), "9 ");
  const ItemPtr second_reply = Get("key");
  store_.Append(MakeItem("key", "x"), now_);
  Set("key", "new");
  Delete("key");
  EXPECT_EQ(reply->data_block(), "10\r\n");
  EXPECT_EQ(second_reply->data_block(), "9 \r\n");
  EXPECT_EQ(statistics().bytes, 0);
}

TEST_F(StoreTest, KeepsTheNumberWhenMemoryForACopyFails) {
  Set("key", "5");
  const ItemPtr reply = Get("key");
  allocations_left = 0;
  EXPECT_EQ(Incr("key", 1).outcome, Outcome::kOutOfMemory);
  EXPECT_EQ(Value("key"), "5");
}

// Touch and expiry.

TEST_F(StoreTest, AnItemIsGoneInTheSecondOfItsExpiry) {
  Set("key", "value", kNow + 10);
  now_ = kNow + 9;
  EXPECT_EQ(Value("key"), "value");
  now_ = kNow + 10;
  EXPECT_EQ(Value("key"), "(none)");
  EXPECT_EQ(statistics().get_expired, 1);
  EXPECT_EQ(statistics().get_misses, 1);
  EXPECT_EQ(statistics().curr_items, 0);
  EXPECT_EQ(Value("key"), "(none)");
  EXPECT_EQ(statistics().get_expired, 1);
}

TEST_F(StoreTest, AnItemMayBeExpiredFromTheStart) {
  Set("key", "value", kAlreadyExpired);
  EXPECT_EQ(Value("key"), "(none)");
}

TEST_F(StoreTest, TouchMovesTheExpiry) {
  Set("key", "value", kNow + 10);
  EXPECT_EQ(Touch("key", kNow + 20), TouchResult::kTouched);
  now_ = kNow + 19;
  EXPECT_EQ(Value("key"), "value");
  EXPECT_EQ(Touch("key", kAlreadyExpired), TouchResult::kTouched);
  EXPECT_EQ(Value("key"), "(none)");
  EXPECT_EQ(Touch("key", kNeverExpires), TouchResult::kNotFound);
  EXPECT_EQ(statistics().cmd_touch, 3);
  EXPECT_EQ(statistics().touch_hits, 2);
  EXPECT_EQ(statistics().touch_misses, 1);
}

TEST_F(StoreTest, NoCommandFindsAnExpiredItem) {
  const auto expire = [this] { Set("key", "5", kAlreadyExpired); };
  expire();
  EXPECT_EQ(Delete("key"), DeleteResult::kNotFound);
  expire();
  EXPECT_EQ(Touch("key", kNeverExpires), TouchResult::kNotFound);
  expire();
  EXPECT_EQ(Incr("key", 1).outcome, Outcome::kNotFound);
  expire();
  EXPECT_EQ(Decr("key", 1).outcome, Outcome::kNotFound);
  EXPECT_EQ(statistics().get_expired, 4);
  EXPECT_EQ(statistics().reclaimed, 0);

  expire();
  EXPECT_EQ(store_.Append(MakeItem("key", "x"), now_), StoreResult::kNotStored);
  expire();
  EXPECT_EQ(store_.Prepend(MakeItem("key", "x"), now_),
            StoreResult::kNotStored);
  expire();
  EXPECT_EQ(store_.Replace(MakeItem("key", "x"), now_),
            StoreResult::kNotStored);
  expire();
  EXPECT_EQ(store_.CompareAndSwap(MakeItem("key", "x"), 9, now_),
            StoreResult::kNotFound);
  expire();
  EXPECT_EQ(store_.Add(MakeItem("key", "x"), now_), StoreResult::kStored);
  EXPECT_EQ(statistics().get_expired, 4);
  EXPECT_EQ(statistics().reclaimed, 5);
  EXPECT_EQ(statistics().expired_unfetched, 5);
}

TEST_F(StoreTest, AnItemOnceReadIsNotUnfetched) {
  Set("key", "value", kNow + 1);
  Get("key");
  now_ = kNow + 1;
  Set("key", "other");
  EXPECT_EQ(statistics().reclaimed, 1);
  EXPECT_EQ(statistics().expired_unfetched, 0);
}

// FlushAll.

TEST_F(StoreTest, FlushesEverythingAtOnce) {
  Set("key", "old");
  store_.FlushAll(now_, now_);
  EXPECT_EQ(Value("key"), "(none)");
  EXPECT_EQ(statistics().get_flushed, 1);
  EXPECT_EQ(statistics().get_misses, 1);
}

TEST_F(StoreTest, KeepsWhatIsStoredAfterAFlushInTheSameSecond) {
  Set("key", "old");
  store_.FlushAll(now_, now_);
  Set("key", "new");
  EXPECT_EQ(Value("key"), "new");
}

TEST_F(StoreTest, FlushesForAMomentInThePast) {
  Set("key", "old");
  store_.FlushAll(kAlreadyExpired, now_);
  EXPECT_EQ(Value("key"), "(none)");
}

TEST_F(StoreTest, FlushesLaterWhatIsStoredUntilThen) {
  Set("before", "1");
  store_.FlushAll(kNow + 10, now_);
  now_ = kNow + 9;
  Set("meanwhile", "2");
  EXPECT_EQ(Value("before"), "1");
  now_ = kNow + 10;
  Set("after", "3");
  EXPECT_EQ(Value("before"), "(none)");
  EXPECT_EQ(Value("meanwhile"), "(none)");
  EXPECT_EQ(Value("after"), "3");
}

TEST_F(StoreTest, ALaterFlushTakesTheTurnOfAPendingOne) {
  Set("key", "value");
  store_.FlushAll(kNow + 10, now_);
  store_.FlushAll(kNow + 20, now_);
  now_ = kNow + 19;
  EXPECT_EQ(Value("key"), "value");
  now_ = kNow + 20;
  EXPECT_EQ(Value("key"), "(none)");
}

TEST_F(StoreTest, AFlushThatIsDueHappensBeforeTheNextOneIsSet) {
  Set("key", "value");
  store_.FlushAll(kNow + 10, now_);
  now_ = kNow + 15;
  store_.FlushAll(kNow + 20, now_);
  EXPECT_EQ(Value("key"), "(none)");
}

TEST_F(StoreTest, WhatIsFlushedStaysFlushedWhenTheNextFlushIsPending) {
  Set("key", "value");
  store_.FlushAll(now_, now_);
  store_.FlushAll(kNow + 10, now_);
  EXPECT_EQ(Value("key"), "(none)");
}

TEST_F(StoreTest, NoCommandFindsAFlushedItem) {
  const auto flush = [this] {
    Set("key", "5");
    store_.FlushAll(now_, now_);
  };
  flush();
  EXPECT_EQ(Delete("key"), DeleteResult::kNotFound);
  flush();
  EXPECT_EQ(Touch("key", kNeverExpires), TouchResult::kNotFound);
  flush();
  EXPECT_EQ(Incr("key", 1).outcome, Outcome::kNotFound);
  EXPECT_EQ(statistics().get_flushed, 3);
  flush();
  EXPECT_EQ(store_.Replace(MakeItem("key", "x"), now_),
            StoreResult::kNotStored);
  flush();
  EXPECT_EQ(store_.Add(MakeItem("key", "x"), now_), StoreResult::kStored);
  EXPECT_EQ(statistics().get_flushed, 3);
  EXPECT_EQ(statistics().reclaimed, 2);
}

TEST_F(StoreTest, ResetForgetsWhatWasCountedAndNotWhatIsThere) {
  Set("key", "value");
  Get("key");
  const uint64_t bytes = statistics().bytes;
  store_.ResetStatistics();
  EXPECT_EQ(statistics().cmd_get, 0);
  EXPECT_EQ(statistics().curr_items, 1);
  EXPECT_EQ(statistics().bytes, bytes);
  EXPECT_EQ(statistics().limit_maxbytes, 64 << 20);
  EXPECT_EQ(Value("key"), "value");
}

}  // namespace
}  // namespace percore::cache
