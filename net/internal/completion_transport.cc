#include "percore/net/internal/completion_transport.h"

#include <liburing.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "percore/runtime/error.h"

namespace percore::internal {
namespace {

// Not known to liburing 2.3. Several buffers at once (Linux 6.10); and, in the
// place of a file's index, how many bytes a receive that goes on may give
// before it ends (6.17).
#ifndef IORING_RECVSEND_BUNDLE
#define IORING_RECVSEND_BUNDLE (1U << 4)
#endif
uint32_t& TotalOf(io_uring_sqe& receive) { return receive.file_index; }

// By one request.
constexpr size_t kMostMoved = size_t{1} << 30;

// One sendmsg().
constexpr size_t kMostExtents = 64;

}  // namespace

bool CompletionTransport::Suits(EventBase& base, int fd) {
  Ring* const ring = base.ring();
  if (ring == nullptr || !ring->can_receive() ||
      ReceiveBuffers::Of(*ring) == nullptr) {
    return false;
  }
  int type = 0;
  socklen_t size = sizeof(type);
  return base.kernel().GetSocketOption(fd, SOL_SOCKET, SO_TYPE, &type, &size) ==
         0;
}

CompletionTransport::CompletionTransport(EventBase& base, UniqueFd socket)
    : turn_(base, socket.Release(), EventFlags::kPersist, &OnTurn, this),
      seat_(base.ring()->Join(*this)) {}

CompletionTransport::~CompletionTransport() {
  DropPeer();
  receiving_ = to_send_ = wait_for_room_ = false;
  CountPending();
  CancelAll();
  DropKept();
  ring().Leave(seat_);
  if (!detached_ && fd() >= 0) {
    turn_.base().CloseDescriptorSoon(fd());
  }
}

void CompletionTransport::DropPeer() {
  if (!connecting_) return;
  delete std::exchange(peer_, nullptr);
  connecting_ = false;
  last_kept_ = nullptr;
}

void CompletionTransport::CancelAll() {
  if (receive_in_ && !canceling_) ring().Cancel(seat_, kReceive);
  if (room_in_) ring().Cancel(seat_, kRoom);
  if (connect_in_) ring().Cancel(seat_, kConnect);
}

absl::Status CompletionTransport::Connect(const SocketAddress& address) {
  peer_ = new SocketAddress(address);
  connecting_ = true;
  CountPending();
  Ask();
  return absl::OkStatus();
}

absl::Status CompletionTransport::StartReceiving() {
  receiving_ = true;
  CountPending();
  if (has_kept() || end_of_file_ || receive_error_ != 0) {
    turn_.Activate(EventFlags::kRead);
  } else {
    Ask();
  }
  return absl::OkStatus();
}

void CompletionTransport::StopReceiving() {
  receiving_ = false;
  CountPending();
  if (receive_in_) Ask();
}

bool CompletionTransport::Send() {
  ScheduleSend();
  return true;
}

void CompletionTransport::ScheduleSend() {
  if (wait_for_room_) return;
  to_send_ = true;
  CountPending();
  ring().AskToPutIn(
      seat_, AwaitsSent() ? Ring::Over::kAtOnce : Ring::Over::kAtOnceNotUrgent);
}

void CompletionTransport::FinishSending() {
  const int result = ring().kernel().Shutdown(fd(), SHUT_WR);
  if (result == 0) return;
  // The peer is gone: nobody may be reading, who would be told of it.
  send_error_ = static_cast<int16_t>(-result);
  finish_failed_ = true;
  turn_.Activate(EventFlags::kWrite);
}

// Nothing is under way between two system calls of the loop: what is written
// now goes out in order.
void CompletionTransport::Flush(EventFlags what, FlushMode /*mode*/) {
  if (!Any(what & EventFlags::kWrite) || wait_for_room_) return;
  const size_t room = SendRoom();
  size_t sent = 0;
  while (!output().empty() && sent < room) {
    const ssize_t result = output().WriteTo(ring().kernel(), fd(), room - sent);
    if (result < 0) {
      if (result != -EAGAIN) send_error_ = static_cast<int16_t>(-result);
      break;
    }
    sent += static_cast<size_t>(result);
  }
  if (sent > 0) {
    CountSent(sent);
    sent_ = true;
  }
  turn_.Activate(EventFlags::kWrite);
}

UniqueFd CompletionTransport::Detach() {
  DropPeer();
  receiving_ = to_send_ = wait_for_room_ = false;
  CountPending();
  CancelAll();
  ring().Flush();
  // What the kernel has given is not in the socket any more. An input that
  // takes nothing has nobody who wants it.
  while (last_kept_ != nullptr) {
    Segment* const segment = TakeFirstKept(SIZE_MAX);
    if (!input().AppendSegment(segment)) Segment::Release(segment);
  }
  detached_ = true;
  return UniqueFd(fd());
}

void CompletionTransport::PutIn() {
  if (connecting_ && !connect_in_ && !connected_) PutInConnect();
  if (connecting_) return;
  if (receiving_ != receive_in_) PutInReceive();
  if (wait_for_room_ && !room_in_) PutInRoom();
  if (to_send_ && !wait_for_room_) PutInSend();
}

void CompletionTransport::PutInConnect() {
  io_uring_sqe* const request = ring().NextRequest(seat_, kConnect);
  if (request == nullptr) return Ask();
  io_uring_prep_connect(request, fd(), peer_->native(), peer_->native_size());
  connect_in_ = true;
}

void CompletionTransport::PutInReceive() {
  if (!receiving_) {
    if (canceling_) return;
    canceling_ = true;
    return ring().Cancel(seat_, kReceive);
  }
  // What has come is delivered first: only then it is known what may follow.
  if (has_kept() || end_of_file_ || receive_error_ != 0) return;
  const size_t room = ReceiveRoom();
  if (room == 0) return;
  ReceiveBuffers& buffers = *ReceiveBuffers::Of(ring());
  // As long as it is not put in, the loop must not sleep.
  if (!buffers.Admit()) {
    return ring().AskToPutIn(seat_, Ring::Over::kAtOnce);
  }
  io_uring_sqe* const request = ring().NextRequest(seat_, kReceive);
  if (request == nullptr) return Ask();
  const size_t capacity = std::min(ReceiveCapacity(room), kMostMoved);
  if (buffers.can_be_bounded()) {
    // `room` at a time, and then others have their turn. It goes on for one
    // more, in which this one's bytes are looked at: the rest can wait in the
    // socket.
    io_uring_prep_recv_multishot(request, fd(), nullptr,
                                 std::min(room, kMostMoved), 0);
    request->ioprio |= IORING_RECVSEND_BUNDLE;
    TotalOf(*request) = static_cast<uint32_t>(std::min(capacity, 2 * room));
  } else if (capacity == kMostMoved) {
    // Nobody bounds it: a buffer at a time.
    io_uring_prep_recv_multishot(request, fd(), nullptr, 0, 0);
  } else {
    io_uring_prep_recv(request, fd(), nullptr,
                       std::min(room, ReceiveBuffers::kBufferBytes), 0);
  }
  request->flags |= IOSQE_BUFFER_SELECT;
  // The last one found that there was no more.
  if (drained_) request->ioprio |= IORING_RECVSEND_POLL_FIRST;
  request->buf_group = ReceiveBuffers::kGroup;
  receive_in_ = true;
}

void CompletionTransport::PutInRoom() {
  io_uring_sqe* const request = ring().NextRequest(seat_, kRoom);
  if (request == nullptr) return Ask();
  io_uring_prep_poll_add(request, fd(), POLLOUT);
  room_in_ = true;
}

void CompletionTransport::PutInSend() {
  to_send_ = false;
  CountPending();
  const size_t room = std::min(SendRoom(), kMostMoved);
  // The turn that tells of the bytes before these sends on.
  if (room == 0 || sent_) return;
  std::array<iovec, kMostExtents> extents;
  const size_t count = output().PeekToWrite(extents, room);
  if (count == 0) {
    // A file's bytes. The kernel would have them spliced by threads of its own:
    // sendfile() is the shorter way.
    const ssize_t result = output().WriteTo(ring().kernel(), fd(), room);
    if (result != 0) OnSendCompleted(static_cast<int>(result));
    // It was told what was drained already.
    return;
  }
  io_uring_sqe* const request = ring().NextRequest(seat_, kSend);
  if (request == nullptr) return ScheduleSend();
  // Complete or not, it does not wait.
  constexpr int kFlags = MSG_NOSIGNAL | MSG_DONTWAIT | MSG_WAITALL;
  size_t size = 0;
  for (size_t i = 0; i < count; ++i) size += extents[i].iov_len;
  if (count == 1) {
    io_uring_prep_send(request, fd(), extents[0].iov_base, size, kFlags);
  } else {
    msghdr* const message = ring().NewMessage(count);
    std::copy_n(extents.begin(), count, message->msg_iov);
    io_uring_prep_sendmsg(request, fd(), message, kFlags);
  }
  request->flags |= IOSQE_CQE_SKIP_SUCCESS;
  sending_ = static_cast<uint32_t>(size);
  ReserveToSend(size);
  // There is more, which follows when this has been sent; or somebody has come
  // to wait for it since it was asked for.
  if (size < output().size() || AwaitsSent()) ring().StayAwake();
}

void CompletionTransport::OnPutIn() {
  if (sending_ == 0) return;
  output().Drain(sending_);
  OnSendCompleted(static_cast<int>(sending_));
}

void CompletionTransport::OnCompletion(unsigned kind,
                                       const RingCompletion& completion) {
  switch (kind) {
    case kReceive:
      return OnReceiveCompleted(completion);
    case kSend:
      if (completion.result > 0) {
        output().Drain(static_cast<size_t>(completion.result));
      }
      return OnSendCompleted(completion.result);
    case kRoom:
      room_in_ = false;
      if (!wait_for_room_) return;
      wait_for_room_ = false;
      return ScheduleSend();
    case kConnect:
      return OnConnectCompleted(completion.result);
  }
}

void CompletionTransport::OnReceiveCompleted(const RingCompletion& completion) {
  ReceiveBuffers* const buffers = ReceiveBuffers::Of(ring());
  receive_in_ = completion.more;
  drained_ = completion.result > 0 && !completion.left_some;
  if (!receive_in_) canceling_ = false;
  if (completion.result > 0) {
    buffers->TakeAll(*completion.buffer, static_cast<size_t>(completion.result),
                     [this](Segment* segment) { Keep(segment); });
  } else {
    if (completion.buffer.has_value()) buffers->PutBack(*completion.buffer, 0);
    switch (-completion.result) {
      case 0:
        end_of_file_ = true;
        break;
      case ENOBUFS:
        buffers->NoteExhaustion();
        break;
      case ECANCELED:
      case EINTR:
      case EAGAIN:
        break;
      case EINVAL:
        if (buffers->can_be_bounded()) {
          buffers->CannotBeBounded();
          break;
        }
        [[fallthrough]];
      default:
        receive_error_ = static_cast<int16_t>(-completion.result);
    }
  }
  if (!receiving_) return;
  if (has_kept() || end_of_file_ || receive_error_ != 0) {
    turn_.Activate(EventFlags::kRead);
  } else if (!receive_in_) {
    Ask();
  }
}

void CompletionTransport::OnSendCompleted(int result) {
  const uint32_t asked = std::exchange(sending_, 0);
  CountSent(static_cast<size_t>(std::max(result, 0)));
  if (result == -EINTR) return ScheduleSend();
  if (result < 0 && result != -EAGAIN) {
    send_error_ = static_cast<int16_t>(-result);
    turn_.Activate(EventFlags::kWrite);
    return;
  }
  if (result > 0) NoteSent();
  if (output().empty()) return;
  if (result < 0 || static_cast<uint32_t>(result) < asked) {
    wait_for_room_ = true;
    CountPending();
    Ask();
  } else if (!sent_) {
    ScheduleSend();
  }
  // Else the turn that tells of this one sends on.
}

void CompletionTransport::NoteSent() {
  if (AwaitsSent()) {
    sent_ = true;
    turn_.Activate(EventFlags::kWrite);
  } else {
    // It calls nobody, then.
    TellSent();
  }
}

void CompletionTransport::OnConnectCompleted(int result) {
  connect_in_ = false;
  if (!connecting_ || result == -ECANCELED) return;
  if (result == -EINTR) return Ask();
  connected_ = true;
  send_error_ = static_cast<int16_t>(-result);
  turn_.Activate(EventFlags::kWrite);
}

// Whatever the old one had of this is gone.
void CompletionTransport::OnRingRenewed() {
  receive_in_ = canceling_ = room_in_ = connect_in_ = false;
  if (std::exchange(sending_, 0) > 0) CountSent(0);
  Ask();
}

void CompletionTransport::OnTurn(int /*fd*/, EventFlags what, void* argument) {
  auto& transport = *static_cast<CompletionTransport*>(argument);
  if (transport.connecting_) {
    if (transport.connected_) transport.CompleteConnect();
    return;
  }
  if (Any(what & EventFlags::kWrite) && !transport.DeliverSent()) return;
  if (Any(what & EventFlags::kRead) && transport.receiving_) {
    transport.DeliverReceived();
  }
}

bool CompletionTransport::CompleteConnect() {
  DropPeer();
  connected_ = false;
  CountPending();
  if (const int error = std::exchange(send_error_, int16_t{0}); error != 0) {
    return Fail(ConnectionEvent::kNone, error, "connect");
  }
  Ask();
  return TellConnected();
}

bool CompletionTransport::DeliverSent() {
  if (sent_) {
    sent_ = false;
    if (!TellSent()) return false;
    if (!output().empty()) ScheduleSend();
  }
  const int error = std::exchange(send_error_, int16_t{0});
  return error == 0 || Fail(ConnectionEvent::kWriting, error,
                            finish_failed_ ? "shutdown" : "write");
}

bool CompletionTransport::DeliverReceived() {
  size_t received = 0;
  const size_t room = has_kept() ? ReceiveRoom() : 0;
  while (last_kept_ != nullptr && received < room) {
    Segment* const segment = TakeFirstKept(room - received);
    received += segment->size();
    input().AppendSegment(segment);
  }
  // Before the user, who may be gone afterwards.
  if (!receive_in_) Ask();
  if (received > 0 && !CountAndTellReceived(received)) return false;
  if (last_kept_ != nullptr) {
    if (receiving_) turn_.ActivateLater(EventFlags::kRead);
    return true;
  }
  if (!receiving_) return true;
  if (const int error = receive_error_; error != 0) {
    return Fail(ConnectionEvent::kReading, error, "read");
  }
  return !end_of_file_ || TellEndOfFile();
}

bool CompletionTransport::Fail(ConnectionEvent direction, int error,
                               std::string_view call) {
  return TellError(direction,
                   SystemError(error, call, absl::StrCat("fd ", fd())));
}

void CompletionTransport::Keep(Segment* segment) {
  if (last_kept_ == nullptr) {
    segment->set_next(segment);
  } else {
    segment->set_next(first_kept());
    last_kept_->set_next(segment);
  }
  last_kept_ = segment;
}

Segment* CompletionTransport::TakeFirstKept(size_t most) {
  Segment* const first = first_kept();
  if (first->size() > most) return first->SplitFront(most);
  if (first == last_kept_) {
    last_kept_ = nullptr;
  } else {
    last_kept_->set_next(first->next());
  }
  first->set_next(nullptr);
  return first;
}

void CompletionTransport::DropKept() {
  while (last_kept_ != nullptr) Segment::Release(TakeFirstKept(SIZE_MAX));
}

void CompletionTransport::CountPending() {
  const bool pending = receiving_ || connecting_ || to_send_ || wait_for_room_;
  if (pending == pending_) return;
  pending_ = pending;
  if (pending) {
    ring().AddPending();
  } else {
    ring().RemovePending();
  }
}

}  // namespace percore::internal
