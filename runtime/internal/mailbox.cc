#include "percore/runtime/internal/mailbox.h"

#include <new>
#include <utility>

namespace percore::internal {

// Room for a message that is there between Push() and Deliver(); a cache line
// of its own, so that the two threads do not write to the same one.
union alignas(64) Mailbox::Slot {
  // Not `= default`, which would be deleted, and leaves the memory untouched.
  Slot() {}
  ~Slot() {}
  Message message;
};

Mailbox::Mailbox(size_t capacity)
    : mask_(capacity - 1),
      slots_(std::make_unique_for_overwrite<Slot[]>(capacity)) {}

Mailbox::~Mailbox() {
  for (uint64_t position = head_.load(); position != gathered_; ++position) {
    At(position)->~Message();
  }
}

bool Mailbox::Push(Message message) {
  if (overflow_.empty() && gathered_ - head_seen_ > mask_) {
    head_seen_ = head_.load(std::memory_order_acquire);
  }
  if (!overflow_.empty() || gathered_ - head_seen_ > mask_) {
    overflow_.push_back(std::move(message));
    return false;
  }
  new (At(gathered_)) Message(std::move(message));
  ++gathered_;
  return true;
}

bool Mailbox::Publish() {
  // Announce the wait, then look for room: the receiver makes room, then looks
  // for the announcement, so one of the two sees the other.
  do {
    if (overflow_.empty()) break;
    sender_waits_.store(true);
  } while (MoveOverflow());
  if (gathered_ == tail_.load(std::memory_order_relaxed)) return false;
  tail_.store(gathered_);
  return true;
}

bool Mailbox::HasArrived() const {
  return tail_.load() != head_.load(std::memory_order_relaxed);
}

size_t Mailbox::Deliver(bool* sender_waits) {
  const uint64_t tail = tail_.load(std::memory_order_acquire);
  const uint64_t head = head_.load(std::memory_order_relaxed);
  if (head == tail) return 0;
  for (uint64_t position = head; position != tail; ++position) {
    Message* message = At(position);
    message->Run();
    message->~Message();
  }
  head_.store(tail);
  if (sender_waits_.load() && sender_waits_.exchange(false)) {
    *sender_waits = true;
  }
  return tail - head;
}

Message* Mailbox::At(uint64_t position) {
  return &slots_[position & mask_].message;
}

bool Mailbox::MoveOverflow() {
  head_seen_ = head_.load();
  const size_t before = overflow_.size();
  while (!overflow_.empty() && gathered_ - head_seen_ <= mask_) {
    new (At(gathered_)) Message(std::move(overflow_.front()));
    overflow_.pop_front();
    ++gathered_;
  }
  return overflow_.size() != before;
}

}  // namespace percore::internal
