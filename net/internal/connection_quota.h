// A listener's part in the limits of connections: its own, and the one that it
// shares with the listeners of other shards (net/connection_limit.h).
#ifndef PERCORE_NET_INTERNAL_CONNECTION_QUOTA_H_
#define PERCORE_NET_INTERNAL_CONNECTION_QUOTA_H_

#include <cstdint>
#include <memory>

#include "percore/net/connection_limit.h"
#include "percore/runtime/event_base.h"

namespace percore::internal {

// Thread: the base's. Lives until its listener has detached, the last place was
// returned, and no message to it is under way; then it deletes itself.
class ConnectionQuota {
 public:
  using Wake = void (*)(void* listener);

  // What to do about a place that is not there.
  enum class Want {
    kPlace,   // wait for one
    kAnswer,  // find out whether there is one on another shard
  };

  // `own_maximum` is 0 for none, `limit` null for none. `wake` is called, from
  // the loop, once after a Wait() that was answered with true.
  ConnectionQuota(EventBase& base, int64_t own_maximum,
                  std::shared_ptr<ConnectionLimit> limit, Wake wake,
                  void* listener);
  ConnectionQuota(const ConnectionQuota&) = delete;
  ConnectionQuota& operator=(const ConnectionQuota&) = delete;

  // Takes a place for one connection; false if there is none.
  bool TryTake();
  // Gives it back. May delete the quota, if its listener has detached.
  void Return();
  // After TryTake() has failed. True: the listener is woken when it may try
  // again. False, for kAnswer alone: there is no place.
  bool Wait(Want want);
  void StopWaiting();
  // Gives back what is idle and not worth keeping; at the end of a turn.
  void Settle();
  // The listener goes; places may stay. May delete the quota.
  void Detach();

 private:
  friend class percore::ConnectionLimit;

  // A message to the quota: it arrives, or is destroyed with its loop.
  class Delivery;

  ~ConnectionQuota() = default;

  bool TakeShared();
  void LeaveScarcity();
  // With the limit's mutex held: has Deliver() run on the base's loop.
  void Poke();
  void Deliver();
  void GiveAnswer();
  void DeleteIfUnused();

  EventBase& base_;
  const int64_t own_maximum_;
  const std::shared_ptr<ConnectionLimit> limit_;
  const Wake wake_;
  void* const listener_;

  int64_t used_ = 0;  // places of connections
  int64_t idle_ = 0;  // places of the limit that are in stock
  bool waits_for_own_ = false;
  // Keeps no stock: others have been in need.
  bool scarce_ = false;
  bool detached_ = false;

  // The shared part, guarded by the limit's mutex.
  int64_t granted_ = 0;   // places on their way here
  bool poked_ = false;    // a Delivery is under way
  bool woken_ = false;    // it is to wake the listener
  bool asked_ = false;    // to be scarce
  bool answers_ = false;  // and counts as unanswered until it is
  bool waiting_ = false;  // in the limit's list
  Want want_ = Want::kPlace;
};

}  // namespace percore::internal

#endif  // PERCORE_NET_INTERNAL_CONNECTION_QUOTA_H_
