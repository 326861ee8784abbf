#include "percore/examples/cache/key_hash.h"

#include <openssl/rand.h>
#include <sys/auxv.h>

#include <bit>
#include <cstddef>
#include <cstring>

namespace percore::cache {
namespace {

// The four words of SipHash's state (Aumasson and Bernstein, 2012).
class SipState {
 public:
  explicit SipState(const HashSeed& seed)
      : v0_(seed.first ^ 0x736f6d6570736575),
        v1_(seed.second ^ 0x646f72616e646f6d),
        v2_(seed.first ^ 0x6c7967656e657261),
        v3_(seed.second ^ 0x7465646279746573) {}

  void Add(uint64_t word) {
    v3_ ^= word;
    Round();
    v0_ ^= word;
  }

  uint64_t Finish() {
    v2_ ^= 0xff;
    Round();
    Round();
    Round();
    return v0_ ^ v1_ ^ v2_ ^ v3_;
  }

 private:
  void Round() {
    v0_ += v1_;
    v2_ += v3_;
    v1_ = std::rotl(v1_, 13) ^ v0_;
    v3_ = std::rotl(v3_, 16) ^ v2_;
    v0_ = std::rotl(v0_, 32);
    v2_ += v1_;
    v0_ += v3_;
    v1_ = std::rotl(v1_, 17) ^ v2_;
    v3_ = std::rotl(v3_, 21) ^ v0_;
    v2_ = std::rotl(v2_, 32);
  }

  uint64_t v0_;
  uint64_t v1_;
  uint64_t v2_;
  uint64_t v3_;
};

}  // namespace

HashSeed DrawHashSeed(RandomSource source) {
  HashSeed seed;
  if (source(reinterpret_cast<unsigned char*>(&seed), sizeof(seed)) != 1) {
    std::memcpy(&seed, reinterpret_cast<const void*>(getauxval(AT_RANDOM)),
                sizeof(seed));
  }
  return seed;
}

uint64_t SipHash13(const HashSeed& seed, std::string_view bytes) {
  SipState state(seed);
  const char* data = bytes.data();
  size_t left = bytes.size();
  for (; left >= sizeof(uint64_t); left -= sizeof(uint64_t)) {
    uint64_t word;
    std::memcpy(&word, data, sizeof(word));
    state.Add(word);
    data += sizeof(word);
  }
  uint64_t last = uint64_t{bytes.size()} << 56;
  for (size_t i = 0; i < left; ++i) {
    last |= uint64_t{static_cast<unsigned char>(data[i])} << (8 * i);
  }
  state.Add(last);
  return state.Finish();
}

uint64_t HashKey(std::string_view key) {
  static const HashSeed seed = DrawHashSeed(&RAND_bytes);
  return SipHash13(seed, key);
}

}  // namespace percore::cache
