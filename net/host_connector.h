// Connects to a host by its name, over IPv6 or IPv4: happy eyeballs, RFC 8305.
//
// A name has several addresses, of two families, and some may lead nowhere: a
// machine believes that it has IPv6, and a firewall on the way swallows it. Who
// tries them one after the other waits two minutes for each of those; who tries
// all at once has every server work for nothing. So each has a quarter of a
// second to itself before the next begins beside it, IPv6 and IPv4 by turns,
// and the first connection that comes about is the one:
//
//   0 ms    AAAA? A?
//   20 ms   A is here; AAAA has another 50 ms, for IPv6 goes first
//   30 ms   AAAA is here: connect to the first IPv6 address
//   280 ms  nothing yet: connect to the first IPv4 address
//   300 ms  IPv4 is connected: done; the IPv6 socket is closed
//
// An attempt that fails brings the next one at once. Answers that come late
// join in: their addresses are tried as if they had been there from the
// beginning.
//
// ```cpp
// auto base = percore::EventBase::Create({});
// if (!base.ok()) return;
// percore::BlockingResolver resolver(**base);
// percore::HostConnector connector(
//     **base, resolver, "localhost", 80,
//     [](absl::StatusOr<percore::HostConnection> result, void*) {
//       if (!result.ok()) return;
//       std::string peer = result->address.ToString();
//       percore::TransportPtr connected = std::move(result->transport);
//     },
//     nullptr);
// absl::Status status = (*base)->Run();
// ```
//
// For a connection with buffers: BufferEvent::ConnectHost().
#ifndef PERCORE_NET_HOST_CONNECTOR_H_
#define PERCORE_NET_HOST_CONNECTOR_H_

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "percore/net/resolver.h"
#include "percore/net/socket_address.h"
#include "percore/net/transport.h"
#include "percore/runtime/deferred_callback.h"
#include "percore/runtime/event.h"
#include "percore/runtime/event_base.h"
#include "percore/runtime/time.h"

namespace percore {

struct HostConnectorOptions {
  // Which addresses of a name are asked for, and which family begins.
  enum class Families : uint8_t {
    kIpv6First,
    kIpv4First,
    kIpv6Only,
    kIpv4Only,
  };
  Families families = Families::kIpv6First;

  // How long addresses of the second family wait for those of the first.
  Duration resolution_delay = std::chrono::milliseconds(50);
  // How long an attempt is alone before the next one begins beside it; at least
  // kMinAttemptDelay.
  Duration attempt_delay = std::chrono::milliseconds(250);
  static constexpr Duration kMinAttemptDelay = std::chrono::milliseconds(10);

  // Makes what an attempt connects by, for sockets with options, or addresses,
  // of their own; null for OpenSocketTransport(). It must not destroy the
  // connector. `transport_argument` outlives the connector.
  absl::StatusOr<TransportPtr> (*make_transport)(EventBase& base,
                                                 const SocketAddress& peer,
                                                 void* argument) = nullptr;
  void* transport_argument = nullptr;
};

struct HostConnection {
  // Connected. Attach() comes next.
  TransportPtr transport;
  SocketAddress address;
};

// Whether a connection failed because its name has no address that could be
// tried: `status` is from HostConnector, or from the event of ConnectHost().
// Its code says more: NotFound, Unavailable and so on, as the resolver gave
// them.
bool IsResolutionError(const absl::Status& status);

// Thread: the base's, which outlives it, as the resolver does. Destroying it,
// at any time and in its callback too, ends what goes on and closes the
// sockets.
//
// Cost: while it works, one timer and a socket for each attempt under way.
// There is no limit of time beyond the kernel's own for every attempt: who has
// less patience destroys it.
class HostConnector {
 public:
  using Options = HostConnectorOptions;

  // The connection, or why there is none: the status tells of every lookup and
  // every attempt that failed, as far as a thousand bytes will do. Its code is
  // that of the last attempt, or of the resolver if there was nothing to try.
  using Callback = void (*)(absl::StatusOr<HostConnection> result,
                            void* argument);

  // Begins. The result comes once, from the loop, never from inside this call.
  //
  // `host` is a name; or, to be used as it is and without the resolver, numbers
  // ("127.0.0.1", "::1", "[::1]", "fe80::1%eth0") or an address of the form
  // "unix:...", to which `port` and the families mean nothing.
  //
  // Within a family, addresses keep the resolver's order: putting them in the
  // order of RFC 6724 is the resolver's business.
  HostConnector(EventBase& base, Resolver& resolver, std::string_view host,
                uint16_t port, Callback callback, void* argument,
                const Options& options = {});
  HostConnector(const HostConnector&) = delete;
  HostConnector& operator=(const HostConnector&) = delete;
  ~HostConnector();

 private:
  class Attempt;

  // One family of addresses.
  struct Query {
    HostConnector* connector = nullptr;
    int family = AF_INET6;
    std::unique_ptr<Resolver::Request> request;
    bool answered = true;
    std::vector<SocketAddress> addresses;
    size_t tried = 0;  // so many of them
  };

  static void OnAnswer(absl::StatusOr<std::vector<SocketAddress>> addresses,
                       void* query);
  void UseLiteral(const absl::StatusOr<SocketAddress>& address);
  void Ask(Resolver& resolver, std::string_view host);

  // Begins attempts as far as their time has come, and ends when there is
  // nothing more to be had. The connector may be gone afterwards, and after the
  // following two.
  void Proceed();
  void Finish(absl::StatusOr<HostConnection> result);
  void OnAttemptFailed(const Attempt& attempt, const absl::Status& status);
  void OnAttemptConnected(Attempt& attempt);

  bool AllAnswered() const;
  bool WaitsForTime() const;
  void Wait(Duration delay);
  const SocketAddress* NextAddress();
  absl::Status Try(const SocketAddress& address);
  void NoteAttemptFailure(const SocketAddress& address,
                          const absl::Status& status);
  void NoteLookupFailure(std::string_view family, const absl::Status& status);
  void Tell(std::string_view what, const absl::Status& status);
  absl::Status Failure() const;

  EventBase& base_;
  const Callback callback_;
  void* const argument_;
  const Options options_;
  const std::string host_;  // in words
  const uint16_t port_;
  std::array<Query, 2> queries_;  // in the order of preference
  size_t last_family_ = 1;        // of the last attempt: its place in queries_
  bool tried_ = false;            // there was an address
  std::vector<std::unique_ptr<Attempt>> attempts_;  // under way
  std::string failures_;                            // in words
  size_t failures_untold_ = 0;
  absl::StatusCode failure_code_ = absl::StatusCode::kNotFound;
  Event timer_;  // until the next attempt may begin
  DeferredCallback first_step_;
};

}  // namespace percore

#endif  // PERCORE_NET_HOST_CONNECTOR_H_
