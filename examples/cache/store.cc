#include "percore/examples/cache/store.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>
#include <span>
#include <utility>

#include "percore/examples/cache/number.h"

namespace percore::cache {
namespace {

constexpr size_t kMaxDigits = std::numeric_limits<uint64_t>::digits10 + 1;

}  // namespace

Store::Store(const Options& options) : allocate_(options.allocate) {
  statistics_.limit_maxbytes = options.limit_bytes;
}

ItemPtr Store::Get(const HashedKey& key, UnixSeconds now) {
  ++statistics_.cmd_get;
  Item* const found = FindToRead(key, now);
  if (found == nullptr) {
    ++statistics_.get_misses;
    return nullptr;
  }
  ++statistics_.get_hits;
  found->fetched_ = true;
  by_use_.MoveToNewest(found);
  return ItemPtr::ReferTo(found);
}

StoreResult Store::Set(ItemPtr item, UnixSeconds now) {
  ++statistics_.cmd_set;
  Item* const found = FindToStore(item->key(), now);
  const StoreResult result = Put(std::move(item), found, now);
  if (result != StoreResult::kStored && found != nullptr) Remove(found);
  return result;
}

StoreResult Store::Add(ItemPtr item, UnixSeconds now) {
  ++statistics_.cmd_set;
  if (FindToStore(item->key(), now) != nullptr) {
    return StoreResult::kNotStored;
  }
  return Put(std::move(item), nullptr, now);
}

StoreResult Store::Replace(ItemPtr item, UnixSeconds now) {
  ++statistics_.cmd_set;
  Item* const found = FindToStore(item->key(), now);
  if (found == nullptr) return StoreResult::kNotStored;
  return Put(std::move(item), found, now);
}

StoreResult Store::Append(ItemPtr addition, UnixSeconds now) {
  return Extend(std::move(addition), Side::kAfter, now);
}

StoreResult Store::Prepend(ItemPtr addition, UnixSeconds now) {
  return Extend(std::move(addition), Side::kBefore, now);
}

StoreResult Store::CompareAndSwap(ItemPtr item, uint64_t cas_unique,
                                  UnixSeconds now) {
  ++statistics_.cmd_set;
  Item* const found = FindToStore(item->key(), now);
  if (found == nullptr) {
    ++statistics_.cas_misses;
    return StoreResult::kNotFound;
  }
  if (found->cas_unique() != cas_unique) {
    ++statistics_.cas_badval;
    return StoreResult::kExists;
  }
  ++statistics_.cas_hits;
  return Put(std::move(item), found, now);
}

DeleteResult Store::Delete(const HashedKey& key, UnixSeconds now) {
  Item* const found = FindToRead(key, now);
  if (found == nullptr) {
    ++statistics_.delete_misses;
    return DeleteResult::kNotFound;
  }
  ++statistics_.delete_hits;
  Remove(found);
  return DeleteResult::kDeleted;
}

void Store::Discard(const HashedKey& key) {
  Item* const found = table_.Find(key);
  if (found != nullptr) Remove(found);
}

ArithmeticResult Store::Incr(const HashedKey& key, uint64_t delta,
                             UnixSeconds now) {
  Item* const found = FindToRead(key, now);
  if (found == nullptr) {
    ++statistics_.incr_misses;
    return {ArithmeticResult::Outcome::kNotFound};
  }
  return Count(found, Direction::kUp, delta, now);
}

ArithmeticResult Store::Decr(const HashedKey& key, uint64_t delta,
                             UnixSeconds now) {
  Item* const found = FindToRead(key, now);
  if (found == nullptr) {
    ++statistics_.decr_misses;
    return {ArithmeticResult::Outcome::kNotFound};
  }
  return Count(found, Direction::kDown, delta, now);
}

TouchResult Store::Touch(const HashedKey& key, UnixSeconds expiry,
                         UnixSeconds now) {
  ++statistics_.cmd_touch;
  Item* const found = FindToRead(key, now);
  if (found == nullptr) {
    ++statistics_.touch_misses;
    return TouchResult::kNotFound;
  }
  ++statistics_.touch_hits;
  found->expiry_ = expiry;
  by_use_.MoveToNewest(found);
  return TouchResult::kTouched;
}

void Store::FlushAll(UnixSeconds moment, UnixSeconds now) {
  StartFlushWhenDue(now);
  next_flush_ = moment;
  StartFlushWhenDue(now);
}

Item* Store::FindToRead(const HashedKey& key, UnixSeconds now) {
  StartFlushWhenDue(now);
  Item* const found = table_.Find(key);
  if (found == nullptr || !IsDead(*found, now)) return found;
  ++(IsFlushed(*found) ? statistics_.get_flushed : statistics_.get_expired);
  Remove(found);
  return nullptr;
}

Item* Store::FindToStore(const HashedKey& key, UnixSeconds now) {
  StartFlushWhenDue(now);
  Item* const found = table_.Find(key);
  if (found == nullptr || !IsDead(*found, now)) return found;
  CountReclaimed(*found);
  Remove(found);
  return nullptr;
}

StoreResult Store::Put(ItemPtr item, Item* old, UnixSeconds now) {
  if (item->footprint() > statistics_.limit_maxbytes) {
    ++statistics_.store_no_memory;
    return StoreResult::kOutOfMemory;
  }
  item->cas_unique_ = ++last_cas_unique_;
  by_use_.PushNewest(item.get());
  ++statistics_.total_items;
  ++statistics_.curr_items;
  statistics_.bytes += item->footprint();
  if (old != nullptr) Detach(old);
  table_.Put(std::move(item));
  // Ends before the new item: alone, it fits.
  while (statistics_.bytes > statistics_.limit_maxbytes) EvictOldest(now);
  return StoreResult::kStored;
}

StoreResult Store::Extend(ItemPtr addition, Side side, UnixSeconds now) {
  ++statistics_.cmd_set;
  Item* const found = FindToStore(addition->key(), now);
  if (found == nullptr) return StoreResult::kNotStored;
  const Item& old = *found;
  std::string_view front = old.value();
  std::string_view back = addition->value();
  if (side == Side::kBefore) std::swap(front, back);
  if (front.size() + back.size() > kMaxValueSize) {
    return StoreResult::kNotStored;
  }
  ItemPtr item = Item::Create(old.key(), old.flags(), old.expiry(),
                              front.size() + back.size(), allocate_);
  if (item == nullptr) {
    ++statistics_.store_no_memory;
    return StoreResult::kOutOfMemory;
  }
  const std::span<char> value = item->mutable_value();
  std::ranges::copy(front, value.begin());
  std::ranges::copy(back, value.begin() + front.size());
  return Put(std::move(item), found, now);
}

ArithmeticResult Store::Count(Item* old, Direction direction, uint64_t delta,
                              UnixSeconds now) {
  const std::optional<uint64_t> number = ParseNumber<uint64_t>(old->value());
  if (!number) return {ArithmeticResult::Outcome::kNotANumber};
  const uint64_t result = direction == Direction::kUp
                              ? *number + delta
                              : *number - std::min(*number, delta);
  char digits[kMaxDigits];
  const size_t digits_size =
      std::to_chars(digits, digits + kMaxDigits, result).ptr - digits;

  // Only what nobody else holds, and what is large enough, can be written to.
  const bool in_place =
      old->references_ == 1 && old->value().size() >= digits_size;
  ItemPtr item =
      in_place
          ? ItemPtr::ReferTo(old)
          : Item::Create(old->key(), old->flags(), old->expiry(),
                         std::max(old->value().size(), digits_size), allocate_);
  if (item == nullptr) {
    ++statistics_.store_no_memory;
    return {ArithmeticResult::Outcome::kOutOfMemory};
  }
  const std::span<char> value = item->mutable_value();
  std::ranges::copy(std::string_view(digits, digits_size), value.begin());
  std::ranges::fill(value.subspan(digits_size), ' ');
  if (in_place) {
    item->cas_unique_ = ++last_cas_unique_;
    by_use_.MoveToNewest(item.get());
  } else {
    item->fetched_ = old->fetched_;
    if (Put(std::move(item), old, now) != StoreResult::kStored) {
      return {ArithmeticResult::Outcome::kOutOfMemory};
    }
  }
  ++(direction == Direction::kUp ? statistics_.incr_hits
                                 : statistics_.decr_hits);
  return {ArithmeticResult::Outcome::kDone, result};
}

// A pending flush takes effect with the first command after its moment: what
// was stored until then has a lower cas_unique() than what follows.
void Store::StartFlushWhenDue(UnixSeconds now) {
  if (now < next_flush_) return;
  next_flush_ = kNeverExpires;
  flushed_cas_unique_ = last_cas_unique_;
}

bool Store::IsFlushed(const Item& item) const {
  return item.cas_unique() <= flushed_cas_unique_;
}

bool Store::IsDead(const Item& item, UnixSeconds now) const {
  return IsFlushed(item) || item.expiry() <= now;
}

void Store::CountReclaimed(const Item& item) {
  ++statistics_.reclaimed;
  if (!item.fetched_) ++statistics_.expired_unfetched;
}

void Store::EvictOldest(UnixSeconds now) {
  Item& oldest = *by_use_.oldest();
  if (IsDead(oldest, now)) {
    CountReclaimed(oldest);
  } else {
    ++statistics_.evictions;
    if (!oldest.fetched_) ++statistics_.evicted_unfetched;
  }
  Remove(&oldest);
}

// Ends all that the store knows of the item, but for its place in the table.
void Store::Detach(Item* item) {
  by_use_.Remove(item);
  --statistics_.curr_items;
  statistics_.bytes -= item->footprint();
}

void Store::Remove(Item* item) {
  Detach(item);
  table_.Remove(item->key());
}

}  // namespace percore::cache
