// A socket whose bytes the kernel moves by itself, by requests in a Ring.
//
// Receives are with the kernel all the time, and write to the ring's buffers.
// One request goes on until it has given as many bytes as there was room for
// when it was put in, or is cancelled. What has come while nobody receives is
// kept, and given later.
//
// A send is put in together with the system call that waits, and over when that
// returns: it takes what there is room for in the socket. So what is in
// output() may be changed by anybody in between. A send for which there was no
// room, or not enough, is followed by a request to be told of room.
#ifndef PERCORE_NET_INTERNAL_COMPLETION_TRANSPORT_H_
#define PERCORE_NET_INTERNAL_COMPLETION_TRANSPORT_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "percore/buffer/receive_buffers.h"
#include "percore/buffer/segment.h"
#include "percore/net/socket_address.h"
#include "percore/net/transport.h"
#include "percore/net/unique_fd.h"
#include "percore/runtime/basic_event.h"
#include "percore/runtime/event_base.h"
#include "percore/runtime/ring.h"

namespace percore::internal {

class CompletionTransport final : public Transport {
 public:
  // Whether it can carry `socket` on `base`: the base has a ring, and the
  // descriptor is a socket's.
  static bool Suits(EventBase& base, int fd);

  CompletionTransport(EventBase& base, UniqueFd socket);

  absl::Status Connect(const SocketAddress& address) override;
  absl::Status StartReceiving() override;
  void StopReceiving() override;
  bool Send() override;
  void ScheduleSend() override;
  void FinishSending() override;
  void Flush(EventFlags what, FlushMode mode) override;
  void SetPriority(int priority) override { turn_.set_priority(priority); }
  int fd() const override { return turn_.fd(); }
  UniqueFd Detach() override;

 private:
  // Requests.
  enum Kind : unsigned { kReceive, kSend, kRoom, kConnect };
  static_assert(kConnect < Ring::kKinds);

  ~CompletionTransport() override;

  void PutIn() override;
  void OnCompletion(unsigned kind, const RingCompletion& completion) override;
  void OnPutIn() override;
  void OnRingRenewed() override;

  void PutInReceive();
  void PutInSend();
  void PutInRoom();
  void PutInConnect();
  void OnReceiveCompleted(const RingCompletion& completion);
  void OnSendCompleted(int result);
  void OnConnectCompleted(int result);
  void NoteSent();

  static void OnTurn(int fd, EventFlags what, void* argument);
  // Each may call the user; false if the transport is gone.
  bool CompleteConnect();
  bool DeliverSent();
  bool DeliverReceived();
  bool Fail(ConnectionEvent direction, int error, std::string_view call);

  // Received, and not delivered: a list, from `last_kept_` around to it.
  bool has_kept() const { return !connecting_ && last_kept_ != nullptr; }
  void Keep(Segment* segment);
  Segment* first_kept() const { return last_kept_->next(); }
  Segment* TakeFirstKept(size_t most);
  void DropKept();

  void DropPeer();
  void CancelAll();
  void CountPending();
  void Ask() { ring().AskToPutIn(seat_, Ring::Over::kLater); }
  Ring& ring() { return *turn_.base().ring(); }

  BasicEvent turn_;  // activated when there is something to tell
  union {
    Segment* last_kept_ = nullptr;
    SocketAddress* peer_;  // while it is connected to; its own
  };
  const uint32_t seat_;
  uint32_t sending_ = 0;  // bytes put in, of which nothing has been heard
  int16_t receive_error_ = 0;
  int16_t send_error_ = 0;
  bool receiving_ : 1 = false;   // the user wants bytes
  bool receive_in_ : 1 = false;  // the kernel has a request
  bool canceling_ : 1 = false;   // that one
  bool drained_ : 1 = false;     // the socket, when it was last received from
  bool end_of_file_ : 1 = false;
  bool to_send_ : 1 = false;
  bool sent_ : 1 = false;     // some, and not told
  bool room_in_ : 1 = false;  // the kernel has a request
  bool wait_for_room_ : 1 = false;
  bool connecting_ : 1 = false;
  bool connect_in_ : 1 = false;  // the kernel has a request
  bool connected_ : 1 = false;   // or failed; not told
  bool finish_failed_ : 1 = false;
  bool pending_ : 1 = false;  // counted as such
  bool detached_ : 1 = false;
};

static_assert(sizeof(CompletionTransport) == 96, "every connection has one");

}  // namespace percore::internal

#endif  // PERCORE_NET_INTERNAL_COMPLETION_TRANSPORT_H_
