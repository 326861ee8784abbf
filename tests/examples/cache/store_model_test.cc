// Random commands, on a store and on a model of it that is too simple to be
// wrong. PERCORE_TEST_SEED=<number> replays a run.
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <iostream>
#include <iterator>
#include <list>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "percore/examples/cache/store.h"
#include "percore/tests/examples/cache/make_item.h"

namespace percore::cache {
namespace {

using Outcome = ArithmeticResult::Outcome;

// Too little for the thirty keys below.
constexpr uint64_t kLimit = 800;

struct ModelItem {
  std::string key;
  std::string value;
  uint32_t flags;
  UnixSeconds expiry;
  uint64_t version = 0;
  bool fetched = false;

  size_t footprint() const {
    return sizeof(Item) + key.size() + value.size() + 2;
  }
};

// The rules of store.h over a list, the newest item first.
class Model {
 public:
  using Place = std::list<ModelItem>::iterator;

  std::optional<ModelItem> Get(const std::string& key, UnixSeconds now) {
    ++statistics.cmd_get;
    const Place place = FindToRead(key, now);
    if (place == items_.end()) {
      ++statistics.get_misses;
      return std::nullopt;
    }
    ++statistics.get_hits;
    place->fetched = true;
    Use(place);
    return *place;
  }

  StoreResult Set(const ModelItem& item, UnixSeconds now) {
    const Place place = FindToStore(item.key, now);
    const StoreResult result = Put(place, item, now);
    if (result != StoreResult::kStored && place != items_.end()) {
      items_.erase(place);
    }
    return result;
  }

  StoreResult Add(const ModelItem& item, UnixSeconds now) {
    const Place place = FindToStore(item.key, now);
    if (place != items_.end()) return StoreResult::kNotStored;
    return Put(place, item, now);
  }

  StoreResult Replace(const ModelItem& item, UnixSeconds now) {
    const Place place = FindToStore(item.key, now);
    if (place == items_.end()) return StoreResult::kNotStored;
    return Put(place, item, now);
  }

  StoreResult CompareAndSwap(const ModelItem& item, uint64_t version,
                             UnixSeconds now) {
    const Place place = FindToStore(item.key, now);
    if (place == items_.end()) return StoreResult::kNotFound;
    if (place->version != version) return StoreResult::kExists;
    return Put(place, item, now);
  }

  StoreResult Extend(const std::string& key, const std::string& front,
                     const std::string& back, UnixSeconds now) {
    const Place place = FindToStore(key, now);
    if (place == items_.end()) return StoreResult::kNotStored;
    ModelItem item = *place;
    item.value = front + item.value + back;
    item.fetched = false;
    return Put(place, item, now);
  }

  DeleteResult Delete(const std::string& key, UnixSeconds now) {
    const Place place = FindToRead(key, now);
    if (place == items_.end()) return DeleteResult::kNotFound;
    items_.erase(place);
    return DeleteResult::kDeleted;
  }

  void Discard(const std::string& key) {
    items_.remove_if([&](const ModelItem& item) { return item.key == key; });
  }

  TouchResult Touch(const std::string& key, UnixSeconds expiry,
                    UnixSeconds now) {
    const Place place = FindToRead(key, now);
    if (place == items_.end()) return TouchResult::kNotFound;
    place->expiry = expiry;
    Use(place);
    return TouchResult::kTouched;
  }

  // `step` is what to add, in the arithmetic of 64 bits; a step down that ends
  // below zero ends at zero.
  template <typename Step>
  ArithmeticResult Count(const std::string& key, Step step, UnixSeconds now) {
    const Place place = FindToRead(key, now);
    if (place == items_.end()) return {Outcome::kNotFound};
    ModelItem item = *place;
    char* end;
    errno = 0;
    const uint64_t number = std::strtoull(item.value.c_str(), &end, 10);
    if (errno != 0 || end == item.value.c_str() ||
        (*end != ' ' && *end != '\0')) {
      return {Outcome::kNotANumber};
    }
    const uint64_t result = step(number);
    const std::string digits = std::to_string(result);
    item.value =
        digits +
        std::string(std::max(item.value.size(), digits.size()) - digits.size(),
                    ' ');
    if (Put(place, item, now) != StoreResult::kStored) {
      return {Outcome::kOutOfMemory};
    }
    return {Outcome::kDone, result};
  }

  void FlushAll(UnixSeconds moment, UnixSeconds now) {
    FlushIfDue(now);
    flush_ = moment;
    FlushIfDue(now);
  }

  size_t size() const { return items_.size(); }
  uint64_t bytes() const {
    uint64_t bytes = 0;
    for (const ModelItem& item : items_) bytes += item.footprint();
    return bytes;
  }

