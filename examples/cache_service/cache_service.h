// The cache on one shard: the store of the keys that this shard owns, and the
// connections that it accepted, which ask the owners of all keys.
#ifndef PERCORE_EXAMPLES_CACHE_SERVICE_CACHE_SERVICE_H_
#define PERCORE_EXAMPLES_CACHE_SERVICE_CACHE_SERVICE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "percore/examples/cache/expiry.h"
#include "percore/examples/cache/statistics.h"
#include "percore/examples/cache/store.h"
#include "percore/examples/cache_service/cache_stats.h"
#include "percore/examples/cache_service/request.h"
#include "percore/net/listen_sockets.h"
#include "percore/net/tcp_server.h"
#include "percore/runtime/deferred_callback.h"
#include "percore/runtime/service.h"
#include "percore/runtime/shard.h"

namespace percore::cache {

class CacheService;

// What the services of one server have in common. Set up before the runtime
// runs; each shard then writes its own place in `services` once and reads no
// other: what a message finds there is its own shard's.
struct CacheCluster {
  explicit CacheCluster(int shards) : services(shards), stats(shards) {
    for (auto& shard_stats : stats) {
      shard_stats = std::make_shared<CacheStats>();
    }
  }

  std::vector<CacheService*> services;
  std::vector<std::shared_ptr<CacheStats>> stats;  // by shard
  // Of all shards together.
  uint64_t memory_limit_bytes = 64 << 20;
};

// Thread: its shard's. The cluster must outlive it.
class CacheService final : public Service {
 public:
  // What this shard adds to "stats".
  struct Report {
    Statistics statistics;
    int64_t open_connections = 0;
    uint64_t total_connections = 0;
    uint64_t bytes_read = 0;
    uint64_t bytes_written = 0;
  };

  static absl::StatusOr<std::unique_ptr<CacheService>> Create(
      Shard& shard, UniqueFd socket, CacheCluster& cluster,
      const TcpServerOptions& options = {});
  ~CacheService() override;

  void Drain() override;

  Shard& shard() { return shard_; }
  const std::shared_ptr<ListenerStats>& listener_stats() const {
    return server_->stats();
  }
  uint64_t memory_limit_bytes() const { return cluster_.memory_limit_bytes; }
  Store& store() { return store_; }
  // What is counted besides what the store sees.
  Statistics& own_statistics() { return own_statistics_; }
  // The time of this round.
  UnixSeconds Now() const;
  uint32_t OwnerOf(uint64_t hash) const {
    return ShardOf(hash, static_cast<uint32_t>(shard_.count()));
  }
  bool Owns(uint32_t owner) const {
    return static_cast<int>(owner) == shard_.index();
  }

  // A request of this shard, and its way back into the pool. None is ever
  // missing: the pool grows.
  Request* NewRequest(CacheConnection* connection);
  void FreeRequest(Request* request);

  // Sends the request to request->owner, which may be this shard. When the
  // answer is back, its connection is told.
  void Send(Request* request);
  // Flushes every store at request->moment; for `flush_all`.
  void SendFlush(Request* request);
  // Collects every shard's report; the sum becomes the answer to "stats".
  void SendStats(Request* request);
  // Resets every shard's counters; for "stats reset".
  void SendReset(Request* request);

  // Statistics may have changed: they are published when the round ends.
  void NoteActivity() { publish_.Schedule(); }

 private:
  CacheService(Shard& shard, CacheCluster& cluster);

  // Runs `function(request, service)` on every shard, in order with what was
  // sent there before, on this one at once. Answered once all have run it.
  template <typename Function>
  void AskAll(Request* request, Function function);
  void OneAnswered(Request* request);
  void Answered(Request* request);
  Report MakeReport() const;
  void PublishStatistics();
  void ResetStatistics();

  Shard& shard_;
  CacheCluster& cluster_;
  const UnixSeconds started_;
  const TimePoint started_at_;
  Store store_;
  Statistics own_statistics_;
  Statistics published_;
  DeferredCallback publish_;
  std::vector<std::unique_ptr<Request>> requests_;  // all there are
  std::vector<Request*> free_requests_;
  std::unique_ptr<TcpServer> server_;
};

}  // namespace percore::cache

#endif  // PERCORE_EXAMPLES_CACHE_SERVICE_CACHE_SERVICE_H_
