// Accepts connections on a listening socket, and keeps its head when it cannot.
//
// A process that has run out of descriptors cannot accept, and its listening
// socket stays readable: a simple loop spins. The Listener rests instead,
// longer each time, counts it, and comes back by itself. Meanwhile clients wait
// in the kernel's backlog and open connections are served.
//
// ```cpp
// auto base = percore::EventBase::Create({});
// auto sockets = percore::ListenSockets::Open("127.0.0.1:0", 1);
// if (!base.ok() || !sockets.ok()) return;
// percore::Listener listener(
//     **base, sockets->Take(0),
//     [](percore::UniqueFd connection, const percore::SocketAddress&, void*) {
//       connection.Reset();  // not today
//     },
//     nullptr);
// absl::Status status = listener.Enable();
// ```
#ifndef PERCORE_NET_LISTENER_H_
#define PERCORE_NET_LISTENER_H_

#include <memory>

#include "absl/status/status.h"
#include "percore/net/listener_stats.h"
#include "percore/net/socket_address.h"
#include "percore/net/unique_fd.h"
#include "percore/runtime/event.h"
#include "percore/runtime/event_base.h"

namespace percore {

// Thread: the base's. Owns its socket. May be destroyed in its own callback.
class Listener {
 public:
  // `connection` is non-blocking and close-on-exec, and the callback's to keep.
  using Callback = void (*)(UniqueFd connection, const SocketAddress& peer,
                            void* argument);

  // Connections accepted in one go before other events have their turn.
  static constexpr int kAcceptBatch = 64;
  // The first rest after accept() ran out of something; it doubles each time
  // that fails again, up to the longest.
  static constexpr Duration kFirstRest = std::chrono::milliseconds(10);
  static constexpr Duration kLongestRest = std::chrono::seconds(1);

  Listener(EventBase& base, UniqueFd socket, Callback callback, void* argument);
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  ~Listener();

  // Starts, or goes on, to accept. Errors: what the kernel says when it refuses
  // to watch the socket.
  absl::Status Enable();
  // Stops accepting; clients wait in the backlog.
  void Disable();

  // Any thread; stays valid after the listener is gone. Connections count as
  // closed when whoever took them says so, in these statistics.
  std::shared_ptr<ListenerStats> stats() const { return stats_; }

 private:
  void AcceptBatch();
  // What to do after accept() returned `error`; true to go on accepting.
  bool HandleError(int error);
  void Rest();
  void GoOn();

  EventBase& base_;
  UniqueFd socket_;
  const Callback callback_;
  void* const argument_;
  const std::shared_ptr<ListenerStats> stats_;
  Event readable_;
  Event rested_;
  Duration next_rest_ = kFirstRest;
  bool* destroyed_ = nullptr;  // set while callbacks run
};

}  // namespace percore

#endif  // PERCORE_NET_LISTENER_H_
