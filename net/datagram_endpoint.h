// A UDP socket with a queue on either side: datagrams that arrive are in
// input() when the read callback runs, and datagrams put into output() leave
// with the next system call.
//
// What BufferEvent is for a stream of bytes, with the same callbacks,
// watermarks and timeouts. One system call receives up to 64 datagrams, and one
// sends all that the callback or the round has produced. Where the kernel can,
// it carries runs of datagrams as one: of those it received (UDP_GRO), the
// payloads are parts of the same memory, and those to one peer, of one size, it
// cuts apart by itself (UDP_SEGMENT).
//
// ```cpp
// auto base = percore::EventBase::Create({});
// auto address = percore::SocketAddress::Parse("[::1]:0");
// if (!base.ok() || !address.ok()) return;
// auto echo = percore::DatagramEndpoint::Bind(**base, *address);
// if (!echo.ok()) return;  // "bind [::1]:7: Permission denied"
// (*echo)->SetCallbacks(
//     {.read =
//          [](percore::DatagramEndpoint& endpoint, void*) {
//            endpoint.output().Append(std::move(endpoint.input()));
//          }},
//     nullptr);
// absl::Status status = (*echo)->Enable(percore::EventFlags::kRead);
// ```
//
// Connected, it receives from one peer only, hears of that peer's ICMP errors,
// and sends for less:
//
// ```cpp
// auto base = percore::EventBase::Create({});
// auto any = percore::SocketAddress::Parse("0.0.0.0:0");
// auto server = percore::SocketAddress::Parse("127.0.0.1:53");
// if (!base.ok() || !any.ok() || !server.ok()) return;
// auto client = percore::DatagramEndpoint::Bind(**base, *any);
// if (!client.ok() || !(*client)->Connect(*server).ok()) return;
// if (!(*client)->Send("question")) return;  // too much waits to be sent
// ```
//
// What may be lost, and who is told:
//
// - What the kernel has no room for, since nobody receives it: counted by the
//   kernel, DroppedDatagrams(). At a watermark receiving stops, and so this is
//   what a peer that sends too much comes to.
// - The end of a datagram that is larger than `max_datagram`: see
//   Datagram::truncated_from.
// - What output() has no room for: Push() refuses it, and it stays the
// caller's.
// - What the kernel refuses to send (too large, no route): the event callback
//   is told, once for each, and the datagrams behind it go on.
// - What output() holds when the endpoint is destroyed.
#ifndef PERCORE_NET_DATAGRAM_ENDPOINT_H_
#define PERCORE_NET_DATAGRAM_ENDPOINT_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "percore/net/connection_event.h"
#include "percore/net/datagram_queue.h"
#include "percore/net/datagram_sockets.h"
#include "percore/net/datagram_stats.h"
#include "percore/net/flow_limits.h"
#include "percore/net/internal/datagram_socket.h"
#include "percore/net/rate_limiter.h"
#include "percore/net/socket_address.h"
#include "percore/net/unique_fd.h"
#include "percore/runtime/basic_event.h"
#include "percore/runtime/event_base.h"

namespace percore {

namespace internal {
struct ReceivedDatagrams;
}  // namespace internal

struct DatagramOptions {
  // For Bind().
  DatagramSocketOptions socket = {};
  // Of a larger datagram the rest is lost. None is larger than 65,535 bytes.
  size_t max_datagram = 65535;
  // Off for those who have reason to distrust a driver.
  DatagramOffload receive_offload = DatagramOffload::kWherePossible;
  DatagramOffload send_offload = DatagramOffload::kWherePossible;
};

// Thread: the base's. Stays where it is; may be destroyed inside any of its
// callbacks, and must not outlive its base.
//
// Cost: nothing is allocated in the steady state, and one that is idle owns no
// memory for datagrams: what the kernel writes to is the thread's, for all its
// endpoints, at most 5 MiB (net/internal/datagram_receiver.h).
class DatagramEndpoint final : private DatagramQueueOwner {
 public:
  // Any of them may be null. `argument` comes from SetCallbacks().
  struct Callbacks {
    // Datagrams arrived, and input() has at least the read low watermark's
    // bytes.
    void (*read)(DatagramEndpoint& endpoint, void* argument) = nullptr;
    // Datagrams left, and output() has no more than the write low watermark's
    // bytes.
    void (*write)(DatagramEndpoint& endpoint, void* argument) = nullptr;
    // kError with kWriting: a datagram could not be sent, and is dropped; with
    // kReading: the socket had an error, of its peer's by ICMP most likely.
    // Neither ends anything: `status` says what it was. A datagram of a
    // connected endpoint that meets an error of those before it is sent all the
    // same. After kTimeout, reading or writing is disabled, and `status` is OK.
    void (*event)(DatagramEndpoint& endpoint, ConnectionEvent what,
                  const absl::Status& status, void* argument) = nullptr;
  };