  Statistics statistics;

 private:
  Place Find(const std::string& key) {
    return std::ranges::find(items_, key, &ModelItem::key);
  }

  bool IsDead(const ModelItem& item, UnixSeconds now) const {
    return item.version <= flushed_version_ || item.expiry <= now;
  }

  Place FindToRead(const std::string& key, UnixSeconds now) {
    FlushIfDue(now);
    const Place place = Find(key);
    if (place == items_.end() || !IsDead(*place, now)) return place;
    ++(place->version <= flushed_version_ ? statistics.get_flushed
                                          : statistics.get_expired);
    items_.erase(place);
    return items_.end();
  }

  Place FindToStore(const std::string& key, UnixSeconds now) {
    FlushIfDue(now);
    const Place place = Find(key);
    if (place == items_.end() || !IsDead(*place, now)) return place;
    Reclaim(place);
    return items_.end();
  }

  void Reclaim(Place place) {
    ++statistics.reclaimed;
    if (!place->fetched) ++statistics.expired_unfetched;
    items_.erase(place);
  }

  StoreResult Put(Place place, ModelItem item, UnixSeconds now) {
    if (item.footprint() > kLimit) return StoreResult::kOutOfMemory;
    item.version = ++last_version_;
    if (place != items_.end()) items_.erase(place);
    items_.push_front(item);
    while (bytes() > kLimit) {
      const Place oldest = std::prev(items_.end());
      if (IsDead(*oldest, now)) {
        Reclaim(oldest);
        continue;
      }
      ++statistics.evictions;
      if (!oldest->fetched) ++statistics.evicted_unfetched;
      items_.erase(oldest);
    }
    return StoreResult::kStored;
  }

  void Use(Place place) { items_.splice(items_.begin(), items_, place); }

  void FlushIfDue(UnixSeconds now) {
    if (now < flush_) return;
    flush_ = kNeverExpires;
    flushed_version_ = last_version_;
  }

  std::list<ModelItem> items_;
  uint64_t last_version_ = 0;
  uint64_t flushed_version_ = 0;
  UnixSeconds flush_ = kNeverExpires;
};

// One run: the store and its model, the clock, and the replies under way.
class RandomRun {
 public:
  explicit RandomRun(uint64_t seed) : random_(seed) {}

  void Step() {
    if (Chance(5)) now_ += Below(3);
    const std::string key = "key" + std::to_string(Below(30));
    switch (Below(16)) {
      case 0:
      case 1:
      case 2:
        return Get(key);
      case 3:
      case 4:
        return StoreWith(key, [this](ItemPtr item, const ModelItem& copy) {
          EXPECT_EQ(store_.Set(std::move(item), now_), model_.Set(copy, now_));
        });
      case 5:
        return StoreWith(key, [this](ItemPtr item, const ModelItem& copy) {
          EXPECT_EQ(store_.Add(std::move(item), now_), model_.Add(copy, now_));
        });
      case 6:
        return StoreWith(key, [this](ItemPtr item, const ModelItem& copy) {
          EXPECT_EQ(store_.Replace(std::move(item), now_),
                    model_.Replace(copy, now_));
        });
      case 7:
        return StoreWith(key, [this](ItemPtr item, const ModelItem& copy) {
          EXPECT_EQ(store_.Append(std::move(item), now_),
                    model_.Extend(copy.key, "", copy.value, now_));
        });
      case 8:
        return StoreWith(key, [this](ItemPtr item, const ModelItem& copy) {
          EXPECT_EQ(store_.Prepend(std::move(item), now_),
                    model_.Extend(copy.key, copy.value, "", now_));
        });
      case 9:
        return StoreWith(key, [this](ItemPtr item, const ModelItem& copy) {
          const Seen seen = seen_[copy.key];
          EXPECT_EQ(
              store_.CompareAndSwap(std::move(item), seen.cas_unique, now_),
              model_.CompareAndSwap(copy, seen.version, now_));
        });
      case 10:
        EXPECT_EQ(store_.Delete(HashedKey::Of(key), now_),
                  model_.Delete(key, now_));
        return;
      case 11:
      case 12:
        return Count(key);
      case 13: {
        const UnixSeconds expiry = Expiry();
        EXPECT_EQ(store_.Touch(HashedKey::Of(key), expiry, now_),
                  model_.Touch(key, expiry, now_));
        return;
      }
      case 14:
        store_.Discard(HashedKey::Of(key));
        return model_.Discard(key);
      default:
        if (Chance(4)) Flush();
    }
  }

