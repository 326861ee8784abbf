// A connection with a buffer on either side: bytes that arrive are in input()
// when the read callback runs, and bytes put into output() leave as the peer
// takes them.
//
// libevent's bufferevent. The user reads and writes Buffers; the BufferEvent
// makes the system calls, few of them: output is written at once at the end of
// the callback, or of the round, that produced it, and the loop watches for
// room to write only while the socket is full.
//
// ```cpp
// auto base = percore::EventBase::Create({});
// int ends[2];
// if (!base.ok() ||
//     socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) != 0) {
//   return;
// }
// percore::BufferEvent echo(**base, percore::UniqueFd(ends[0]));
// echo.SetCallbacks({.read = [](percore::BufferEvent& peer, void*) {
//                     peer.output().Append(std::move(peer.input()));
//                   }},
//                   nullptr);
// absl::Status status = echo.Enable(percore::EventFlags::kRead);
// percore::UniqueFd client(ends[1]);
// ```
//
// What carries the bytes is its Transport: a socket, the other end of a pair
// (MakeBufferEventPair()), or another BufferEvent with a filter in between
// (MakeFilteredBufferEvent()). All that is said here holds for each of them.
//
// Back-pressure is bounded on both sides. While input() holds as much as the
// read high watermark, or output() more than the write high watermark, nothing
// is read: the kernel's own buffers fill, and the peer has to wait.
#ifndef PERCORE_NET_BUFFER_EVENT_H_
#define PERCORE_NET_BUFFER_EVENT_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "absl/status/status.h"
#include "percore/buffer/buffer.h"
#include "percore/net/connection_event.h"
#include "percore/net/flow_limits.h"
#include "percore/net/host_connector.h"
#include "percore/net/listener_stats.h"
#include "percore/net/rate_limiter.h"
#include "percore/net/resolver.h"
#include "percore/net/socket_address.h"
#include "percore/net/transport.h"
#include "percore/net/unique_fd.h"
#include "percore/runtime/event.h"
#include "percore/runtime/event_base.h"

namespace percore {

struct BufferEventOptions {
  // When a callback runs.
  enum class Callbacks : uint8_t {
    // As soon as there is a reason for it.
    kDirect,
    // Later in the round, as a DeferredCallback: several reasons make one call,
    // and none comes while other code of the user's is on the stack.
    kDeferred,
  };
  Callbacks callbacks = Callbacks::kDirect;

  // What becomes of the descriptor when the BufferEvent is destroyed.
  enum class Descriptor : uint8_t { kClose, kKeep };
  Descriptor descriptor = Descriptor::kClose;
};

// Thread: the base's. Stays where it is; may be destroyed inside any of its
// callbacks, and must not outlive its base. What output() then still holds is
// lost.
//
// Cost: a connection that is idle owns no buffer memory. What many have in
// common can be kept once for all of them, as a Profile; what few need (timers,
// deferral, callbacks and limits of their own) is made when it is first used.
class BufferEvent final : public TransportUser {
 public:
  // Any of them may be null. `argument` comes from SetCallbacks().
  struct Callbacks {
    // New bytes arrived, and input() holds at least the read low watermark.
    void (*read)(BufferEvent& connection, void* argument) = nullptr;
    // Bytes left, and output() holds no more than the write low watermark.
    void (*write)(BufferEvent& connection, void* argument) = nullptr;
    // `status` is OK unless `what` has kError.
    //
    // After the end of file, and a timeout, reading or writing is disabled;
    // after an error, both are, and for good. input() may still hold bytes that
    // came before.
    void (*event)(BufferEvent& connection, ConnectionEvent what,
                  const absl::Status& status, void* argument) = nullptr;
  };

  // What the connections of a server, say, have in common.
  struct Profile {
    Callbacks callbacks = {};
    FlowLimits limits = {};
    // Bytes are also counted there, if set. Kept alive by the caller.
    ListenerStats* traffic_stats = nullptr;
  };

  using Options = BufferEventOptions;

  // Without a transport: Connect(), or SetTransport(), comes next. Writing is
  // enabled, reading is not.
  explicit BufferEvent(EventBase& base, const Options& options = {});
  // `socket` is as for MakeSocketTransport(); `transport` is not null.
  BufferEvent(EventBase& base, UniqueFd socket, const Options& options = {});
  BufferEvent(EventBase& base, TransportPtr transport,
              const Options& options = {});
  BufferEvent(const BufferEvent&) = delete;
  BufferEvent& operator=(const BufferEvent&) = delete;
  ~BufferEvent();

