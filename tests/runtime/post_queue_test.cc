#include "percore/runtime/internal/post_queue.h"

#include <gtest/gtest.h>

#include <memory>
#include <thread>
#include <vector>

namespace percore::internal {
namespace {

TEST(PostQueueTest, RunsFirstInFirstOut) {
  PostQueue queue;
  std::vector<int> order;
  for (int i = 0; i < 3; ++i) queue.Push([&order, i] { order.push_back(i); });
  EXPECT_FALSE(queue.empty());
  EXPECT_EQ(queue.RunAll(), 3u);
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2}));
  EXPECT_TRUE(queue.empty());
}

TEST(PostQueueTest, AFunctionPushedWhileRunningWaitsForTheNextTime) {
  PostQueue queue;
  int runs = 0;
  queue.Push([&] {
    ++runs;
    queue.Push([&runs] { ++runs; });
  });
  EXPECT_EQ(queue.RunAll(), 1u);
  EXPECT_EQ(runs, 1);
  EXPECT_EQ(queue.RunAll(), 1u);
  EXPECT_EQ(runs, 2);
}

TEST(PostQueueTest, DestroysWhatDidNotRun) {
  auto shared = std::make_shared<int>(1);
  {
    PostQueue queue;
    queue.Push([shared] {});
    queue.Push([shared] {});
  }
  EXPECT_EQ(shared.use_count(), 1);
}

TEST(PostQueueTest, KeepsTheOrderOfEachOfManyProducers) {
  constexpr int kProducers = 4;
  constexpr int kEach = 5000;
  PostQueue queue;
  std::vector<int> last(kProducers, -1);
  std::vector<std::thread> producers;
  producers.reserve(kProducers);
  for (int producer = 0; producer < kProducers; ++producer) {
    producers.emplace_back([&queue, &last, producer] {
      for (int i = 0; i < kEach; ++i) {
        queue.Push([&last, producer, i] {
          EXPECT_EQ(last[producer], i - 1);
          last[producer] = i;
        });
      }
    });
  }
  size_t ran = 0;
  while (ran < size_t{kProducers} * kEach) ran += queue.RunAll();
  for (std::thread& producer : producers) producer.join();
  EXPECT_EQ(queue.RunAll(), 0u);
}

}  // namespace
}  // namespace percore::internal
