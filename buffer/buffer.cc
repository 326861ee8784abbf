#include "percore/buffer/buffer.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace percore {

// An observer that is still to be called, and that another observer may make
// impossible to call: by destroying its buffer, or by taking the observer away.
// The notifications pending on a thread are on its stack, and linked.
class Buffer::PendingNotification {
 public:
  explicit PendingNotification(Buffer& buffer)
      : buffer_(&buffer), outer_(innermost_) {
    innermost_ = this;
  }
  PendingNotification(const PendingNotification&) = delete;
  PendingNotification& operator=(const PendingNotification&) = delete;
  ~PendingNotification() { innermost_ = outer_; }

  static void Forget(const Buffer& buffer) {
    for (PendingNotification* pending = innermost_; pending != nullptr;
         pending = pending->outer_) {
      if (pending->buffer_ == &buffer) pending->buffer_ = nullptr;
    }
  }

  void Deliver(size_t added, size_t drained) {
    if (buffer_ != nullptr) buffer_->Notify(added, drained);
  }

 private:
  static constinit thread_local PendingNotification* innermost_;

  Buffer* buffer_;  // null once forgotten
  PendingNotification* const outer_;
};

constinit thread_local Buffer::PendingNotification*
    Buffer::PendingNotification::innermost_ = nullptr;

Buffer::Buffer(Buffer&& source) noexcept {
  source.EndReservation();
  if (source.empty()) return;
  LinkToTail(source.CutAll());
  source.Notify(0, size_);
}

Buffer& Buffer::operator=(Buffer&& source) noexcept {
  if (this == &source) return *this;
  EndReservation();
  source.EndReservation();
  const Chain old = CutAll();
  const Chain taken = source.CutAll();
  LinkToTail(taken);
  NotifyMoved(source, *this, taken.size, old.size);
  Segment::ReleaseChain(old.first);
  return *this;
}

void Buffer::Destroy() {
  if (observer_ != nullptr) PendingNotification::Forget(*this);
  EndReservation();
  Segment::ReleaseChain(CutAll().first);
}

void Buffer::SetObserver(Observer observer, void* argument) {
  PendingNotification::Forget(*this);
  observer_ = observer;
  observer_argument_ = argument;
}

void Buffer::AppendSlow(std::string_view data) {
  EndReservation();
  if (data.empty()) return;
  CopyToTail(data);
  Notify(data.size(), 0);
}

void Buffer::AppendReference(const void* data, size_t size,
                             ReleaseFunction release, void* argument) {
  EndReservation();
  if (size == 0) {
    if (release != nullptr) release(argument);
    return;
  }
  Segment* const segment = Segment::NewExternal(static_cast<const char*>(data),
                                                size, release, argument);
  LinkToTail({.first = segment, .last = segment, .size = size});
  Notify(size, 0);
}

size_t Buffer::MoveFrom(Buffer& source, size_t n) {
  if (this == &source) return 0;
  EndReservation();
  source.EndReservation();
  n = std::min(n, source.size_);
  if (n == 0) return 0;
  Segment* emptied = nullptr;
  if (n <= kMaxCopiedBytes && tail_ != nullptr && n <= tail_->tailroom()) {
    source.CopyOut({tail_->tail(), n});
    tail_->Extend(n);
    size_ += n;
    emptied = source.CutFront(n);
    SegmentPool::ThisThread().CountCopiedBytes(n);
  } else {
    const Chain whole = source.CutSegments(n);
    if (whole.size != 0) LinkToTail(whole);
    const size_t rest = n - whole.size;
    if (rest != 0) MovePartOfSegment(source, rest);
  }
  NotifyMoved(source, *this, n, 0);
  Segment::ReleaseChain(emptied);
  return n;
}

void Buffer::Prepend(std::string_view data) {
  EndReservation();
  if (data.empty()) return;
  const size_t added = data.size();
  while (!data.empty()) {
    if (head_ == nullptr || head_->headroom() == 0) {
      Segment* const segment =
          Segment::New(std::min(data.size(), Segment::kMaxPooledCapacity));
      segment->TurnTailroomIntoHeadroom();
      segment->set_next(head_);
      head_ = segment;
      if (tail_ == nullptr) tail_ = segment;
    }
    const size_t part = std::min(data.size(), head_->headroom());
    const std::string_view back = data.substr(data.size() - part);
    head_->Prepend(back.data(), part);
    data.remove_suffix(part);
  }
  size_ += added;
  Notify(added, 0);
}

