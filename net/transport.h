// The seam between a connection and what carries its bytes.
//
// A BufferEvent has callbacks, watermarks and timeouts; a Transport has a
// socket, or a partner in the same process, or another BufferEvent with a
// filter in between. Between the two nothing is said of how the bytes move:
//
//   BufferEvent                                    Transport
//       |  StartReceiving(), StopReceiving() ------>  |   to be told of bytes
//       |  Send(), ScheduleSend() ----------------->  |   output() has bytes
//       |  FinishSending() ------------------------>  |   it has no more
//       |                                             |
//       |  <------ ReceiveRoom(), SendRoom()          |   how many at a time?
//       |  <------ CountReceived(), OnReceived()      |   they are in input()
//       |  <------ CountSent(), OnSent()              |   they left output()
//       |  <------ OnEndOfFile()                      |
//       |  <------ OnError(), OnTimeout()             |
//
// A transport that is told "readable" reads then. One that works by completions
// has its reads with the kernel already, and reports what has come. Neither
// shows: a transport moves bytes into input() and out of output() itself, when
// it can, and reports afterwards.
//
// The rules for a transport:
//
// - Bytes that were received while receiving is stopped are kept, and reported
//   when it is started again: OnReceived() is called between StartReceiving()
//   and StopReceiving() only, and never from inside of either.
// - It moves no more than ReceiveRoom() and SendRoom() allow, and counts what
// it
//   has moved before it asks again. Where that is 0, it waits: StartReceiving()
//   or ScheduleSend() is called when there is room. ReceiveRoom() may call
//   StopReceiving() where it says so.
// - Everything a user is told may make it destroy the transport, or put another
//   in its place. These functions then return false, and the transport returns
//   at once, touching nothing.
// - Bytes that wait to be sent stay in output() until the other side has them.
#ifndef PERCORE_NET_TRANSPORT_H_
#define PERCORE_NET_TRANSPORT_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "percore/buffer/buffer.h"
#include "percore/net/connection_event.h"
#include "percore/net/socket_address.h"
#include "percore/net/unique_fd.h"
#include "percore/runtime/event_flags.h"
#include "percore/runtime/ring.h"

namespace percore {

class BufferEvent;

// How much is to be brought about by a flush.
enum class FlushMode : uint8_t {
  kNormal,    // what goes without effort
  kFlush,     // all that there is: filters hold nothing back
  kFinished,  // the same, and nothing comes after it
};

// Whom a transport serves. A BufferEvent is one.
class TransportUser : private BufferOwner {
 public:
  TransportUser(const TransportUser&) = delete;
  TransportUser& operator=(const TransportUser&) = delete;

  // What arrived and was not taken yet, and what is to be sent.
  Buffer& input() { return input_; }
  Buffer& output() { return output_; }
  const Buffer& input() const { return input_; }
  const Buffer& output() const { return output_; }

 protected:
  TransportUser() {
    input_.SetOwner(*this);
    output_.SetOwner(*this);
  }
  ~TransportUser() = default;

 private:
  friend class Transport;

  // The transport has changed one of the buffers, or anybody else has. Nothing
  // more may be done to either from inside.
  void OnBufferChanged(const Buffer& /*buffer*/, size_t /*added*/,
                       size_t /*drained*/) override {}

  // How many bytes may be moved now, in one go.
  virtual size_t ReceiveRoom() = 0;
  virtual size_t SendRoom() = 0;
  // Whether SendRoom() is more than 0. Asks for nothing.
  virtual bool WantsToSend() const = 0;
  // How many may be received, in however many goes, if ReceiveRoom() is `room`.
  virtual size_t ReceiveCapacity(size_t room) const = 0;
  // They were moved; OnReceived() and OnSent() tell of them then, or never if
  // the transport goes before. Calls nobody.
  virtual void CountReceived(size_t bytes) = 0;
  virtual void CountSent(size_t bytes) = 0;
  // They are being sent, so that others cannot have their place. CountSent()
  // follows, with as many or fewer.
  virtual void ReserveToSend(size_t /*bytes*/) {}
  // Whether anything depends on OnSent() being called soon. It calls nobody,
  // otherwise.
  virtual bool AwaitsSent() const = 0;

  // Each is false if the transport is gone when it returns.
  virtual bool OnConnected() = 0;
  virtual bool OnReceived() = 0;
  virtual bool OnEndOfFile() = 0;
  virtual bool OnSent() = 0;
  // It is broken for good. `direction` is kReading, kWriting or kNone.
  virtual bool OnError(ConnectionEvent direction,
                       const absl::Status& status) = 0;
  // What it stands upon has timed out, and stopped to move bytes there.
  virtual bool OnTimeout(ConnectionEvent direction) = 0;

