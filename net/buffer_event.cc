#include "percore/net/buffer_event.h"

#include <algorithm>
#include <utility>

#include "percore/net/internal/buffer_event_extras.h"
#include "percore/net/internal/lifeline.h"
#include "percore/net/internal/transfer_timeouts.h"
#include "percore/net/socket_transport.h"

namespace percore {
namespace {

using internal::TransferTimeouts;

constexpr BufferEvent::Profile kDefaultProfile;

}  // namespace

BufferEvent::BufferEvent(EventBase& base, const Options& options)
    : base_(base),
      profile_(&kDefaultProfile),
      priority_(static_cast<uint8_t>(base.priority_count() / 2)),
      deferred_callbacks_(options.callbacks == Options::Callbacks::kDeferred),
      keeps_descriptor_(options.descriptor == Options::Descriptor::kKeep) {}

BufferEvent::BufferEvent(EventBase& base, UniqueFd socket,
                         const Options& options)
    : BufferEvent(base, MakeSocketTransport(base, std::move(socket)), options) {
}

BufferEvent::BufferEvent(EventBase& base, TransportPtr transport,
                         const Options& options)
    : BufferEvent(base, options) {
  transport_ = std::move(transport);
  transport_->Attach(*this);
}

BufferEvent::~BufferEvent() {
  internal::Lifeline::Cut(this);
  if (keeps_descriptor_ && transport_ != nullptr) {
    (void)transport_->Detach().Release();
  }
}

void BufferEvent::SetCallbacks(const Callbacks& callbacks, void* argument) {
  own_profile().callbacks = callbacks;
  argument_ = argument;
}

absl::Status BufferEvent::Enable(EventFlags what) {
  if (Any(what & EventFlags::kRead)) read_enabled_ = true;
  if (Any(what & EventFlags::kWrite)) write_enabled_ = true;
  if (!busy_) ScheduleSend();
  return Update();
}

void BufferEvent::Disable(EventFlags what) {
  if (Any(what & EventFlags::kRead)) read_enabled_ = false;
  if (Any(what & EventFlags::kWrite)) write_enabled_ = false;
  UpdateOrTell();
}

EventFlags BufferEvent::enabled() const {
  return (read_enabled_ ? EventFlags::kRead : EventFlags::kNone) |
         (write_enabled_ ? EventFlags::kWrite : EventFlags::kNone);
}

void BufferEvent::SetWatermarks(EventFlags which, size_t low, size_t high) {
  FlowLimits& limits = own_profile().limits;
  if (Any(which & EventFlags::kRead)) limits.read = {.low = low, .high = high};
  if (Any(which & EventFlags::kWrite)) {
    limits.write = {.low = low, .high = high};
  }
  UpdateOrTell();
}

void BufferEvent::SetMaxSingle(EventFlags which, size_t bytes) {
  FlowLimits& limits = own_profile().limits;
  if (Any(which & EventFlags::kRead)) {
    limits.max_single_read =
        bytes == 0 ? FlowLimits::kDefaultMaxSingleRead : bytes;
  }
  if (Any(which & EventFlags::kWrite)) {
    limits.max_single_write =
        bytes == 0 ? FlowLimits::kDefaultMaxSingleWrite : bytes;
  }
}

void BufferEvent::set_traffic_stats(ListenerStats* stats) {
  own_profile().traffic_stats = stats;
}

void BufferEvent::ShareProfile(const Profile& profile, void* argument) {
  profile_ = &profile;
  argument_ = argument;
  UpdateOrTell();
}

void BufferEvent::SetTimeouts(Duration read, Duration write) {
  std::unique_ptr<TransferTimeouts>& timers = extras().timers;
  if (timers == nullptr) {
    timers = std::make_unique<TransferTimeouts>(
        base_,
        [](int, EventFlags, void* connection) {
          static_cast<BufferEvent*>(connection)
              ->OnTimeout(ConnectionEvent::kReading);
        },
        [](int, EventFlags, void* connection) {
          static_cast<BufferEvent*>(connection)
              ->OnTimeout(ConnectionEvent::kWriting);
        },
        this);
    timers->SetPriority(priority_);
  }
  timers->read_timeout = read;
  timers->write_timeout = write;
  timers->UpdateRead(Reading(), TransferTimeouts::Progress::kMade);
  timers->UpdateWrite(WaitingToWrite(), TransferTimeouts::Progress::kMade);
}

Duration BufferEvent::read_timeout() const {
  return extras_ == nullptr || extras_->timers == nullptr
             ? Duration::zero()
             : extras_->timers->read_timeout;
}

Duration BufferEvent::write_timeout() const {
  return extras_ == nullptr || extras_->timers == nullptr
             ? Duration::zero()
             : extras_->timers->write_timeout;
}

RateLimiter& BufferEvent::rate_limiter() {
  std::unique_ptr<RateLimiter>& made = extras().rate_limiter;
  if (made == nullptr) {
    made = std::make_unique<RateLimiter>(base_, &OnTokens, this);
  }
  return *made;
}

void BufferEvent::OnTokens(RateDirection direction, void* argument) {
  auto& connection = *static_cast<BufferEvent*>(argument);
  if (direction == RateDirection::kWrite) connection.ScheduleSend();
  connection.UpdateOrTell();
}

void BufferEvent::Flush(EventFlags which, FlushMode mode) {
  if (mode == FlushMode::kFinished && Any(which & EventFlags::kWrite)) {
    finish_output_ = true;
  }
  if (transport_ == nullptr || broken_ || connecting_) return;
  const bool was_flushing = flushing_;
  flushing_ = true;
  // No callback runs, and so nothing can end the transport: only a filter that
  // calls the user itself.
  const internal::Lifeline lifeline(this);
  if (Any(which & EventFlags::kWrite) && Writing() && !transport_->Send()) {
    return;
  }
  transport_->Flush(which, mode);
  if (lifeline.cut()) return;
  flushing_ = was_flushing;
  FinishIfDone();
  UpdateOrTell();
}

void BufferEvent::Trigger(EventFlags which, TriggerWatermarks watermarks,
                          Options::Callbacks when) {
  const bool ignore = watermarks == TriggerWatermarks::kIgnore;
  const bool read = Any(which & EventFlags::kRead) &&
                    (ignore || input().size() >= limits().read.low);
  const bool written = Any(which & EventFlags::kWrite) &&
                       (ignore || output().size() <= limits().write.low);
  if (when == Options::Callbacks::kDirect) {
    if (read && !RunRead()) return;
    if (written) RunWritten();
  } else if (read || written) {
    Deferred& deferred = Defer();
    deferred.read |= read;
    deferred.written |= written;
  }
}

void BufferEvent::TriggerEvent(ConnectionEvent what, const absl::Status& status,
                               Options::Callbacks when) {
  if (when == Options::Callbacks::kDirect) {
    RunEvent(what, status);
    return;
  }
  Deferred& deferred = Defer();
  deferred.events |= what;
  deferred.status.Update(status);
}

void BufferEvent::SetPriority(int priority) {
  priority_ =
      static_cast<uint8_t>(std::clamp(priority, 0, base_.priority_count() - 1));
  if (transport_ != nullptr) transport_->SetPriority(priority_);
  if (extras_ != nullptr && extras_->timers != nullptr) {
    extras_->timers->SetPriority(priority_);
  }
}

void BufferEvent::OnBufferChanged(const Buffer& buffer, size_t added,
                                  size_t drained) {
  if (busy_) return;
  if (&buffer == &input()) {
    // Reading goes on as soon as there is room again.
    if (drained > 0) UpdateOrTell();
  } else if (added > 0) {
    // What has left the transport tells by itself.
    ScheduleSend();
    UpdateOrTell();
  }
}

size_t BufferEvent::ReceiveRoom() {
  if (!Reading()) return 0;
  const size_t room = std::min(limits().max_single_read, InputRoom());
  if (limiter() == nullptr) return room;
  const size_t allowed = limiter()->Room(RateDirection::kRead, room);
  // It waits now.
  if (allowed == 0) UpdateOrTell();
  return allowed;
}

// Of what is limited no more is asked for than is allowed by now.
size_t BufferEvent::ReceiveCapacity(size_t room) const {
  return limiter() == nullptr ? InputRoom() : room;
}

size_t BufferEvent::InputRoom() const {
  const size_t size = input().size();
  const size_t limit = limits().read.high == 0
                           ? input().size_limit()
                           : std::min(limits().read.high, input().size_limit());
  return limit - size;
}

size_t BufferEvent::SendRoom() {
  if (!Writing()) return 0;
  const size_t room = limits().max_single_write;
  if (limiter() == nullptr) return room;
  const size_t allowed =
      limiter()->Room(RateDirection::kWrite, std::min(room, output().size()));
  if (allowed == 0) UpdateOrTell();
  return allowed;
}

bool BufferEvent::AwaitsSent() const {
  return callbacks().write != nullptr || finish_output_ ||
         (extras_ != nullptr && extras_->timers != nullptr) ||
         ReadingSuspended();
}

bool BufferEvent::OnConnected() {
  connecting_ = false;
  if (extras_ != nullptr && extras_->timers != nullptr) {
    extras_->timers->UpdateWrite(Writing(), TransferTimeouts::Progress::kMade);
  }
  FinishIfDone();
  return TellEvent(ConnectionEvent::kConnected, absl::OkStatus());
}

void BufferEvent::CountReceived(size_t bytes) {
  if (ListenerStats* const stats = profile_->traffic_stats; stats != nullptr) {
    stats->received_bytes.Add(bytes);
  }
  if (limiter() != nullptr) limiter()->Count(RateDirection::kRead, bytes);
}

bool BufferEvent::OnReceived() {
  if (extras_ != nullptr && extras_->timers != nullptr) {
    extras_->timers->UpdateRead(Reading(), TransferTimeouts::Progress::kMade);
  }
  if (input().size() >= limits().read.low) return TellRead();
  UpdateOrTell();
  return true;
}

bool BufferEvent::OnEndOfFile() {
  end_of_file_ = true;
  read_enabled_ = false;
  return TellEvent(ConnectionEvent::kReading | ConnectionEvent::kEndOfFile,
                   absl::OkStatus());
}

void BufferEvent::CountSent(size_t bytes) {
  if (ListenerStats* const stats = profile_->traffic_stats; stats != nullptr) {
    stats->sent_bytes.Add(bytes);
  }
  if (limiter() != nullptr) limiter()->Count(RateDirection::kWrite, bytes);
}

void BufferEvent::ReserveToSend(size_t bytes) {
  if (limiter() != nullptr) limiter()->Reserve(RateDirection::kWrite, bytes);
}

bool BufferEvent::OnSent() {
  if (extras_ != nullptr && extras_->timers != nullptr) {
    extras_->timers->UpdateWrite(WaitingToWrite(),
                                 TransferTimeouts::Progress::kMade);
  }
  FinishIfDone();
  if (output().size() <= limits().write.low) return TellWritten();
  UpdateOrTell();
  return true;
}

bool BufferEvent::OnError(ConnectionEvent direction,
                          const absl::Status& status) {
  if (broken_) return true;
  connecting_ = false;
  broken_ = true;
  read_enabled_ = false;
  write_enabled_ = false;
  return TellEvent(direction | ConnectionEvent::kError, status);
}

bool BufferEvent::OnTimeout(ConnectionEvent direction) {
  (Any(direction & ConnectionEvent::kReading) ? read_enabled_
                                              : write_enabled_) = false;
  return TellEvent(direction | ConnectionEvent::kTimeout, absl::OkStatus());
}

bool BufferEvent::TellRead() {
  if (callbacks().read == nullptr) {
    UpdateOrTell();
    return true;
  }
  if (!defers()) return RunRead();
  Defer().read = true;
  UpdateOrTell();
  return true;
}

bool BufferEvent::TellWritten() {
  if (callbacks().write == nullptr) {
    UpdateOrTell();
    return true;
  }
  if (!defers()) return RunWritten();
  Defer().written = true;
  UpdateOrTell();
  return true;
}

bool BufferEvent::TellEvent(ConnectionEvent what, const absl::Status& status) {
  if (!defers()) return RunEvent(what, status);
  Deferred& deferred = Defer();
  deferred.events |= what;
  deferred.status.Update(status);
  ScheduleSend();
  UpdateOrTell();
  return true;
}

bool BufferEvent::RunRead() {
  return Run(AfterCall::kSend, [this] {
    if (callbacks().read != nullptr) callbacks().read(*this, argument_);
  });
}

bool BufferEvent::RunWritten() {
  // Whoever always has more to write does not keep all others waiting.
  return Run(AfterCall::kScheduleSend, [this] {
    if (callbacks().write != nullptr) callbacks().write(*this, argument_);
  });
}

bool BufferEvent::RunEvent(ConnectionEvent what, const absl::Status& status) {
  return Run(AfterCall::kScheduleSend, [&] {
    if (callbacks().event == nullptr) return;
    callbacks().event(*this, what, status, argument_);
  });
}

template <typename Call>
bool BufferEvent::Run(AfterCall after, Call call) {
  const internal::Lifeline lifeline(this);
  const bool was_busy = busy_;
  busy_ = true;
  call();
  if (lifeline.cut()) return false;
  // Of calls within calls the outermost sees to the rest.
  if (was_busy) return true;
  if (after == AfterCall::kSend && Writing() && !transport_->Send()) {
    return false;
  }
  busy_ = false;
  ScheduleSend();
  UpdateOrTell();
  return true;
}

BufferEvent::Deferred& BufferEvent::Defer() {
  std::unique_ptr<Deferred>& deferred = extras().deferred;
  if (deferred == nullptr) deferred = std::make_unique<Deferred>(*this);
  deferred->callback.Schedule();
  return *deferred;
}

void BufferEvent::RunDeferred() {
  Deferred& deferred = *extras_->deferred;
  const bool read = std::exchange(deferred.read, false);
  const bool written = std::exchange(deferred.written, false);
  const ConnectionEvent events =
      std::exchange(deferred.events, ConnectionEvent::kNone);
  const absl::Status status = std::exchange(deferred.status, absl::OkStatus());
  // In the order in which they came about: a connection is made, bytes come and
  // go, it ends.
  const ConnectionEvent connected = events & ConnectionEvent::kConnected;
  const ConnectionEvent others = events & ~ConnectionEvent::kConnected;
  if (Any(connected) && !RunEvent(connected, absl::OkStatus())) return;
  if (read && !RunRead()) return;
  if (written && !RunWritten()) return;
  if (Any(others)) RunEvent(others, status);
}

RateLimiter* BufferEvent::limiter() const {
  return extras_ == nullptr ? nullptr : extras_->rate_limiter.get();
}

bool BufferEvent::WaitsForTokens(RateDirection direction) const {
  return limiter() != nullptr && limiter()->waiting(direction);
}

bool BufferEvent::ReadingSuspended() const {
  const size_t size = input().size();
  return size >= input().size_limit() || input().frozen(BufferEnd::kBack) ||
         (limits().read.high > 0 && size >= limits().read.high) ||
         (limits().write.high > 0 && output().size() > limits().write.high);
}

bool BufferEvent::Reading() const {
  return read_enabled_ && !end_of_file_ && !broken_ && !connecting_ &&
         transport_ != nullptr && !ReadingSuspended() &&
         !WaitsForTokens(RateDirection::kRead);
}

bool BufferEvent::Writing() const {
  return write_enabled_ && !output().empty() && !broken_ && !connecting_ &&
         !output_finished_ && transport_ != nullptr &&
         !output().frozen(BufferEnd::kFront) &&
         !WaitsForTokens(RateDirection::kWrite);
}

// A connection has to be made before it can be written to.
bool BufferEvent::WaitingToWrite() const {
  return connecting_ ? write_enabled_ : Writing();
}

void BufferEvent::FinishIfDone() {
  if (!finish_output_ || output_finished_ || !output().empty() || broken_ ||
      connecting_) {
    return;
  }
  output_finished_ = true;
  transport_->FinishSending();
}

absl::Status BufferEvent::Update() {
  absl::Status status;
  const bool reading = Reading();
  if (reading != receiving_) {
    receiving_ = reading;
    if (!reading) {
      transport_->StopReceiving();
    } else if (status = transport_->StartReceiving(); !status.ok()) {
      receiving_ = false;
      read_enabled_ = false;
    }
  }
  if (extras_ != nullptr && extras_->timers != nullptr) {
    extras_->timers->UpdateRead(receiving_, TransferTimeouts::Progress::kNone);
    extras_->timers->UpdateWrite(WaitingToWrite(),
                                 TransferTimeouts::Progress::kNone);
  }
  return status;
}

void BufferEvent::UpdateOrTell() {
  if (busy_) return;
  if (absl::Status status = Update(); !status.ok()) {
    TriggerEvent(ConnectionEvent::kReading | ConnectionEvent::kError, status,
                 Options::Callbacks::kDeferred);
  }
}

// The write is made when the loop comes to it, together with what is appended
// until then.
void BufferEvent::ScheduleSend() {
  if (!busy_ && Writing()) transport_->ScheduleSend();
}

BufferEvent::Extras& BufferEvent::extras() {
  if (extras_ == nullptr) extras_ = std::make_unique<Extras>();
  return *extras_;
}

BufferEvent::Profile& BufferEvent::own_profile() {
  Profile& own = extras().profile;
  if (profile_ != &own) {
    own = *profile_;
    profile_ = &own;
  }
  return own;
}

}  // namespace percore