  // Connects; without a transport, through a new socket. Success and failure
  // come as events, never from inside this call; output may be written before.
  // Errors: FailedPrecondition for what has nowhere to connect to; what the
  // kernel says when it gives no socket, or refuses to watch it.
  absl::Status Connect(const SocketAddress& address);

  // Connects to a host by its name: what HostConnector does, with a transport
  // that takes the place of the one there is. Both outcomes, wrong arguments
  // too, come as events, never from inside this call; IsResolutionError() of
  // the status tells whether there was no address to try. Output may be written
  // before. Connect(), SetTransport(), Detach() and another ConnectHost() give
  // up what goes on. The resolver outlives it.
  void ConnectHost(Resolver& resolver, std::string_view host, uint16_t port,
                   const HostConnectorOptions& options = {});
  // The same through a BlockingResolver: THE LOOP WAITS for getaddrinfo().
  void ConnectHostBlocking(std::string_view host, uint16_t port,
                           const HostConnectorOptions& options = {});

  // At any time. Callbacks that have not run yet go to the new ones.
  void SetCallbacks(const Callbacks& callbacks, void* argument);
  const Callbacks& callbacks() const { return profile_->callbacks; }
  void* argument() const { return argument_; }

  // kRead, kWrite or both. Disabled reading leaves bytes where they are, in the
  // kernel; disabled writing leaves them in output(). Enabling fails only with
  // what the kernel says when it refuses to watch the socket.
  absl::Status Enable(EventFlags what);
  void Disable(EventFlags what);
  EventFlags enabled() const;
  bool read_enabled() const { return read_enabled_; }
  bool write_enabled() const { return write_enabled_; }

  // Of input() and output(): what arrived and was not taken yet, and what is to
  // be sent. Both may be changed at any time, inside and outside of callbacks.
  // While input() has reached its size limit nothing is read. What freezes the
  // back of input(), or the front of output(), calls Enable() after it has
  // unfrozen them.

  // For kRead, kWrite or both; what they mean stands at FlowLimits.
  void SetWatermarks(EventFlags which, size_t low, size_t high);
  // The most that one turn reads, or writes; 0 for the default.
  void SetMaxSingle(EventFlags which, size_t bytes);
  const FlowLimits& limits() const { return profile_->limits; }

  // How long nothing may arrive while reading, and nothing leave while there is
  // something to send, or a connection to be made; zero for ever. Time counts
  // only while the BufferEvent waits for that. A connection that comes about
  // after its timeout is told all the same: SetTransport(nullptr) gives it up.
  void SetTimeouts(Duration read, Duration write);
  Duration read_timeout() const;
  Duration write_timeout() const;

  // A limit on how fast bytes move, and groups that share one: see there.
  RateLimiter& rate_limiter();

  // Moves bytes now that would otherwise move at the end of the round: for
  // kWrite, those of output(); for kRead, those that wait on the other side.
  // With kFlush filters hold nothing back. No watermark is passed over, of the
  // other end of a pair neither. With kFinished for kWrite the sending side is
  // shut down once output() is empty: the peer reads the end of the file after
  // the last byte, while bytes from it still arrive. What is put into output()
  // after that is not sent any more.
  //
  // Calls no callbacks from inside; those that it causes are deferred.
  void Flush(EventFlags which, FlushMode mode);
  // Whether kFinished has been carried out.
  bool output_finished() const { return output_finished_; }

  // Runs the read or the write callback, or both, as if bytes had come or gone;
  // with kRespect only if the low watermarks allow it. Directly, whatever the
  // options say, or deferred. The BufferEvent may be gone afterwards.
  enum class TriggerWatermarks : uint8_t { kRespect, kIgnore };
  void Trigger(EventFlags which,
               TriggerWatermarks watermarks = TriggerWatermarks::kRespect,
               Options::Callbacks when = Options::Callbacks::kDirect);
  // Runs the event callback. Nothing else follows from the event.
  void TriggerEvent(ConnectionEvent what, const absl::Status& status,
                    Options::Callbacks when = Options::Callbacks::kDirect);

  // At which the loop calls it; the middle one at the beginning.
  void SetPriority(int priority);
  int priority() const { return priority_; }

