// A cached value with its key, in one block of memory that a reply can be sent
// from.
//
// A cache of small values is a cache of allocations and of cache misses: each
// pointer from one piece of an item to the next costs both. An Item is one
// block with everything in it, and ends in the line end that the protocol wants
// after a value, so that one reference to data_block() is all a reply needs:
//
//     +--------------------------+---------+-------------------+------+
//     | Item: links, hash, flags | the key | the value         | \r\n |
//     +--------------------------+---------+-------------------+------+
//                                          |<----- value() --->|
//                                          |<------- data_block() --->|
//
// An item is shared by counting: the store holds one reference, each reply
// under way another. An item that is replaced or evicted meanwhile leaves the
// store at once, and its memory goes with the last reply.
//
// Exactly one thread touches an item at a time, so the count is a plain
// integer. An item may be made and filled on one thread and then handed, with
// its only ItemPtr, to the thread whose store takes it in.
//
// ```cpp
// cache::ItemPtr item =
//     cache::Item::Create(cache::HashedKey::Of("greeting"), /*flags=*/0,
//                         cache::kNeverExpires, /*value_size=*/5);
// if (item == nullptr) return;  // out of memory
// std::string_view("hello").copy(item->mutable_value().data(), 5);
// std::string_view reply = item->data_block();  // "hello\r\n"
// if (reply.size() != 7) return;
// ```
#ifndef PERCORE_EXAMPLES_CACHE_ITEM_H_
#define PERCORE_EXAMPLES_CACHE_ITEM_H_

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string_view>
#include <utility>

#include "percore/examples/cache/expiry.h"
#include "percore/examples/cache/key_hash.h"

namespace percore::cache {

inline constexpr size_t kMaxKeySize = 250;
// memcached's default, too, but memcached counts its own header into it.
inline constexpr size_t kMaxValueSize = 1024 * 1024;
inline constexpr std::string_view kLineEnd = "\r\n";

class ItemPtr;

// Where the memory of items comes from. Returns memory that std::free() takes
// back, or nullptr. A test hands in one that fails.
using AllocateFunction = void* (*)(size_t size);

// See above. Made by Create() only, and gone with its last ItemPtr.
class Item {
 public:
  Item(const Item&) = delete;
  Item& operator=(const Item&) = delete;

  // A new item: key, flags and expiry are set, the line end stands behind the
  // value, the value itself is not initialized. One allocation. Returns nullptr
  // where `allocate` does, and for a key or a value above the limits.
  static ItemPtr Create(const HashedKey& key, uint32_t flags,
                        UnixSeconds expiry, size_t value_size,
                        AllocateFunction allocate = &std::malloc);

  // The key with its hash; refers to this item's memory.
  HashedKey key() const { return {{key_begin(), key_size_}, hash_}; }

  // What the client wants back with the value; no meaning for the server.
  uint32_t flags() const { return flags_; }

  // The item is gone once the present is not before this.
  UnixSeconds expiry() const { return expiry_; }

  // Names this state of the value: a store gives each state of each of its
  // items a number of its own. 0 until a store has taken the item in.
  uint64_t cas_unique() const { return cas_unique_; }

  std::string_view value() const { return {value_begin(), value_size_}; }

  // The value and the line end after it, as a reply has them.
  std::string_view data_block() const {
    return {value_begin(), value_size_ + kLineEnd.size()};
  }

  // The value, to be filled. Only before a store takes the item in.
  std::span<char> mutable_value() { return {value_begin(), value_size_}; }

  // The value and the line end, to receive both straight from a client; whether
  // the client's line end is one says HasLineEnd(). Only before a store takes
  // the item in.
  std::span<char> mutable_data_block() {
    return {value_begin(), value_size_ + kLineEnd.size()};
  }
  bool HasLineEnd() const { return data_block().ends_with(kLineEnd); }

  // The size of this item's block in bytes. What the allocator rounds up comes
  // on top.
  size_t footprint() const {
    return sizeof(Item) + key_size_ + value_size_ + kLineEnd.size();
  }

 private:
  friend class ItemPtr;
  friend class LruList;
  friend class Store;

  Item(const HashedKey& key, uint32_t flags, UnixSeconds expiry,
       size_t value_size);

  const char* key_begin() const {
    return reinterpret_cast<const char*>(this + 1);
  }
  const char* value_begin() const { return key_begin() + key_size_; }
  char* value_begin() { return reinterpret_cast<char*>(this + 1) + key_size_; }

  // Neighbours in the store's LruList.
  Item* newer_ = nullptr;
  Item* older_ = nullptr;
  const uint64_t hash_;
  uint64_t cas_unique_ = 0;
  UnixSeconds expiry_;
  const uint32_t flags_;
  const uint32_t value_size_;
  uint32_t references_ = 1;
  const uint8_t key_size_;
  // Whether a Get has found the item.
  bool fetched_ = false;
};

// One reference to an Item, or none. Moves; Share() makes a second reference,
// so that each change of the count can be seen.
class ItemPtr {
 public:
  ItemPtr() = default;
  ItemPtr(std::nullptr_t) {}  // NOLINT: as for any pointer
  ItemPtr(ItemPtr&& other) noexcept
      : item_(std::exchange(other.item_, nullptr)) {}
  ItemPtr& operator=(ItemPtr&& other) noexcept {
    ItemPtr taken(std::move(other));
    std::swap(item_, taken.item_);
    return *this;
  }
  ~ItemPtr() {
    if (item_ != nullptr && --item_->references_ == 0) std::free(item_);
  }

  // Takes over the reference that Release() gave out.
  static ItemPtr Adopt(Item* item) { return ItemPtr(item); }

  // Gives the reference out, for one who keeps a plain pointer (the release
  // callback of a buffer): it must come back through Adopt().
  Item* Release() { return std::exchange(item_, nullptr); }

  // Another reference to an item that has one; none to nullptr.
  static ItemPtr ReferTo(Item* item) {
    if (item != nullptr) ++item->references_;
    return ItemPtr(item);
  }
  ItemPtr Share() const { return ReferTo(item_); }

  Item* get() const { return item_; }
  Item& operator*() const { return *item_; }
  Item* operator->() const { return item_; }
  friend bool operator==(const ItemPtr& pointer, std::nullptr_t) {
    return pointer.item_ == nullptr;
  }

 private:
  explicit ItemPtr(Item* item) : item_(item) {}

  Item* item_ = nullptr;
};

}  // namespace percore::cache

#endif  // PERCORE_EXAMPLES_CACHE_ITEM_H_
