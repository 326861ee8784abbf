// The one hash of a key: it picks the shard, and the place in that shard's
// table.
//
// Keys come from clients. Who can guess the hash can send thousands of keys to
// one shard, or to one chain of its table, and so stop the server with little
// traffic. The hash is therefore SipHash-1-3 under 128 secret bits, drawn once
// per process. (absl::Hash does not do here: its seed is an address, and for
// long keys the seed cancels out against constants everybody knows. OpenSSL has
// SipHash too, but only behind EVP_MAC: 103 ns for a key of 21 bytes against
// 19 ns for the function below.)
//
// A command hashes its key once; the hash then travels with the key as a
// HashedKey.
//
// ```cpp
// const cache::HashedKey key = cache::HashedKey::Of("user:17");
// const uint32_t shard = cache::ShardOf(key.hash, /*shard_count=*/4);
// if (shard >= 4) return;  // never: the result is below shard_count
// ```
#ifndef PERCORE_EXAMPLES_CACHE_KEY_HASH_H_
#define PERCORE_EXAMPLES_CACHE_KEY_HASH_H_

#include <cstdint>
#include <string_view>

namespace percore::cache {

// The secret of SipHash.
struct HashSeed {
  uint64_t first;
  uint64_t second;
};

// Fills `size` bytes at `bytes` and returns 1, or returns anything else: the
// contract of OpenSSL's RAND_bytes.
using RandomSource = int (*)(unsigned char* bytes, int size);

// Draws a seed from `source`. Where that fails, the seed is made of the 16
// random bytes that the kernel gave the process at its start: those are always
// there, so that drawing a seed cannot fail.
HashSeed DrawHashSeed(RandomSource source);

// SipHash with one round for each eight bytes and three at the end, the variant
// that hash tables use. The same result in every process with the same seed.
uint64_t SipHash13(const HashSeed& seed, std::string_view bytes);

// SipHash13 under the seed of this process. Thread-safe; the first call draws
// the seed. All 64 bits are equally good.
uint64_t HashKey(std::string_view key);

// A key and its hash. Refers to the bytes of the key, as std::string_view does.
struct HashedKey {
  static HashedKey Of(std::string_view key) { return {key, HashKey(key)}; }

  std::string_view text;
  uint64_t hash;
};

// The shard, of `shard_count`, that owns a key with this hash. Decided by the
// topmost bits: the table inside a shard starts from the lowest ones, so that
// the keys of one shard still spread over its whole table.
constexpr uint32_t ShardOf(uint64_t hash, uint32_t shard_count) {
  return static_cast<uint32_t>(((hash >> 32) * shard_count) >> 32);
}

}  // namespace percore::cache

#endif  // PERCORE_EXAMPLES_CACHE_KEY_HASH_H_
