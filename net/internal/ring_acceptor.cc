#include "percore/net/internal/ring_acceptor.h"

#include <sys/socket.h>

#include <cerrno>
#include <utility>

namespace percore::internal {
namespace {

// 0 if it cannot be told.
int Option(Kernel& kernel, int socket, int name) {
  int value = 0;
  socklen_t size = sizeof(value);
  const int result =
      kernel.GetSocketOption(socket, SOL_SOCKET, name, &value, &size);
  return result < 0 ? 0 : value;
}

// The addresses of UNIX sockets are of different lengths, of which the kernel
// would remember the shortest. Of several requests for one socket the kernel
// gives all connections to that which was put in first, however busy its loop
// is: SO_REUSEPORT says that each loop has a socket of its own.
bool Suits(Kernel& kernel, int socket) {
  const int family = Option(kernel, socket, SO_DOMAIN);
  return (family == AF_INET || family == AF_INET6) &&
         Option(kernel, socket, SO_REUSEPORT) != 0;
}

}  // namespace

std::unique_ptr<RingAcceptor> RingAcceptor::Make(EventBase& base, int socket,
                                                 BasicEvent::Callback on_turn,
                                                 void* argument) {
  if (base.ring() == nullptr || !base.ring()->can_accept() ||
      !Suits(base.kernel(), socket)) {
    return nullptr;
  }
  return std::unique_ptr<RingAcceptor>(
      new RingAcceptor(base, socket, on_turn, argument));
}

RingAcceptor::RingAcceptor(EventBase& base, int socket,
                           BasicEvent::Callback on_turn, void* argument)
    : turn_(base, -1, EventFlags::kNone, on_turn, argument),
      socket_(socket),
      seat_(base.ring()->Join(*this)) {}

RingAcceptor::~RingAcceptor() {
  if (in_ && !canceling_) ring().CancelAccept(seat_, kAccept);
  ring().Leave(seat_);
}

void RingAcceptor::Start() {
  wanted_ = true;
  if (in_) return;
  error_ = 0;
  Ask();
}

void RingAcceptor::Stop() {
  wanted_ = false;
  if (!in_ || canceling_) return;
  Ask();
  // A client that comes before the loop runs again is not for us.
  ring().FlushUnlessRunning();
}

void RingAcceptor::StopNow() {
  Stop();
  if (in_) ring().Flush();
}

RingAcceptor::Connection RingAcceptor::Take() {
  Accepted next = std::move(accepted_[first_++]);
  if (first_ == accepted_.size()) {
    accepted_.clear();
    first_ = 0;
  }
  if (!next.peer.has_value()) {
    next.peer = SocketAddress::OfPeer(next.socket.get(), turn_.base().kernel())
                    .value_or(SocketAddress());
  }
  return {.socket = std::move(next.socket), .peer = *std::move(next.peer)};
}

void RingAcceptor::PutIn() {
  if (wanted_ && !in_) {
    in_ = ring().Accept(seat_, kAccept, socket_);
    if (!in_) Ask();
  } else if (!wanted_ && in_ && !canceling_) {
    canceling_ = true;
    ring().CancelAccept(seat_, kAccept);
  }
}

void RingAcceptor::OnCompletion(unsigned /*kind*/,
                                const RingCompletion& completion) {
  in_ = completion.more;
  if (!in_) canceling_ = false;
  if (completion.result >= 0) {
    Accepted& accepted = accepted_.emplace_back();
    accepted.socket.Reset(completion.result);
    if (completion.peer != nullptr) {
      accepted.peer =
          SocketAddress::FromNative(completion.peer, completion.peer_size)
              .value_or(SocketAddress());
    }
  } else if (wanted_ && completion.result != -ECANCELED &&
             completion.result != -EINTR) {
    error_ = -completion.result;
    usable_ = error_ != EINVAL;
  }
  if (!wanted_) return;
  if (has_connections() || error_ != 0) turn_.Activate(EventFlags::kRead);
  if (!in_ && error_ == 0) Ask();
}

void RingAcceptor::OnRingRenewed() {
  in_ = canceling_ = usable_ = false;
  if (!wanted_) return;
  error_ = ECANCELED;
  turn_.Activate(EventFlags::kRead);
}

}  // namespace percore::internal
