// Where a loop's messages from other threads come from, and go to.
//
// A shard's mailboxes plug into its loop through this interface, at the points
// of a round that keep them cheap: outgoing messages are published once, before
// the loop waits, and arrived ones are taken in one go after it.
#ifndef PERCORE_RUNTIME_MESSAGE_SOURCE_H_
#define PERCORE_RUNTIME_MESSAGE_SOURCE_H_

#include <cstddef>

namespace percore {

// All calls come from the loop's thread, once a round.
class MessageSource {
 public:
  virtual ~MessageSource() = default;

  // Makes what was sent during the round visible to its receivers, and wakes
  // those that sleep.
  virtual void Publish() = 0;
  // True if something arrived. Called after the loop announced its sleep, so
  // the look must be sequentially consistent (see internal/notifier.h).
  virtual bool HasArrived() const = 0;
  // Runs what has arrived, a bounded amount; returns how many messages ran.
  virtual size_t Deliver() = 0;
};

}  // namespace percore

#endif  // PERCORE_RUNTIME_MESSAGE_SOURCE_H_
