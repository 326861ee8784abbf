#include "percore/runtime/ring.h"

#include <liburing.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "percore/runtime/internal/accept_requests.h"
#include "percore/runtime/internal/io_uring.h"
#include "percore/runtime/internal/io_uring_backend.h"
#include "percore/runtime/internal/notifier.h"
#include "percore/runtime/internal/ring_request.h"

namespace percore {

using internal::RingRequest;

// ThreadSanitizer follows descriptors, and does not see what the kernel closes
// by itself: it would take the next one with that number for the same.
#if defined(__SANITIZE_THREAD__)
constexpr bool kCloseAtOnce = true;
#else
constexpr bool kCloseAtOnce = false;
#endif

// What there is no seat of.
constexpr uint32_t kNone = RingRequest::kNumberMask;

// Memory that is handed out until it is taken back as a whole.
class Ring::Messages {
 public:
  msghdr* New(size_t extents) {
    const size_t size = sizeof(msghdr) + extents * sizeof(iovec);
    while (block_ < blocks_.size() && kBlockBytes - used_ < size) {
      ++block_;
      used_ = 0;
    }
    if (block_ == blocks_.size()) {
      blocks_.push_back(std::make_unique<Block>());
    }
    char* const memory = blocks_[block_]->bytes + used_;
    used_ += size;
    auto* const message = new (memory) msghdr();
    message->msg_iov = reinterpret_cast<iovec*>(memory + sizeof(msghdr));
    message->msg_iovlen = extents;
    return message;
  }
  void TakeBack() { block_ = used_ = 0; }

 private:
  static constexpr size_t kBlockBytes = size_t{16} * 1024;
  struct Block {
    alignas(msghdr) char bytes[kBlockBytes];
  };

