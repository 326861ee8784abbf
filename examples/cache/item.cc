#include "percore/examples/cache/item.h"

#include <new>
#include <type_traits>

namespace percore::cache {

// ItemPtr gives the block back without a destructor call.
static_assert(std::is_trivially_destructible_v<Item>);

ItemPtr Item::Create(const HashedKey& key, uint32_t flags, UnixSeconds expiry,
                     size_t value_size, AllocateFunction allocate) {
  if (key.text.size() > kMaxKeySize || value_size > kMaxValueSize) {
    return nullptr;
  }
  void* block =
      allocate(sizeof(Item) + key.text.size() + value_size + kLineEnd.size());
  if (block == nullptr) return nullptr;
  Item* item = new (block) Item(key, flags, expiry, value_size);
  char* key_begin = reinterpret_cast<char*>(item + 1);
  key.text.copy(key_begin, key.text.size());
  kLineEnd.copy(item->value_begin() + value_size, kLineEnd.size());
  return ItemPtr::Adopt(item);
}

Item::Item(const HashedKey& key, uint32_t flags, UnixSeconds expiry,
           size_t value_size)
    : hash_(key.hash),
      expiry_(expiry),
      flags_(flags),
      value_size_(static_cast<uint32_t>(value_size)),
      key_size_(static_cast<uint8_t>(key.text.size())) {}

}  // namespace percore::cache
