// A filled item in one call, for tests.
#ifndef PERCORE_TESTS_EXAMPLES_CACHE_MAKE_ITEM_H_
#define PERCORE_TESTS_EXAMPLES_CACHE_MAKE_ITEM_H_

#include <cstdint>
#include <string_view>

#include "percore/examples/cache/item.h"

namespace percore::cache {

inline ItemPtr MakeItem(std::string_view key, std::string_view value,
                        uint32_t flags = 0,
                        UnixSeconds expiry = kNeverExpires) {
  ItemPtr item = Item::Create(HashedKey::Of(key), flags, expiry, value.size());
  value.copy(item->mutable_value().data(), value.size());
  return item;
}

}  // namespace percore::cache

#endif  // PERCORE_TESTS_EXAMPLES_CACHE_MAKE_ITEM_H_
