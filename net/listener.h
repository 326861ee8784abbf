// Accepts connections on a listening socket, and keeps its head when it cannot.
//
// A process that has run out of descriptors cannot accept, and its listening
// socket stays readable: a simple loop spins. The Listener keeps a descriptor
// in reserve. It gives that up for the connection that has waited longest,
// closes it, so that its client learns about it, and rests: longer each time.
// Then it comes back by itself. Meanwhile the other clients wait in the
// kernel's backlog and open connections are served.
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
//
// A limit on the connections that are open at once: the callback takes each
// connection's place, and keeps it as long as the connection. (TcpServer does.)
//
// ```cpp
// struct Server {
//   explicit Server(percore::EventBase& base, percore::UniqueFd socket)
//       : listener(base, std::move(socket), &Server::OnAccept, this,
//                  {.max_connections = 1000}) {}
//   static void OnAccept(percore::UniqueFd fd,
//                        const percore::SocketAddress&, void* argument) {
//     auto* server = static_cast<Server*>(argument);
//     server->clients.emplace_back(server->listener.TakePlace(),
//                                  std::move(fd));
//   }
//   percore::Listener listener;
//   std::vector<std::pair<percore::ConnectionPlace, percore::UniqueFd>>
//       clients;
// };
// ```
#ifndef PERCORE_NET_LISTENER_H_
#define PERCORE_NET_LISTENER_H_

#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "percore/net/connection_limit.h"
#include "percore/net/connection_place.h"
#include "percore/net/listener_stats.h"
#include "percore/net/socket_address.h"
#include "percore/net/unique_fd.h"
#include "percore/runtime/event.h"
#include "percore/runtime/event_base.h"

namespace percore {

namespace internal {
class RingAcceptor;
}  // namespace internal

// What becomes of clients that come when all places are taken.
enum class WhenFull {
  // They wait in the kernel's backlog until a connection is closed.
  kWait,
  // They are accepted, and closed at once: for clients that know where else to
  // go.
  kRefuse,
};

struct ListenerOptions {
  // Connections accepted in one go before other events have their turn.
  int accept_batch = 64;
  // Connections of this listener that may be open at once; 0 for any number.
  int max_connections = 0;
  // The same for all listeners that have this limit, on whatever shards; null
  // for none. Costs the shards little: see net/connection_limit.h.
  std::shared_ptr<ConnectionLimit> limit = nullptr;
  WhenFull when_full = WhenFull::kWait;
};

// Thread: the base's. Owns its socket. May be destroyed, disabled, and given
// other callbacks in its own callbacks.
//
// Cost: a system call for each connection and one that finds no more; two
// descriptors, the socket and the reserve. Each listener has a reserve of its
// own: those of one loop may run out in the same round, and those of two loops
// would have to lock a shared one.
//
// On a loop with a ring (EventBase::ring()) the kernel accepts by itself: TCP
// connections without a limit, of a socket with SO_REUSEPORT, which has one
// listener (see ListenSockets). That spares those system calls, but for
// connections that come at once: of each but the last of them the peer's
// address is asked for. It is 0.0.0.0:0 if that peer has gone already.
class Listener {
 public:
  // `connection` is non-blocking and close-on-exec, and the callback's to keep.
  using Callback = void (*)(UniqueFd connection, const SocketAddress& peer,
                            void* argument);
  // accept() failed, and it is no use to try again at once: the listener rests
  // first, and so this is called once a second at most, after the first few
  // times. `status` says "accept 127.0.0.1:80: Too many open files".
  using ErrorCallback = void (*)(const absl::Status& status, void* argument);

  // The first rest after accept() ran out of something; it doubles each time
  // that fails again, up to the longest.
  static constexpr Duration kFirstRest = std::chrono::milliseconds(10);
  static constexpr Duration kLongestRest = std::chrono::seconds(1);

  // `socket` is a stream socket that listens and does not block. While
  // `callback` is null nothing is accepted.
  Listener(EventBase& base, UniqueFd socket, Callback callback, void* argument,
           const ListenerOptions& options = {});
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  ~Listener();

  // Starts, or goes on, to accept. Until the first call nothing is accepted.
  // Errors: what the kernel says when it refuses to watch the socket;
  // FailedPrecondition after Release(). Without a descriptor for the reserve it
  // does without one, and tries again after each rest.
  absl::Status Enable();
  // Stops accepting; clients wait in the backlog. Those that the kernel has
  // accepted already wait here: for Enable(), or a callback.
  void Disable();
  bool enabled() const { return enabled_; }

  // From the next connection, and the next error, on.
  void SetCallback(Callback callback, void* argument);
  // None at first: errors are only counted.
  void SetErrorCallback(ErrorCallback callback, void* argument);

  // In the callback: the place that the connection takes of the limits. Destroy
  // it with the connection. If it is not taken the connection does not count;
  // without limits it is empty.
  ConnectionPlace TakePlace() { return std::move(place_); }

  // Disables the listener and gives the socket back, still listening, so that
  // it is not closed with the listener. Clients that the kernel has accepted
  // already are the callback's before this returns; without one they are
  // closed.
  UniqueFd Release();

  // -1 after Release().
  int fd() const { return socket_.get(); }
  EventBase& base() const { return base_; }

  // Any thread; stays valid after the listener is gone. Connections count as
  // closed when whoever took them says so, in these statistics.
  std::shared_ptr<ListenerStats> stats() const { return stats_; }

 private:
  enum class Admission { kAccept, kReject, kNotNow };

  // What the kernel has accepted by itself.
  void DeliverBatch();
  // The first of it. The callback may destroy the listener.
  void DeliverOne();
  void StopUsingRing(int error);
  void AcceptBatch();
  Admission Admit(int accepted);
  // What to do after accept() returned `error`; true to go on accepting.
  bool HandleError(int error);
  void RejectOneFromReserve();
  void FillReserve();
  void Report(int error);
  void Rest();
  // After a rest, or at last with a place.
  void GoOn();
  bool accepting() const {
    return enabled_ && callback_ != nullptr && !resting_ && !waiting_;
  }
  // Has the kernel accept, or the socket watched, as long as there is a point
  // in it.
  void UpdateInterest();

  EventBase& base_;
  UniqueFd socket_;
  Callback callback_;
  void* argument_;
  ErrorCallback error_callback_ = nullptr;
  void* error_argument_ = nullptr;
  const int accept_batch_;
  const WhenFull when_full_;
  const std::shared_ptr<ListenerStats> stats_;
  internal::ConnectionQuota* quota_ = nullptr;  // null without limits
  ConnectionPlace place_;  // of the connection that the callback is called for
  UniqueFd reserve_;
  Event readable_;
  std::unique_ptr<internal::RingAcceptor> acceptor_;  // null if it cannot be
  Event rested_;
  Duration next_rest_ = kFirstRest;
  bool enabled_ = false;
  bool by_ring_ = true;   // if there is an acceptor: it accepts
  bool resting_ = false;  // until rested_
  bool waiting_ = false;  // for quota_
};

}  // namespace percore

#endif  // PERCORE_NET_LISTENER_H_
