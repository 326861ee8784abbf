// What few connections have, and so none keeps room for.
#ifndef PERCORE_NET_INTERNAL_BUFFER_EVENT_EXTRAS_H_
#define PERCORE_NET_INTERNAL_BUFFER_EVENT_EXTRAS_H_

#include <memory>

#include "absl/status/status.h"
#include "percore/net/blocking_resolver.h"
#include "percore/net/buffer_event.h"
#include "percore/net/internal/transfer_timeouts.h"
#include "percore/runtime/deferred_callback.h"

namespace percore {

// Callbacks that wait for the end of the round.
struct BufferEvent::Deferred {
  explicit Deferred(BufferEvent& connection)
      : callback(
            connection.base_,
            [](void* connection) {
              static_cast<BufferEvent*>(connection)->RunDeferred();
            },
            &connection) {}

  DeferredCallback callback;
  bool read = false;
  bool written = false;
  ConnectionEvent events = ConnectionEvent::kNone;
  absl::Status status;
};

struct BufferEvent::Extras {
  std::unique_ptr<internal::TransferTimeouts> timers;
  std::unique_ptr<Deferred> deferred;
  Profile profile;
  std::unique_ptr<RateLimiter> rate_limiter;
  std::unique_ptr<BlockingResolver> blocking_resolver;
  std::unique_ptr<HostConnector> host_connector;  // while it works
};

}  // namespace percore

#endif  // PERCORE_NET_INTERNAL_BUFFER_EVENT_EXTRAS_H_
