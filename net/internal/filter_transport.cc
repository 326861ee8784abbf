#include "percore/net/internal/filter_transport.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "percore/net/internal/lifeline.h"

namespace percore::internal {
namespace {

// What the underlying connection reads ahead of the filter.
constexpr size_t kInputHigh = size_t{64} * 1024;

}  // namespace

FilterTransport::FilterTransport(BufferEvent& underlying,
                                 std::unique_ptr<BufferEvent> owned,
                                 std::unique_ptr<Filter> filter,
                                 const FilterOptions& options)
    : underlying_(underlying),
      owned_(std::move(owned)),
      filter_(std::move(filter)),
      max_pending_input_(options.max_pending_input),
      max_pending_output_(options.max_pending_output),
      turn_(Event::Timer(underlying.base(), &OnTurn, this)) {
  underlying_.SetCallbacks(
      {.read = &OnRead, .write = &OnWritten, .event = &OnEvent}, this);
  underlying_.SetWatermarks(EventFlags::kRead, 0,
                            std::min(kInputHigh, max_pending_input_));
  // Refilled before it is empty.
  underlying_.SetWatermarks(EventFlags::kWrite, max_pending_output_ / 2, 0);
  turn_.Activate(EventFlags::kWrite);
}

FilterTransport::~FilterTransport() {
  Lifeline::Cut(this);
  if (orphan_ != nullptr) *orphan_ = std::move(filter_);
  if (owned_ != nullptr) return;
  underlying_.SetCallbacks({}, nullptr);
  underlying_.Disable(EventFlags::kRead);
}

absl::Status FilterTransport::Connect(const SocketAddress& address) {
  return underlying_.Connect(address);
}

absl::Status FilterTransport::StartReceiving() {
  receiving_ = true;
  // What has arrived meanwhile, or is held by the filter, does not come again.
  turn_.Activate(EventFlags::kRead);
  return underlying_.Enable(EventFlags::kRead);
}

void FilterTransport::StopReceiving() {
  receiving_ = false;
  underlying_.Disable(EventFlags::kRead);
}

void FilterTransport::ScheduleSend() { turn_.Activate(EventFlags::kWrite); }

void FilterTransport::FinishSending() {
  output_mode_ = FlushMode::kFinished;
  turn_.Activate(EventFlags::kWrite);
}

void FilterTransport::Flush(EventFlags what, FlushMode mode) {
  // A filter, this one or one below, may call a user who destroys all of them.
  const Lifeline lifeline(this);
  if (Any(what & EventFlags::kRead)) {
    underlying_.Flush(EventFlags::kRead, mode);
    if (lifeline.cut() || (receiving_ && !Receive())) return;
  }
  if (Any(what & EventFlags::kWrite)) {
    if (mode != FlushMode::kNormal && output_mode_ == FlushMode::kNormal) {
      output_mode_ = FlushMode::kFlush;
    }
    if (HasOutput() && !Send()) return;
    underlying_.Flush(EventFlags::kWrite, std::min(mode, FlushMode::kFlush));
  }
}

void FilterTransport::SetPriority(int priority) {
  turn_.set_priority(priority);
  underlying_.SetPriority(priority);
}

void FilterTransport::OnTurn(int /*fd*/, EventFlags what, void* argument) {
  auto& self = *static_cast<FilterTransport*>(argument);
  if (Any(what & EventFlags::kWrite) && self.HasOutput() && !self.Send()) {
    return;
  }
  if (Any(what & EventFlags::kRead) && self.receiving_) self.Receive();
}

void FilterTransport::OnRead(BufferEvent& /*underlying*/, void* argument) {
  auto& self = *static_cast<FilterTransport*>(argument);
  if (self.receiving_) self.Receive();
}

void FilterTransport::OnWritten(BufferEvent& /*underlying*/, void* argument) {
  auto& self = *static_cast<FilterTransport*>(argument);
  if (self.HasOutput()) self.Send();
}

void FilterTransport::OnEvent(BufferEvent& /*underlying*/, ConnectionEvent what,
                              const absl::Status& status, void* argument) {
  auto& self = *static_cast<FilterTransport*>(argument);
  const ConnectionEvent direction =
      what & (ConnectionEvent::kReading | ConnectionEvent::kWriting);
  if (Any(what & ConnectionEvent::kError)) {
    self.TellError(direction, status);
  } else if (Any(what & ConnectionEvent::kTimeout)) {
    self.TellTimeout(direction);
  } else if (Any(what & ConnectionEvent::kConnected)) {
    self.TellConnected();
  } else if (Any(what & ConnectionEvent::kEndOfFile)) {
    self.input_ended_ = true;
    if (self.receiving_) self.Receive();
  }
}

bool FilterTransport::Receive() {
  if (orphan_ != nullptr) {
    turn_.Activate(EventFlags::kRead);
    return true;
  }
  Buffer& source = underlying_.input();
  size_t received = 0;
  absl::StatusOr<FilterResult> result = FilterResult::kOk;
  bool idle = false;  // the filter did nothing
  const size_t room = ReceiveRoom();
  // The filter may call a user who has enough.
  while (received < room && receiving_) {
    const size_t source_before = source.size();
    const size_t before = input().size();
    if (!CallFilter(&Filter::FilterInput, source, input(), room - received,
                    input_ended_ ? FlushMode::kFinished : FlushMode::kNormal,
                    result)) {
      return false;
    }
    CountReceived(input().size() - before);
    received += input().size() - before;
    idle = input().size() == before && source.size() == source_before;
    if (!result.ok() || *result == FilterResult::kNeedMore || idle) break;
  }
  if (received > 0) {
    // An error, the end, or what is left, has its own turn: the user may have
    // enough, or go. So has what the filter still holds, with nothing left.
    const bool more = result.ok() && *result == FilterResult::kOk && !idle;
    if (!result.ok() || more || !source.empty() || input_ended_) {
      turn_.Activate(EventFlags::kRead);
    }
    return TellReceived();
  }
  if (!result.ok()) {
    return TellError(ConnectionEvent::kReading, result.status());
  }
  const bool needs_more = *result == FilterResult::kNeedMore;
  if (!input_ended_) return !needs_more || MakeRoomForMore();
  if (end_told_ || !(needs_more || idle)) return true;
  end_told_ = true;
  if (needs_more && !source.empty()) {
    return TellError(
        ConnectionEvent::kReading,
        absl::DataLossError("end of file before the filter had all it needs"));
  }
  return TellEndOfFile();
}

bool FilterTransport::MakeRoomForMore() {
  const size_t size = underlying_.input().size();
  const Watermarks& read = underlying_.limits().read;
  if (size < read.high) return true;
  if (size >= max_pending_input_) {
    return TellError(
        ConnectionEvent::kReading,
        absl::ResourceExhaustedError("the filter needs more than it may hold"));
  }
  underlying_.SetWatermarks(EventFlags::kRead, 0,
                            std::min(2 * size, max_pending_input_));
  return true;
}

bool FilterTransport::CallFilter(FilterFunction function, Buffer& source,
                                 Buffer& destination, size_t limit,
                                 FlushMode mode,
                                 absl::StatusOr<FilterResult>& result) {
  std::unique_ptr<Filter> orphan;
  orphan_ = &orphan;
  result = ((*filter_).*function)(source, destination, limit, mode);
  if (orphan != nullptr) return false;
  orphan_ = nullptr;
  return true;
}

size_t FilterTransport::OutputRoom() const {
  const size_t size = underlying_.output().size();
  return size < max_pending_output_ ? max_pending_output_ - size : 0;
}

bool FilterTransport::HasOutput() const {
  if (output_over_) return false;
  if (WantsToSend() || more_output_) return true;
  switch (output_mode_) {
    case FlushMode::kNormal:
      return false;
    case FlushMode::kFlush:
      return output().empty();  // or waits for what the user holds back
    case FlushMode::kFinished:
      return true;
  }
  return false;
}

bool FilterTransport::Send() {
  if (orphan_ != nullptr) {
    turn_.Activate(EventFlags::kWrite);
    return true;
  }
  // What the user holds back, or wrote after the end, stays with it.
  Buffer nothing;
  const size_t send_room = SendRoom();
  Buffer& source = send_room > 0 ? output() : nothing;
  Buffer& destination = underlying_.output();
  const size_t before = source.size();
  // A user who has more than one turn's worth waits for the next.
  const size_t end = before - std::min(before, send_room);
  absl::StatusOr<FilterResult> result = FilterResult::kOk;
  while (true) {
    size_t room = OutputRoom();
    if (room == 0) break;  // OnWritten() goes on
    const size_t size = source.size();
    if (end > 0) {
      if (size <= end) {
        turn_.ActivateLater(EventFlags::kWrite);
        break;
      }
      room = std::min(room, size - end);
    }
    const size_t destination_before = destination.size();
    if (!CallFilter(&Filter::FilterOutput, source, destination, room,
                    output_mode_, result)) {
      return false;
    }
    if (!result.ok()) {
      output_over_ = true;
      return TellError(ConnectionEvent::kWriting, result.status());
    }
    const bool idle =
        source.size() == size && destination.size() == destination_before;
    more_output_ = *result == FilterResult::kOk && !idle;
    if (more_output_) continue;
    // The filter has done what it can.
    if (output_mode_ == FlushMode::kFinished) {
      output_over_ = true;
      const Lifeline lifeline(this);
      underlying_.Flush(EventFlags::kWrite, FlushMode::kFinished);
      if (lifeline.cut()) return false;
    } else if (&source != &nothing || output().empty()) {
      output_mode_ = FlushMode::kNormal;
    }
    break;
  }
  const size_t sent = before - source.size();
  return sent == 0 || CountAndTellSent(sent);
}

}  // namespace percore::internal