  // What input() and output() hold at most, at first (see
  // DatagramQueue::SetMemoryLimit()). It is more than the kernel holds for a
  // socket, and so reached only by those who do not look.
  static constexpr size_t kDefaultQueueMemory = size_t{4} * 1024 * 1024;
  // What one turn moves, at first.
  static constexpr size_t kDefaultMaxSingle = size_t{256} * 1024;

  // A new socket on `local`; port 0 lets the kernel choose one. Errors: those
  // of DatagramSockets::Open().
  static absl::StatusOr<std::unique_ptr<DatagramEndpoint>> Bind(
      EventBase& base, const SocketAddress& local,
      const DatagramOptions& options = {});
  // A UDP socket that there is, non-blocking, bound and maybe connected: one of
  // DatagramSockets, say. Errors: InvalidArgument for what is none; what the
  // kernel says. The socket is then closed.
  static absl::StatusOr<std::unique_ptr<DatagramEndpoint>> Adopt(
      EventBase& base, UniqueFd socket, const DatagramOptions& options = {});
  DatagramEndpoint(const DatagramEndpoint&) = delete;
  DatagramEndpoint& operator=(const DatagramEndpoint&) = delete;
  ~DatagramEndpoint();

  // From now on receives from `peer` only, and sends to it what names no other.
  // At once; another peer may follow. Datagrams that came from others before
  // are in input(), or may yet come there. Errors: what the kernel says.
  absl::Status Connect(const SocketAddress& peer);

  // What arrived and was not taken yet, and what is to be sent. Both may be
  // changed at any time, inside and outside of callbacks. While input() has
  // reached its memory limit, nothing is received.
  DatagramQueue& input() { return input_; }
  DatagramQueue& output() { return output_; }
  const DatagramQueue& input() const { return input_; }
  const DatagramQueue& output() const { return output_; }

  // Puts a copy into output(); false if there is no room. To the peer that it
  // is connected to, or to another.
  bool Send(std::string_view payload, const SocketAddress& peer = {});

  // At any time.
  void SetCallbacks(const Callbacks& callbacks, void* argument);

  // kRead, kWrite or both; writing is enabled from the start. Disabled reading
  // leaves datagrams to the kernel, which drops what it has no room for;
  // disabled writing leaves them in output(). Enabling fails only with what the
  // kernel says when it refuses to watch the socket.
  absl::Status Enable(EventFlags what);
  void Disable(EventFlags what);
  EventFlags enabled() const;

  // For kRead, kWrite or both, in bytes of payload; what they mean stands at
  // FlowLimits. As datagrams are not cut, and of what sizes those are that wait
  // is known from those before only, a turn may pass the read high watermark,
  // and what SetMaxSingle() says, by as much as 64 datagrams have.
  void SetWatermarks(EventFlags which, size_t low, size_t high);
  // The most that one turn receives, or sends; 0 for the default.
  void SetMaxSingle(EventFlags which, size_t bytes);
  const FlowLimits& limits() const { return limits_; }

  // How long nothing may arrive while reading, and nothing leave while there is
  // something to send; zero for ever. Time counts only while the endpoint waits
  // for that.
  void SetTimeouts(Duration read, Duration write);
  Duration read_timeout() const;
  Duration write_timeout() const;

