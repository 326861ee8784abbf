#include "percore/net/datagram_endpoint.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "percore/net/internal/datagram_receiver.h"
#include "percore/net/internal/datagram_sender.h"
#include "percore/net/internal/lifeline.h"
#include "percore/net/internal/transfer_timeouts.h"
#include "percore/runtime/error.h"
#include "percore/runtime/event.h"

namespace percore {
namespace {

using internal::DatagramReceiver;
using internal::DatagramSender;
using internal::DatagramSocket;
using internal::ReceivedDatagrams;
using internal::SentDatagrams;
using internal::TransferTimeouts;

// What a message is taken for where it matters that it is not more: Ethernet's
// usual payload.
constexpr size_t kFullPacket = 1500;

// Until the kernel may have memory again, of which nothing tells.
constexpr Duration kRest = std::chrono::milliseconds(10);

// Whether the kernel may mean a datagram that was sent before, of which it has
// heard by ICMP, and not the one that it was given with the call.
bool MayBeOfEarlier(int error) {
  switch (error) {
    case ECONNREFUSED:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENETDOWN:
    case ENETUNREACH:
    case ENONET:
    case ENOPROTOOPT:
    case EPROTO:
      return true;
    default:
      return false;
  }
}

}  // namespace

struct DatagramEndpoint::Extras {
  std::unique_ptr<TransferTimeouts> timers;
  std::unique_ptr<Event> rest_timer;
  std::unique_ptr<RateLimiter> rate_limiter;
};

absl::StatusOr<std::unique_ptr<DatagramEndpoint>> DatagramEndpoint::Bind(
    EventBase& base, const SocketAddress& local,
    const DatagramOptions& options) {
  absl::StatusOr<DatagramSockets> sockets =
      DatagramSockets::Open(local, 1, options.socket, base.kernel());
  if (!sockets.ok()) return sockets.status();
  return Adopt(base, sockets->Take(0), options);
}

absl::StatusOr<std::unique_ptr<DatagramEndpoint>> DatagramEndpoint::Adopt(
    EventBase& base, UniqueFd socket, const DatagramOptions& options) {
  const absl::StatusOr<DatagramSocket> examined =
      DatagramSocket::Examine(base.kernel(), socket.get(),
                              options.receive_offload, options.send_offload);
  if (!examined.ok()) return examined.status();
  return std::unique_ptr<DatagramEndpoint>(
      new DatagramEndpoint(base, std::move(socket), *examined, options));
}

DatagramEndpoint::DatagramEndpoint(EventBase& base, UniqueFd socket,
                                   const DatagramSocket& examined,
                                   const DatagramOptions& options)
    : ready_(base, socket.Release(), EventFlags::kPersist, &OnReady, this),
      socket_(examined),
      max_datagram_(std::clamp<size_t>(options.max_datagram, 1,
                                       DatagramReceiver::kMaxDatagram)),
      stats_(std::make_shared<DatagramStats>()) {
  input_.SetMemoryLimit(kDefaultQueueMemory);
  output_.SetMemoryLimit(kDefaultQueueMemory);
  input_.SetOwner(*this);
  output_.SetOwner(*this);
}

DatagramEndpoint::~DatagramEndpoint() {
  internal::Lifeline::Cut(this);
  ready_.Del();
  if (!detached_) base().CloseDescriptor(ready_.fd());
}

absl::Status DatagramEndpoint::Connect(const SocketAddress& peer) {
  int result;
  do {
    result = kernel().Connect(socket_.fd, peer.native(), peer.native_size());
  } while (result == -EINTR);
  if (result < 0) return SystemError(-result, "connect", peer.ToString());
  socket_.peer = peer;
  return socket_.UpdateLocal(kernel());
}

bool DatagramEndpoint::Send(std::string_view payload,
                            const SocketAddress& peer) {
  Datagram datagram = {.peer = peer};
  datagram.payload.Append(payload);
  return output_.Push(std::move(datagram));
}

void DatagramEndpoint::SetCallbacks(const Callbacks& callbacks,
                                    void* argument) {
  callbacks_ = callbacks;
  argument_ = argument;
}

absl::Status DatagramEndpoint::Enable(EventFlags what) {
  if (Any(what & EventFlags::kRead)) read_enabled_ = true;
  if (Any(what & EventFlags::kWrite)) write_enabled_ = true;
  ScheduleSend();
  absl::Status status = Update();
  if (!status.ok()) read_enabled_ = false;
  return status;
}

void DatagramEndpoint::Disable(EventFlags what) {
  if (Any(what & EventFlags::kRead)) read_enabled_ = false;
  if (Any(what & EventFlags::kWrite)) write_enabled_ = false;
  UpdateOrRest();
}

EventFlags DatagramEndpoint::enabled() const {
  return (read_enabled_ ? EventFlags::kRead : EventFlags::kNone) |
         (write_enabled_ ? EventFlags::kWrite : EventFlags::kNone);
}

void DatagramEndpoint::SetWatermarks(EventFlags which, size_t low,
                                     size_t high) {
  if (Any(which & EventFlags::kRead)) limits_.read = {.low = low, .high = high};
  if (Any(which & EventFlags::kWrite)) {
    limits_.write = {.low = low, .high = high};
  }
  UpdateOrRest();
}

void DatagramEndpoint::SetMaxSingle(EventFlags which, size_t bytes) {
  if (bytes == 0) bytes = kDefaultMaxSingle;
  if (Any(which & EventFlags::kRead)) limits_.max_single_read = bytes;
  if (Any(which & EventFlags::kWrite)) limits_.max_single_write = bytes;
}

void DatagramEndpoint::SetTimeouts(Duration read, Duration write) {
  std::unique_ptr<TransferTimeouts>& timers = extras().timers;
  if (timers == nullptr) {
    timers = std::make_unique<TransferTimeouts>(
        base(),
        [](int, EventFlags, void* endpoint) {
          static_cast<DatagramEndpoint*>(endpoint)->OnTimeout(
              ConnectionEvent::kReading);
        },
        [](int, EventFlags, void* endpoint) {
          static_cast<DatagramEndpoint*>(endpoint)->OnTimeout(
              ConnectionEvent::kWriting);
        },
        this);
    timers->SetPriority(priority());
  }
  timers->read_timeout = read;
  timers->write_timeout = write;
  timers->UpdateRead(Reading(), TransferTimeouts::Progress::kMade);
  timers->UpdateWrite(WaitingToWrite(), TransferTimeouts::Progress::kMade);
}

Duration DatagramEndpoint::read_timeout() const {
  return extras_ == nullptr || extras_->timers == nullptr
             ? Duration::zero()
             : extras_->timers->read_timeout;
}

Duration DatagramEndpoint::write_timeout() const {
  return extras_ == nullptr || extras_->timers == nullptr
             ? Duration::zero()
             : extras_->timers->write_timeout;
}

RateLimiter& DatagramEndpoint::rate_limiter() {
  std::unique_ptr<RateLimiter>& made = extras().rate_limiter;
  if (made == nullptr) {
    made = std::make_unique<RateLimiter>(base(), &OnTokens, this);
  }
  return *made;
}

void DatagramEndpoint::OnTokens(RateDirection direction, void* argument) {
  auto& endpoint = *static_cast<DatagramEndpoint*>(argument);
  if (direction == RateDirection::kWrite) endpoint.ScheduleSend();
  endpoint.UpdateOrRest();
}

void DatagramEndpoint::SetPriority(int priority) {
  ready_.set_priority(std::clamp(priority, 0, base().priority_count() - 1));
  if (extras_ != nullptr && extras_->timers != nullptr) {
    extras_->timers->SetPriority(this->priority());
  }
}

UniqueFd DatagramEndpoint::Detach() {
  if (detached_) return UniqueFd();
  ready_.Del();
  detached_ = true;
  socket_.fd = -1;
  UpdateOrRest();
  return UniqueFd(ready_.fd());
}

void DatagramEndpoint::OnReady(int /*fd*/, EventFlags what, void* argument) {
  auto& endpoint = *static_cast<DatagramEndpoint*>(argument);
  if (Any(what & EventFlags::kWrite) && !endpoint.Write()) return;
  if (Any(what & endpoint.ready_.interest() & EventFlags::kRead)) {
    endpoint.Receive();
  }
}

void DatagramEndpoint::OnQueueChanged(const DatagramQueue& queue, size_t added,
                                      size_t removed) {
  if (busy_) return;
  if (&queue == &output_ && added > 0) ScheduleSend();
  // Receiving goes on as soon as there is room again in either.
  if (added > 0 || removed > 0) UpdateOrRest();
}

size_t DatagramEndpoint::ReceiveRoom() {
  if (!Reading()) return 0;
  size_t room = std::min(limits_.max_single_read,
                         input_.memory_limit() - input_.memory());
  if (limits_.read.high != 0) {
    room = std::min(room, limits_.read.high - input_.bytes());
  }
  if (limiter() == nullptr) return room;
  room = limiter()->Room(RateDirection::kRead, room);
  // It waits now.
  if (room == 0) UpdateOrRest();
  return room;
}

size_t DatagramEndpoint::SendRoom() {
  if (!Writing()) return 0;
  const size_t room = limits_.max_single_write;
  if (limiter() == nullptr) return room;
  // Of empty ones, too, there is an end.
  return limiter()->Room(RateDirection::kWrite,
                         std::clamp<size_t>(output_.bytes(), 1, room));
}

void DatagramEndpoint::CountReceived(const ReceivedDatagrams& received) {
  DatagramStats& stats = *stats_;
  stats.received.Add(received.datagrams);
  stats.received_bytes.Add(received.bytes);
  stats.receive_calls.Add();
  if (received.truncated != 0) stats.truncated.Add(received.truncated);
  if (limiter() != nullptr) {
    limiter()->Count(RateDirection::kRead, received.bytes);
  }
}

void DatagramEndpoint::CountSent(size_t datagrams, size_t bytes) {
  DatagramStats& stats = *stats_;
  stats.sent.Add(datagrams);
  stats.sent_bytes.Add(bytes);
  stats.send_calls.Add();
  if (limiter() != nullptr) limiter()->Count(RateDirection::kWrite, bytes);
}

bool DatagramEndpoint::Receive() {
  const size_t room = ReceiveRoom();
  if (room == 0) return true;
  const size_t expected =
      std::max(typical_message_, limiter() == nullptr ? 1 : kFullPacket);
  const ReceivedDatagrams received = DatagramReceiver::ThisThread().Receive(
      kernel(), socket_, std::max<size_t>(room / expected, 1), max_datagram_,
      input_);
  if (received.error == EAGAIN) return true;
  if (received.error != 0) return ReceiveFailed(received.error);
  CountReceived(received);
  // Up at once, down slowly: too few datagrams cost a system call, too many the
  // limits.
  const size_t latest = received.bytes / received.messages;
  typical_message_ = std::max(latest, (7 * typical_message_ + latest) / 8);
  typical_message_ = std::max<size_t>(typical_message_, 1);
  if (extras_ != nullptr && extras_->timers != nullptr) {
    extras_->timers->UpdateRead(Reading(), TransferTimeouts::Progress::kMade);
  }
  if (input_.bytes() >= limits_.read.low) return RunRead();
  UpdateOrRest();
  return true;
}

bool DatagramEndpoint::ReceiveFailed(int error) {
  stats_->receive_errors.Add();
  // What is not of the peer's doing may stay: the socket is still readable.
  if (!MayBeOfEarlier(error)) Rest(EventFlags::kRead);
  return TellError(ConnectionEvent::kReading,
                   SystemError(error, "recvmmsg",
                               connected() ? socket_.peer.ToString()
                                           : absl::StrCat("fd ", socket_.fd)));
}

bool DatagramEndpoint::Write() {
  size_t room = SendRoom();
  bool full = false;
  bool sent_some = false;
  while (room != 0 && Writing()) {
    const SentDatagrams sent =
        DatagramSender(kernel(), socket_).Send(output_, room);
    if (sent.error == EAGAIN) {
      full = true;
      break;
    }
    if (sent.error != 0) {
      // Whoever answers each error by another datagram has an end, too.
      room -= 1;
      if (!SendFailed(sent.error)) return false;
      continue;
    }
    blamed_ = false;
    sent_some = true;
    CountSent(sent.datagrams, sent.bytes);
    room -= std::min(room, std::max<size_t>(sent.bytes, 1));
  }
  if (!full) {
    Unwatch(EventFlags::kWrite);
    // More than one turn's worth: after everybody else.
    if (Writing()) ready_.ActivateLater(EventFlags::kWrite);
  } else if (!waits_for_room()) {
    Watch(EventFlags::kWrite);
    if (!ready_.Add().ok()) Rest(EventFlags::kWrite);
  }
  if (sent_some && extras_ != nullptr && extras_->timers != nullptr) {
    extras_->timers->UpdateWrite(WaitingToWrite(),
                                 TransferTimeouts::Progress::kMade);
  }
  if (sent_some && output_.bytes() <= limits_.write.low) return RunWritten();
  UpdateOrRest();
  return true;
}

bool DatagramEndpoint::SendFailed(int error) {
  const DatagramSendError reason = DatagramSendErrorOf(error);
  stats_->send_errors[static_cast<size_t>(reason)].Add();
  if (reason == DatagramSendError::kNoMemory) {
    Rest(EventFlags::kWrite);
    return true;
  }
  absl::Status status;
  if (callbacks_.event != nullptr) {
    const SocketAddress& peer = output_.front().peer;
    status = SystemError(error, "sendmmsg",
                         (peer.port() == 0 ? socket_.peer : peer).ToString());
  }
  if (connected() && MayBeOfEarlier(error) && !blamed_) {
    blamed_ = true;
  } else {
    blamed_ = false;
    stats_->lost.Add();
    output_.Discard(1);
  }
  return TellError(ConnectionEvent::kWriting, status);
}

bool DatagramEndpoint::OnTimeout(ConnectionEvent direction) {
  (Any(direction & ConnectionEvent::kReading) ? read_enabled_
                                              : write_enabled_) = false;
  return Run(AfterCall::kScheduleSend, [&] {
    if (callbacks_.event == nullptr) return;
    callbacks_.event(*this, direction | ConnectionEvent::kTimeout,
                     absl::OkStatus(), argument_);
  });
}

bool DatagramEndpoint::TellError(ConnectionEvent direction,
                                 const absl::Status& status) {
  return Run(AfterCall::kScheduleSend, [&] {
    if (callbacks_.event == nullptr) return;
    callbacks_.event(*this, direction | ConnectionEvent::kError, status,
                     argument_);
  });
}

bool DatagramEndpoint::RunRead() {
  return Run(AfterCall::kSend, [this] {
    if (callbacks_.read != nullptr) callbacks_.read(*this, argument_);
  });
}

bool DatagramEndpoint::RunWritten() {
  // Whoever always has more to send does not keep all others waiting.
  return Run(AfterCall::kScheduleSend, [this] {
    if (callbacks_.write != nullptr) callbacks_.write(*this, argument_);
  });
}

template <typename Call>
bool DatagramEndpoint::Run(AfterCall after, Call call) {
  const internal::Lifeline lifeline(this);
  const bool was_busy = busy_;
  busy_ = true;
  call();
  if (lifeline.cut()) return false;
  // Of calls within calls the outermost sees to the rest.
  if (was_busy) return true;
  if (after == AfterCall::kSend && Writing() && !waits_for_room() && !Write()) {
    return false;
  }
  busy_ = false;
  ScheduleSend();
  UpdateOrRest();
  return true;
}

RateLimiter* DatagramEndpoint::limiter() const {
  return extras_ == nullptr ? nullptr : extras_->rate_limiter.get();
}

bool DatagramEndpoint::WaitsForTokens(RateDirection direction) const {
  return limiter() != nullptr && limiter()->waiting(direction);
}

bool DatagramEndpoint::ReadingSuspended() const {
  return input_.memory() >= input_.memory_limit() ||
         (limits_.read.high > 0 && input_.bytes() >= limits_.read.high) ||
         (limits_.write.high > 0 && output_.bytes() > limits_.write.high);
}

bool DatagramEndpoint::Reading() const {
  return read_enabled_ && !detached_ && !Any(resting_ & EventFlags::kRead) &&
         !ReadingSuspended() && !WaitsForTokens(RateDirection::kRead);
}

bool DatagramEndpoint::WaitingToWrite() const {
  return write_enabled_ && !detached_ && !output_.empty() &&
         !WaitsForTokens(RateDirection::kWrite);
}

bool DatagramEndpoint::Writing() const {
  return WaitingToWrite() && !Any(resting_ & EventFlags::kWrite);
}

void DatagramEndpoint::Rest(EventFlags which) {
  resting_ = resting_ | which;
  std::unique_ptr<Event>& timer = extras().rest_timer;
  if (timer == nullptr) {
    timer = std::make_unique<Event>(
        base(), -1, EventFlags::kNone,
        [](int, EventFlags, void* endpoint) {
          static_cast<DatagramEndpoint*>(endpoint)->OnRested();
        },
        this);
  }
  // A pure timer: there is nothing that Add() could refuse.
  (void)timer->Add(kRest);
}

void DatagramEndpoint::OnRested() {
  resting_ = EventFlags::kNone;
  ScheduleSend();
  UpdateOrRest();
}

// The call is made when the loop comes to it, with what is queued until then.
void DatagramEndpoint::ScheduleSend() {
  if (!busy_ && Writing() && !waits_for_room()) {
    ready_.Activate(EventFlags::kWrite);
  }
}

absl::Status DatagramEndpoint::Update() {
  absl::Status status;
  const bool reading = Reading();
  if (reading != receiving_) {
    receiving_ = reading;
    if (!reading) {
      Unwatch(EventFlags::kRead);
    } else {
      Watch(EventFlags::kRead);
      status = ready_.Add();
      receiving_ = status.ok();
    }
  }
  if (extras_ != nullptr && extras_->timers != nullptr) {
    extras_->timers->UpdateRead(receiving_, TransferTimeouts::Progress::kNone);
    extras_->timers->UpdateWrite(WaitingToWrite(),
                                 TransferTimeouts::Progress::kNone);
  }
  return status;
}

// In the midst of things, the kernel refuses to watch a socket for want of
// memory only.
void DatagramEndpoint::UpdateOrRest() {
  if (!busy_ && !Update().ok()) Rest(EventFlags::kRead);
}

DatagramEndpoint::Extras& DatagramEndpoint::extras() {
  if (extras_ == nullptr) extras_ = std::make_unique<Extras>();
  return *extras_;
}

}  // namespace percore
