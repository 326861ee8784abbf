// A TCP server's part on one shard: accepts its share of the clients, owns
// their connections, and lets them finish when the runtime stops.
//
// ```cpp
// class Echo : public percore::Connection {
//  public:
//   using Connection::Connection;
//   void OnRead() override { io().output().Append(std::move(io().input())); }
// };
//
// auto runtime = percore::Runtime::Create({.shards = 2});
// auto sockets = percore::ListenSockets::Open("127.0.0.1:0", 2);
// if (!runtime.ok() || !sockets.ok()) return;
// (*runtime)->RequestStop();  // an example need not run for ever
// absl::Status status = (*runtime)->Run([&](percore::Shard& shard) {
//   return percore::TcpServer::Make<Echo>(shard, *sockets);
// });
// ```
#ifndef PERCORE_NET_TCP_SERVER_H_
#define PERCORE_NET_TCP_SERVER_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "percore/net/buffer_event.h"
#include "percore/net/connection.h"
#include "percore/net/connection_place.h"
#include "percore/net/flow_limits.h"
#include "percore/net/listen_sockets.h"
#include "percore/net/listener.h"
#include "percore/net/listener_stats.h"
#include "percore/net/rate_limit.h"
#include "percore/net/rate_limit_group.h"
#include "percore/runtime/gate.h"
#include "percore/runtime/intrusive_list.h"
#include "percore/runtime/service.h"
#include "percore/runtime/shard.h"

namespace percore {

struct TcpServerOptions {
  // While a connection has more than `write_high` bytes to send, nothing is
  // read from it: a client that asks and never reads stops being served, and
  // costs a bounded amount of memory. OnWritten() waits until no more than
  // `write_low` bytes are left.
  size_t write_low = 0;
  size_t write_high = 256 * 1024;
  // How connections are accepted, and how many: a connection holds its place
  // until it is destroyed.
  ListenerOptions listener = {};
  // Of which each connection becomes a member; the same for all shards that are
  // to share its budget. Null for none.
  std::shared_ptr<RateLimitGroup> rate_limit_group = {};
  // Each connection's own limit.
  std::optional<RateLimit> connection_rate_limit = {};
};

// Thread: its shard's, unless a comment says otherwise.
class TcpServer : public Service {
 public:
  using ConnectionFactory =
      std::function<std::unique_ptr<Connection>(Connection::Accepted)>;

  // Listens on `socket`. Errors: what the kernel says when it refuses to watch
  // it; those of RateLimiter::Join() and SetLimit(). A connection that meets
  // one of them later is closed, and counted under kError.
  static absl::StatusOr<std::unique_ptr<TcpServer>> Create(
      Shard& shard, UniqueFd socket, ConnectionFactory factory,
      const TcpServerOptions& options = {});

  // The same, on socket number shard.index() of `sockets`, for connections that
  // need nothing but what was accepted.
  template <typename ConnectionType>
  static absl::StatusOr<std::unique_ptr<Service>> Make(
      Shard& shard, ListenSockets& sockets,
      const TcpServerOptions& options = {}) {
    return Create(
        shard, sockets.Take(shard.index()),
        [](Connection::Accepted accepted) -> std::unique_ptr<Connection> {
          return std::make_unique<ConnectionType>(std::move(accepted));
        },
        options);
  }

  // Closes the connections that are left; they count as cut off.
  ~TcpServer() override;

  // Stops accepting, and calls OnDrain() of every connection.
  void Drain() override;

  Shard& shard() { return shard_; }
  const TcpServerOptions& options() const { return options_; }
  // Those of each connection.
  const FlowLimits& limits() const { return profile_.limits; }
  // Any thread; stays valid after the server is gone.
  const std::shared_ptr<ListenerStats>& stats() const { return stats_; }

 private:
  friend class Connection;

  TcpServer(Shard& shard, UniqueFd socket, ConnectionFactory factory,
            const TcpServerOptions& options);

  void Accept(UniqueFd socket, const SocketAddress& peer);
  void Destroy(Connection* connection);

  Shard& shard_;
  const ConnectionFactory factory_;
  const TcpServerOptions options_;
  Listener listener_;
  const std::shared_ptr<ListenerStats> stats_;
  // Of each connection: at first, and when it knows that OnWritten() is of no
  // use to it.
  const BufferEvent::Profile profile_;
  const BufferEvent::Profile quiet_profile_;
  IntrusiveList<Connection, &Connection::server_link_> connections_;
  std::optional<Gate::Holder> gate_holder_;  // while there are connections
  // One for each connection, or none at all: without limits they cost nothing.
  std::vector<ConnectionPlace> places_;
};

}  // namespace percore

#endif  // PERCORE_NET_TCP_SERVER_H_
