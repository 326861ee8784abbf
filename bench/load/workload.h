// What memcached_load asks a server, and what the server must answer.
//
// Every key has one value for ever, made from the key. So the right answer to
// every request is known to the last byte, and a server that mixes up values,
// connections or the order of replies is caught, not measured.
#ifndef PERCORE_BENCH_LOAD_WORKLOAD_H_
#define PERCORE_BENCH_LOAD_WORKLOAD_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace percore::bench {

struct Request {
  enum class Kind : uint8_t { kGet, kSet };

  Kind kind;
  uint32_t key;
};

struct Reply {
  enum class Kind : uint8_t {
    kIncomplete,   // More bytes are needed.
    kHit,          // The value, and the right one.
    kMiss,         // No value: the server has evicted it.
    kStored,       // The answer to a set.
    kServerError,  // SERVER_ERROR, such as "out of memory": the server's right.
    kWrong,        // Anything else: a bug of the server.
  };

  Kind kind;
  // How many bytes the reply takes; 0 if incomplete or wrong.
  size_t size;
};

// Thread-safe: constant once made.
class Workload {
 public:
  // Keys are numbered from 0 to 99999999, and 12 bytes long on the wire.
  static constexpr uint32_t kMaxKeys = 100'000'000;

  explicit Workload(size_t value_size);

  // Appends the request, in memcached's text protocol, to `out`.
  void AppendRequest(Request request, std::string* out) const;

  // What the bytes in `received` begin with, if `request` is the oldest request
  // not answered yet.
  Reply ParseReply(std::string_view received, Request request) const;

  // The longest right answer to any request.
  size_t max_reply_size() const { return hit_size_; }

 private:
  bool IsPrefixOfHit(std::string_view received, uint32_t key) const;

  size_t value_size_;
  // What follows the key in a set and in a get's answer, and what follows the
  // key's copy that every value begins with.
  std::string set_tail_;
  std::string hit_tail_;
  std::string value_tail_;
  size_t hit_size_;
};

}  // namespace percore::bench

#endif  // PERCORE_BENCH_LOAD_WORKLOAD_H_
