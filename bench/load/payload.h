// What a load asks a server, and what the server must answer.
//
// The load generator knows connections, times and bytes; a payload knows a
// protocol. Every right answer is known to the last byte (or, for HTTP, to its
// last length), so that a server that mixes up values, connections or the order
// of replies is caught, not measured.
#ifndef PERCORE_BENCH_LOAD_PAYLOAD_H_
#define PERCORE_BENCH_LOAD_PAYLOAD_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace percore::bench {

// A request, as a payload numbers them: it tells both what is sent and what
// must come back.
using RequestId = uint64_t;

struct Reply {
  enum class Kind : uint8_t {
    kIncomplete,   // More bytes are needed.
    kAnswered,     // The right answer.
    kHit,          // The right answer to a get: the value.
    kMiss,         // No value: the server has evicted it, which is its right.
    kServerError,  // SERVER_ERROR, such as "out of memory": the server's right.
    kWrong,        // Anything else: a bug of the server.
  };

  Kind kind;
  // How many bytes the reply takes; 0 if incomplete or wrong.
  size_t size;
};

// `received` is `expected`, as far as both go.
inline bool Agree(std::string_view received, std::string_view expected) {
  const size_t size = std::min(received.size(), expected.size());
  return received.substr(0, size) == expected.substr(0, size);
}

// Thread-safe: constant once made.
class Payload {
 public:
  // Where a request goes.
  struct Place {
    uint32_t connection;  // of the whole run
    uint32_t sequence;    // of the requests on that connection
    bool last;            // nothing will follow it on this connection
  };

  Payload() = default;
  Payload(const Payload&) = delete;
  Payload& operator=(const Payload&) = delete;
  virtual ~Payload() = default;

  // The next request; `random` is 64 random bits.
  virtual RequestId Next(uint64_t random, const Place& place) const = 0;

  // Requests that are made once before anything is measured, by number.
  virtual uint32_t preload_count() const { return 0; }
  virtual RequestId Preload(uint32_t /*number*/) const { return 0; }

  // Appends what is sent.
  virtual void AppendRequest(RequestId request, std::string* out) const = 0;

  // What the bytes in `received` begin with, if `request` is the oldest one
  // that is not answered yet.
  virtual Reply ParseReply(std::string_view received,
                           RequestId request) const = 0;

  // Why an answer that ParseReply() found wrong is so, if there is more to say
  // than that it is not the expected one.
  virtual std::string_view Explain(std::string_view /*received*/) const {
    return {};
  }
};

}  // namespace percore::bench

#endif  // PERCORE_BENCH_LOAD_PAYLOAD_H_
