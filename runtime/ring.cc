#include "percore/runtime/ring.h"

#include <liburing.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "percore/runtime/internal/io_uring.h"
#include "percore/runtime/internal/io_uring_backend.h"
#include "percore/runtime/internal/ring_request.h"

namespace percore {

using internal::RingRequest;

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
      messages_(std::make_unique<Messages>()) {}

// The kernel's requests end before the buffers that they would write to.
Ring::~Ring() { uring_ = nullptr; }

uint32_t Ring::Join(RingUser& user) {
  uint32_t seat = first_free_;
  if (seat == kNone) {
    seat = static_cast<uint32_t>(seats_.size());
    seats_.emplace_back();
  } else {
    first_free_ = seats_[seat].next_free;
  }
  seats_[seat].user = &user;
  return seat;
}

void Ring::Leave(uint32_t seat) {
  seats_[seat].user = nullptr;
  ++seats_[seat].generation;
  seats_[seat].next_free = std::exchange(first_free_, seat);
}

void Ring::AskToPutIn(uint32_t seat, Over over) {
  if (over == Over::kAtOnce) over_at_once_ = true;
  if (seats_[seat].asked) return;
  seats_[seat].asked = true;
  asked_.push_back(seat);
}

io_uring_sqe* Ring::NextRequest(uint32_t seat, unsigned kind) {
  io_uring_sqe* const request = uring_->NextRequest();
  if (request != nullptr) request->user_data = UserData(seat, kind);
  return request;
}

uint64_t Ring::UserData(uint32_t seat, unsigned kind) const {
  return RingRequest::Pack({.of = RingRequest::Of::kUser,
                            .kind = kind,
                            .number = seat,
                            .generation = seats_[seat].generation});
}

void Ring::Cancel(uint32_t seat, unsigned kind) {
  io_uring_sqe* const request = uring_->NextRequest();
  if (request == nullptr) return;
  io_uring_prep_cancel64(request, UserData(seat, kind), 0);
  request->flags |= IOSQE_CQE_SKIP_SUCCESS;
  request->user_data = RingRequest::kNobody;
}

void Ring::Close(int fd) {
  io_uring_sqe* const request =
      uring_->IsOwnThread() ? uring_->NextRequest() : nullptr;
  if (request == nullptr) {
    kernel_.Close(fd);
    return;
  }
  io_uring_prep_close(request, fd);
  request->flags |= IOSQE_CQE_SKIP_SUCCESS;
  request->user_data = RingRequest::Pack(
      {.of = RingRequest::Of::kClose, .number = static_cast<uint32_t>(fd)});
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

bool Ring::can_receive() const { return uring_->can_receive(); }

void Ring::set_running(bool running) {
  // What the last round asked for does not wait for the next Run().
  if (!running) Flush();
  running_ = running;
}

bool Ring::HasRequests() const {
  return !asked_.empty() || uring_->HasRequests();
}

void Ring::PutInAll() {
  // Users may ask for the next time.
  put_in_.swap(asked_);
  over_at_once_ = false;
  for (const uint32_t seat : put_in_) {
    seats_[seat].asked = false;
    if (seats_[seat].user != nullptr) seats_[seat].user->PutIn();
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
  RingCompletion told = {
      .result = result,
      .more = (flags & IORING_CQE_F_MORE) != 0,
      .left_some = (flags & IORING_CQE_F_SOCK_NONEMPTY) != 0};
  if ((flags & IORING_CQE_F_BUFFER) != 0) {
    told.buffer = static_cast<uint16_t>(flags >> IORING_CQE_BUFFER_SHIFT);
  }
  const Seat& seat = seats_[request.number];
  if (seat.user != nullptr && seat.generation == request.generation) {
    seat.user->OnCompletion(request.kind, told);
  } else if (told.buffer.has_value()) {
    buffers_->PutBack(*told.buffer, static_cast<size_t>(std::max(result, 0)));
  }
}

void Ring::TellPutIn() {
  for (const uint32_t seat : put_in_) {
    if (seats_[seat].user != nullptr) seats_[seat].user->OnPutIn();
  }
  put_in_.clear();
  messages_->TakeBack();
  if (buffers_ != nullptr) buffers_->OnCompletionsTold();
}

void Ring::Renew(std::unique_ptr<internal::IoUring> uring) {
  uring_ = std::move(uring);
  if (buffers_ != nullptr) buffers_->OnRingRenewed();
  for (const Seat& seat : seats_) {
    if (seat.user != nullptr) seat.user->OnRingRenewed();
  }
}

}  // namespace percore
