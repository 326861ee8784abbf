// The items of a store in the order of their last use.
//
// A store that is full must know at once which item nobody asked for longest.
// The list runs through the items themselves: no operation allocates or
// searches.
//
// ```cpp
// cache::LruList list;
// cache::ItemPtr item = cache::Item::Create(
//     cache::HashedKey::Of("key"), 0, cache::kNeverExpires, /*value_size=*/0);
// if (item == nullptr) return;
// list.PushNewest(item.get());
// if (list.oldest() == item.get()) list.Remove(item.get());
// ```
#ifndef PERCORE_EXAMPLES_CACHE_LRU_LIST_H_
#define PERCORE_EXAMPLES_CACHE_LRU_LIST_H_

#include "percore/examples/cache/item.h"

namespace percore::cache {

// Used by the thread of its store only. Holds no reference: an item must be
// removed before it goes. An item is in one list at most.
class LruList {
 public:
  LruList() = default;
  LruList(const LruList&) = delete;
  LruList& operator=(const LruList&) = delete;

  // The item used longest ago, or nullptr if the list is empty.
  Item* oldest() const { return oldest_; }

  // `item` is in no list.
  void PushNewest(Item* item) {
    item->older_ = newest_;
    item->newer_ = nullptr;
    (newest_ != nullptr ? newest_->newer_ : oldest_) = item;
    newest_ = item;
  }

  // `item` is in this list; afterwards it is in none.
  void Remove(Item* item) {
    (item->newer_ != nullptr ? item->newer_->older_ : newest_) = item->older_;
    (item->older_ != nullptr ? item->older_->newer_ : oldest_) = item->newer_;
    item->newer_ = nullptr;
    item->older_ = nullptr;
  }

  // `item` is in this list, and becomes the one used last.
  void MoveToNewest(Item* item) {
    if (item == newest_) return;
    Remove(item);
    PushNewest(item);
  }

 private:
  Item* newest_ = nullptr;
  Item* oldest_ = nullptr;
};

}  // namespace percore::cache

#endif  // PERCORE_EXAMPLES_CACHE_LRU_LIST_H_
