// The way from one shard to another: a ring that one thread fills and one
// thread empties, without a lock or an atomic read-modify-write.
//
//    sender's thread                 |  receiver's thread
//                                    |
//    overflow -> [ring: gathered | published ] -> Deliver()
//                                    |
//
// Messages are gathered in the ring during the sender's round and published
// with a single store at its end. What does not fit stays with the sender, in
// order, and follows as the receiver makes room: a full ring neither drops nor
// blocks.
#ifndef PERCORE_RUNTIME_INTERNAL_MAILBOX_H_
#define PERCORE_RUNTIME_INTERNAL_MAILBOX_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>

#include "percore/runtime/message.h"

namespace percore::internal {

class Mailbox {
 public:
  // `capacity` is the ring's size in messages, a power of two. The ring's
  // memory is touched only as far as it is used.
  explicit Mailbox(size_t capacity);
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;
  // Neither thread uses it any more. Undelivered messages are destroyed.
  ~Mailbox();

  // Sender.
  // False if the message went to the overflow.
  bool Push(Message message);
  // Makes gathered messages visible; true if there were any.
  bool Publish();
  // Messages kept back because the ring is full. The receiver will say when
  // there is room (Deliver()).
  size_t overflow() const { return overflow_.size(); }
  // True if there is an overflow, and room was made since Publish() looked. The
  // look is sequentially consistent: a sender that is about to sleep asks.
  bool CanMoveOverflow() const {
    return !overflow_.empty() && !sender_waits_.load();
  }

  // Receiver.
  bool HasArrived() const;
  // Runs what was published when the call began. `*sender_waits` is set if the
  // sender kept messages back for want of room, and must be woken.
  size_t Deliver(bool* sender_waits);

 private:
  union Slot;

  Message* At(uint64_t position);
  // True if at least one message went into the ring.
  bool MoveOverflow();

  const size_t mask_;
  const std::unique_ptr<Slot[]> slots_;

  // Positions only grow; a slot is its position modulo the capacity.
  // Sender's own:
  alignas(64) uint64_t gathered_ = 0;
  uint64_t head_seen_ = 0;
  std::deque<Message> overflow_;

  // Written by the sender, read by the receiver.
  alignas(64) std::atomic<uint64_t> tail_{0};
  std::atomic<bool> sender_waits_{false};

  // Written by the receiver, read by the sender.
  alignas(64) std::atomic<uint64_t> head_{0};
};

}  // namespace percore::internal

#endif  // PERCORE_RUNTIME_INTERNAL_MAILBOX_H_
