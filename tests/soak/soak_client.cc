#include "percore/tests/soak/soak_client.h"

#include <sys/socket.h>

#include <algorithm>
#include <iterator>
#include <tuple>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "percore/net/buffer_event_pair.h"
#include "percore/net/filter.h"
#include "percore/net/socket_options.h"

namespace percore {
namespace {

constexpr size_t kMaxFailures = 20;
constexpr size_t kSmallSocketBuffer = 8 << 10;
constexpr Duration kClientTimeout = std::chrono::milliseconds(10);

// Flips the top bit of each byte, on the way out and back again.
absl::StatusOr<FilterResult> Flip(Buffer& source, Buffer& destination,
                                  size_t limit, FlushMode) {
  std::string bytes(std::min(limit, source.size()), '\0');
  source.Remove(bytes);
  for (char& byte : bytes) byte = static_cast<char>(byte ^ 0x80);
  destination.Append(bytes);
  return FilterResult::kOk;
}

void EchoOfPair(BufferEvent& far, void*) {
  far.output().Append(std::move(far.input()));
}

void EndOfPair(BufferEvent& far, ConnectionEvent what, const absl::Status&,
               void*) {
  if (Any(what & ConnectionEvent::kEndOfFile)) {
    far.Flush(EventFlags::kWrite, FlushMode::kFinished);
  }
}

}  // namespace

void SoakWorld::Fail(std::string what) {
  if (failures.size() < kMaxFailures) failures.push_back(std::move(what));
}

void SoakClient::Act() {
  if (connection_ == nullptr) return Open();
  const uint64_t chance = world_.Random(100);
  if (finishing_ || quiet_) {
    if (chance < 1) Reset();
    return;
  }
  if (chance < 40) {
    // As often less than 2 bytes as less than 4, than 8, ... than 128 KiB.
    Send(1 + world_.Random(uint64_t{1} << (1 + world_.Random(17))));
  } else if (chance < 50) {
    Send(1);
  } else if (chance < 65) {
    StopReading();
  } else if (chance < 80) {
    GoOnReading();
  } else if (chance < 84) {
    Finish();
  } else if (chance < 86) {
    AwaitTimeout();
  } else if (chance < 87) {
    Close();
  } else if (chance < 88) {
    Reset();
  }
}

void SoakClient::Leave() {
  if (connection_ == nullptr || finishing_) return;
  switch (world_.Random(4)) {
    case 0:
      return Close();
    case 1:
      return Reset();
    default:
      return Finish();
  }
}

std::string SoakClient::Describe() const {
  if (connection_ == nullptr) return "idle";
  return absl::StrCat("kind ", static_cast<int>(kind_), ", mode ",
                      std::string(1, static_cast<char>(mode_)), ", ", sent_,
                      " bytes sent, ", received_, " back, ",
                      connection_->output().size(), " waiting",
                      connected_ ? "" : ", not connected",
                      finishing_ ? ", finishing" : "", quiet_ ? ", quiet" : "");
}

void SoakClient::Open() {
  kind_ = static_cast<Kind>(world_.Random(4));
  // More than half of them are echoed to the end.
  constexpr SoakMode kModes[] = {
      SoakMode::kEcho,    SoakMode::kEcho,  SoakMode::kEcho,  SoakMode::kEcho,
      SoakMode::kTimeout, SoakMode::kClose, SoakMode::kFinish};
  mode_ =
      to_server() ? kModes[world_.Random(std::size(kModes))] : SoakMode::kEcho;
  key_ = world_.random();
  sent_ = received_ = 0;
  connected_ = finishing_ = quiet_ = false;
  if (to_server()) {
    ++world_.tally.connects;
    if (absl::Status status = Connect(); !status.ok()) {
      world_.Fail(absl::StrCat("no socket: ", status.message()));
      ++world_.tally.failed_connects;
      connection_ = nullptr;
      return;
    }
  } else {
    ++world_.tally.pairs;
    ConnectPair();
  }
  connection_->SetCallbacks({.read = &OnRead, .event = &OnEvent}, this);
  GoOnReading();
  // Some say nothing at first, and some do not stay until they are connected.
  if (world_.Random(4) > 0) Send(1 + world_.Random(100));
  if (world_.Random(20) == 0) Reset();
}

absl::Status SoakClient::Connect() {
  BufferEventOptions options;
  if (world_.Random(2) == 0) {
    options.callbacks = BufferEventOptions::Callbacks::kDeferred;
  }
  connection_ = std::make_unique<BufferEvent>(world_.base, options);
  if (kind_ == Kind::kFiltered) {
    connection_ = MakeFilteredBufferEvent(
        std::move(connection_), MakeFilter({.input = Flip, .output = Flip}));
  }
  const bool local = kind_ == Kind::kUnix ||
                     (kind_ == Kind::kFiltered && world_.Random(2) == 0);
  return connection_->Connect(local ? world_.unix_address : world_.tcp_address);
}

void SoakClient::ConnectPair() {
  std::tie(connection_, far_) = MakeBufferEventPair(world_.base);
  connected_ = true;
  far_->SetCallbacks({.read = &EchoOfPair, .event = &EndOfPair}, nullptr);
  far_->SetWatermarks(EventFlags::kWrite, 0, kSoakWriteHigh);
  if (absl::Status status = far_->Enable(EventFlags::kRead); !status.ok()) {
    world_.Fail(absl::StrCat("cannot read: ", status.message()));
  }
}

void SoakClient::Send(size_t bytes) {
  const size_t waiting = connection_->output().size();
  bytes = std::min(bytes, kMaxOutput - std::min(kMaxOutput, waiting));
  if (bytes == 0) return;
  connection_->output().Append(Stream(sent_, bytes));
  sent_ += bytes;
  if (to_server()) world_.tally.sent_bytes += bytes;
}

void SoakClient::GoOnReading() {
  if (absl::Status status = connection_->Enable(EventFlags::kRead);
      !status.ok()) {
    world_.Fail(absl::StrCat("cannot read: ", status.message()));
  }
}

void SoakClient::Finish() {
  finishing_ = true;
  GoOnReading();
  connection_->Flush(EventFlags::kWrite, FlushMode::kFinished);
}

void SoakClient::AwaitTimeout() {
  quiet_ = true;
  GoOnReading();
  // Where the server does not time out, the client does.
  if (mode_ != SoakMode::kTimeout || sent_ == 0) {
    connection_->SetTimeouts(kClientTimeout, Duration::zero());
  }
}

void SoakClient::Close() {
  ++world_.tally.left;
  // Either end of a pair may be the first to go.
  if (world_.Random(2) == 0) far_ = nullptr;
  connection_ = nullptr;
  far_ = nullptr;
}

void SoakClient::Reset() {
  ++world_.tally.reset;
  if (const int fd = Socket(); fd >= 0) {
    const linger abort = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &abort, sizeof(abort));
  }
  connection_ = nullptr;
  far_ = nullptr;
}