size_t Buffer::PrependFrom(Buffer& source, size_t n) {
  if (this == &source) return 0;
  EndReservation();
  source.EndReservation();
  n = std::min(n, source.size_);
  if (n == 0) return 0;
  // Gathered at the end of another one, whose segments then go in front.
  Buffer front;
  const Chain whole = source.CutSegments(n);
  if (whole.size != 0) front.LinkToTail(whole);
  const size_t rest = n - whole.size;
  if (rest != 0) front.MovePartOfSegment(source, rest);
  const Chain old = CutAll();
  LinkToTail(front.CutAll());
  if (old.first != nullptr) LinkToTail(old);
  NotifyMoved(source, *this, n, 0);
  return n;
}

void Buffer::AppendShared(Buffer& source) {
  EndReservation();
  source.EndReservation();
  const size_t added = source.size_;
  if (added == 0) return;
  // Counted: if it is this Buffer, it grows meanwhile.
  size_t left = added;
  for (Segment* segment = source.head_; left != 0; segment = segment->next()) {
    const size_t size = std::min(left, segment->size());
    left -= size;
    if (size <= kMaxCopiedBytes) {
      CopyToTail(segment->view().substr(0, size));
      SegmentPool::ThisThread().CountCopiedBytes(size);
    } else {
      Segment* const window = segment->Share(size);
      LinkToTail({.first = window, .last = window, .size = size});
    }
  }
  Notify(added, 0);
}

void Buffer::DrainSlow(size_t n) {
  EndReservation();
  n = std::min(n, size_);
  if (n == 0) return;
  Segment* const emptied = CutFront(n);
  Notify(0, n);
  Segment::ReleaseChain(emptied);
}

size_t Buffer::CopyOut(std::span<char> destination, size_t offset) const {
  if (offset >= size_) return 0;
  const size_t copied = std::min(destination.size(), size_ - offset);
  char* to = destination.data();
  size_t missing = copied;
  for (const Segment* segment = head_; missing != 0;
       segment = segment->next()) {
    std::string_view extent = segment->view();
    if (offset >= extent.size()) {
      offset -= extent.size();
      continue;
    }
    extent.remove_prefix(offset);
    offset = 0;
    const size_t part = std::min(missing, extent.size());
    std::memcpy(to, extent.data(), part);
    to += part;
    missing -= part;
  }
  return copied;
}

size_t Buffer::Remove(std::span<char> destination) {
  const size_t copied = CopyOut(destination);
  Drain(copied);
  return copied;
}

std::string_view Buffer::PullupSlow(size_t n) {
  EndReservation();
  n = std::min(n, size_);
  if (n == 0) return {};
  if (head_->size() >= n) return head_->view().substr(0, n);

  // The first segment's own room may do; else a new first segment does.
  const bool fits = n - head_->size() <= head_->tailroom();
  Segment* const gathered = fits ? head_ : Segment::New(n);
  Segment* const emptied = fits ? head_->next() : head_;
  Segment* last_emptied = nullptr;
  Segment* source = emptied;
  size_t missing = n - gathered->size();
  SegmentPool::ThisThread().CountCopiedBytes(missing);
  while (missing != 0) {
    const size_t part = std::min(missing, source->size());
    gathered->Append(source->data(), part);
    source->Drain(part);
    missing -= part;
    if (source->empty()) {
      last_emptied = source;
      source = source->next();
    }
  }
  gathered->set_next(source);
  head_ = gathered;
  if (source == nullptr) tail_ = gathered;
  const std::string_view view = gathered->view();
  if (last_emptied != nullptr) {
    last_emptied->set_next(nullptr);
    Segment::ReleaseChain(emptied);
  }
  return view;
}

size_t Buffer::Peek(std::span<iovec> extents, size_t offset) const {
  size_t count = 0;
  for (std::string_view extent : *this) {
    if (offset >= extent.size()) {
      offset -= extent.size();
      continue;
    }
    if (count == extents.size()) break;
    extent.remove_prefix(offset);
    offset = 0;
    extents[count++] = {.iov_base = const_cast<char*>(extent.data()),
                        .iov_len = extent.size()};
  }
  return count;
}

size_t Buffer::Reserve(size_t min_bytes, std::span<iovec> extents) {
  EndReservation();
  if (extents.empty() || min_bytes > kMaxReservedBytes) return 0;
  min_bytes = std::max<size_t>(min_bytes, 1);
  size_t count = 0;
  size_t reserved = 0;
  const auto hand_out = [&](Segment& segment) {
    extents[count++] = {.iov_base = segment.tail(),
                        .iov_len = segment.tailroom()};
    reserved += segment.tailroom();
  };
  if (tail_ != nullptr && tail_->tailroom() != 0) {
    if (extents.size() > 1 || tail_->tailroom() >= min_bytes) {
      hand_out(*tail_);
    } else {
      // The bytes are to be in one piece, behind this room.
      tail_->ForfeitTailroom();
    }
  }
  Segment* last = tail_;
  while (reserved < min_bytes) {
    const size_t missing = min_bytes - reserved;
    const bool is_last_extent = count + 1 == extents.size();
    Segment* const segment = Segment::New(
        is_last_extent ? missing
                       : std::min(missing, Segment::kMaxPooledCapacity));
    if (last == nullptr) {
      head_ = segment;
    } else {
      last->set_next(segment);
    }
    last = segment;
    hand_out(*segment);
  }
  reserved_ = reserved;
  return count;
}

