// The budgets of the networks that have clients now.
//
// ```cpp
// auto server = percore::RateLimitGroup::Create({}, {.name = "server"});
// auto peer = percore::SocketAddress::Parse("192.0.2.77:1234");
// if (!server.ok() || !peer.ok()) return;
// percore::proxy::ClientNetworks networks(*server, {});
// {
//   percore::proxy::ClientNetworks::Visit visit = networks.Enter(*peer);
//   // connection.rate_limiter().Join(visit.group())
// }  // the client has left
// ```
//
// A network's group is made when its first client comes, and goes with the
// last one, but not before its tokens are all back: else who takes what it may
// at once, leaves and comes again would have that again. Groups that wait for
// that are looked after when clients come and go, and there are never more than
// kMostLeaving of them.
#ifndef PERCORE_EXAMPLES_PROXY_SERVICE_CLIENT_NETWORKS_H_
#define PERCORE_EXAMPLES_PROXY_SERVICE_CLIENT_NETWORKS_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

#include "absl/status/status.h"
#include "percore/examples/proxy_service/client_network.h"
#include "percore/net/rate_limit.h"
#include "percore/net/rate_limit_group.h"
#include "percore/net/socket_address.h"
#include "percore/runtime/kernel.h"

namespace percore::proxy {

// Thread: any. Networks are those of clients of all shards, so they are shared;
// a mutex is locked where a client comes or goes, which is when RateLimiter
// locks one anyway, and never where bytes move.
class ClientNetworks {
 public:
  // Of all groups: addresses are no labels.
  static constexpr char kGroupName[] = "network";
  static constexpr size_t kMostLeaving = 4096;

  struct Options {
    NetworkPrefix prefix = {};
    // Of each network. Check() has to be OK.
    RateLimit limit = {};
    // Is told of each group that is made, on the thread of its first client, so
    // that it is shown to Prometheus. May be null.
    std::function<void(const std::shared_ptr<RateLimitGroup>&)> on_group = {};
    Kernel* kernel = &Kernel::Real();
  };

  // A client's stay. Destroyed when it leaves, which the ClientNetworks
  // outlives.
  class Visit {
   public:
    Visit() = default;
    Visit(Visit&& other) noexcept { *this = std::move(other); }
    Visit& operator=(Visit&& other) noexcept;
    ~Visit() { End(); }

    // Null for one that was moved from.
    const std::shared_ptr<RateLimitGroup>& group() const { return group_; }

   private:
    friend class ClientNetworks;

    void End();

    ClientNetworks* networks_ = nullptr;
    SocketAddress network_;
    std::shared_ptr<RateLimitGroup> group_;
  };

  // Each network's group is inside of `server`.
  ClientNetworks(std::shared_ptr<RateLimitGroup> server, Options options);
  ClientNetworks(const ClientNetworks&) = delete;
  ClientNetworks& operator=(const ClientNetworks&) = delete;

  Visit Enter(const SocketAddress& client);

  // Of those there are and those that come. Errors: as RateLimit::Check().
  absl::Status SetLimit(const RateLimit& limit);
  RateLimit limit() const;

  // Networks with clients.
  size_t size() const;
  // The same, and those whose tokens are not all back.
  size_t group_count() const;

 private:
  struct Network {
    std::shared_ptr<RateLimitGroup> group;
    int64_t clients = 0;
    bool leaving = false;  // in leaving_
  };

  void Leave(const SocketAddress& network);
  void LookAfterThoseLeaving();  // with mutex_ held

  const std::shared_ptr<RateLimitGroup> server_;
  const Options options_;

  mutable std::mutex mutex_;  // guards what follows
  RateLimit limit_;
  std::map<SocketAddress, Network> networks_;
  std::deque<SocketAddress> leaving_;  // the longest first
  size_t size_ = 0;
};

}  // namespace percore::proxy

#endif  // PERCORE_EXAMPLES_PROXY_SERVICE_CLIENT_NETWORKS_H_
