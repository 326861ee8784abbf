#include "percore/examples/cache_service/stats_reply.h"

#include <sys/resource.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "percore/examples/cache/item.h"
#include "percore/examples/cache/reply.h"
#include "percore/examples/cache/statistics.h"

namespace percore::cache {
namespace {

std::string Seconds(const timeval& time) {
  return absl::StrFormat("%d.%06d", time.tv_sec, time.tv_usec);
}

}  // namespace

std::string GeneralStats(const CacheService::Report& report,
                         const ServerState& state) {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);

  std::string reply;
  AppendStatLine("pid", static_cast<uint64_t>(getpid()), &reply);
  AppendStatLine("uptime", static_cast<uint64_t>(state.uptime), &reply);
  AppendStatLine("time", static_cast<uint64_t>(state.now), &reply);
  AppendStatLine("version", kVersion, &reply);
  AppendStatLine("pointer_size", 8 * sizeof(void*), &reply);
  AppendStatLine("rusage_user", Seconds(usage.ru_utime), &reply);
  AppendStatLine("rusage_system", Seconds(usage.ru_stime), &reply);
  AppendStatLine("curr_connections",
                 static_cast<uint64_t>(report.open_connections), &reply);
  AppendStatLine("total_connections", report.total_connections, &reply);
  AppendStatLine("bytes_read", report.bytes_read, &reply);
  AppendStatLine("bytes_written", report.bytes_written, &reply);
  AppendStatLine("threads", static_cast<uint64_t>(state.shards), &reply);
  AppendStatLines(report.statistics, &reply);
  absl::StrAppend(&reply, "END\r\n");
  return reply;
}

std::string SettingsStats(uint64_t memory_limit_bytes, int shards) {
  std::string reply;
  AppendStatLine("maxbytes", memory_limit_bytes, &reply);
  AppendStatLine("item_size_max", kMaxValueSize, &reply);
  AppendStatLine("evictions", "on", &reply);
  AppendStatLine("cas_enabled", "yes", &reply);
  AppendStatLine("num_threads", static_cast<uint64_t>(shards), &reply);
  absl::StrAppend(&reply, "END\r\n");
  return reply;
}

}  // namespace percore::cache
