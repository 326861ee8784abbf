#include "percore/net/connection.h"

#include <chrono>
#include <utility>

#include "percore/net/tcp_server.h"
#include "percore/runtime/shard.h"

namespace percore {

using std::chrono::milliseconds;

Connection::Connection(Accepted accepted)
    : server_(accepted.server),
      peer_(accepted.peer),
      io_(server_.shard().base(), std::move(accepted.socket)) {
  io_.ShareProfile(server_.profile_, this);
}

Connection::~Connection() {
  server_.stats()->closed[static_cast<size_t>(close_reason_)].Add();
}

// To be told of every write costs a call for each.
void Connection::OnWritten() {
  if (&io_.profile() == &server_.profile_) {
    io_.ShareProfile(server_.quiet_profile_, this);
  }
}

Shard& Connection::shard() const { return server_.shard(); }

uint32_t Connection::Milliseconds() const {
  return static_cast<uint32_t>(io_.base().Now().time_since_epoch() /
                               milliseconds(1));
}

void Connection::Finish(CloseReason reason) {
  if (finishing_) return;
  finishing_ = true;
  finish_reason_ = reason;
  io_.input().Clear();
  // The end of the output is of use.
  if (&io_.profile() == &server_.quiet_profile_) {
    io_.ShareProfile(server_.profile_, this);
  } else if (io_.callbacks().write == nullptr) {
    io_.SetCallbacks(kCallbacks, this);
  }
  io_.Flush(EventFlags::kWrite, FlushMode::kFinished);
  if (peer_finished_ && io_.output_finished()) {
    Close(reason);
    return;
  }
  // The socket is watched already: this cannot fail.
  io_.Enable(EventFlags::kRead).IgnoreError();
  // From here on reading only waits for the peer's end of file, and writing
  // must get on.
  io_.SetTimeouts(kFinishTimeout, kFinishTimeout);
  finish_deadline_ = Milliseconds() + kFinishTimeout / milliseconds(1);
}

void Connection::Close(CloseReason reason) {
  close_reason_ = reason;
  server_.Destroy(this);
}

void Connection::OnReadable(BufferEvent& io, void* argument) {
  auto& connection = *static_cast<Connection*>(argument);
  if (!connection.finishing_) {
    connection.OnRead();
  } else if (static_cast<int32_t>(connection.Milliseconds() -
                                  connection.finish_deadline_) >= 0) {
    // A peer that does not stop sending does not keep us either.
    connection.Close(CloseReason::kTimeout);
  } else {
    io.input().Clear();
  }
}

void Connection::OnWritable(BufferEvent& io, void* argument) {
  auto& connection = *static_cast<Connection*>(argument);
  if (!connection.finishing_) {
    connection.OnWritten();
  } else if (connection.peer_finished_ && io.output_finished()) {
    connection.Close(connection.finish_reason_);
  }
}

void Connection::OnEvent(BufferEvent& io, ConnectionEvent what,
                         const absl::Status& /*status*/, void* argument) {
  auto& connection = *static_cast<Connection*>(argument);
  if (Any(what & ConnectionEvent::kError)) {
    connection.Close(CloseReason::kError);
  } else if (Any(what & ConnectionEvent::kTimeout)) {
    connection.Close(CloseReason::kTimeout);
  } else if (Any(what & ConnectionEvent::kEndOfFile)) {
    connection.peer_finished_ = true;
    if (!connection.finishing_) {
      connection.OnEndOfFile();
    } else if (io.output_finished()) {
      connection.Close(connection.finish_reason_);
    }
  }
}

}  // namespace percore
