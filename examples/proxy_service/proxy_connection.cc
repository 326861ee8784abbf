#include "percore/examples/proxy_service/proxy_connection.h"

#include <utility>

#include "percore/examples/proxy_service/proxy_service.h"
#include "percore/net/rate_limiter.h"
#include "percore/net/socket_options.h"
#include "percore/runtime/shard.h"

namespace percore::proxy {

ProxyConnection::ProxyConnection(Accepted accepted, ProxyService& service)
    : Connection(std::move(accepted)),
      service_(service),
      upstream_(shard().base()),
      network_(service.cluster().networks.Enter(peer())) {
  service_.connections_.PushBack(this);
  upstream_.ShareProfile(kUpstreamProfile, this);
  // Without a transport there is nothing to watch yet.
  upstream_.Enable(EventFlags::kRead).IgnoreError();
  upstream_.ConnectHost(service_.resolver(), service_.cluster().upstream.host(),
                        service_.cluster().upstream.port());
  SetLimit(service_.connection_limit());
  // There is a group, and a weight of 1 is none that could be wrong.
  io().rate_limiter().Join(network_.group()).IgnoreError();
}

ProxyConnection::~ProxyConnection() {
  if (!whole_) {
    // Of sockets: a UNIX socket has no such thing.
    SetResetOnClose(io().fd()).IgnoreError();
    if (upstream_.fd() >= 0) SetResetOnClose(upstream_.fd()).IgnoreError();
  }
  service_.connections_.Remove(this);
  // Before the visit ends: what it has moved is to be known by then.
  io().rate_limiter().Leave();
}

void ProxyConnection::SetLimit(const RateLimit& limit) {
  // It has been checked.
  io().rate_limiter().SetLimit(limit).IgnoreError();
}

void ProxyConnection::OnRead() { Pass(io(), upstream_, upload_); }

void ProxyConnection::OnWritten() { GoOn(upstream_, download_); }

void ProxyConnection::OnEndOfFile() { End(upstream_, upload_); }

void ProxyConnection::OnUpstreamRead(BufferEvent& /*upstream*/,
                                     void* argument) {
  auto& self = *static_cast<ProxyConnection*>(argument);
  Pass(self.upstream_, self.io(), self.download_);
}

void ProxyConnection::OnUpstreamWritten(BufferEvent& /*upstream*/,
                                        void* argument) {
  auto& self = *static_cast<ProxyConnection*>(argument);
  self.GoOn(self.io(), self.upload_);
}

void ProxyConnection::OnUpstreamEvent(BufferEvent& /*upstream*/,
                                      ConnectionEvent what,
                                      const absl::Status& status,
                                      void* argument) {
  auto& self = *static_cast<ProxyConnection*>(argument);
  if (Any(what & ConnectionEvent::kConnected)) {
    self.connected_ = true;
    self.service_.NoteUpstream(absl::OkStatus());
    self.CloseIfDone();
  } else if (Any(what & ConnectionEvent::kError)) {
    if (!self.connected_) self.service_.NoteUpstream(status);
    self.Close(CloseReason::kError);
  } else if (Any(what & ConnectionEvent::kEndOfFile)) {
    self.End(self.io(), self.download_);
  }
}

void ProxyConnection::Pass(BufferEvent& from, BufferEvent& to,
                           Direction& direction) {
  to.output().Append(std::move(from.input()));
  if (to.output().size() <= kHighWater) return;
  direction.paused = true;
  from.Disable(EventFlags::kRead);
}

void ProxyConnection::GoOn(BufferEvent& from, Direction& direction) {
  if (std::exchange(direction.paused, false) &&
      !from.Enable(EventFlags::kRead).ok()) {
    Close(CloseReason::kError);
    return;
  }
  CloseIfDone();
}

void ProxyConnection::End(BufferEvent& to, Direction& direction) {
  direction.ended = true;
  to.Flush(EventFlags::kWrite, FlushMode::kFinished);
  CloseIfDone();
}

void ProxyConnection::CloseIfDone() {
  if (!upload_.ended || !download_.ended || !io().output_finished() ||
      !upstream_.output_finished()) {
    return;
  }
  whole_ = true;
  Close(CloseReason::kEndOfFile);
}

}  // namespace percore::proxy
