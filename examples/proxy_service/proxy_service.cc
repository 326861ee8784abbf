#include "percore/examples/proxy_service/proxy_service.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "percore/examples/proxy_service/control_connection.h"
#include "percore/runtime/log.h"

namespace percore::proxy {
namespace {

std::shared_ptr<RateLimitGroup> MakeServerGroup(
    const ProxyCluster::Options& options) {
  std::shared_ptr<RateLimitGroup> group =
      *RateLimitGroup::Create(options.server_limit, {.name = "server"});
  if (options.on_group) options.on_group(group);
  return group;
}

}  // namespace

ProxyCluster::ProxyCluster(int shards, Options options)
    : upstream(std::move(options.upstream)),
      server(MakeServerGroup(options)),
      networks(server, {.prefix = options.network_prefix,
                        .limit = options.network_limit.WithBursts(),
                        .on_group = std::move(options.on_group)}),
      connection_limit(options.connection_limit.WithBursts()),
      services(static_cast<size_t>(shards)) {}

absl::StatusOr<std::unique_ptr<ProxyService>> ProxyService::Create(
    Shard& shard, UniqueFd socket, ProxyCluster& cluster,
    const TcpServerOptions& options) {
  std::unique_ptr<ProxyService> service(new ProxyService(shard, cluster));
  TcpServerOptions own = options;
  own.write_low = ProxyConnection::kLowWater;
  // A client that does not read may send all the same: what waits for it stops
  // reading from the upstream.
  own.write_high = 0;
  absl::StatusOr<std::unique_ptr<TcpServer>> clients = TcpServer::Create(
      shard, std::move(socket),
      [service = service.get()](
          Connection::Accepted accepted) -> std::unique_ptr<Connection> {
        return std::make_unique<ProxyConnection>(std::move(accepted), *service);
      },
      own);
  if (!clients.ok()) return clients.status();
  service->clients_ = *std::move(clients);
  return service;
}

ProxyService::ProxyService(Shard& shard, ProxyCluster& cluster)
    : shard_(shard),
      cluster_(cluster),
      resolver_(shard.base(), cluster.upstream),
      connection_limit_(cluster.connection_limit) {
  cluster_.services[static_cast<size_t>(shard.index())] = this;
}

// The connections take themselves out of the list.
ProxyService::~ProxyService() { clients_ = nullptr; }

absl::Status ProxyService::ListenForOperators(UniqueFd socket) {
  absl::StatusOr<std::unique_ptr<TcpServer>> operators = TcpServer::Create(
      shard_, std::move(socket),
      [this](Connection::Accepted accepted) -> std::unique_ptr<Connection> {
        return std::make_unique<ControlConnection>(std::move(accepted), *this);
      });
  if (!operators.ok()) return operators.status();
  operators_ = *std::move(operators);
  return absl::OkStatus();
}

void ProxyService::Drain() {
  clients_->Drain();
  if (operators_ != nullptr) operators_->Drain();
}

void ProxyService::SetConnectionLimit(const RateLimit& limit) {
  connection_limit_ = limit;
  for (ProxyConnection* connection = connections_.first();
       connection != nullptr; connection = connections_.Next(connection)) {
    connection->SetLimit(limit);
  }
}

void ProxyService::NoteUpstream(const absl::Status& status) {
  const bool failed = !status.ok();
  if (std::exchange(upstream_fails_, failed) == failed) return;
  if (failed) {
    Log(LogLevel::kWarning,
        absl::StrCat("shard ", shard_.index(),
                     ": no connection to the upstream: ", status.message()));
  } else {
    Log(LogLevel::kInfo, absl::StrCat("shard ", shard_.index(),
                                      ": connections to the upstream again"));
  }
}

}  // namespace percore::proxy
