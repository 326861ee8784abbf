// Where the proxy connects its clients to.
//
// The name is looked up once, before any shard starts: that is the time to wait
// for a name server, and to say that there is no such host. Then each shard
// connects to the addresses there were, all of them by turns: HostConnector is
// given a resolver that knows them.
//
// ```cpp
// auto upstream = percore::proxy::Upstream::Resolve("127.0.0.1:7777");
// auto base = percore::EventBase::Create({});
// if (!upstream.ok() || !base.ok()) return;
// percore::proxy::UpstreamResolver resolver(**base, *upstream);
// percore::BufferEvent connection(**base);
// connection.ConnectHost(resolver, upstream->host(), upstream->port());
// ```
#ifndef PERCORE_EXAMPLES_PROXY_SERVICE_UPSTREAM_H_
#define PERCORE_EXAMPLES_PROXY_SERVICE_UPSTREAM_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "percore/net/resolver.h"
#include "percore/net/socket_address.h"
#include "percore/runtime/event_base.h"

namespace percore::proxy {

// A value; it does not change, and any thread may read it.
class Upstream {
 public:
  // "HOST:PORT", with a name or numbers, or "unix:PATH". BLOCKS for a name.
  // Errors: InvalidArgument for other text; what the resolver says.
  static absl::StatusOr<Upstream> Resolve(std::string_view text);

  // As HostConnector takes it.
  const std::string& host() const { return host_; }
  uint16_t port() const { return port_; }
  // Of a name: those of one family, in the resolver's order.
  std::vector<SocketAddress> AddressesOf(int family) const;

 private:
  std::string host_;
  uint16_t port_ = 0;
  std::vector<SocketAddress> addresses_;
};

// Knows the addresses of one upstream, whatever it is asked for.
class UpstreamResolver final : public Resolver {
 public:
  // `upstream` outlives it.
  UpstreamResolver(EventBase& base, const Upstream& upstream)
      : base_(base), upstream_(upstream) {}

  std::unique_ptr<Request> Lookup(std::string_view host, int family,
                                  Callback callback, void* argument) override;

 private:
  EventBase& base_;
  const Upstream& upstream_;
};

}  // namespace percore::proxy

#endif  // PERCORE_EXAMPLES_PROXY_SERVICE_UPSTREAM_H_
