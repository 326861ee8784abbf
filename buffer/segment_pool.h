// Where the memory of segments comes from, and where it goes when they are
// freed.
//
// A busy connection fills and frees a segment for almost every message. An
// allocator would find that memory quickly too, but it takes its turn among all
// the program's allocations, and it knows nothing of the few sizes that buffers
// need. The pool keeps a free list per size, per thread: taking a segment and
// giving it back are a handful of instructions each, with no lock, and in the
// steady state the allocator is not called at all.
//
// ```cpp
// percore::SegmentPool& pool = percore::SegmentPool::ThisThread();
// const size_t size_class = percore::SegmentPool::SizeClassFor(1000);  // 1 KiB
// void* memory = pool.Allocate(size_class);
// pool.Free(memory, size_class);  // on any thread: to that thread's pool
// ```
#ifndef PERCORE_BUFFER_SEGMENT_POOL_H_
#define PERCORE_BUFFER_SEGMENT_POOL_H_

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

#include "percore/buffer/buffer_memory_stats.h"

#if defined(__SANITIZE_ADDRESS__)
#define PERCORE_POISON_FREE_SEGMENTS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define PERCORE_POISON_FREE_SEGMENTS 1
#endif
#endif

#ifdef PERCORE_POISON_FREE_SEGMENTS
#include <sanitizer/asan_interface.h>
#endif

namespace percore {

// The calling thread's own pool; there is no other way to get one.
//
// Memory may be freed on another thread than the one that allocated it: it then
// belongs to the freeing thread's pool. A pool is emptied when its thread ends;
// buffers that are destroyed even later (by other thread_local objects, or by
// static ones) give their memory to the allocator.
//
// Out of memory: `operator new` decides, as everywhere in the program.
//
// Built with AddressSanitizer, the memory of free segments is poisoned, so that
// recycling does not hide a use after free.
class SegmentPool {
 public:
  // Class 0 is for segments without memory of their own: references and shares.
  // Classes 1 to 8 are 512 bytes to 64 KiB, each twice the one before.
  static constexpr size_t kBareSizeClass = 0;
  static constexpr size_t kBareBytes = 64;
  static constexpr size_t kMinBytes = 512;
  static constexpr size_t kMaxBytes = 64 * 1024;
  static constexpr size_t kSizeClassCount = 9;

  // What a pool keeps of each class, at most; the excess goes back to the
  // allocator. The limit is per class, so that a burst of one size cannot keep
  // out another. 16 of the largest segments: a few connections at full speed,
  // or the depth of one loop round. All classes together: 9 MiB a thread, and
  // what CountOffered() adds.
  static constexpr size_t kMaxPooledBytesPerClass = 1024 * 1024;

  // Memory starts at a cache line, and the header of a segment fills it.
  static constexpr std::align_val_t kAlignment{64};

  constexpr SegmentPool() {
    for (size_t i = 0; i < kSizeClassCount; ++i) {
      lists_[i].bytes = static_cast<uint32_t>(BytesOf(i));
    }
  }
  SegmentPool(const SegmentPool&) = delete;
  SegmentPool& operator=(const SegmentPool&) = delete;

  // Without UBSan's check for null, in whose place GCC 12 tests a flag of an
  // instruction that the linker replaces by one which does not set it (addq by
  // leaq, when it relaxes the access to a thread_local).
  __attribute__((no_sanitize("undefined"))) static SegmentPool& ThisThread() {
    return this_thread_;
  }

  // The smallest class with `bytes` bytes; `bytes` is at most kMaxBytes. Never
  // the class of segments without memory.
  static constexpr size_t SizeClassFor(size_t bytes) {
    return bytes <= kMinBytes
               ? 1
               : static_cast<size_t>(std::bit_width(bytes - 1)) - 8;
  }
  static constexpr size_t BytesOf(size_t size_class) {
    return size_class == kBareSizeClass ? kBareBytes
                                        : size_t{256} << size_class;
  }

  // Uninitialised memory of BytesOf(size_class) bytes, never null. O(1).
  void* Allocate(size_t size_class) {
    FreeList& list = lists_[size_class];
    FreeBlock* const block = list.first;
    if (block == nullptr) [[unlikely]] {
      return AllocateFromSystem(size_class);
    }
    Unpoison(block, list.bytes);
    list.first = block->next;
    ++list.vacancies;
    stats_->bytes_pooled.Add(-int64_t{list.bytes});
    stats_->bytes_in_use.Add(list.bytes);
    stats_->segments_in_use.Add(1);
    return block;
  }

