// What a store does not allocate. In a program of its own, because it counts
// every `new` of the process.
#include <gtest/gtest.h>

#include <cstdlib>
#include <new>
#include <string_view>
#include <utility>

#include "percore/examples/cache/store.h"

namespace {

int allocations = 0;

}  // namespace

void* operator new(size_t size) {
  ++allocations;
  void* memory = std::malloc(size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace percore::cache {
namespace {

constexpr UnixSeconds kNow = 1'700'000'000;

void* CountAndAllocate(size_t size) {
  ++allocations;
  return std::malloc(size);
}

class StoreAllocationTest : public testing::Test {
 protected:
  StoreAllocationTest() { Set("7"); }

  void Set(std::string_view value) {
    ItemPtr item = Item::Create(key_, 0, kNeverExpires, value.size());
    value.copy(item->mutable_value().data(), value.size());
    EXPECT_EQ(store_.Set(std::move(item), kNow), StoreResult::kStored);
  }

  const HashedKey key_ = HashedKey::Of("key");
  const HashedKey absent_ = HashedKey::Of("absent");
  Store store_{{.limit_bytes = 1000, .allocate = &CountAndAllocate}};
};

TEST_F(StoreAllocationTest, CountsWhatIsAllocated) {
  const int before = allocations;
  // Volatile, or the compiler leaves both out.
  int* volatile number = new int;
  delete number;
  EXPECT_EQ(allocations, before + 1);
}

TEST_F(StoreAllocationTest, AHitAllocatesNothing) {
  const int before = allocations;
  const bool found = store_.Get(key_, kNow) != nullptr;
  const int after = allocations;
  EXPECT_TRUE(found);
  EXPECT_EQ(after, before);
}

TEST_F(StoreAllocationTest, AMissAllocatesNothing) {
  const int before = allocations;
  const bool found = store_.Get(absent_, kNow) != nullptr;
  const int after = allocations;
  EXPECT_FALSE(found);
  EXPECT_EQ(after, before);
}

TEST_F(StoreAllocationTest, TouchCountingInPlaceAndDeleteAllocateNothing) {
  const int before = allocations;
  store_.Touch(key_, kNeverExpires, kNow);
  store_.Incr(key_, 1, kNow);
  store_.Decr(key_, 1, kNow);
  store_.Delete(key_, kNow);
  const int after = allocations;
  EXPECT_EQ(after, before);
}

TEST_F(StoreAllocationTest, ReplacingAnItemAllocatesOnlyTheItem) {
  ItemPtr item = Item::Create(key_, 0, kNeverExpires, 0);
  const int before = allocations;
  store_.Set(std::move(item), kNow);
  const int after = allocations;
  EXPECT_EQ(after, before);
}

}  // namespace
}  // namespace percore::cache
