#include "percore/net/listener.h"

#include <algorithm>
#include <cerrno>
#include <utility>

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
                   void* argument)
    : base_(base),
      socket_(std::move(socket)),
      callback_(callback),
      argument_(argument),
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
          this)) {}

Listener::~Listener() {
  if (destroyed_ != nullptr) *destroyed_ = true;
  stats_->paused.Set(0);
  readable_.Del();
  base_.CloseDescriptor(socket_.Release());
}

absl::Status Listener::Enable() {
  readable_.SetInterest(EventFlags::kRead);
  return readable_.Add();
}

void Listener::Disable() {
  readable_.Del();
  rested_.Del();
  stats_->paused.Set(0);
}

void Listener::AcceptBatch() {
  bool destroyed = false;
  destroyed_ = &destroyed;
  for (int accepted = 0; accepted < kAcceptBatch; ++accepted) {
    sockaddr_storage storage;
    socklen_t size = sizeof(storage);
    auto* native = reinterpret_cast<sockaddr*>(&storage);
    UniqueFd connection(base_.kernel().Accept(socket_.get(), native, &size));
    if (!connection.valid()) {
      if (HandleError(-connection.get())) continue;
      break;
    }
    next_rest_ = kFirstRest;
    stats_->accepted.Add();
    // A family that SocketAddress does not know has no address to show.
    callback_(std::move(connection),
              SocketAddress::FromNative(native, size).value_or(SocketAddress()),
              argument_);
    if (destroyed) return;
    if (!Any(readable_.Pending(EventFlags::kRead))) break;  // disabled
  }
  destroyed_ = nullptr;
}

bool Listener::HandleError(int error) {
  if (error == EAGAIN || error == EWOULDBLOCK) return false;
  if (error == EINTR) return true;
  const AcceptError reason = Classify(error);
  stats_->accept_errors[static_cast<size_t>(reason)].Add();
  if (reason == AcceptError::kAborted) return true;
  Rest();
  return false;
}

void Listener::Rest() {
  readable_.SetInterest(EventFlags::kNone);
  stats_->paused.Set(1);
  // A pure timer: there is nothing that Add() could refuse.
  (void)rested_.Add(next_rest_);
  next_rest_ = std::min(next_rest_ * 2, kLongestRest);
}

void Listener::GoOn() {
  stats_->paused.Set(0);
  readable_.SetInterest(EventFlags::kRead);
}

}  // namespace percore