  // A limit on how fast payloads move, and groups that share one: see there. As
  // datagrams are not cut, the last that is received, or sent, may be larger
  // than what is left, and the next waits for longer.
  RateLimiter& rate_limiter();

  // At which the loop calls it; the middle one at the beginning.
  void SetPriority(int priority);
  int priority() const { return ready_.priority(); }

  // For JoinGroup() and other options; -1 once it was given away.
  int fd() const { return detached_ ? -1 : ready_.fd(); }
  // Where the socket is, with the real port; connected, also with the address
  // that it sends from.
  const SocketAddress& local_address() const { return socket_.local; }
  // Whom it is connected to; port 0 if to nobody.
  const SocketAddress& peer_address() const { return socket_.peer; }
  // Gives the socket away. Nothing is received or sent from then on.
  UniqueFd Detach();

  EventBase& base() const { return ready_.base(); }
  // Any thread; stays valid after the endpoint is gone.
  const std::shared_ptr<DatagramStats>& stats() const { return stats_; }

 private:
  struct Extras;

  DatagramEndpoint(EventBase& base, UniqueFd socket,
                   const internal::DatagramSocket& examined,
                   const DatagramOptions& options);

  static void OnReady(int fd, EventFlags what, void* argument);
  static void OnTokens(RateDirection direction, void* argument);
  void OnQueueChanged(const DatagramQueue& queue, size_t added,
                      size_t removed) override;

  // How many bytes may be received, or sent, in this turn: the one place that
  // decides it. And what has been.
  size_t ReceiveRoom();
  size_t SendRoom();
  void CountReceived(const internal::ReceivedDatagrams& received);
  void CountSent(size_t datagrams, size_t bytes);

  // Each may call the user; false if the endpoint is gone.
  bool Receive();
  bool ReceiveFailed(int error);
  bool Write();
  bool SendFailed(int error);
  bool OnTimeout(ConnectionEvent direction);
  bool TellError(ConnectionEvent direction, const absl::Status& status);
  bool RunRead();
  bool RunWritten();
  enum class AfterCall : uint8_t { kSend, kScheduleSend };
  template <typename Call>
  bool Run(AfterCall after, Call call);

  // Null if it is not limited.
  RateLimiter* limiter() const;
  bool WaitsForTokens(RateDirection direction) const;
  bool ReadingSuspended() const;
  bool Reading() const;
  bool WaitingToWrite() const;
  bool Writing() const;
  // The kernel has no memory: tries again in a while.
  void Rest(EventFlags which);
  void OnRested();
  void ScheduleSend();
  absl::Status Update();
  void UpdateOrRest();

  void Watch(EventFlags what) { ready_.SetInterest(ready_.interest() | what); }
  void Unwatch(EventFlags what) {
    ready_.SetInterest(ready_.interest() & ~what);
  }
  // The loop calls when there is some: a send before that would be in vain.
  bool waits_for_room() const {
    return Any(ready_.interest() & EventFlags::kWrite);
  }
  bool connected() const { return socket_.peer.port() != 0; }
  Kernel& kernel() const { return base().kernel(); }
  Extras& extras();

  BasicEvent ready_;
  internal::DatagramSocket socket_;
  const size_t max_datagram_;
  DatagramQueue input_;
  DatagramQueue output_;
  Callbacks callbacks_ = {};
  void* argument_ = nullptr;
  FlowLimits limits_ = {.max_single_read = kDefaultMaxSingle,
                        .max_single_write = kDefaultMaxSingle};
  const std::shared_ptr<DatagramStats> stats_;
  std::unique_ptr<Extras> extras_;  // what few endpoints have
  // Of what one message of the kernel's has in bytes, a moving average.
  size_t typical_message_ = 1;
  EventFlags resting_ = EventFlags::kNone;
  bool read_enabled_ = false;
  bool write_enabled_ = true;
  bool receiving_ = false;  // the socket is watched
  bool blamed_ = false;     // the front of output() met an error of others
  bool detached_ = false;
  // While a callback runs, and what it wrote is sent: what it did takes effect
  // then, all at once.
  bool busy_ = false;
};

}  // namespace percore

#endif  // PERCORE_NET_DATAGRAM_ENDPOINT_H_
