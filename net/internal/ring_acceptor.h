// A listening socket whose connections the kernel accepts by itself, by a
// request in a Ring that goes on until it is cancelled or fails.
//
// What it accepts is kept here until it is taken. The request is withdrawn when
// nobody wants more; what has come until then is kept as well.
//
// An error ends the request, and says little: the kernel takes a number for a
// descriptor before it looks for a client, and so may be out of them when there
// is none. Whoever wants to know what it means watches the socket, and calls
// accept().
#ifndef PERCORE_NET_INTERNAL_RING_ACCEPTOR_H_
#define PERCORE_NET_INTERNAL_RING_ACCEPTOR_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "percore/net/socket_address.h"
#include "percore/net/unique_fd.h"
#include "percore/runtime/basic_event.h"
#include "percore/runtime/event_base.h"
#include "percore/runtime/ring.h"

namespace percore::internal {

class RingAcceptor final : private RingUser {
 public:
  // Null unless the base has a ring that can, and `socket` is one of TCP that
  // no other loop has (SO_REUSEPORT). `on_turn` is called by the loop when
  // there is something to take while it accepts.
  static std::unique_ptr<RingAcceptor> Make(EventBase& base, int socket,
                                            BasicEvent::Callback on_turn,
                                            void* argument);
  // Closes what was not taken.
  ~RingAcceptor();

  // The kernel begins, and ends, with the loop's next system call. These call
  // nobody.
  void Start();
  void Stop();
  // Stop(), and the kernel has: in the loop's thread.
  void StopNow();

  struct Connection {
    UniqueFd socket;
    SocketAddress peer;  // empty if it is gone already
  };
  bool has_connections() const { return first_ < accepted_.size(); }
  // The one that has waited longest. There is one.
  Connection Take();
  // What has ended the request, or 0.
  int TakeError() { return std::exchange(error_, 0); }
  // False for good if the kernel does not accept like this, and once the loop
  // has another ring: the old one's request may be with the kernel for some
  // time, or be that of a parent of fork(), and gets the clients first.
  bool usable() const { return usable_; }

  // For what was left, after others have had theirs.
  void HaveTurn() { turn_.ActivateLater(EventFlags::kRead); }

 private:
  static constexpr unsigned kAccept = 0;  // the kind of its requests

  struct Accepted {
    UniqueFd socket;
    std::optional<SocketAddress> peer;  // if the kernel has said
  };

  RingAcceptor(EventBase& base, int socket, BasicEvent::Callback on_turn,
               void* argument);

  void PutIn() override;
  void OnCompletion(unsigned kind, const RingCompletion& completion) override;
  void OnPutIn() override {}
  void OnRingRenewed() override;

  void Ask() { ring().AskToPutIn(seat_, Ring::Over::kLater); }
  Ring& ring() { return *turn_.base().ring(); }

  BasicEvent turn_;
  const int socket_;
  const uint32_t seat_;
  std::vector<Accepted> accepted_;
  size_t first_ = 0;  // of these: those before it were taken
  int error_ = 0;
  bool usable_ = true;
  bool wanted_ = false;
  bool in_ = false;         // the kernel has a request
  bool canceling_ = false;  // that one
};

}  // namespace percore::internal

#endif  // PERCORE_NET_INTERNAL_RING_ACCEPTOR_H_
