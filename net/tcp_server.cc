#include "percore/net/tcp_server.h"

namespace percore {
namespace {

absl::Status Limit(RateLimiter& limiter, const TcpServerOptions& options) {
  absl::Status status;
  if (options.rate_limit_group != nullptr) {
    status.Update(limiter.Join(options.rate_limit_group));
  }
  if (options.connection_rate_limit.has_value()) {
    status.Update(limiter.SetLimit(*options.connection_rate_limit));
  }
  return status;
}

bool IsLimited(const TcpServerOptions& options) {
  return options.rate_limit_group != nullptr ||
         options.connection_rate_limit.has_value();
}

}  // namespace

absl::StatusOr<std::unique_ptr<TcpServer>> TcpServer::Create(
    Shard& shard, UniqueFd socket, ConnectionFactory factory,
    const TcpServerOptions& options) {
  if (IsLimited(options)) {
    // What each connection would be refused, the server is.
    RateLimiter probe(shard.base(), nullptr, nullptr);
    if (absl::Status status = Limit(probe, options); !status.ok()) {
      return status;
    }
  }
  std::unique_ptr<TcpServer> server(
      new TcpServer(shard, std::move(socket), std::move(factory), options));
  if (absl::Status status = server->listener_.Enable(); !status.ok()) {
    return status;
  }
  return server;
}

TcpServer::TcpServer(Shard& shard, UniqueFd socket, ConnectionFactory factory,
                     const TcpServerOptions& options)
    : shard_(shard),
      factory_(std::move(factory)),
      options_(options),
      listener_(
          shard.base(), std::move(socket),
          [](UniqueFd connection, const SocketAddress& peer, void* server) {
            static_cast<TcpServer*>(server)->Accept(std::move(connection),
                                                    peer);
          },
          this, options.listener),
      stats_(listener_.stats()),
      profile_({.callbacks = Connection::kCallbacks,
                .limits = {.write = {.low = options.write_low,
                                     .high = options.write_high}},
                .traffic_stats = stats_.get()}),
      quiet_profile_({.callbacks = Connection::kQuietCallbacks,
                      .limits = profile_.limits,
                      .traffic_stats = stats_.get()}) {}

TcpServer::~TcpServer() {
  while (!connections_.empty()) Destroy(connections_.first());
}

void TcpServer::Drain() {
  listener_.Disable();
  // A connection may end in its OnDrain(), and only that one.
  for (Connection *connection = connections_.first(), *next;
       connection != nullptr; connection = next) {
    next = connections_.Next(connection);
    connection->OnDrain();
  }
}

void TcpServer::Accept(UniqueFd socket, const SocketAddress& peer) {
  Connection* connection =
      factory_({.server = *this, .socket = std::move(socket), .peer = peer})
          .release();
  connections_.PushBack(connection);
  if (ConnectionPlace place = listener_.TakePlace(); place.valid()) {
    places_.push_back(std::move(place));
  }
  if (!gate_holder_.has_value()) gate_holder_.emplace(shard_.gate());
  // Groups may have changed since Create(), and the kernel may refuse to watch
  // the socket when it is out of memory.
  absl::Status status;
  if (IsLimited(options_)) {
    status = Limit(connection->io().rate_limiter(), options_);
  }
  if (status.ok()) status = connection->io().Enable(EventFlags::kRead);
  if (!status.ok()) connection->Close(CloseReason::kError);
}

void TcpServer::Destroy(Connection* connection) {
  connections_.Remove(connection);
  delete connection;
  if (!places_.empty()) places_.pop_back();
  if (connections_.empty()) gate_holder_.reset();
}

}  // namespace percore
