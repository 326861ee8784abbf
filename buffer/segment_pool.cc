#include "percore/buffer/segment_pool.h"

#include <algorithm>

namespace percore {

constinit thread_local SegmentPool SegmentPool::this_thread_;

// Closes the pool when the thread's objects are destroyed, and owns what the
// trivially destructible pool must not.
class SegmentPool::ThreadEnd {
 public:
  explicit ThreadEnd(SegmentPool& pool) : pool_(pool) {}
  ThreadEnd(const ThreadEnd&) = delete;
  ThreadEnd& operator=(const ThreadEnd&) = delete;
  ~ThreadEnd() { pool_.Close(); }

  const std::shared_ptr<BufferMemoryStats>& stats() const { return stats_; }

 private:
  SegmentPool& pool_;
  const std::shared_ptr<BufferMemoryStats> stats_ =
      std::make_shared<BufferMemoryStats>();
};

std::shared_ptr<const BufferMemoryStats> BufferMemoryStats::OfThisThread() {
  return SegmentPool::ThisThread().stats();
}

std::shared_ptr<const BufferMemoryStats> SegmentPool::stats() {
  Open();
  if (closed_) return std::make_shared<const BufferMemoryStats>();
  return thread_end_->stats();
}

void* SegmentPool::AllocateUnpooled(size_t bytes) {
  Open();
  void* const memory = ::operator new(bytes, kAlignment);
  CountInUse(static_cast<int64_t>(bytes), 1);
  if (stats_ != nullptr) stats_->pool_misses.Add();
  return memory;
}

void SegmentPool::FreeUnpooled(void* memory, size_t bytes) {
  Open();
  ::operator delete(memory, kAlignment);
  CountInUse(-static_cast<int64_t>(bytes), -1);
}

void SegmentPool::CountOffered(int64_t segments, size_t size_class) {
  if (stats_ == nullptr) return;
  const int64_t bytes = segments * static_cast<int64_t>(BytesOf(size_class));
  CountInUse(-bytes, -segments);
  stats_->bytes_offered.Add(bytes);
  // Those of a ring that has moved here were counted by another thread.
  const int64_t before = offered_[size_class];
  const int64_t after = std::max(before + segments, int64_t{0});
  offered_[size_class] = static_cast<uint32_t>(after);
  FreeList& list = lists_[size_class];
  int64_t vacancies = list.vacancies + after - before;
  for (; vacancies < 0; ++vacancies) {
    stats_->bytes_pooled.Add(-int64_t{list.bytes});
    DropFirst(list);
  }
  list.vacancies = static_cast<uint32_t>(vacancies);
}

void SegmentPool::DropFirst(FreeList& list) {
  FreeBlock* const block = list.first;
  list.first = block->next;
  Unpoison(block, list.bytes);
  ::operator delete(block, kAlignment);
}

void SegmentPool::CountFileBytes(int64_t bytes) {
  Open();
  if (stats_ != nullptr) stats_->file_bytes.Add(bytes);
}

void* SegmentPool::AllocateFromSystem(size_t size_class) {
  return AllocateUnpooled(BytesOf(size_class));
}

void SegmentPool::FreeSlow(void* memory, size_t size_class) {
  Open();
  if (lists_[size_class].vacancies != 0) {
    Free(memory, size_class);
  } else {
    FreeUnpooled(memory, BytesOf(size_class));
  }
}

void SegmentPool::CountInUse(int64_t bytes, int64_t segments) {
  if (stats_ == nullptr) return;
  stats_->bytes_in_use.Add(bytes);
  stats_->segments_in_use.Add(segments);
}

void SegmentPool::Open() {
  if (thread_end_ != nullptr || closed_) return;
  static thread_local ThreadEnd thread_end(*this);
  thread_end_ = &thread_end;
  stats_ = thread_end.stats().get();
  for (FreeList& list : lists_) {
    list.vacancies =
        static_cast<uint32_t>(kMaxPooledBytesPerClass) / list.bytes;
  }
}

void SegmentPool::Close() {
  for (FreeList& list : lists_) {
    list.vacancies = 0;
    while (list.first != nullptr) DropFirst(list);
  }
  stats_->bytes_pooled.Set(0);
  stats_ = nullptr;
  thread_end_ = nullptr;
  closed_ = true;
}

}  // namespace percore