  std::vector<std::unique_ptr<Block>> blocks_;
  size_t block_ = 0;
  size_t used_ = 0;  // of that block
};

Ring::Ring(Kernel& kernel, std::unique_ptr<internal::IoUring> uring)
    : kernel_(kernel),
      uring_(std::move(uring)),
      first_free_(kNone),
      messages_(std::make_unique<Messages>()),
      accepts_(std::make_unique<internal::AcceptRequests>()) {}

// The kernel's requests end before the memory that they would write to.
Ring::~Ring() { uring_ = nullptr; }

uint32_t Ring::Join(RingUser& user) {
  uint32_t seat = first_free_;
  if (seat == kNone) {
    seat = seat_count_++;
    seats_.Make(seat).Take(user);
  } else {
    first_free_ = seats_[seat].next_free();
    seats_[seat].Take(user);
  }
  return seat;
}

void Ring::Leave(uint32_t seat) {
  seats_[seat].Leave(std::exchange(first_free_, seat));
}

void Ring::AskToPutIn(uint32_t seat, Over over) {
  first_over_ = std::max(first_over_, over);
  if (seats_[seat].asked()) return;
  seats_[seat].set_asked(true);
  asked_.push_back(seat);
}

io_uring_sqe* Ring::NextRequest(uint32_t seat, unsigned kind) {
  io_uring_sqe* const request = uring_->NextRequest();
  if (request != nullptr) {
    request->user_data = UserData(RingRequest::Of::kUser, seat, kind);
  }
  return request;
}

uint64_t Ring::UserData(RingRequest::Of of, uint32_t seat,
                        unsigned kind) const {
  return RingRequest::Pack({.of = of,
                            .kind = kind,
                            .number = seat,
                            .generation = seats_[seat].generation()});
}

bool Ring::Accept(uint32_t seat, unsigned kind, int socket) {
  io_uring_sqe* const request = uring_->NextRequest();
  if (request == nullptr) return false;
  const uint64_t user_data = UserData(RingRequest::Of::kAccept, seat, kind);
  internal::AcceptRequests::Peer& peer = accepts_->Begin(user_data);
  io_uring_prep_multishot_accept(request, socket,
                                 reinterpret_cast<sockaddr*>(&peer.address),
                                 &peer.size, SOCK_NONBLOCK | SOCK_CLOEXEC);
  request->user_data = user_data;
  return true;
}

void Ring::CancelAccept(uint32_t seat, unsigned kind) {
  CancelRequest(UserData(RingRequest::Of::kAccept, seat, kind));
}

void Ring::Cancel(uint32_t seat, unsigned kind) {
  CancelRequest(UserData(RingRequest::Of::kUser, seat, kind));
}

void Ring::CancelRequest(uint64_t user_data) {
  io_uring_sqe* const request = uring_->NextRequest();
  if (request == nullptr) return;
  io_uring_prep_cancel64(request, user_data, 0);
  request->flags |= IOSQE_CQE_SKIP_SUCCESS;
  request->user_data = RingRequest::kNobody;
}

void Ring::Close(int fd) {
  io_uring_sqe* const request = !kCloseAtOnce && uring_->IsOwnThread()
                                    ? uring_->NextRequest()
                                    : nullptr;
  if (request == nullptr) {
    kernel_.Close(fd);
  } else {
    io_uring_prep_close(request, fd);
    request->flags |= IOSQE_CQE_SKIP_SUCCESS;
    request->user_data = RingRequest::Pack(
        {.of = RingRequest::Of::kClose, .number = static_cast<uint32_t>(fd)});
  }
  // Requests keep its file open until the kernel hears that they are cancelled.
  FlushUnlessRunning();
}

msghdr* Ring::NewMessage(size_t extents) { return messages_->New(extents); }

void Ring::Flush() {
  if (HasRequests() || backend_->HasChanges()) backend_->Flush();
}

void Ring::set_buffers(std::unique_ptr<RingBuffers> buffers) {
  buffers_ = std::move(buffers);
}

int Ring::RegisterBuffers(io_uring_buf_reg* buffers) {
  return uring_->RegisterBuffers(buffers);
}

void Ring::CountExhaustion() {
  if (stats_ != nullptr) stats_->ring_buffer_exhaustions.Add();
}

bool Ring::can_receive() const { return uring_->can_receive(); }

bool Ring::can_accept() const { return uring_->can_accept(); }

void Ring::set_running(bool running) {
  // What the last round asked for does not wait for the next Run().
  if (!running) Flush();
  running_ = running;
}

int Ring::message_fd() const { return uring_->message_fd(); }

bool Ring::Wake(int ring_fd, int event_fd) {
  if (!running_ || !uring_->can_send_messages() || !uring_->IsOwnThread()) {
    return false;
  }
  to_wake_.push_back({.ring_fd = ring_fd, .event_fd = event_fd});
  return true;
}

bool Ring::HasRequests() const {
  return !asked_.empty() || !to_wake_.empty() || uring_->HasRequests();
}

void Ring::PutInWakeUps() {
  for (const Sleeper& sleeper : to_wake_) {
    io_uring_sqe* const request = uring_->NextRequest();
    if (request == nullptr) {
      internal::Notifier::Wake(kernel_, sleeper.event_fd);
      continue;
    }
    // The same at both ends: here it comes back only if it fails.
    const uint64_t data =
        RingRequest::Pack({.of = RingRequest::Of::kWakeUp,
                           .number = static_cast<uint32_t>(sleeper.event_fd)});
    io_uring_prep_msg_ring(request, sleeper.ring_fd, 0, data, 0);
    request->flags |= IOSQE_CQE_SKIP_SUCCESS;
    request->user_data = data;
  }
  to_wake_.clear();
}

void Ring::PutInAll() {
  // Users may ask for the next time.
  put_in_.swap(asked_);
  first_over_ = Over::kLater;
  stay_awake_ = false;
  for (const uint32_t seat : put_in_) {
    seats_[seat].set_asked(false);
    if (RingUser* const user = seats_[seat].user()) user->PutIn();
  }
}

void Ring::Tell(uint64_t user_data, int result, uint32_t flags) {
  const RingRequest request = RingRequest::Unpack(user_data);
  if (request.of == RingRequest::Of::kClose) {
    // It was not even tried.
    if (result == -EINTR || result == -ECANCELED) {
      kernel_.Close(static_cast<int>(request.number));
    }
    return;
  }
  if (request.of == RingRequest::Of::kAccept) {
    return accepts_->Note({user_data, result, flags});
  }
  RingCompletion told = {
      .result = result,
      .more = (flags & IORING_CQE_F_MORE) != 0,
      .left_some = (flags & IORING_CQE_F_SOCK_NONEMPTY) != 0};
  if ((flags & IORING_CQE_F_BUFFER) != 0) {
    told.buffer = static_cast<uint16_t>(flags >> IORING_CQE_BUFFER_SHIFT);
  }
  if (RingUser* const user = UserOf(request); user != nullptr) {
    ++told_count_;
    user->OnCompletion(request.kind, told);
  } else if (told.buffer.has_value()) {
    buffers_->PutBack(*told.buffer, static_cast<size_t>(std::max(result, 0)));
  }
}

void Ring::TellAccepted() {
  accepts_->TellAll(
      !uring_->HasCompletions(),
      [this](uint64_t user_data, const RingCompletion& told) {
        const RingRequest request = RingRequest::Unpack(user_data);
        if (RingUser* const user = UserOf(request); user != nullptr) {
          user->OnCompletion(request.kind, told);
        } else if (told.result >= 0) {
          kernel_.Close(told.result);
        }
      });
}

RingUser* Ring::UserOf(const RingRequest& request) const {
  const Seat& seat = seats_[request.number];
  return seat.generation() == request.generation ? seat.user() : nullptr;
}

void Ring::TellPutIn() {
  for (const uint32_t seat : put_in_) {
    if (RingUser* const user = seats_[seat].user()) user->OnPutIn();
  }
  put_in_.clear();
  messages_->TakeBack();
  if (buffers_ != nullptr) buffers_->OnCompletionsTold();
}

void Ring::Renew(std::unique_ptr<internal::IoUring> uring) {
  uring_ = std::move(uring);
  accepts_->Clear();
  if (buffers_ != nullptr) buffers_->OnRingRenewed();
  for (uint32_t seat = 0; seat < seat_count_; ++seat) {
    if (RingUser* const user = seats_[seat].user()) user->OnRingRenewed();
  }
}

}  // namespace percore
