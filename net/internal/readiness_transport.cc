#include "percore/net/internal/readiness_transport.h"

#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "percore/net/socket_options.h"
#include "percore/runtime/error.h"

namespace percore::internal {

ReadinessTransport::ReadinessTransport(EventBase& base, UniqueFd socket)
    : ready_(base, socket.Release(), EventFlags::kPersist, &OnReady, this) {}

ReadinessTransport::~ReadinessTransport() {
  ready_.Del();
  if (!detached_ && fd() >= 0) ready_.base().CloseDescriptor(fd());
}

absl::Status ReadinessTransport::Connect(const SocketAddress& address) {
  Watch(EventFlags::kWrite);
  if (absl::Status status = ready_.Add(); !status.ok()) return status;
  const int result =
      kernel().Connect(fd(), address.native(), address.native_size());
  connecting_ = true;
  // Anything but "in progress" is known already. It is told from the loop all
  // the same: SO_ERROR does not have it any more.
  if (result < 0 && result != -EINPROGRESS && result != -EINTR) {
    error_ = -result;
    ready_.Activate(EventFlags::kWrite);
  }
  return absl::OkStatus();
}

absl::Status ReadinessTransport::StartReceiving() {
  Watch(EventFlags::kRead);
  return ready_.Add();
}

void ReadinessTransport::StopReceiving() { Unwatch(EventFlags::kRead); }

void ReadinessTransport::ScheduleSend() {
  if (!waits_for_room()) ready_.Activate(EventFlags::kWrite);
}

void ReadinessTransport::FinishSending() {
  const int result = kernel().Shutdown(fd(), SHUT_WR);
  if (result == 0) return;
  // The peer is gone: nobody may be reading, who would be told of it.
  error_ = -result;
  ready_.Activate(EventFlags::kWrite);
}

UniqueFd ReadinessTransport::Detach() {
  ready_.Del();
  detached_ = true;
  return UniqueFd(fd());
}

void ReadinessTransport::OnReady(int /*fd*/, EventFlags what, void* argument) {
  auto& transport = *static_cast<ReadinessTransport*>(argument);
  if (transport.connecting_) {
    transport.CompleteConnect();
    return;
  }
  if (const int error = std::exchange(transport.error_, 0); error != 0) {
    transport.Fail(ConnectionEvent::kWriting, error, "shutdown");
    return;
  }
  if (Any(what & EventFlags::kWrite)) {
    if (!transport.WantsToSend()) {
      transport.Unwatch(EventFlags::kWrite);
    } else if (!transport.Write()) {
      return;
    }
  }
  if (Any(what & transport.ready_.interest() & EventFlags::kRead)) {
    transport.Receive();
  }
}

bool ReadinessTransport::CompleteConnect() {
  connecting_ = false;
  Unwatch(EventFlags::kWrite);
  if (const int error = std::exchange(error_, 0); error != 0) {
    return Fail(ConnectionEvent::kNone, error, "connect");
  }
  const absl::Status status = PendingError(fd(), "connect", kernel());
  return status.ok() ? TellConnected()
                     : TellError(ConnectionEvent::kNone, status);
}

bool ReadinessTransport::Receive() {
  const size_t room = ReceiveRoom();
  if (room == 0) return true;
  const ssize_t received = input().ReadFrom(kernel(), fd(), room);
  if (received == -EAGAIN) return true;
  if (received < 0) {
    return Fail(ConnectionEvent::kReading, static_cast<int>(-received), "read");
  }
  return received == 0 ? TellEndOfFile()
                       : CountAndTellReceived(static_cast<size_t>(received));
}

bool ReadinessTransport::Send() { return waits_for_room() || Write(); }

bool ReadinessTransport::Write() {
  const size_t room = SendRoom();
  if (room == 0) return true;
  size_t sent = 0;
  ssize_t result = 0;
  while (!output().empty() && sent < room) {
    result = output().WriteTo(kernel(), fd(), room - sent);
    if (result < 0) break;
    sent += static_cast<size_t>(result);
  }
  if (result < 0 && result != -EAGAIN) {
    if (sent > 0 && !CountAndTellSent(sent)) return false;
    return Fail(ConnectionEvent::kWriting, static_cast<int>(-result), "write");
  }
  // Whoever has more to send than one turn's worth waits for the next turn in
  // the same way as for room.
  if (output().empty()) {
    Unwatch(EventFlags::kWrite);
  } else {
    Watch(EventFlags::kWrite);
    if (absl::Status status = ready_.Add(); !status.ok()) {
      return TellError(ConnectionEvent::kWriting, status);
    }
  }
  return sent == 0 || CountAndTellSent(sent);
}

bool ReadinessTransport::Fail(ConnectionEvent direction, int error,
                              std::string_view call) {
  return TellError(direction,
                   SystemError(error, call, absl::StrCat("fd ", fd())));
}

}  // namespace percore::internal
