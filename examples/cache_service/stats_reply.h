// The answers to "stats" and to "stats settings".
#ifndef PERCORE_EXAMPLES_CACHE_SERVICE_STATS_REPLY_H_
#define PERCORE_EXAMPLES_CACHE_SERVICE_STATS_REPLY_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "percore/examples/cache/expiry.h"
#include "percore/examples/cache_service/cache_service.h"

namespace percore::cache {

// What "version" says. The number is that of the memcached whose replies these
// are, byte for byte: clients expect other replies of other versions.
inline constexpr std::string_view kVersion = "1.6.18-percore";
inline constexpr std::string_view kVersionReply = "VERSION 1.6.18-percore\r\n";

struct ServerState {
  UnixSeconds now;
  int64_t uptime;  // seconds
  int shards;
};

// Each is a complete reply, "END" included.
std::string GeneralStats(const CacheService::Report& report,
                         const ServerState& state);
std::string SettingsStats(uint64_t memory_limit_bytes, int shards);

}  // namespace percore::cache

#endif  // PERCORE_EXAMPLES_CACHE_SERVICE_STATS_REPLY_H_
