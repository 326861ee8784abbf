#include "percore/examples/cache/key_hash.h"

#include <gtest/gtest.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <cstring>
#include <set>
#include <string>
#include <vector>

namespace percore::cache {
namespace {

// OpenSSL's SipHash with one and three rounds.
uint64_t SipHash13OfOpenSsl(const HashSeed& seed, std::string_view bytes) {
  EVP_MAC* mac = EVP_MAC_fetch(nullptr, "SIPHASH", nullptr);
  EVP_MAC_CTX* context = EVP_MAC_CTX_new(mac);
  unsigned int rounds = 1;
  unsigned int last_rounds = 3;
  size_t size = sizeof(uint64_t);
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_uint(OSSL_MAC_PARAM_C_ROUNDS, &rounds),
      OSSL_PARAM_construct_uint(OSSL_MAC_PARAM_D_ROUNDS, &last_rounds),
      OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &size),
      OSSL_PARAM_construct_end(),
  };
  uint64_t hash = 0;
  EXPECT_EQ(EVP_MAC_init(context, reinterpret_cast<const unsigned char*>(&seed),
                         sizeof(seed), parameters),
            1);
  EXPECT_EQ(EVP_MAC_update(context,
                           reinterpret_cast<const unsigned char*>(bytes.data()),
                           bytes.size()),
            1);
  EXPECT_EQ(EVP_MAC_final(context, reinterpret_cast<unsigned char*>(&hash),
                          &size, sizeof(hash)),
            1);
  EVP_MAC_CTX_free(context);
  EVP_MAC_free(mac);
  return hash;
}

TEST(KeyHashTest, IsSipHash13ForEveryLengthOfAKey) {
  const HashSeed seed = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
  std::string key;
  for (int size = 0; size <= 250; ++size) {
    EXPECT_EQ(SipHash13(seed, key), SipHash13OfOpenSsl(seed, key)) << size;
    key.push_back(static_cast<char>(size * 7 + 130));
  }
}

TEST(KeyHashTest, DependsOnBothHalvesOfTheSeed) {
  const uint64_t hash = SipHash13({1, 1}, "key");
  EXPECT_NE(hash, SipHash13({2, 1}, "key"));
  EXPECT_NE(hash, SipHash13({1, 2}, "key"));
}

TEST(KeyHashTest, IsTheSameForTheSameKeyWithinAProcess) {
  EXPECT_EQ(HashKey("key"), HashKey(std::string("key")));
  EXPECT_NE(HashKey("key"), HashKey("kez"));
}

TEST(KeyHashTest, KnowsItsText) {
  const HashedKey key = HashedKey::Of("key");
  EXPECT_EQ(key.text, "key");
  EXPECT_EQ(key.hash, HashKey("key"));
}

TEST(KeyHashTest, TakesTheSeedFromItsSource) {
  const HashSeed seed = DrawHashSeed([](unsigned char* bytes, int size) {
    std::memset(bytes, 0x11, size);
    return 1;
  });
  EXPECT_EQ(seed.first, 0x1111111111111111);
  EXPECT_EQ(seed.second, 0x1111111111111111);
}

TEST(KeyHashTest, HasASecretSeedEvenWhereTheSourceFails) {
  const HashSeed seed = DrawHashSeed([](unsigned char*, int) { return 0; });
  EXPECT_NE(seed.first, 0);
  EXPECT_NE(seed.second, 0);
  EXPECT_NE(seed.first, seed.second);
}

TEST(KeyHashTest, SpreadsKeysEvenlyOverAnyNumberOfShards) {
  const HashSeed seed = {1, 2};
  for (uint32_t shard_count : {1u, 2u, 3u, 7u, 16u, 100u}) {
    std::vector<int> keys(shard_count);
    const int key_count = 1000 * static_cast<int>(shard_count);
    for (int i = 0; i < key_count; ++i) {
      const uint64_t hash = SipHash13(seed, "key" + std::to_string(i));
      ++keys.at(ShardOf(hash, shard_count));
    }
    // Six standard deviations around the mean of 1000.
    for (int count : keys) EXPECT_NEAR(count, 1000, 190) << shard_count;
  }
}

TEST(KeyHashTest, EveryShardIsReachedAtBothEndsOfTheHash) {
  EXPECT_EQ(ShardOf(0, 5), 0);
  EXPECT_EQ(ShardOf(~uint64_t{0}, 5), 4);
}

TEST(KeyHashTest, TheKeysOfOneShardDifferInTheBitsThatTheTableUses) {
  const HashSeed seed = {3, 4};
  std::set<uint64_t> low_bits;
  int keys = 0;
  for (int i = 0; keys < 1000; ++i) {
    const uint64_t hash = SipHash13(seed, "key" + std::to_string(i));
    if (ShardOf(hash, 16) != 5) continue;
    ++keys;
    low_bits.insert(hash & 0x7fff);
  }
  // A thousand balls into 32768 boxes: 985 boxes are hit on average.
  EXPECT_GT(low_bits.size(), 950);
}

}  // namespace
}  // namespace percore::cache
