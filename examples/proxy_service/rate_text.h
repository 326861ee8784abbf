// Rates and bursts as people write them.
//
//   500      bytes, a second of them for a rate
//   100k     100,000      10M   10,000,000      1G   1,000,000,000
//   10M/5M   reading and writing each have their own
//   none     no limit
//
// Reading is what clients send, and writing what they are sent.
//
// ```cpp
// auto limit = percore::proxy::ParseLimit("10M/none", "2M");
// if (!limit.ok()) return;  // "'10m' is no number of bytes: ..."
// std::string rate = percore::proxy::RateText(*limit);    // "10M/none"
// std::string burst = percore::proxy::BurstText(*limit);  // "2M/none"
// ```
#ifndef PERCORE_EXAMPLES_PROXY_SERVICE_RATE_TEXT_H_
#define PERCORE_EXAMPLES_PROXY_SERVICE_RATE_TEXT_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "percore/net/rate_limit.h"

namespace percore::proxy {

// A limit that RateLimit::Check() has nothing against. Without a `burst` each
// direction has the library's own: what a tenth of a second brings. A burst of
// a direction without a limit means nothing. InvalidArgument, in words.
absl::StatusOr<RateLimit> ParseLimit(std::string_view rate,
                                     std::string_view burst = {});

// As ParseLimit() takes it; the shorter form if both directions are the same.
std::string RateText(const RateLimit& limit);
std::string BurstText(const RateLimit& limit);

}  // namespace percore::proxy

#endif  // PERCORE_EXAMPLES_PROXY_SERVICE_RATE_TEXT_H_
