#include "percore/net/listener.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "percore/net/internal/connection_quota.h"
#include "percore/net/internal/lifeline.h"
#include "percore/net/internal/ring_acceptor.h"
#include "percore/runtime/error.h"

namespace percore {
namespace {

AcceptError Classify(int error) {
  switch (error) {
    case EMFILE:
    case ENFILE:
      return AcceptError::kNoDescriptors;
    case ENOBUFS:
    case ENOMEM:
      return AcceptError::kNoMemory;
    // accept(2): on Linux, network errors of the new connection come up here
    // and are to be treated like "try again".
    case ECONNABORTED:
    case ENETDOWN:
    case EPROTO:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case ENETUNREACH:
      return AcceptError::kAborted;
    default:
      return AcceptError::kOther;
  }
}

}  // namespace

Listener::Listener(EventBase& base, UniqueFd socket, Callback callback,
                   void* argument, const ListenerOptions& options)
    : base_(base),
      socket_(std::move(socket)),
      callback_(callback),
      argument_(argument),
      accept_batch_(std::max(options.accept_batch, 1)),
      when_full_(options.when_full),
      stats_(std::make_shared<ListenerStats>()),
      readable_(
          base, socket_.get(), EventFlags::kRead | EventFlags::kPersist,
          [](int, EventFlags, void* listener) {
            static_cast<Listener*>(listener)->AcceptBatch();
          },
          this),
      rested_(Event::Timer(
          base,
          [](int, EventFlags, void* listener) {
            static_cast<Listener*>(listener)->GoOn();
          },
          this)) {
  if (options.max_connections <= 0 && options.limit == nullptr) {
    acceptor_ = internal::RingAcceptor::Make(
        base, socket_.get(),
        [](int, EventFlags, void* listener) {
          static_cast<Listener*>(listener)->DeliverBatch();
        },
        this);
    return;
  }
  // Who is to be let in is decided before the kernel accepts, not afterwards.
  quota_ = new internal::ConnectionQuota(
      base, options.max_connections, options.limit,
      [](void* listener) {
        auto& self = *static_cast<Listener*>(listener);
        self.GoOn();
        // The place is kept for us: look at once whether there is a client for
        // it.
        self.readable_.Activate(EventFlags::kRead);
      },
      this);
}

Listener::~Listener() {
  internal::Lifeline::Cut(this);
  Disable();
  acceptor_ = nullptr;
  if (quota_ != nullptr) quota_->Detach();
  if (socket_.valid()) base_.CloseDescriptor(socket_.Release());
}

absl::Status Listener::Enable() {
  if (!socket_.valid()) {
    return absl::FailedPreconditionError(
        "the listener's socket was given back");
  }
  if (enabled_) return absl::OkStatus();
  readable_.SetInterest(callback_ == nullptr ? EventFlags::kNone
                                             : EventFlags::kRead);
  if (absl::Status status = readable_.Add(); !status.ok()) return status;
  enabled_ = by_ring_ = true;
  FillReserve();
  UpdateInterest();
  return absl::OkStatus();
}

void Listener::Disable() {
  enabled_ = resting_ = waiting_ = false;
  readable_.Del();
  rested_.Del();
  if (acceptor_ != nullptr) acceptor_->Stop();
  if (quota_ != nullptr) quota_->StopWaiting();
  stats_->paused.Set(0);
  stats_->full.Set(0);
}

void Listener::SetCallback(Callback callback, void* argument) {
  callback_ = callback;
  argument_ = argument;
  UpdateInterest();
}

void Listener::SetErrorCallback(ErrorCallback callback, void* argument) {
  error_callback_ = callback;
  error_argument_ = argument;
}

UniqueFd Listener::Release() {
  Disable();
  reserve_.Reset();
  // Before the callback, which may do the same, or destroy the listener.
  UniqueFd socket = std::move(socket_);
  if (acceptor_ == nullptr) return socket;
  acceptor_->StopNow();
  const internal::Lifeline lifeline(this);
  while (acceptor_ != nullptr && acceptor_->has_connections() &&
         callback_ != nullptr) {
    DeliverOne();
    if (lifeline.cut()) return socket;
  }
  acceptor_ = nullptr;
  return socket;
}

void Listener::DeliverBatch() {
  const internal::Lifeline lifeline(this);
  for (int i = 0;
       i < accept_batch_ && accepting() && acceptor_->has_connections(); ++i) {
    DeliverOne();
    if (lifeline.cut()) return;
  }
  if (!accepting()) return;
  if (!acceptor_->has_connections()) {
    if (const int error = acceptor_->TakeError(); error != 0) {
      StopUsingRing(error);
    }
  }
  UpdateInterest();
}

void Listener::DeliverOne() {
  internal::RingAcceptor::Connection connection = acceptor_->Take();
  next_rest_ = kFirstRest;
  stats_->accepted.Add();
  callback_(std::move(connection.socket), connection.peer, argument_);
}

// Whether a client waits, and there is a lack of anything, is found out by
// accept(), once the socket is readable.
void Listener::StopUsingRing(int error) {
  by_ring_ = false;
  // Of a connection that is gone, and will not be found again.
  const AcceptError reason = Classify(error);
  if (reason == AcceptError::kAborted) {
    stats_->accept_errors[static_cast<size_t>(reason)].Add();
  }
}

void Listener::AcceptBatch() {
  const internal::Lifeline lifeline(this);
  for (int accepted = 0; accepted < accept_batch_ && accepting(); ++accepted) {
    const Admission admission = Admit(accepted);
    if (admission == Admission::kNotNow) break;
    if (admission == Admission::kAccept) {
      place_ = ConnectionPlace(quota_);
    }
    sockaddr_storage storage;
    socklen_t size = sizeof(storage);
    auto* native = reinterpret_cast<sockaddr*>(&storage);
    UniqueFd connection(base_.kernel().Accept(socket_.get(), native, &size));
    if (!connection.valid()) {
      place_.GiveBack();
      const bool go_on = HandleError(-connection.get());
      if (lifeline.cut()) return;
      if (go_on) continue;
      break;
    }
    next_rest_ = kFirstRest;
    if (admission == Admission::kReject) {
      stats_->rejected[static_cast<size_t>(RejectReason::kLimit)].Add();
      continue;
    }
    stats_->accepted.Add();
    // A family that SocketAddress does not know has no address to show.
    callback_(std::move(connection),
              SocketAddress::FromNative(native, size).value_or(SocketAddress()),
              argument_);
    if (lifeline.cut()) return;
    place_.GiveBack();
  }
  if (quota_ != nullptr) quota_->Settle();
}

Listener::Admission Listener::Admit(int accepted) {
  if (quota_ == nullptr || quota_->TryTake()) return Admission::kAccept;
  using Want = internal::ConnectionQuota::Want;
  if (when_full_ == WhenFull::kRefuse) {
    if (!quota_->Wait(Want::kAnswer)) return Admission::kReject;
  } else {
    // Only a socket that was found readable is known to have a client that
    // waits: a place asked for too early is one that others lack.
    if (accepted > 0) return Admission::kNotNow;
    quota_->Wait(Want::kPlace);
  }
  waiting_ = true;
  stats_->full.Set(1);
  UpdateInterest();
  return Admission::kNotNow;
}

bool Listener::HandleError(int error) {
  if (error == EAGAIN || error == EWOULDBLOCK) {
    by_ring_ = true;
    UpdateInterest();
    return false;
  }
  if (error == EINTR) return true;
  const AcceptError reason = Classify(error);
  stats_->accept_errors[static_cast<size_t>(reason)].Add();
  if (reason == AcceptError::kAborted) return true;
  if (reason == AcceptError::kNoDescriptors) RejectOneFromReserve();
  Rest();
  Report(error);
  return false;
}

// One for each rest: a descriptor may be free again soon, and the others would
// have been turned away for nothing.
void Listener::RejectOneFromReserve() {
  if (!reserve_.valid()) return;
  reserve_.Reset();
  // Another thread may have been faster.
  if (UniqueFd(base_.kernel().Accept(socket_.get(), nullptr, nullptr))
          .valid()) {
    stats_->rejected[static_cast<size_t>(RejectReason::kNoDescriptors)].Add();
  }
  FillReserve();
}

// A file of its own and no copy of another descriptor, which would not help
// where the whole system has too many files open (ENFILE).
void Listener::FillReserve() {
  if (!reserve_.valid()) reserve_.Reset(base_.kernel().EventFd());
}

void Listener::Rest() {
  resting_ = true;
  stats_->paused.Set(1);
  UpdateInterest();
  // A pure timer: there is nothing that Add() could refuse.
  (void)rested_.Add(next_rest_);
  next_rest_ = std::min(next_rest_ * 2, kLongestRest);
}

// The last thing that a turn does: the callback may destroy the listener.
void Listener::Report(int error) {
  if (error_callback_ == nullptr) return;
  const absl::StatusOr<SocketAddress> address =
      SocketAddress::OfSocket(socket_.get(), base_.kernel());
  error_callback_(
      SystemError(error, "accept",
                  address.ok() ? address->ToString()
                               : absl::StrCat("fd ", socket_.get())),
      error_argument_);
}

void Listener::GoOn() {
  resting_ = waiting_ = false;
  by_ring_ = true;
  stats_->paused.Set(0);
  stats_->full.Set(0);
  FillReserve();
  UpdateInterest();
}

void Listener::UpdateInterest() {
  if (!enabled_) return;
  // What the kernel has accepted comes first: it must not become more and more.
  const bool some_left = acceptor_ != nullptr && acceptor_->has_connections();
  if (some_left && accepting()) acceptor_->HaveTurn();
  const bool accepts = accepting() && !some_left;
  const bool by_ring = acceptor_ != nullptr && acceptor_->usable() && by_ring_;
  readable_.SetInterest(accepts && !by_ring ? EventFlags::kRead
                                            : EventFlags::kNone);
  if (acceptor_ == nullptr) return;
  if (accepts && by_ring) {
    acceptor_->Start();
  } else {
    acceptor_->Stop();
  }
}

}  // namespace percore