absl::Status Buffer::Commit(size_t n) {
  if (reserved_ == 0) {
    return absl::FailedPreconditionError("Commit() without a reservation");
  }
  if (n > reserved_) {
    return absl::InvalidArgumentError("Commit() of more than was reserved");
  }
  Segment* segment = tail_ == nullptr ? head_ : tail_;
  size_t missing = n;
  while (missing != 0) {
    const size_t part = std::min(missing, segment->tailroom());
    segment->Extend(part);
    missing -= part;
    if (part != 0) tail_ = segment;
    segment = segment->next();
  }
  size_ += n;
  EndReservation();
  if (n != 0) Notify(n, 0);
  return absl::OkStatus();
}

std::string Buffer::ToString() const {
  std::string text;
  text.reserve(size_);
  for (std::string_view extent : *this) text += extent;
  return text;
}

void Buffer::Unshare() {
  EndReservation();
  Segment* segment = CutAll().first;
  while (segment != nullptr) {
    Segment* const next = segment->next();
    if (segment->IsShared()) {
      SegmentPool::ThisThread().CountCopiedBytes(segment->size());
      CopyToTail(segment->view());
      Segment::Release(segment);
    } else {
      segment->set_next(nullptr);
      LinkToTail({.first = segment, .last = segment, .size = segment->size()});
    }
    segment = next;
  }
}

void Buffer::NotifyMoved(Buffer& source, Buffer& destination, size_t added,
                         size_t drained) {
  const bool tell_source = source.observer_ != nullptr && added != 0;
  const bool tell_destination =
      destination.observer_ != nullptr && (added != 0 || drained != 0);
  if (tell_source && tell_destination) {
    PendingNotification pending(destination);
    source.Notify(0, added);
    pending.Deliver(added, drained);
  } else if (tell_source) {
    source.Notify(0, added);
  } else if (tell_destination) {
    destination.Notify(added, drained);
  }
}

void Buffer::ReleaseReserved() {
  reserved_ = 0;
  Segment* reserved = nullptr;
  if (tail_ == nullptr) {
    reserved = std::exchange(head_, nullptr);
  } else {
    reserved = tail_->next();
    tail_->set_next(nullptr);
  }
  Segment::ReleaseChain(reserved);
}

void Buffer::MovePartOfSegment(Buffer& source, size_t n) {
  Segment* const cut = source.head_;
  if (n <= kMaxCopiedBytes) {
    CopyToTail(cut->view().substr(0, n));
    cut->Drain(n);
    SegmentPool::ThisThread().CountCopiedBytes(n);
  } else {
    Segment* const front = cut->SplitFront(n);
    LinkToTail({.first = front, .last = front, .size = n});
  }
  source.size_ -= n;
}

void Buffer::CopyToTail(std::string_view data) {
  while (!data.empty()) {
    if (tail_ == nullptr || tail_->tailroom() == 0) {
      // As large as what is here already: the more there is, the fewer
      // segments it is in.
      const size_t capacity = std::max(data.size(), size_);
      Segment* const segment =
          Segment::New(std::min(capacity, Segment::kMaxPooledCapacity));
      LinkToTail({.first = segment, .last = segment, .size = 0});
    }
    const size_t part = std::min(data.size(), tail_->tailroom());
    tail_->Append(data.data(), part);
    size_ += part;
    data.remove_prefix(part);
  }
}

void Buffer::LinkToTail(Chain chain) {
  if (tail_ == nullptr) {
    head_ = chain.first;
  } else {
    tail_->set_next(chain.first);
  }
  tail_ = chain.last;
  size_ += chain.size;
}

Buffer::Chain Buffer::CutAll() {
  return {.first = std::exchange(head_, nullptr),
          .last = std::exchange(tail_, nullptr),
          .size = std::exchange(size_, 0)};
}

Buffer::Chain Buffer::CutSegments(size_t n) {
  if (n == size_) return CutAll();
  Chain chain = {.first = head_, .last = nullptr, .size = 0};
  while (n - chain.size >= head_->size()) {
    chain.size += head_->size();
    chain.last = head_;
    head_ = head_->next();
  }
  size_ -= chain.size;
  if (chain.last == nullptr) return {};
  chain.last->set_next(nullptr);
  return chain;
}

Segment* Buffer::CutFront(size_t n) {
  const Chain chain = CutSegments(n);
  const size_t rest = n - chain.size;
  if (rest != 0) {
    head_->Drain(rest);
    size_ -= rest;
  }
  return chain.first;
}

}  // namespace percore
