// The proxy on one shard: the clients that it accepted, each with a connection
// of its own to the upstream. The first shard also listens for operators.
#ifndef PERCORE_EXAMPLES_PROXY_SERVICE_PROXY_SERVICE_H_
#define PERCORE_EXAMPLES_PROXY_SERVICE_PROXY_SERVICE_H_

#include <functional>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "percore/examples/proxy_service/client_networks.h"
#include "percore/examples/proxy_service/proxy_connection.h"
#include "percore/examples/proxy_service/upstream.h"
#include "percore/net/listen_sockets.h"
#include "percore/net/listener_stats.h"
#include "percore/net/rate_limit.h"
#include "percore/net/rate_limit_group.h"
#include "percore/net/tcp_server.h"
#include "percore/net/unique_fd.h"
#include "percore/runtime/intrusive_list.h"
#include "percore/runtime/service.h"
#include "percore/runtime/shard.h"

namespace percore::proxy {

class ProxyService;

// What the services of one proxy have in common. Set up before the runtime
// runs, and outlives it; each shard then writes its own place in `services`
// once: what a message finds there is its own shard's.
struct ProxyCluster {
  struct Options {
    Upstream upstream = {};
    // Check() of each has to be OK.
    RateLimit server_limit = {};
    RateLimit network_limit = {};
    RateLimit connection_limit = {};  // at first
    NetworkPrefix network_prefix = {};
    // Is told of each group that there is; see ClientNetworks. May be null.
    std::function<void(const std::shared_ptr<RateLimitGroup>&)> on_group = {};
  };

  ProxyCluster(int shards, Options options);

  const Upstream upstream;
  const std::shared_ptr<RateLimitGroup> server;
  ClientNetworks networks;
  const RateLimit connection_limit;
  std::vector<ProxyService*> services;
};

// Thread: its shard's. The cluster must outlive it.
class ProxyService final : public Service {
 public:
  // Of `options` the write watermarks are the proxy's own.
  static absl::StatusOr<std::unique_ptr<ProxyService>> Create(
      Shard& shard, UniqueFd socket, ProxyCluster& cluster,
      const TcpServerOptions& options = {});
  ~ProxyService() override;

  // Takes commands from `socket` too, which listens. Errors: as of
  // TcpServer::Create().
  absl::Status ListenForOperators(UniqueFd socket);

  void Drain() override;

  ProxyCluster& cluster() { return cluster_; }
  UpstreamResolver& resolver() { return resolver_; }
  const std::shared_ptr<ListenerStats>& listener_stats() const {
    return clients_->stats();
  }
  // Null if it does not listen for operators.
  std::shared_ptr<ListenerStats> control_stats() const {
    return operators_ == nullptr ? nullptr : operators_->stats();
  }

  // Of each client of this shard, now and from now on. Check() has to be OK.
  void SetConnectionLimit(const RateLimit& limit);
  const RateLimit& connection_limit() const { return connection_limit_; }

  // A connection to the upstream came about, or did not. Says so in the log
  // when that changes.
  void NoteUpstream(const absl::Status& status);

 private:
  friend class ProxyConnection;

  ProxyService(Shard& shard, ProxyCluster& cluster);

  Shard& shard_;
  ProxyCluster& cluster_;
  UpstreamResolver resolver_;
  RateLimit connection_limit_;
  bool upstream_fails_ = false;
  IntrusiveList<ProxyConnection, &ProxyConnection::service_link_> connections_;
  std::unique_ptr<TcpServer> clients_;
  std::unique_ptr<TcpServer> operators_;
};

}  // namespace percore::proxy

#endif  // PERCORE_EXAMPLES_PROXY_SERVICE_PROXY_SERVICE_H_
