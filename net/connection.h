// A client of a TcpServer: what an application derives its own kind from.
//
// ```cpp
// class Echo : public percore::Connection {
//  public:
//   using Connection::Connection;
//   void OnRead() override { io().output().Append(std::move(io().input())); }
// };
// ```
#ifndef PERCORE_NET_CONNECTION_H_
#define PERCORE_NET_CONNECTION_H_

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "percore/net/buffer_event.h"
#include "percore/net/internal/stored_address.h"
#include "percore/net/listener_stats.h"
#include "percore/net/socket_address.h"
#include "percore/net/unique_fd.h"
#include "percore/runtime/intrusive_list.h"

namespace percore {

class Shard;
class TcpServer;

// Thread: its shard's. Owned by its server; Close() is how it ends.
//
// Its life:
//
//   open       OnRead() as bytes arrive
//   finishing  Finish() was called: what is in output() is sent, then the
//              sending side is shut down, and what still arrives is dropped.
//              Closing a socket with unread bytes makes the kernel reset the
//              connection, and the peer could lose replies on their way to it
//   closed     the peer finished as well, or did not in time
class Connection {
 public:
  // How long a finishing connection waits for its peer to finish too.
  static constexpr Duration kFinishTimeout = std::chrono::seconds(5);

  // What a server hands to the constructor of its connections.
  struct Accepted {
    TcpServer& server;
    UniqueFd socket;
    SocketAddress peer;
  };

  explicit Connection(Accepted accepted);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  virtual ~Connection();

  // Bytes arrived and are in io().input().
  virtual void OnRead() = 0;
  // Bytes left, and io().output() is down to its low watermark. By default the
  // connection is not told of that any more: an override does not call this.
  virtual void OnWritten();
  // The peer will send nothing more. By default what is in output() is sent,
  // and the connection closed.
  virtual void OnEndOfFile() { Finish(CloseReason::kEndOfFile); }
  // The server stops: answer what was asked, and Finish(). By default that is
  // now.
  virtual void OnDrain() { Finish(CloseReason::kDrained); }

  BufferEvent& io() { return io_; }
  const BufferEvent& io() const { return io_; }
  SocketAddress peer() const { return peer_.Get(); }
  TcpServer& server() const { return server_; }
  Shard& shard() const;

 protected:
  // Stops reading, sends what is in output(), then closes, counted under
  // `reason`. May destroy the connection at once: let it be the last thing that
  // a function does.
  void Finish(CloseReason reason);
  // Closes at once, and destroys the connection before it returns.
  void Close(CloseReason reason);
  bool finishing() const { return finishing_; }

 private:
  friend class TcpServer;

  static void OnReadable(BufferEvent& io, void* argument);
  static void OnWritable(BufferEvent& io, void* argument);
  static void OnEvent(BufferEvent& io, ConnectionEvent what,
                      const absl::Status& status, void* argument);
  // Of each connection's io().
  static constexpr BufferEvent::Callbacks kCallbacks = {
      .read = &OnReadable, .write = &OnWritable, .event = &OnEvent};
  static constexpr BufferEvent::Callbacks kQuietCallbacks = {
      .read = &OnReadable, .write = nullptr, .event = &OnEvent};

  // The loop's time, as it fits in 32 bits: differences are right.
  uint32_t Milliseconds() const;

  TcpServer& server_;
  const internal::StoredAddress peer_;
  ListLink<Connection> server_link_;
  // What comes after it begins in the bytes that it leaves at its end.
  [[no_unique_address]] BufferEvent io_;
  bool finishing_ : 1 = false;
  bool peer_finished_ : 1 = false;
  CloseReason finish_reason_ : 3 = CloseReason::kLocal;
  CloseReason close_reason_ : 3 = CloseReason::kCutOff;
  // Of Milliseconds(): a connection has four bytes for it, and no more.
  uint32_t finish_deadline_ = 0;
};

#ifdef NDEBUG
static_assert(sizeof(Connection) == 192, "a size that allocators have");
#endif

}  // namespace percore

#endif  // PERCORE_NET_CONNECTION_H_
