// The PROXY protocol on a connection: one filter takes the header off what a
// proxy sends, the other puts one in front of what a proxy sends.
//
//   client <--> proxy: BufferEvent <-> writer <-> socket
//                                                   |  header, client's bytes
//               server: BufferEvent <-> reader <-> socket
//
// A server behind a proxy:
//
// ```cpp
// auto base = percore::EventBase::Create({});
// if (!base.ok()) return;
// auto [proxy, server] = percore::MakeBufferEventPair(**base);
// auto on_header = [](percore::ProxyHeader* header) {
//   if (!header->endpoints.has_value()) {
//     return absl::PermissionDeniedError("nobody we know");
//   }
//   // header->endpoints->source is the client.
//   return absl::OkStatus();
// };
// auto connection = percore::MakeFilteredBufferEvent(
//     std::move(server), percore::MakeProxyHeaderReader(on_header));
// ```
//
// And the proxy:
//
// ```cpp
// auto base = percore::EventBase::Create({});
// if (!base.ok()) return;
// auto [proxy, server] = percore::MakeBufferEventPair(**base);
// percore::ProxyHeader header;
// header.endpoints = percore::ProxyEndpoints{
//     .source = *percore::SocketAddress::Parse("192.0.2.1:56324"),
//     .destination = *percore::SocketAddress::Parse("192.0.2.2:443")};
// auto writer = percore::MakeProxyHeaderWriter(header);
// if (!writer.ok()) return;  // a header that cannot be said
// auto connection = percore::MakeFilteredBufferEvent(
//     std::move(proxy), *std::move(writer));
// ```
//
// After the header both are out of the way: bytes move from one Buffer to the
// other without being copied.
//
// A header is a claim: believe it only where all that can connect are proxies
// of one's own.
#ifndef PERCORE_NET_PROXY_FILTER_H_
#define PERCORE_NET_PROXY_FILTER_H_

#include <cstdint>
#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "percore/net/filter.h"
#include "percore/net/proxy_header.h"
#include "percore/net/proxy_protocol.h"

namespace percore {

struct ProxyReaderOptions {
  // What becomes of a connection that begins otherwise than a header does.
  enum class Presence : uint8_t {
    // It ends with an error: what the specification wants.
    kRequired,
    // It goes on, with all its bytes. Only where no client gains from hiding
    // behind an address, or from making one up.
    kOptional,
  };
  Presence presence = Presence::kRequired;

  // Which versions are accepted. A header of the other is an error, in both
  // modes of presence.
  enum class Versions : uint8_t { kBoth, kOnlyV1, kOnlyV2 };
  Versions versions = Versions::kBoth;

  // The longest header. One longer than FilterOptions::max_pending_input is
  // an error too.
  ProxyParseOptions parse = {};
};

// Called once: as soon as the header is complete, and so before the first of
// the client's bytes is in input(), even if none ever comes. `header` may be
// moved from; it is null if the connection began without one (kOptional only).
// It is not called for a peer that sends no byte at all.
//
// An error refuses the connection, whose event callback is told it. The
// callback may destroy the connection, but must not change its input(). It also
// runs inside a Flush() for kRead that finds the header.
using ProxyHeaderCallback =
    absl::AnyInvocable<absl::Status(ProxyHeader* header)>;

// For MakeFilteredBufferEvent(). `on_header` may be null.
//
// How long a header may take is the connection's read timeout, which counts
// from when reading is enabled: the header alone is nothing that arrives, and
// does not begin it anew.
//
// Errors of the connection: InvalidArgument for what is no header, or a bad
// one; DataLoss for an end of file inside a header, also where none is
// required. An end of file in place of the header is one: load balancers
// connect so to see whether a server is there.
std::unique_ptr<Filter> MakeProxyHeaderReader(
    ProxyHeaderCallback on_header, const ProxyReaderOptions& options = {});

// For MakeFilteredBufferEvent(). The header leaves by itself, in the first
// round of the loop or as soon as the connection is made: a server that speaks
// first waits for it. It comes before all output, and before the end of file of
// a user who writes nothing.
//
// Errors: those of AppendProxyHeader().
absl::StatusOr<std::unique_ptr<Filter>> MakeProxyHeaderWriter(
    const ProxyHeader& header);

}  // namespace percore

#endif  // PERCORE_NET_PROXY_FILTER_H_