int SoakClient::Socket() const {
  const BufferEvent* connection = connection_.get();
  while (connection->underlying() != nullptr) {
    connection = connection->underlying();
  }
  return connection->fd();
}

void SoakClient::OnRead(BufferEvent&, void* client) {
  static_cast<SoakClient*>(client)->Read();
}

void SoakClient::OnEvent(BufferEvent&, ConnectionEvent what,
                         const absl::Status& status, void* client) {
  auto& self = *static_cast<SoakClient*>(client);
  if (Any(what & ConnectionEvent::kConnected)) {
    if (std::exchange(self.connected_, true)) {
      self.world_.Fail("connected twice: " + self.Describe());
    }
    ++self.world_.tally.connected;
  } else {
    self.End(what, status);
  }
}

void SoakClient::Read() {
  const std::string bytes = connection_->input().ToString();
  connection_->input().Clear();
  if (bytes.size() > sent_ - received_) {
    world_.Fail("more came back than was sent: " + Describe());
  } else if (bytes != Stream(received_, bytes.size())) {
    world_.Fail("other bytes came back than were sent: " + Describe());
  }
  received_ += bytes.size();
  if (to_server()) world_.tally.received_bytes += bytes.size();
}

void SoakClient::End(ConnectionEvent what, const absl::Status& status) {
  const bool server_leaves = to_server() && mode_ != SoakMode::kEcho;
  if (Any(what & ConnectionEvent::kTimeout) && quiet_) {
    ++world_.tally.timed_out;
  } else if (Any(what & ConnectionEvent::kEndOfFile) && finishing_ &&
             received_ == sent_) {
    ++world_.tally.finished;
  } else if (!connected_ &&
             absl::StrContains(status.message(), "Cannot assign requested")) {
    // All ports wait in TIME_WAIT: later, then.
    ++world_.tally.failed_connects;
  } else if (connected_ && server_leaves) {
    ++world_.tally.server_left;
  } else {
    world_.Fail(absl::StrCat("an unexpected end (", ToString(what), "; ",
                             status.message(), "): ", Describe()));
  }
  connection_ = nullptr;
  far_ = nullptr;
}

std::string SoakClient::Stream(uint64_t offset, size_t size) const {
  std::string bytes(size, '\0');
  for (size_t i = 0; i < size; ++i) {
    const uint64_t at = offset + i;
    bytes[i] = static_cast<char>(key_ + at * 31 + (at >> 8) * 7);
  }
  if (offset == 0 && size > 0) bytes[0] = static_cast<char>(mode_);
  return bytes;
}

}  // namespace percore
