#include "percore/buffer/buffer.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace percore {

Buffer::Buffer(Buffer&& source) noexcept {
  source.EndReservation();
  if (source.empty() || source.Is(kFrozenFront)) return;
  LinkToTail(source.CutAll());
  source.Notify(0, size_);
}

Buffer& Buffer::operator=(Buffer&& source) noexcept {
  EndReservation();
  if (this == &source) return *this;
  source.EndReservation();
  if (Is(kFrozenFront) && !empty()) return *this;
  if (source.Is(kFrozenFront) && !source.empty()) return *this;
  if (source.size_ > (Is(kFrozenBack) ? 0 : size_limit_)) return *this;
  const Chain old = CutAll();
  const Chain taken = source.CutAll();
  LinkToTail(taken);
  NotifyMoved(source, *this, taken.size, old.size);
  Segment::ReleaseChain(old.first);
  return *this;
}

void Buffer::Destroy() {
  RemoveAllObservers();
  EndReservation();
  Segment::ReleaseChain(CutAll().first);
}

bool Buffer::AppendSlow(std::string_view data) {
  // Spare segments are here to be filled, unless somebody writes to them.
  if (Is(kReserved)) ReleaseSpare();
  if (data.size() > RoomAt(BufferEnd::kBack)) return false;
  if (data.empty()) return true;
  CopyToTail(data);
  Notify(data.size(), 0);
  return true;
}

bool Buffer::AppendExtents(std::span<const iovec> extents) {
  EndReservation();
  const size_t room = RoomAt(BufferEnd::kBack);
  size_t added = 0;
  for (const iovec& extent : extents) {
    if (extent.iov_len > room - added) return false;
    added += extent.iov_len;
  }
  if (added == 0) return true;
  for (const iovec& extent : extents) {
    CopyToTail({static_cast<const char*>(extent.iov_base), extent.iov_len});
  }
  Notify(added, 0);
  return true;
}

bool Buffer::AppendReference(const void* data, size_t size,
                             ReleaseFunction release, void* argument) {
  if (!MayAppend(size)) return false;
  if (size == 0) {
    if (release != nullptr) release(argument);
    return true;
  }
  Segment* const segment = Segment::NewExternal(static_cast<const char*>(data),
                                                size, release, argument);
  LinkToTail({.first = segment, .last = segment, .size = size});
  Notify(size, 0);
  return true;
}

bool Buffer::AppendFile(std::shared_ptr<const FileSegment> file) {
  const size_t size = file->size();
  return AppendFile(std::move(file), 0, size);
}

bool Buffer::AppendFile(std::shared_ptr<const FileSegment> file, size_t offset,
                        size_t size) {
  if (!MayAppend(size)) return false;
  if (offset > file->size() || size > file->size() - offset) return false;
  if (size == 0) return true;
  Segment* const segment = Segment::NewFile(std::move(file), offset, size);
  LinkToTail({.first = segment, .last = segment, .size = size});
  Notify(size, 0);
  return true;
}

bool Buffer::Append(Buffer&& source) {
  // Nothing to be copied, and nothing to be asked.
  if ((state_ | source.state_) == 0 && source.size_ != 0 &&
      (tail_ == nullptr || source.size_ > kMaxCopiedBytes) &&
      source.size_ <= SIZE_MAX - size_ && &source != this) [[likely]] {
    const size_t moved = source.size_;
    LinkToTail(source.CutAll());
    if (observers_.any() || source.observers_.any()) {
      NotifyMoved(source, *this, moved, 0);
    }
    return true;
  }
  EndReservation();
  source.EndReservation();
  if (&source == this || source.empty()) return true;
  if (source.size_ > RoomAt(BufferEnd::kBack)) return false;
  return MoveFrom(source, SIZE_MAX) != 0;
}

