// A client of the proxy, and its connection to the upstream: bytes go from one
// to the other as they are, both ways at once.
//
//   client --> input() of io() ---- moved ----> output() of upstream --> server
//   client <-- output() of io() <--- moved ---- input() of upstream <--- server
//
// Back-pressure. Bytes that wait to be sent are in one of the two outputs. When
// one of them holds more than kHighWater, nothing more is read on the other
// side, whose peer then has to wait; when it is down to kLowWater, reading goes
// on. So a client costs 2 x (kHighWater and a turn's reading) at most, however
// slow its limits make it.
//
// Limits. A client's limits (its own, and those of its network and of the whole
// server) are those of the connection with the client. That with the upstream
// has none: what comes from there faster than the client may be sent waits with
// the upstream, by back-pressure.
//
// Ends. The end of what one side sends is passed on to the other once all that
// came before has been sent, and the opposite direction goes on: when both are
// through, both connections are closed. An error of one side, or the end of the
// proxy's patience, resets the other, so that nobody takes half of a stream for
// a whole one.
#ifndef PERCORE_EXAMPLES_PROXY_SERVICE_PROXY_CONNECTION_H_
#define PERCORE_EXAMPLES_PROXY_SERVICE_PROXY_CONNECTION_H_

#include <cstddef>

#include "absl/status/status.h"
#include "percore/examples/proxy_service/client_networks.h"
#include "percore/net/buffer_event.h"
#include "percore/net/connection.h"
#include "percore/net/rate_limit.h"
#include "percore/runtime/intrusive_list.h"

namespace percore::proxy {

class ProxyService;

// Thread: its shard's.
class ProxyConnection final : public Connection {
 public:
  static constexpr size_t kHighWater = size_t{128} * 1024;
  static constexpr size_t kLowWater = size_t{32} * 1024;

  ProxyConnection(Accepted accepted, ProxyService& service);
  ~ProxyConnection() override;

  void OnRead() override;
  void OnWritten() override;
  void OnEndOfFile() override;
  // Nobody but the two peers knows when they are done: until the drain deadline
  // they may go on.
  void OnDrain() override {}

  // Of this connection alone. Check() has to be OK.
  void SetLimit(const RateLimit& limit);

 private:
  friend class ProxyService;

  // One of the two directions.
  struct Direction {
    bool paused = false;  // what is to be passed on is not read
    bool ended = false;   // there is no more of it
  };

  static void OnUpstreamRead(BufferEvent& upstream, void* argument);
  static void OnUpstreamWritten(BufferEvent& upstream, void* argument);
  static void OnUpstreamEvent(BufferEvent& upstream, ConnectionEvent what,
                              const absl::Status& status, void* argument);
  static constexpr BufferEvent::Profile kUpstreamProfile = {
      .callbacks = {.read = &OnUpstreamRead,
                    .write = &OnUpstreamWritten,
                    .event = &OnUpstreamEvent},
      .limits = {.write = {.low = kLowWater}}};

  // Moves what has come, and pauses if that was too much.
  static void Pass(BufferEvent& from, BufferEvent& to, Direction& direction);
  // Each may close, and so destroy, the connection: the last thing to be done.
  void GoOn(BufferEvent& from, Direction& direction);
  void End(BufferEvent& to, Direction& direction);
  void CloseIfDone();

  ProxyService& service_;
  BufferEvent upstream_;
  ClientNetworks::Visit network_;
  Direction upload_;        // from the client
  Direction download_;      // to the client
  bool connected_ = false;  // to the upstream
  bool whole_ = false;      // all was passed on, both ways
  ListLink<ProxyConnection> service_link_;
};

}  // namespace percore::proxy

#endif  // PERCORE_EXAMPLES_PROXY_SERVICE_PROXY_CONNECTION_H_
