// Gets and sets in memcached's text protocol.
//
// Every key has one value for ever, made from the key, and is set once before
// the load begins: so the right answer to every request is known.
#ifndef PERCORE_BENCH_LOAD_MEMCACHED_PAYLOAD_H_
#define PERCORE_BENCH_LOAD_MEMCACHED_PAYLOAD_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "percore/bench/load/payload.h"

namespace percore::bench {

class MemcachedPayload final : public Payload {
 public:
  // Keys are numbered from 0 to 99999999, and 12 bytes long on the wire.
  static constexpr uint32_t kMaxKeys = 100'000'000;

  struct Options {
    uint32_t keys = 1;     // 1 to kMaxKeys, all equally likely
    double set_ratio = 0;  // the share of sets, 0 to 1
    size_t value_size = 0;
  };

  explicit MemcachedPayload(const Options& options);

  static constexpr RequestId Get(uint32_t key) { return key; }
  static constexpr RequestId Set(uint32_t key) {
    return RequestId{1} << 32 | key;
  }

  RequestId Next(uint64_t random, const Place& place) const override;
  uint32_t preload_count() const override { return options_.keys; }
  RequestId Preload(uint32_t number) const override { return Set(number); }
  void AppendRequest(RequestId request, std::string* out) const override;
  Reply ParseReply(std::string_view received, RequestId request) const override;

 private:
  bool IsPrefixOfHit(std::string_view received, uint32_t key) const;

  const Options options_;
  // What follows the key in a set and in a get's answer, and what follows the
  // key's copy that every value begins with.
  std::string set_tail_;
  std::string hit_tail_;
  std::string value_tail_;
  size_t hit_size_;
};

}  // namespace percore::bench

#endif  // PERCORE_BENCH_LOAD_MEMCACHED_PAYLOAD_H_