  // -1 if there is none: of a pair, or before Connect().
  int fd() const { return transport_ == nullptr ? -1 : transport_->fd(); }
  // Puts another transport in the place of the one there is, which is destroyed
  // (and closes its socket): as after the constructor, but buffers, callbacks,
  // limits, timeouts and what is enabled stay. Null leaves the BufferEvent
  // without one. Errors: as of Enable().
  absl::Status SetTransport(TransportPtr transport);
  // The same with a transport for `socket`.
  absl::Status SetDescriptor(UniqueFd socket);
  // Gives the socket away, and leaves the BufferEvent without a transport. None
  // if it has none. What had been received is in input(), of which the read
  // high watermark may be passed by that.
  UniqueFd Detach();

  // The other end of a pair. Null for others, and if it is gone.
  BufferEvent* partner() const;
  // What a filter stands upon. Null for others.
  BufferEvent* underlying() const;

  EventBase& base() const { return base_; }

  // Bytes are also counted there, if set. Kept alive by the caller.
  void set_traffic_stats(ListenerStats* stats);

  // Callbacks, limits and statistics at once, and the callbacks' argument. The
  // profile is kept alive by the caller, and does not change: any number of
  // connections share it. What one of them is told by the functions above holds
  // for that one, which has a profile of its own from then on.
  void ShareProfile(const Profile& profile, void* argument);
  // The shared one, or its own.
  const Profile& profile() const { return *profile_; }

 private:
  struct Deferred;
  struct Extras;

  static void OnTokens(RateDirection direction, void* argument);
  static void OnHostConnected(absl::StatusOr<HostConnection> result,
                              void* argument);
  void OnBufferChanged(const Buffer& buffer, size_t added,
                       size_t drained) override;
  size_t ReceiveRoom() override;
  size_t SendRoom() override;
  bool WantsToSend() const override { return Writing(); }
  size_t ReceiveCapacity(size_t room) const override;
  bool AwaitsSent() const override;
  bool OnConnected() override;
  void CountReceived(size_t bytes) override;
  bool OnReceived() override;
  bool OnEndOfFile() override;
  void ReserveToSend(size_t bytes) override;
  void CountSent(size_t bytes) override;
  bool OnSent() override;
  bool OnError(ConnectionEvent direction, const absl::Status& status) override;
  bool OnTimeout(ConnectionEvent direction) override;

  // Each calls the user, or defers it; false if a callback destroyed the
  // BufferEvent, or put another transport into it.
  bool TellRead();
  bool TellWritten();
  bool TellEvent(ConnectionEvent what, const absl::Status& status);
  // Each runs a callback, and sees to what it left to be done. The same.
  bool RunRead();
  bool RunWritten();
  bool RunEvent(ConnectionEvent what, const absl::Status& status);
  enum class AfterCall : uint8_t { kSend, kScheduleSend };
  template <typename Call>
  bool Run(AfterCall after, Call call);

  bool defers() const { return deferred_callbacks_ || flushing_; }
  Deferred& Defer();
  void RunDeferred();

  // Null if it is not limited.
  RateLimiter* limiter() const;
  bool WaitsForTokens(RateDirection direction) const;
  size_t InputRoom() const;
  bool ReadingSuspended() const;
  bool Reading() const;
  bool Writing() const;
  bool WaitingToWrite() const;
  void FinishIfDone();
  // Brings the transport, and the timers, in line with the state.
  absl::Status Update();
  // The same at the end of a turn, where the only error is one to be told.
  void UpdateOrTell();
  void ScheduleSend();

  Extras& extras();
  Profile& own_profile();

  EventBase& base_;
  TransportPtr transport_;
  const Profile* profile_;
  void* argument_ = nullptr;  // of the callbacks
  std::unique_ptr<Extras> extras_;
  uint8_t priority_;
  bool deferred_callbacks_ : 1;
  bool keeps_descriptor_ : 1;
  bool read_enabled_ : 1 = false;
  bool write_enabled_ : 1 = true;
  bool connecting_ : 1 = false;
  bool end_of_file_ : 1 = false;
  bool broken_ : 1 = false;     // an error was reported
  bool receiving_ : 1 = false;  // the transport has been told so
  bool finish_output_ : 1 = false;
  bool output_finished_ : 1 = false;
  bool flushing_ : 1 = false;  // no callbacks now
  // While a callback runs, and what it wrote is sent: what it did takes effect
  // then, all at once.
  bool busy_ : 1 = false;
};

#ifdef NDEBUG
static_assert(sizeof(BufferEvent) == 152, "every connection has one");
#endif

}  // namespace percore

#endif  // PERCORE_NET_BUFFER_EVENT_H_
