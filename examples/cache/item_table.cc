#include "percore/examples/cache/item_table.h"

#include <utility>

namespace percore::cache {

Item* ItemTable::Find(const HashedKey& key) {
  Part& part = PartOf(key.hash);
  const auto place = part.find(key);
  return place == part.end() ? nullptr : place->item.get();
}

void ItemTable::Put(ItemPtr item) {
  const HashedKey key = item->key();
  Part& part = PartOf(key.hash);
  const auto place = part.find(key);
  if (place == part.end()) {
    part.insert(Place{std::move(item)});
  } else {
    place->item = std::move(item);
  }
}

void ItemTable::Remove(const HashedKey& key) {
  Part& part = PartOf(key.hash);
  const auto place = part.find(key);
  if (place != part.end()) part.erase(place);
}

}  // namespace percore::cache
