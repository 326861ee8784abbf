// Counters that one thread writes and any thread may read.
//
// A shard counts what it does in plain integers, and a Prometheus scrape reads
// them from another thread. An atomic read-modify-write for every event would
// cost more than the event's own bookkeeping; a relaxed load, add and store by
// the only writer is an ordinary `add` on every machine we run on, and still
// free of data races.
//
// ```cpp
// percore::Counter events;       // owned, and written, by one thread
// events.Add(3);                 // that thread
// uint64_t seen = events.Get();  // any thread
// ```
#ifndef PERCORE_RUNTIME_STATS_H_
#define PERCORE_RUNTIME_STATS_H_

#include <atomic>
#include <cstdint>

namespace percore {

// Only ever grows while the process lives. Add() from the owning thread only;
// Get() from any thread.
class Counter {
 public:
  void Add(uint64_t amount = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + amount,
                 std::memory_order_relaxed);
  }
  uint64_t Get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

// Goes up and down. Set() and Add() from the owning thread only; Get() from any
// thread.
class Gauge {
 public:
  void Set(int64_t value) { value_.store(value, std::memory_order_relaxed); }
  void Add(int64_t amount) {
    Set(value_.load(std::memory_order_relaxed) + amount);
  }
  int64_t Get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> value_{0};
};

}  // namespace percore

#endif  // PERCORE_RUNTIME_STATS_H_