size_t Buffer::MoveFrom(Buffer& source, size_t n) {
  EndReservation();
  if (this == &source) return 0;
  source.EndReservation();
  if (source.Is(kFrozenFront)) return 0;
  n = std::min({n, source.size_, RoomAt(BufferEnd::kBack)});
  if (n == 0) return 0;
  Segment* emptied = nullptr;
  if (n <= kMaxCopiedBytes && tail_ != nullptr && n <= tail_->tailroom() &&
      !source.IsAbsentWithin(n)) {
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

bool Buffer::PrependSlow(std::string_view data) {
  EndReservation();
  if (data.size() > RoomAt(BufferEnd::kFront)) return false;
  if (data.empty()) return true;
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
  InvalidatePositions();
  Notify(added, 0);
  return true;
}

bool Buffer::Prepend(Buffer&& source) {
  EndReservation();
  source.EndReservation();
  if (&source == this || source.empty()) return true;
  if (source.size_ > RoomAt(BufferEnd::kFront)) return false;
  return PrependFrom(source, SIZE_MAX) != 0;
}

size_t Buffer::PrependFrom(Buffer& source, size_t n) {
  EndReservation();
  if (this == &source) return 0;
  source.EndReservation();
  if (source.Is(kFrozenFront)) return 0;
  n = std::min({n, source.size_, RoomAt(BufferEnd::kFront)});
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

bool Buffer::AppendShared(Buffer& source) {
  source.EndReservation();
  const size_t added = source.size_;
  if (!MayAppend(added)) return false;
  if (added == 0) return true;
  // Counted: if it is this Buffer, it grows meanwhile.
  size_t left = added;
  for (Segment* segment = source.head_; left != 0; segment = segment->next()) {
    const size_t size = std::min(left, segment->size());
    left -= size;
    if (size <= kMaxCopiedBytes && !segment->absent()) {
      CopyToTail(segment->view().substr(0, size));
      SegmentPool::ThisThread().CountCopiedBytes(size);
    } else {
      Segment* const window = segment->Share(size);
      LinkToTail({.first = window, .last = window, .size = size});
    }
  }
  Notify(added, 0);
  return true;
}

size_t Buffer::DrainSlow(size_t n) {
  // The room of Expand() stays behind what is left.
  if (Is(kReserved) || n >= size_) EndReservation();
  if (Is(kFrozenFront)) return 0;
  n = std::min(n, size_);
  if (n == 0) return 0;
  Segment* const emptied = CutFront(n);
  Notify(0, n);
  Segment::ReleaseChain(emptied);
  return n;
}

size_t Buffer::Remove(std::span<char> destination) {
  if (Is(kFrozenFront)) {
    EndReservation();
    return 0;
  }
  const size_t copied = CopyOut(destination);
  Drain(copied);
  return copied;
}

std::string_view Buffer::PullupSlow(size_t n) {
  EndReservation();
  n = std::min(n, size_);
  if (n == 0) return {};
  if (head_->size() >= n) return head_->view().substr(0, n);
  InvalidatePositions();

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
    Segment* const of_file =
        segment->IsShared() ? segment->NewUnsharedFile() : nullptr;
    if (of_file != nullptr) {
      LinkToTail({.first = of_file, .last = of_file, .size = of_file->size()});
      Segment::Release(segment);
    } else if (segment->IsShared()) {
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

bool Buffer::IsAbsentWithin(size_t n) const {
  for (const Segment* segment = head_; n != 0; segment = segment->next()) {
    if (segment->absent()) return true;
    n -= std::min(n, segment->size());
  }
  return false;
}

void Buffer::MovePartOfSegment(Buffer& source, size_t n) {
  Segment* const cut = source.head_;
  if (n <= kMaxCopiedBytes && !cut->absent()) {
    CopyToTail(cut->view().substr(0, n));
    cut->Drain(n);
    SegmentPool::ThisThread().CountCopiedBytes(n);
  } else {
    Segment* const front = cut->SplitFront(n);
    LinkToTail({.first = front, .last = front, .size = n});
  }
  source.size_ -= n;
  source.InvalidatePositions();
}

void Buffer::CopyToTail(std::string_view data) {
  while (!data.empty()) {
    if (tail_ == nullptr || tail_->tailroom() == 0) {
      if (Is(kSpare)) {
        tail_ = tail_ == nullptr ? head_ : tail_->next();
        if (tail_->next() == nullptr) {
          state_ = static_cast<uint8_t>(state_ & ~kSpare);
        }
        continue;
      }
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
  InvalidatePositions();
  return {.first = std::exchange(head_, nullptr),
          .last = std::exchange(tail_, nullptr),
          .size = std::exchange(size_, 0)};
}

Buffer::Chain Buffer::CutSegments(size_t n) {
  if (n == size_) return CutAll();
  InvalidatePositions();
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
