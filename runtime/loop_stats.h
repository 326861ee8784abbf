// What a loop counts of its own work.
//
// ```cpp
// auto base = percore::EventBase::Create({});
// if (!base.ok()) return;
// std::shared_ptr<const percore::LoopStats> stats = (*base)->stats();
// uint64_t rounds = stats->iterations.Get();  // any thread, at any time
// ```
#ifndef PERCORE_RUNTIME_LOOP_STATS_H_
#define PERCORE_RUNTIME_LOOP_STATS_H_

#include "percore/runtime/stats.h"

namespace percore {

// Written by the loop's thread, read by any.
struct LoopStats {
  Counter iterations;
  // Callbacks run, by what they were run for. A callback that is called for
  // several reasons at once counts under the first of them in this order.
  Counter read_events;
  Counter write_events;
  Counter signal_events;
  Counter timeout_events;
  Counter deferred_events;
  Counter message_events;
  Counter other_events;  // activated by hand, or kClosed
  // Nanoseconds outside and inside the back end's wait.
  Counter busy_nanoseconds;
  Counter poll_nanoseconds;
  // System calls made by the loop itself.
  Counter wait_calls;
  Counter change_calls;
  // Waits that ended because another thread woke the loop.
  Counter wakeups;
  // Of a ring of io_uring: requests put in, completions of them, calls after
  // which the kernel had kept some for want of room, and receives that found no
  // buffer.
  Counter ring_submissions;
  Counter ring_completions;
  Counter ring_overflows;
  Counter ring_buffer_exhaustions;
  // And completions of connections' requests, in the last round.
  Gauge ready_descriptors;
  Gauge timers_pending;
  Gauge registered_descriptors;
};

}  // namespace percore

#endif  // PERCORE_RUNTIME_LOOP_STATS_H_