  // The block that Allocate(size_class) gives next, to be used until then, or
  // until EndScratch(), without being taken: but for its first pointer, its
  // memory may be written to. Null if the pool has none.
  void* BeginScratch(size_t size_class) {
    const FreeList& list = lists_[size_class];
    if (list.first != nullptr) Unpoison(list.first, list.bytes);
    return list.first;
  }
  void EndScratch([[maybe_unused]] size_t size_class) {
    Poison(lists_[size_class].first, lists_[size_class].bytes);
  }

  // Takes what Allocate() of any thread gave. O(1).
  void Free(void* memory, size_t size_class) {
    FreeList& list = lists_[size_class];
    if (list.vacancies == 0) [[unlikely]] {
      FreeSlow(memory, size_class);
      return;
    }
    --list.vacancies;
    list.first = new (memory) FreeBlock{list.first};
    stats_->bytes_pooled.Add(list.bytes);
    stats_->bytes_in_use.Add(-int64_t{list.bytes});
    stats_->segments_in_use.Add(-1);
    Poison(memory, list.bytes);
  }

  // Memory of any size, counted but never kept: for the rare segment that has
  // to be contiguous beyond kMaxBytes.
  void* AllocateUnpooled(size_t bytes);
  void FreeUnpooled(void* memory, size_t bytes);

  // Adds to the thread's statistics (see BufferMemoryStats::copied_bytes).
  void CountCopiedBytes(size_t bytes) {
    if (stats_ != nullptr) [[likely]] {
      stats_->copied_bytes.Add(bytes);
    }
  }

  // So many segments of that class, counted as in use, are offered to the
  // kernel from now on; or not any more, if they are less than none. The pool
  // keeps as many more: a round of the loop gives back all that were filled
  // before it takes others in their place. Beyond the pool's bound they went
  // through the allocator, for 1 to 2% of an echo server's CPU time.
  void CountOffered(int64_t segments, size_t size_class);

  // Same, for BufferMemoryStats::file_bytes.
  void CountFileBytes(int64_t bytes);

  // The same object for as long as the thread lives.
  std::shared_ptr<const BufferMemoryStats> stats();

 private:
  class ThreadEnd;

  struct FreeBlock {
    FreeBlock* next;
  };

  struct FreeList {
    FreeBlock* first = nullptr;
    // How many more blocks the list may take. None before the pool has seen its
    // first slow call and after its thread has ended, so that neither state
    // costs the fast calls a branch.
    uint32_t vacancies = 0;
    uint32_t bytes = 0;  // of one block
  };

  void* AllocateFromSystem(size_t size_class);
  void FreeSlow(void* memory, size_t size_class);
  void CountInUse(int64_t bytes, int64_t segments);
  // Gives the first free block to the allocator.
  void DropFirst(FreeList& list);
  // The thread's first use of its pool.
  void Open();
  // The end of the thread.
  void Close();

  static void Poison([[maybe_unused]] void* memory,
                     [[maybe_unused]] size_t bytes) {
#ifdef PERCORE_POISON_FREE_SEGMENTS
    // The link stays readable: LeakSanitizer does not follow poisoned pointers,
    // and would report the free lists of threads that still run at exit.
    __asan_poison_memory_region(static_cast<char*>(memory) + sizeof(FreeBlock),
                                bytes - sizeof(FreeBlock));
#endif
  }
  static void Unpoison([[maybe_unused]] void* memory,
                       [[maybe_unused]] size_t bytes) {
#ifdef PERCORE_POISON_FREE_SEGMENTS
    __asan_unpoison_memory_region(memory, bytes);
#endif
  }

  // Constant-initialised and trivially destructible: the compiler reaches it
  // without asking whether it has been constructed, and it outlives every other
  // object of its thread. ThreadEnd does what a destructor would.
  static constinit thread_local SegmentPool this_thread_;

  std::array<FreeList, kSizeClassCount> lists_;
  std::array<uint32_t, kSizeClassCount> offered_ = {};
  BufferMemoryStats* stats_ = nullptr;  // null unless open
  ThreadEnd* thread_end_ = nullptr;     // owns *stats_
  bool closed_ = false;
};

}  // namespace percore

#endif  // PERCORE_BUFFER_SEGMENT_POOL_H_
