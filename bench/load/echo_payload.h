// Messages of one size, which must come back as they were.
#ifndef PERCORE_BENCH_LOAD_ECHO_PAYLOAD_H_
#define PERCORE_BENCH_LOAD_ECHO_PAYLOAD_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "percore/bench/load/payload.h"

namespace percore::bench {

// A message begins with its connection and its number there, 8 bytes in all, as
// far as they fit; the rest is the same in all of them.
class EchoPayload final : public Payload {
 public:
  explicit EchoPayload(size_t message_size);  // at least 1

  RequestId Next(uint64_t random, const Place& place) const override;
  void AppendRequest(RequestId request, std::string* out) const override;
  Reply ParseReply(std::string_view received, RequestId request) const override;

 private:
  const size_t size_;
  const size_t header_size_;
  const std::string tail_;
};

}  // namespace percore::bench

#endif  // PERCORE_BENCH_LOAD_ECHO_PAYLOAD_H_
