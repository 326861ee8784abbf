#include "percore/buffer/segment_pool.h"

#include <atomic>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "percore/buffer/buffer.h"

namespace percore {
namespace {

using StatsPointer = std::shared_ptr<const BufferMemoryStats>;

// Runs `function` on a thread of its own, whose pool is therefore new.
template <typename Function>
void OnFreshThread(Function function) {
  std::thread(function).join();
}

TEST(SegmentPoolTest, SizeClassesArePowersOfTwoFrom512BytesTo64KiB) {
  const struct {
    size_t bytes;
    size_t class_bytes;
  } cases[] = {
      {1, 512},       {512, 512},     {513, 1024},  {1024, 1024},
      {1025, 2048},   {4096, 4096},   {4097, 8192}, {32769, 65536},
      {65535, 65536}, {65536, 65536},
  };
  for (const auto& c : cases) {
    const size_t size_class = SegmentPool::SizeClassFor(c.bytes);
    EXPECT_LT(size_class, SegmentPool::kSizeClassCount) << c.bytes;
    EXPECT_EQ(SegmentPool::BytesOf(size_class), c.class_bytes) << c.bytes;
  }
  EXPECT_EQ(SegmentPool::BytesOf(SegmentPool::kBareSizeClass), 64u);
}

TEST(SegmentPoolTest, GivesCacheAlignedMemoryOfEveryClass) {
  SegmentPool& pool = SegmentPool::ThisThread();
  for (size_t c = 0; c < SegmentPool::kSizeClassCount; ++c) {
    void* const memory = pool.Allocate(c);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(memory) % 64, 0u);
    std::memset(memory, 0xab, SegmentPool::BytesOf(c));
    pool.Free(memory, c);
  }
}

TEST(SegmentPoolTest, RecyclesTheMemoryThatWasFreedLast) {
  SegmentPool& pool = SegmentPool::ThisThread();
  void* const first = pool.Allocate(1);
  void* const second = pool.Allocate(1);
  pool.Free(first, 1);
  pool.Free(second, 1);
  EXPECT_EQ(pool.Allocate(1), second);
  EXPECT_EQ(pool.Allocate(1), first);
  pool.Free(first, 1);
  pool.Free(second, 1);
}

TEST(SegmentPoolTest, LendsTheNextBlockWithoutGivingIt) {
  OnFreshThread([] {
    SegmentPool& pool = SegmentPool::ThisThread();
    EXPECT_EQ(pool.BeginScratch(1), nullptr) << "an empty pool has none";
    void* const first = pool.Allocate(1);
    void* const second = pool.Allocate(1);
    pool.Free(second, 1);
    pool.Free(first, 1);
    const StatsPointer stats = BufferMemoryStats::OfThisThread();
    auto* const scratch = static_cast<char*>(pool.BeginScratch(1));
    EXPECT_EQ(scratch, first);
    std::memset(scratch + sizeof(void*), 0xab,
                SegmentPool::BytesOf(1) - sizeof(void*));
    EXPECT_EQ(stats->bytes_in_use.Get(), 0);
    pool.EndScratch(1);
    EXPECT_EQ(pool.Allocate(1), first);
    EXPECT_EQ(pool.Allocate(1), second);
    pool.Free(first, 1);
    pool.Free(second, 1);
  });
}

TEST(SegmentPoolTest, CountsWhatIsInUseAndWhatIsPooled) {
  OnFreshThread([] {
    SegmentPool& pool = SegmentPool::ThisThread();
    const StatsPointer stats = BufferMemoryStats::OfThisThread();
    void* const small = pool.Allocate(1);
    void* const large = pool.Allocate(8);
    EXPECT_EQ(stats->bytes_in_use.Get(), 512 + 65536);
    EXPECT_EQ(stats->segments_in_use.Get(), 2);
    EXPECT_EQ(stats->pool_misses.Get(), 2u);
    EXPECT_EQ(stats->bytes_pooled.Get(), 0);
    pool.Free(large, 8);
    EXPECT_EQ(stats->bytes_in_use.Get(), 512);
    EXPECT_EQ(stats->bytes_pooled.Get(), 65536);
    EXPECT_EQ(stats->segments_in_use.Get(), 1);
    pool.Free(small, 1);
    EXPECT_EQ(stats->bytes_in_use.Get(), 0);
    EXPECT_EQ(stats->bytes_pooled.Get(), 512 + 65536);
    pool.Free(pool.Allocate(8), 8);
    EXPECT_EQ(stats->pool_misses.Get(), 2u);
  });
}

TEST(SegmentPoolTest, CountsUnpooledMemoryAndKeepsNoneOfIt) {
  OnFreshThread([] {
    SegmentPool& pool = SegmentPool::ThisThread();
    const StatsPointer stats = BufferMemoryStats::OfThisThread();
    void* const memory = pool.AllocateUnpooled(1 << 20);
    EXPECT_EQ(stats->bytes_in_use.Get(), 1 << 20);
    EXPECT_EQ(stats->segments_in_use.Get(), 1);
    pool.FreeUnpooled(memory, 1 << 20);
    EXPECT_EQ(stats->bytes_in_use.Get(), 0);
    EXPECT_EQ(stats->bytes_pooled.Get(), 0);
    EXPECT_EQ(stats->segments_in_use.Get(), 0);
  });
}

TEST(SegmentPoolTest, KeepsABoundedAmountOfEachClass) {
  OnFreshThread([] {
    SegmentPool& pool = SegmentPool::ThisThread();
    const StatsPointer stats = BufferMemoryStats::OfThisThread();
    constexpr size_t kLimit = SegmentPool::kMaxPooledBytesPerClass;
    int64_t pooled = 0;
    for (size_t c = 0; c < SegmentPool::kSizeClassCount; ++c) {
      std::vector<void*> all(kLimit / SegmentPool::BytesOf(c) + 3);
      for (void*& memory : all) memory = pool.Allocate(c);
      for (void* memory : all) pool.Free(memory, c);
      pooled += kLimit;
      EXPECT_EQ(stats->bytes_pooled.Get(), pooled) << "class " << c;
      EXPECT_EQ(stats->bytes_in_use.Get(), 0) << "class " << c;
    }
  });
}

TEST(SegmentPoolTest, KeepsAsManyMoreAsAreOffered) {
  OnFreshThread([] {
    SegmentPool& pool = SegmentPool::ThisThread();
    const StatsPointer stats = BufferMemoryStats::OfThisThread();
    constexpr size_t kClass = 7;
    constexpr int64_t kBytes = SegmentPool::BytesOf(kClass);
    constexpr int64_t kLimit = SegmentPool::kMaxPooledBytesPerClass;
    const auto fill = [&pool] {
      std::vector<void*> all(kLimit / kBytes + 100);
      for (void*& memory : all) memory = pool.Allocate(kClass);
      for (void* memory : all) pool.Free(memory, kClass);
    };
    pool.CountOffered(32, kClass);
    fill();
    EXPECT_EQ(stats->bytes_pooled.Get(), kLimit + 32 * kBytes);
    pool.CountOffered(-24, kClass);
    EXPECT_EQ(stats->bytes_pooled.Get(), kLimit + 8 * kBytes);
    // Some of them by another thread, whose ring this was.
    pool.CountOffered(-24, kClass);
    EXPECT_EQ(stats->bytes_pooled.Get(), kLimit);
    pool.CountOffered(4, kClass);
    fill();
    EXPECT_EQ(stats->bytes_pooled.Get(), kLimit + 4 * kBytes);
    // None is left in the pool that could be given up.
    std::vector<void*> all(kLimit / kBytes + 4);
    for (void*& memory : all) memory = pool.Allocate(kClass);
    EXPECT_EQ(stats->bytes_pooled.Get(), 0);
    pool.CountOffered(-4, kClass);
    for (void* memory : all) pool.Free(memory, kClass);
    EXPECT_EQ(stats->bytes_pooled.Get(), kLimit);
  });
}

TEST(SegmentPoolTest, MemoryFreedElsewhereGoesToTheFreeingThreadsPool) {
  void* memory = nullptr;
  StatsPointer allocator;
  StatsPointer freer;
  OnFreshThread([&] {
    memory = SegmentPool::ThisThread().Allocate(3);
    allocator = BufferMemoryStats::OfThisThread();
  });
  OnFreshThread([&] {
    SegmentPool::ThisThread().Free(memory, 3);
    freer = BufferMemoryStats::OfThisThread();
    EXPECT_EQ(freer->bytes_pooled.Get(), 2048);
    EXPECT_EQ(SegmentPool::ThisThread().Allocate(3), memory);
    SegmentPool::ThisThread().Free(memory, 3);
    EXPECT_EQ(freer->pool_misses.Get(), 0u);
  });
  EXPECT_EQ(allocator->bytes_in_use.Get(), 2048);
  EXPECT_EQ(freer->bytes_in_use.Get(), -2048);
  EXPECT_EQ(allocator->segments_in_use.Get() + freer->segments_in_use.Get(), 0);
}

TEST(SegmentPoolTest, StatisticsOutliveTheirThreadWhosePoolIsEmptied) {
  StatsPointer stats;
  OnFreshThread([&stats] {
    stats = BufferMemoryStats::OfThisThread();
    EXPECT_EQ(stats, BufferMemoryStats::OfThisThread());
    SegmentPool& pool = SegmentPool::ThisThread();
    pool.Free(pool.Allocate(5), 5);
    EXPECT_EQ(stats->bytes_pooled.Get(), 8192);
  });
  EXPECT_EQ(stats->bytes_pooled.Get(), 0);
  EXPECT_EQ(stats->pool_misses.Get(), 1u);
}

TEST(SegmentPoolTest, StatisticsAreReadWhileTheThreadWorks) {
  StatsPointer stats;
  std::atomic<bool> known = false;
  std::atomic<bool> seen = false;
  std::thread worker([&] {
    stats = BufferMemoryStats::OfThisThread();
    known.store(true, std::memory_order_release);
    known.notify_one();
    Buffer buffer;
    do {
      buffer.Append("some bytes");
      buffer.Clear();
    } while (!seen.load(std::memory_order_relaxed));
  });
  known.wait(false, std::memory_order_acquire);
  while (stats->pool_misses.Get() == 0) std::this_thread::yield();
  EXPECT_GE(stats->bytes_in_use.Get(), 0);
  seen = true;
  worker.join();
  EXPECT_EQ(stats->bytes_in_use.Get(), 0);
}

// Destroyed after the pool is closed, if it is constructed before the pool is
// first used.
struct LateBuffers {
  Buffer filled;
  Buffer filled_late;
  ~LateBuffers() {
    filled_late.Append(std::string(100'000, 'x'));
    filled_late.Append(filled.Pullup(10));
    filled.MoveFrom(filled_late, 70'000);
    EXPECT_NE(BufferMemoryStats::OfThisThread(), nullptr);
  }
};

TEST(SegmentPoolTest, BuffersMayBeUsedAndDestroyedAfterTheThreadsPool) {
  OnFreshThread([] {
    static thread_local LateBuffers late;
    late.filled.Append(std::string(100'000, 'x'));
  });
}

#ifdef PERCORE_POISON_FREE_SEGMENTS
TEST(SegmentPoolTest, FreeMemoryIsPoisoned) {
  SegmentPool& pool = SegmentPool::ThisThread();
  char* const memory = static_cast<char*>(pool.Allocate(1));
  EXPECT_FALSE(__asan_address_is_poisoned(memory + 100));
  pool.Free(memory, 1);
  EXPECT_TRUE(__asan_address_is_poisoned(memory + 8));
  EXPECT_TRUE(__asan_address_is_poisoned(memory + 511));
}
#endif

}  // namespace
}  // namespace percore
