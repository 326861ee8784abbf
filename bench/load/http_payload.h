// GET over HTTP/1.1 (RFC 9112), on connections that are kept alive.
#ifndef PERCORE_BENCH_LOAD_HTTP_PAYLOAD_H_
#define PERCORE_BENCH_LOAD_HTTP_PAYLOAD_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "percore/bench/load/payload.h"

namespace percore::bench {

// The answer must be a 200 with a Content-Length. Anything else is wrong:
// another status, chunks, a length that does not fit.
class HttpPayload final : public Payload {
 public:
  static constexpr size_t kMaxHeaderSize = size_t{16} << 10;
  static constexpr size_t kMaxBodySize = size_t{1} << 20;

  // `host` and `path` as they are to stand in the request.
  HttpPayload(std::string_view host, std::string_view path);

  RequestId Next(uint64_t random, const Place& place) const override;
  void AppendRequest(RequestId request, std::string* out) const override;
  Reply ParseReply(std::string_view received, RequestId request) const override;
  std::string_view Explain(std::string_view received) const override;

 private:
  std::string request_;
  std::string last_request_;
};

}  // namespace percore::bench

#endif  // PERCORE_BENCH_LOAD_HTTP_PAYLOAD_H_
