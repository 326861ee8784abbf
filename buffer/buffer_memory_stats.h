// How much memory the buffers of one thread hold, readable from any thread.
//
// An operator who sees a process grow wants to know whether it is data that
// nobody has sent yet, memory kept for the next burst, or something else. Each
// thread counts its own buffers' memory in plain integers; a metrics collector
// takes the shared pointer once, on that thread, and reads it for as long as it
// likes, also after the thread has ended.
//
// ```cpp
// // On the thread to be watched:
// std::shared_ptr<const percore::BufferMemoryStats> stats =
//     percore::BufferMemoryStats::OfThisThread();
// // On any thread:
// int64_t held = stats->bytes_in_use.Get() + stats->bytes_offered.Get() +
//                stats->bytes_pooled.Get();
// ```
#ifndef PERCORE_BUFFER_BUFFER_MEMORY_STATS_H_
#define PERCORE_BUFFER_BUFFER_MEMORY_STATS_H_

#include <memory>

#include "percore/runtime/stats.h"

namespace percore {

// Written by the thread it belongs to; Get() of every member from any thread.
//
// A segment is counted in use by the thread that allocated it and out of use by
// the thread that freed it, which may be another. A gauge of one thread may
// therefore be negative; the sum over all threads is right, so long as the
// statistics of threads that have ended stay in the sum. What a thread does
// with buffers while its thread_local objects are being destroyed is not
// counted.
//
// One cache line, so that no other thread's writes disturb the owner's.
struct alignas(64) BufferMemoryStats {
  // Bytes of the segments that buffers hold, headers and unused room included.
  // External memory (Buffer::AppendReference) is its owner's, and not counted.
  Gauge bytes_in_use;
  // Bytes of segments that the kernel receives into (buffer/receive_buffers.h).
  Gauge bytes_offered;
  // Bytes of freed segments that the thread keeps for the next ones.
  Gauge bytes_pooled;
  // Bytes of ranges of files (FileSegment) that have been fetched whole, by a
  // read or a mapping, and stay as long as the range. A mapping's may be in the
  // page cache only.
  Gauge file_bytes;
  // Segments that buffers hold, of every kind.
  Gauge segments_in_use;
  // Bytes that were in a Buffer already and were copied to another place of one
  // (small moves, Pullup(), small reads, Unshare()). Copying in what the user
  // appends, and out what the user removes, is not counted.
  Counter copied_bytes;
  // Segments that had to come from the allocator because the pool had none of
  // their size. Stands still in a steady state.
  Counter pool_misses;

  // The calling thread's statistics. Allocates at the first call on a thread.
  static std::shared_ptr<const BufferMemoryStats> OfThisThread();
};

}  // namespace percore

#endif  // PERCORE_BUFFER_BUFFER_MEMORY_STATS_H_
