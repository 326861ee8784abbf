// What a shard counts of its messages to and from other shards.
//
// ```cpp
// percore::MailboxStats stats;
// stats.sent.Add();                    // the shard
// uint64_t sent = stats.sent.Get();    // any thread
// ```
#ifndef PERCORE_RUNTIME_MAILBOX_STATS_H_
#define PERCORE_RUNTIME_MAILBOX_STATS_H_

#include "percore/runtime/stats.h"

namespace percore {

// Written by the shard's thread, read by any.
struct MailboxStats {
  Counter sent;
  Counter received;
  // Messages that wait with their sender now, because a ring is full. (What is
  // under way altogether is the sum of all shards' sent less that of received.)
  Gauge queue_depth;
  // Messages that found the ring full and waited with their sender.
  Counter queue_full;
  // Receivers woken, and those that needed no waking.
  Counter notifications;
  Counter notifications_elided;
};

}  // namespace percore

#endif  // PERCORE_RUNTIME_MAILBOX_STATS_H_
