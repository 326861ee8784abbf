// The items of one shard: found by key, bounded in bytes, forgotten in time.
//
// A cache that many threads share spends its time on locks. Here every shard
// has a Store of its own for the keys that hash to it (ShardOf), and runs it on
// its own thread; what is left is a hash table, a list of the items in the
// order of their use, and memcached's rules:
//
//  - What does not fit evicts what nobody asked for longest. The bytes of the
//    items never exceed the limit.
//  - An item that is expired or flushed does not exist for any command. Its
//    memory is given back when a command comes across it or when it is the
//    oldest of a full store, not before.
//  - A reply that holds an item keeps it alive and unchanged: what writes to a
//    value that a reply still holds writes a copy.
//
// ```cpp
// cache::Store store({.limit_bytes = 64 << 20});
// const cache::HashedKey key = cache::HashedKey::Of("greeting");
// const cache::UnixSeconds now = 1'700'000'000;
// cache::ItemPtr item =
//     cache::Item::Create(key, /*flags=*/0, cache::ExpiryOf(60, now), 5);
// if (item == nullptr) return;
// std::string_view("hello").copy(item->mutable_value().data(), 5);
// if (store.Set(std::move(item), now) != cache::StoreResult::kStored) return;
// cache::ItemPtr found = store.Get(key, now);  // found->value() is "hello"
// if (found == nullptr) return;
// ```
#ifndef PERCORE_EXAMPLES_CACHE_STORE_H_
#define PERCORE_EXAMPLES_CACHE_STORE_H_

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "percore/examples/cache/expiry.h"
#include "percore/examples/cache/item.h"
#include "percore/examples/cache/item_table.h"
#include "percore/examples/cache/key_hash.h"
#include "percore/examples/cache/lru_list.h"
#include "percore/examples/cache/statistics.h"

namespace percore::cache {

// What became of a value.
enum class StoreResult {
  kStored,
  kNotStored,    // The condition of Add, Replace, Append or Prepend failed.
  kExists,       // CompareAndSwap: the item is not the one the client saw.
  kNotFound,     // CompareAndSwap: there is no such item.
  kOutOfMemory,  // No memory, or larger than the whole store may be.
};

enum class DeleteResult { kDeleted, kNotFound };
enum class TouchResult { kTouched, kNotFound };

struct ArithmeticResult {
  enum class Outcome { kDone, kNotFound, kNotANumber, kOutOfMemory };

  Outcome outcome;
  uint64_t value = 0;  // The new number, if kDone.
};

// Every method is for the thread that owns the store, and takes the present
// time, which may not run backwards. The HashedKey of a call, and that of an
// item, must come from one hash function.
//
// Cost: no command hashes a key, or searches for longer than a probe of the
// table takes. Get, Delete and Touch allocate nothing; Incr and Decr only where
// the number gets longer or a reply holds the item. An item that comes in may
// let a part of the table grow (see item_table.h).
class Store {
 public:
  struct Options {
    // For the sum of Item::footprint(). The table (up to 21 bytes an item) and
    // what the allocator rounds up come on top.
    uint64_t limit_bytes;
    // For the items that the store makes itself.
    AllocateFunction allocate = &std::malloc;
  };

  explicit Store(const Options& options);
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  // The item, now the one used last, or nullptr. The caller may read it as long
  // as it likes, and not write to it.
  ItemPtr Get(const HashedKey& key, UnixSeconds now);

  // Each takes a filled item and gives it a new cas_unique(). Set replaces what
  // is there; Add only stores where nothing is, Replace where something is. If
  // memory fails, Set removes the old value all the same: a client that has
  // sent a new value must not be served the old one for ever.
  StoreResult Set(ItemPtr item, UnixSeconds now);
  StoreResult Add(ItemPtr item, UnixSeconds now);
  StoreResult Replace(ItemPtr item, UnixSeconds now);

  // Put the value of `addition` after, or before, that of the item with its
  // key, which keeps its own flags and expiry. kNotStored also for a sum above
  // kMaxValueSize. The old value stays if anything fails.
  StoreResult Append(ItemPtr addition, UnixSeconds now);
  StoreResult Prepend(ItemPtr addition, UnixSeconds now);

  // Set, if the item in the store is still the one with this cas_unique().
  StoreResult CompareAndSwap(ItemPtr item, uint64_t cas_unique,
                             UnixSeconds now);

  DeleteResult Delete(const HashedKey& key, UnixSeconds now);

  // Delete that is not counted: for the old value of a "set" that was refused
  // as too large.
  void Discard(const HashedKey& key);

  // Read the value as a number, add or take `delta`, and write it back. Incr
  // starts again from 0 above 2^64 - 1, Decr ends at 0. The value keeps its
  // size as long as the number fits in, with spaces behind it: "10" less one is
  // "9 ".
  ArithmeticResult Incr(const HashedKey& key, uint64_t delta, UnixSeconds now);
  ArithmeticResult Decr(const HashedKey& key, uint64_t delta, UnixSeconds now);

  // A new expiry (ExpiryOf), and now the item used last.
  TouchResult Touch(const HashedKey& key, UnixSeconds expiry, UnixSeconds now);

  // Every item stored before `moment` (FlushMomentOf) is gone once that moment
  // has come. Only one flush can be pending: the last. Takes constant time.
  // (memcached flushes a second before the moment, and then what is stored
  // within that second.)
  void FlushAll(UnixSeconds moment, UnixSeconds now);

  const Statistics& statistics() const { return statistics_; }
  void ResetStatistics() { statistics_.Reset(); }

 private:
  enum class Direction { kUp, kDown };
  enum class Side { kAfter, kBefore };

  // The live item, or nullptr. An item found dead is removed, and counted as
  // missed by the first, as making room by the second.
  Item* FindToRead(const HashedKey& key, UnixSeconds now);
  Item* FindToStore(const HashedKey& key, UnixSeconds now);

  // Puts `item` in the place of `old`, which may be nullptr.
  StoreResult Put(ItemPtr item, Item* old, UnixSeconds now);
  StoreResult Extend(ItemPtr addition, Side side, UnixSeconds now);
  ArithmeticResult Count(Item* old, Direction direction, uint64_t delta,
                         UnixSeconds now);

  void StartFlushWhenDue(UnixSeconds now);
  bool IsFlushed(const Item& item) const;
  bool IsDead(const Item& item, UnixSeconds now) const;
  void CountReclaimed(const Item& item);
  void EvictOldest(UnixSeconds now);
  void Detach(Item* item);
  void Remove(Item* item);

  const AllocateFunction allocate_;
  ItemTable table_;
  LruList by_use_;
  uint64_t last_cas_unique_ = 0;
  // Items up to this cas_unique() are flushed.
  uint64_t flushed_cas_unique_ = 0;
  UnixSeconds next_flush_ = kNeverExpires;
  Statistics statistics_;
};

}  // namespace percore::cache

#endif  // PERCORE_EXAMPLES_CACHE_STORE_H_
