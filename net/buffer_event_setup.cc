// How a BufferEvent comes to what carries its bytes, and parts from it.
#include <memory>
#include <utility>

#include "percore/net/blocking_resolver.h"
#include "percore/net/buffer_event.h"
#include "percore/net/internal/buffer_event_extras.h"
#include "percore/net/internal/lifeline.h"
#include "percore/net/socket_transport.h"

namespace percore {

absl::Status BufferEvent::Connect(const SocketAddress& address) {
  if (transport_ == nullptr) {
    absl::StatusOr<TransportPtr> made = OpenSocketTransport(base_, address);
    if (!made.ok()) return made.status();
    if (absl::Status status = SetTransport(*std::move(made)); !status.ok()) {
      return status;
    }
  }
  connecting_ = true;
  if (absl::Status status = Update(); !status.ok()) return status;
  absl::Status status = transport_->Connect(address);
  if (!status.ok()) {
    connecting_ = false;
    UpdateOrTell();  // the timeout of an attempt that never began
  }
  return status;
}

void BufferEvent::ConnectHost(Resolver& resolver, std::string_view host,
                              uint16_t port,
                              const HostConnectorOptions& options) {
  // Without a transport there is nothing that could fail.
  SetTransport(nullptr).IgnoreError();
  connecting_ = true;
  extras().host_connector = std::make_unique<HostConnector>(
      base_, resolver, host, port, &OnHostConnected, this, options);
  UpdateOrTell();
}

void BufferEvent::ConnectHostBlocking(std::string_view host, uint16_t port,
                                      const HostConnectorOptions& options) {
  std::unique_ptr<BlockingResolver>& resolver = extras().blocking_resolver;
  if (resolver == nullptr) resolver = std::make_unique<BlockingResolver>(base_);
  ConnectHost(*resolver, host, port, options);
}

absl::Status BufferEvent::SetTransport(TransportPtr transport) {
  // Those that work for the old one stop.
  internal::Lifeline::Cut(this);
  busy_ = false;
  flushing_ = false;
  if (extras_ != nullptr) {
    extras_->deferred = nullptr;
    extras_->host_connector = nullptr;
  }
  transport_ = std::move(transport);
  connecting_ = false;
  end_of_file_ = false;
  broken_ = false;
  receiving_ = false;
  finish_output_ = false;
  output_finished_ = false;
  if (transport_ != nullptr) {
    transport_->Attach(*this);
    transport_->SetPriority(priority_);
    ScheduleSend();
  }
  return Update();
}

absl::Status BufferEvent::SetDescriptor(UniqueFd socket) {
  return SetTransport(MakeSocketTransport(base_, std::move(socket)));
}

UniqueFd BufferEvent::Detach() {
  UniqueFd socket = transport_ == nullptr ? UniqueFd() : transport_->Detach();
  // Without a transport there is nothing that could fail.
  SetTransport(nullptr).IgnoreError();
  return socket;
}

BufferEvent* BufferEvent::partner() const {
  return transport_ == nullptr
             ? nullptr
             : dynamic_cast<BufferEvent*>(transport_->partner());
}

BufferEvent* BufferEvent::underlying() const {
  return transport_ == nullptr ? nullptr : transport_->underlying();
}

// Not by SetTransport(), which would forget what was asked for meanwhile: to
// finish the output, say.
void BufferEvent::OnHostConnected(absl::StatusOr<HostConnection> result,
                                  void* argument) {
  auto& connection = *static_cast<BufferEvent*>(argument);
  connection.extras_->host_connector = nullptr;
  if (!result.ok()) {
    connection.OnError(ConnectionEvent::kNone, result.status());
    return;
  }
  connection.transport_ = std::move(result->transport);
  connection.transport_->Attach(connection);
  connection.transport_->SetPriority(connection.priority_);
  connection.OnConnected();
}

}  // namespace percore