  Buffer input_;
  Buffer output_;
};

// Thread: its loop's. Belongs to its user.
//
// It may have requests in a ring, and what it is told of them it has to
// override then. As a base of those that have, RingUser would take 8 bytes more
// of every connection.
class Transport : protected RingUser {
 public:
  // A transport may have to live on for a while when nobody wants it any more:
  // the kernel may still write to its memory.
  struct Deleter {
    void operator()(Transport* transport) const { transport->Destroy(); }
  };

  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  // Whom to serve from now on; called before anything else. A second time if
  // somebody else has connected it: in OnConnected(), which then returns false.
  void Attach(TransportUser& user) { user_ = &user; }

  // Begins to connect. Success or failure is told from the loop; nothing is
  // received or sent before. Errors: those of the arguments and of the moment.
  virtual absl::Status Connect(const SocketAddress& address) = 0;

  // Errors: what the system says when it refuses to watch the descriptor.
  virtual absl::Status StartReceiving() = 0;
  virtual void StopReceiving() = 0;

  // output() has bytes, and SendRoom() is more than 0: sends what it can now,
  // and the rest as soon as it can. May call the user; false if the transport
  // is gone.
  virtual bool Send() = 0;
  // The same, later in this round or in the next. Calls nobody.
  virtual void ScheduleSend() = 0;
  // The peer is to see the end of the file: everything has been sent. Called
  // once; calls nobody.
  virtual void FinishSending() = 0;

  // What Send() leaves to be done for a kFlush or kFinished, and what can be
  // had for kRead beyond what comes by itself. The user defers its callbacks
  // meanwhile, and so the transport stays.
  virtual void Flush(EventFlags /*what*/, FlushMode /*mode*/) {}

  // The priority at which the loop calls it.
  virtual void SetPriority(int priority) = 0;

  // The socket's descriptor, or -1.
  virtual int fd() const { return -1; }
  // Gives the socket away, as the last thing that it does. None if it has none.
  virtual UniqueFd Detach() { return UniqueFd(); }
  // Whom the other end of a pair serves; null for others, and if it is gone.
  virtual TransportUser* partner() const { return nullptr; }
  // What a filter stands upon; null for others.
  virtual BufferEvent* underlying() const { return nullptr; }

 protected:
  Transport() = default;
  virtual ~Transport() = default;

  // The user wants nothing any more, not even to be told.
  virtual void Destroy() { delete this; }

  bool attached() const { return user_ != nullptr; }
  Buffer& input() const { return user_->input(); }
  Buffer& output() const { return user_->output(); }
  size_t ReceiveRoom() const { return user_->ReceiveRoom(); }
  size_t SendRoom() const { return user_->SendRoom(); }
  size_t ReceiveCapacity(size_t room) const {
    return user_->ReceiveCapacity(room);
  }
  bool WantsToSend() const { return user_->WantsToSend(); }
  bool AwaitsSent() const { return user_->AwaitsSent(); }
  bool TellConnected() { return user_->OnConnected(); }
  void CountReceived(size_t bytes) { user_->CountReceived(bytes); }
  bool TellReceived() { return user_->OnReceived(); }
  bool CountAndTellReceived(size_t bytes) {
    CountReceived(bytes);
    return TellReceived();
  }
  bool TellEndOfFile() { return user_->OnEndOfFile(); }
  void ReserveToSend(size_t bytes) { user_->ReserveToSend(bytes); }
  void CountSent(size_t bytes) { user_->CountSent(bytes); }
  bool TellSent() { return user_->OnSent(); }
  bool CountAndTellSent(size_t bytes) {
    CountSent(bytes);
    return TellSent();
  }
  bool TellError(ConnectionEvent direction, const absl::Status& status) {
    return user_->OnError(direction, status);
  }
  bool TellTimeout(ConnectionEvent direction) {
    return user_->OnTimeout(direction);
  }
  TransportUser& user() const { return *user_; }

 private:
  void PutIn() override {}
  void OnCompletion(unsigned /*kind*/,
                    const RingCompletion& /*completion*/) override {}
  void OnPutIn() override {}
  void OnRingRenewed() override {}

  TransportUser* user_ = nullptr;
};

using TransportPtr = std::unique_ptr<Transport, Transport::Deleter>;

}  // namespace percore

#endif  // PERCORE_NET_TRANSPORT_H_
