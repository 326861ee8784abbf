// How many connections a whole runtime may have at once.
//
// Each connection costs memory and a descriptor. A server that takes them all
// ends by running out of one or the other, at a moment that it did not choose.
// A ConnectionLimit is the number it was built for: the listeners of all shards
// take a place of it for each connection they accept, and the place is free
// again when the connection is gone.
//
// ```cpp
// auto limit = std::make_shared<percore::ConnectionLimit>(10000);
// percore::ListenerOptions options = {.limit = limit};  // for each shard's
// int64_t bound = limit->maximum();
// ```
//
// How shards share a number without sharing a counter:
//
// - Places are handed out in slices. A listener takes up to 64 at once, and
//   keeps about as many that its connections gave back. The shared word is
//   touched once for a slice.
// - The fewer places there are for each listener, the smaller the slices: less
//   than a sixteenth of all lies idle, and of few places none.
// - A listener that finds nothing left asks the others for what lies idle with
//   them. They return it, and from then on whatever is given back, at once.
//   When there is plenty again they go back to slices.
// - One that waits is sent the next place that is given back, those who wait
//   longest first: a message to its loop, no polling.
//
// Places taken, idle ones included, are never more than the limit.
#ifndef PERCORE_NET_CONNECTION_LIMIT_H_
#define PERCORE_NET_CONNECTION_LIMIT_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <mutex>
#include <vector>

namespace percore {

namespace internal {
class ConnectionQuota;
}  // namespace internal

// Any thread. A mutex is locked where a listener comes or goes, and at the
// limit; never while there are places.
class ConnectionLimit {
 public:
  // The largest slice.
  static constexpr int64_t kMaxSlice = 64;

  // At least 1 connection.
  explicit ConnectionLimit(int64_t maximum);
  ConnectionLimit(const ConnectionLimit&) = delete;
  ConnectionLimit& operator=(const ConnectionLimit&) = delete;

  int64_t maximum() const { return maximum_; }
  // Places that connections have, or that lie idle with listeners.
  int64_t taken() const { return maximum_ - free_.load(); }

 private:
  friend class internal::ConnectionQuota;
  using Quota = internal::ConnectionQuota;

  // From 1 up to `most` places; 0 if there are none.
  int64_t Take(int64_t most);
  void Give(int64_t places);

  // What a listener takes at once.
  int64_t slice() const { return slice_.load(std::memory_order_relaxed); }
  // Enough for everybody to take slices.
  bool Ample() const;

  // With mutex_ held, in these:
  void Update();  // after members_ has changed
  // Asks all but `asking` for what is idle with them.
  void Reclaim(Quota* asking);
  // Gives free places to those who wait.
  void Match();
  // Once all have been asked, and nothing came: those who only wait to know.
  void TellThereIsNone();
  void AddWaiting(Quota* quota);
  void RemoveWaiting(Quota* quota);

  const int64_t maximum_;
  std::atomic<int64_t> free_;
  std::atomic<int64_t> slice_{1};
  std::atomic<int64_t> ample_{0};
  // The size of waiting_. Whoever gives reads it after adding to free_, whoever
  // waits writes it before reading free_: one of them sees the other.
  std::atomic<int64_t> waiting_count_{0};

  std::mutex mutex_;  // guards what follows, and the quotas' shared part
  std::vector<Quota*> members_;
  std::deque<Quota*> waiting_;
  int unanswered_ = 0;  // members that were asked and have not answered
};

}  // namespace percore

#endif  // PERCORE_NET_CONNECTION_LIMIT_H_