  void Check() const {
    const Statistics& real = store_.statistics();
    EXPECT_EQ(real.curr_items, model_.size());
    EXPECT_EQ(real.bytes, model_.bytes());
    EXPECT_EQ(real.get_hits, model_.statistics.get_hits);
    EXPECT_EQ(real.get_misses, model_.statistics.get_misses);
    EXPECT_EQ(real.get_expired, model_.statistics.get_expired);
    EXPECT_EQ(real.get_flushed, model_.statistics.get_flushed);
    EXPECT_EQ(real.evictions, model_.statistics.evictions);
    EXPECT_EQ(real.evicted_unfetched, model_.statistics.evicted_unfetched);
    EXPECT_EQ(real.reclaimed, model_.statistics.reclaimed);
    EXPECT_EQ(real.expired_unfetched, model_.statistics.expired_unfetched);
    for (const auto& [reply, text] : replies_) {
      EXPECT_EQ(reply->data_block(), text);
    }
  }

  uint64_t evictions() const { return store_.statistics().evictions; }

 private:
  // What a client knows of an item it has read.
  struct Seen {
    uint64_t cas_unique = 0;
    uint64_t version = 0;
  };

  uint64_t Below(uint64_t limit) { return random_() % limit; }
  bool Chance(uint64_t one_in) { return Below(one_in) == 0; }

  UnixSeconds Expiry() {
    if (Chance(2)) return kNeverExpires;
    return Chance(10) ? kAlreadyExpired : now_ + Below(6);
  }

  std::string SomeValue() {
    if (Chance(2)) return std::to_string(random_() >> Below(64));
    return std::string(Below(120), static_cast<char>('a' + Below(26)));
  }

  void Get(const std::string& key) {
    ItemPtr item = store_.Get(HashedKey::Of(key), now_);
    const std::optional<ModelItem> expected = model_.Get(key, now_);
    ASSERT_EQ(item != nullptr, expected.has_value());
    if (item == nullptr) return;
    EXPECT_EQ(item->key().text, key);
    EXPECT_EQ(item->value(), expected->value);
    EXPECT_EQ(item->flags(), expected->flags);
    EXPECT_EQ(item->expiry(), expected->expiry);
    seen_[key] = {item->cas_unique(), expected->version};
    if (Chance(2)) {
      std::string text(item->data_block());
      replies_.emplace_back(std::move(item), std::move(text));
    }
    if (replies_.size() > 5) replies_.erase(replies_.begin() + Below(5));
  }

  template <typename Operation>
  void StoreWith(const std::string& key, Operation operation) {
    const ModelItem copy = {key, SomeValue(), static_cast<uint32_t>(random_()),
                            Expiry()};
    operation(MakeItem(key, copy.value, copy.flags, copy.expiry), copy);
  }

  void Count(const std::string& key) {
    const uint64_t delta = random_() >> Below(64);
    ArithmeticResult result, expected;
    if (Chance(2)) {
      result = store_.Incr(HashedKey::Of(key), delta, now_);
      expected = model_.Count(
          key, [&](uint64_t number) { return number + delta; }, now_);
    } else {
      result = store_.Decr(HashedKey::Of(key), delta, now_);
      expected = model_.Count(
          key,
          [&](uint64_t number) { return number < delta ? 0 : number - delta; },
          now_);
    }
    EXPECT_EQ(result.outcome, expected.outcome);
    EXPECT_EQ(result.value, expected.value);
  }

  void Flush() {
    const UnixSeconds moment = now_ + Below(5);
    store_.FlushAll(moment, now_);
    model_.FlushAll(moment, now_);
  }

  std::mt19937_64 random_;
  UnixSeconds now_ = 1'700'000'000;
  Store store_{{.limit_bytes = kLimit}};
  Model model_;
  std::map<std::string, Seen> seen_;
  std::vector<std::pair<ItemPtr, std::string>> replies_;
};

TEST(StoreModelTest, BehavesAsItsModelUnderRandomCommands) {
  const char* chosen = std::getenv("PERCORE_TEST_SEED");
  const uint64_t seed = chosen != nullptr ? std::strtoull(chosen, nullptr, 10)
                                          : std::random_device()();
  std::cout << "PERCORE_TEST_SEED=" << seed << std::endl;
  for (uint64_t run = 0; run < 20 && !HasFailure(); ++run) {
    RandomRun random_run(seed + run);
    for (int step = 0; step < 5000 && !HasFailure(); ++step) {
      SCOPED_TRACE(testing::Message()
                   << "seed " << seed << ", run " << run << ", step " << step);
      random_run.Step();
      random_run.Check();
    }
    EXPECT_GT(random_run.evictions(), 0);
  }
}

}  // namespace
}  // namespace percore::cache
