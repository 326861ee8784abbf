// One operation on a key, on its way to the shard that owns the key and back.
//
// A connection makes a request, in the order in which it must answer, and sends
// it to the owner. The owner runs it against its store and writes the answer
// into it. Back home it waits until everything before it is answered. A request
// is touched by one thread at a time: the messages that carry it hand it over.
#ifndef PERCORE_EXAMPLES_CACHE_SERVICE_REQUEST_H_
#define PERCORE_EXAMPLES_CACHE_SERVICE_REQUEST_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "percore/examples/cache/expiry.h"
#include "percore/examples/cache/item.h"
#include "percore/examples/cache/key_hash.h"
#include "percore/examples/cache/protocol.h"
#include "percore/examples/cache/reply.h"
#include "percore/runtime/intrusive_list.h"

namespace percore::cache {

class CacheConnection;
class CacheService;
class Store;

// Values of up to this many bytes travel as a copy inside the request. For a
// larger one the reply refers to the item, whose owner then gets a message when
// the reply has been sent.
inline constexpr size_t kMaxCopiedBlock = 512;

struct Request {
  // What the connection asks. The key is a copy; for storage commands it is in
  // the item.
  CommandKind kind = CommandKind::kGet;
  bool noreply = false;
  bool discard = false;    // only drop the key's value, whatever `kind` is
  bool last_key = false;   // of a get: END follows
  uint32_t owner = 0;      // the shard
  uint64_t number = 0;     // cas unique, or delta
  UnixSeconds moment = 0;  // expiry of touch, moment of flush_all
  // Storage commands: what to store. Then, if it was a get that found a large
  // value: that item.
  ItemPtr item;
  uint64_t hash = 0;
  uint8_t key_size = 0;
  std::array<char, kMaxKeySize> key_bytes;

  // The answer: one of the fixed replies, else what is in `text`, else
  // `long_text`.
  std::string_view fixed_reply = {};
  size_t text_size = 0;
  std::array<char, kMaxValueLineSize + kMaxCopiedBlock> text;
  std::string long_text = {};

  // The home shard's.
  CacheService* home = nullptr;
  CacheConnection* connection = nullptr;  // null once it is gone
  bool done = false;
  int answers_missing = 0;  // of shards, when all were asked
  ListLink<Request> link;

  HashedKey key() const { return {{key_bytes.data(), key_size}, hash}; }
  void SetKey(const HashedKey& key) {
    hash = key.hash;
    key_size = static_cast<uint8_t>(key.text.size());
    std::memcpy(key_bytes.data(), key.text.data(), key.text.size());
  }
};

// Gives a reference to an item back to the shard that counts them: drops it at
// once if that is the present one. On a shard's thread.
void ReturnToOwner(ItemPtr item);

// Runs the request against the store that owns its key, on that store's thread,
// and leaves the answer in it.
void Execute(Request& request, Store& store, UnixSeconds now);

}  // namespace percore::cache

#endif  // PERCORE_EXAMPLES_CACHE_SERVICE_REQUEST_H_
