#include "percore/net/datagram_queue.h"

#include <gtest/gtest.h>

#include <deque>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "percore/buffer/buffer_memory_stats.h"

namespace percore {
namespace {

Datagram Make(const std::string& payload) {
  Datagram datagram;
  datagram.payload.Append(payload);
  return datagram;
}

std::vector<std::string> Payloads(const DatagramQueue& queue) {
  std::vector<std::string> payloads;
  for (const Datagram& datagram : queue) {
    payloads.push_back(datagram.payload.ToString());
  }
  return payloads;
}

void Fill(DatagramQueue& queue, int count, int first = 0) {
  for (int i = first; i < first + count; ++i) {
    ASSERT_TRUE(queue.Push(Make(std::to_string(i))));
  }
}

TEST(DatagramQueueTest, IsFirstInFirstOut) {
  DatagramQueue queue;
  EXPECT_TRUE(queue.empty());
  Fill(queue, 1000);
  EXPECT_EQ(queue.size(), 1000u);
  EXPECT_EQ(queue.bytes(), 10u + 2 * 90 + 3 * 900);
  for (int i = 0; i < 1000; ++i) {
    EXPECT_EQ(queue.front().payload.ToString(), std::to_string(i));
    EXPECT_EQ(queue.Pop().payload.ToString(), std::to_string(i));
  }
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.bytes(), 0u);
  EXPECT_EQ(queue.begin(), queue.end());
}

TEST(DatagramQueueTest, KeepsAllThatADatagramHas) {
  DatagramQueue queue;
  Datagram datagram = Make("payload");
  datagram.peer = *SocketAddress::Parse("192.0.2.1:53");
  datagram.local = *SocketAddress::Parse("[2001:db8::1]:99");
  datagram.truncated_from = 9000;
  datagram.interface = 7;
  ASSERT_TRUE(queue.Push(std::move(datagram)));
  DatagramQueue moved(std::move(queue));
  const Datagram out = moved.Pop();
  EXPECT_EQ(out.peer.ToString(), "192.0.2.1:53");
  EXPECT_EQ(out.local.ToString(), "[2001:db8::1]:99");
  EXPECT_TRUE(out.truncated());
  EXPECT_EQ(out.truncated_from, 9000u);
  EXPECT_EQ(out.interface, 7u);
}

TEST(DatagramQueueTest, AnEmptyOneOwnsNoMemory) {
  const auto stats = BufferMemoryStats::OfThisThread();
  DatagramQueue queue;
  queue.Push({});
  queue.Pop();
  const int64_t before = stats->bytes_in_use.Get();
  Fill(queue, 500);
  EXPECT_GT(stats->bytes_in_use.Get(), before);
  queue.Clear();
  EXPECT_EQ(stats->bytes_in_use.Get(), before);
}

TEST(DatagramQueueTest, AllocatesNothingInTheSteadyState) {
  const auto stats = BufferMemoryStats::OfThisThread();
  DatagramQueue input;
  DatagramQueue output;
  uint64_t misses = 0;
  for (int round = 0; round < 20; ++round) {
    if (round == 5) misses = stats->pool_misses.Get();
    Fill(input, 64);
    output.Append(std::move(input));
    EXPECT_EQ(output.Drop(64), 64u);
  }
  EXPECT_EQ(stats->pool_misses.Get(), misses);
}

TEST(DatagramQueueTest, AppendsFewAndMany) {
  for (const int there : {0, 1, 63, 64, 65, 200}) {
    for (const int more : {0, 1, 8, 9, 64, 200}) {
      DatagramQueue queue;
      DatagramQueue source;
      Fill(queue, there);
      Fill(source, more, there);
      EXPECT_TRUE(queue.Append(std::move(source)));
      EXPECT_TRUE(source.empty());  // NOLINT(bugprone-use-after-move)
      EXPECT_EQ(source.bytes(), 0u);
      Fill(queue, 1, there + more);
      std::vector<std::string> expected;
      for (int i = 0; i <= there + more; ++i) {
        expected.push_back(std::to_string(i));
      }
      EXPECT_EQ(Payloads(queue), expected);
    }
  }
}

TEST(DatagramQueueTest, AppendingItselfIsNothing) {
  DatagramQueue queue;
  Fill(queue, 3);
  EXPECT_TRUE(queue.Append(std::move(queue)));
  // NOLINTNEXTLINE(bugprone-use-after-move)
  EXPECT_EQ(queue.MoveFrom(queue, 2), 0u);
  EXPECT_EQ(Payloads(queue), (std::vector<std::string>{"0", "1", "2"}));
}

TEST(DatagramQueueTest, MovesAndDropsSome) {
  DatagramQueue queue;
  DatagramQueue source;
  Fill(source, 100);
  EXPECT_EQ(queue.MoveFrom(source, 2), 2u);
  EXPECT_EQ(source.Drop(95), 95u);
  EXPECT_EQ(queue.MoveFrom(source, 100), 3u);
  EXPECT_EQ(Payloads(queue),
            (std::vector<std::string>{"0", "1", "97", "98", "99"}));
  EXPECT_EQ(queue.Drop(100), 5u);
  EXPECT_EQ(queue.Clear(), 0u);
}

TEST(DatagramQueueTest, RefusesWhatIsBeyondItsLimit) {
  DatagramQueue queue;
  queue.SetMemoryLimit(2 * DatagramQueue::kDatagramMemory + 10);
  Datagram large = Make(std::string(200, 'x'));
  EXPECT_FALSE(queue.Push(std::move(large)));
  // Still ours.
  EXPECT_EQ(large.payload.size(), 200u);  // NOLINT(bugprone-use-after-move)
  Fill(queue, 2);
  EXPECT_EQ(queue.memory(), 2 * DatagramQueue::kDatagramMemory + 2);
  // Empty ones cost something too.
  EXPECT_FALSE(queue.Push({}));
  DatagramQueue source;
  Fill(source, 1);
  EXPECT_FALSE(queue.Append(std::move(source)));
  EXPECT_EQ(queue.MoveFrom(source, 1), 0u);
  EXPECT_EQ(source.size(), 1u);
  queue.Pop();
  EXPECT_TRUE(queue.Append(std::move(source)));
  EXPECT_EQ(Payloads(queue), (std::vector<std::string>{"1", "0"}));
}

TEST(DatagramQueueTest, MovesAsManyAsThereIsRoomFor) {
  DatagramQueue queue;
  DatagramQueue source;
  Fill(source, 100);
  queue.SetMemoryLimit(10 * (DatagramQueue::kDatagramMemory + 1));
  EXPECT_EQ(queue.MoveFrom(source, 100), 10u);
  EXPECT_EQ(source.size(), 90u);
}

struct Note {
  const DatagramQueue* queue;
  size_t added;
  size_t removed;
  bool operator==(const Note&) const = default;
};

struct Observer final : DatagramQueueOwner {
  void OnQueueChanged(const DatagramQueue& queue, size_t added,
                      size_t removed) override {
    notes.push_back({&queue, added, removed});
  }
  std::vector<Note> notes;
};

TEST(DatagramQueueTest, TellsItsOwnerOfEveryChangeOnce) {
  Observer observer;
  DatagramQueue a;
  DatagramQueue b;
  a.SetOwner(observer);
  b.SetOwner(observer);
  a.Push({});
  a.Push({});
  b.Append(std::move(a));
  a.MoveFrom(b, 1);  // NOLINT(bugprone-use-after-move)
  b.Pop();
  b.Clear();  // nothing changes
  a.Clear();
  EXPECT_EQ(observer.notes, (std::vector<Note>{{&a, 1, 0},
                                               {&a, 1, 0},
                                               {&a, 0, 2},
                                               {&b, 2, 0},
                                               {&b, 0, 1},
                                               {&a, 1, 0},
                                               {&b, 0, 1},
                                               {&a, 0, 1}}));
}

TEST(DatagramQueueTest, WhatAPayloadReleasesMayUseTheQueue) {
  DatagramQueue queue;
  Datagram datagram;
  datagram.payload.AppendReference(
      "x", 1,
      [](void* queue) {
        static_cast<DatagramQueue*>(queue)->Push(Make("again"));
      },
      &queue);
  queue.Push(std::move(datagram));
  queue.Push(Make("b"));
  queue.Clear();
  EXPECT_EQ(Payloads(queue), (std::vector<std::string>{"again"}));
}

// Any sequence of operations, against a deque.
TEST(DatagramQueueTest, DoesWhatADequeDoes) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  const auto below = [&](unsigned limit) { return random() % limit; };
  DatagramQueue queues[2];
  std::deque<std::string> models[2];
  for (int step = 0; step < 20000; ++step) {
    const unsigned a = below(2);
    switch (below(8)) {
      case 0:
      case 1:
      case 2: {
        const std::string payload = std::to_string(step);
        ASSERT_TRUE(queues[a].Push(Make(payload)));
        models[a].push_back(payload);
        break;
      }
      case 3:
        if (models[a].empty()) break;
        ASSERT_EQ(queues[a].Pop().payload.ToString(), models[a].front());
        models[a].pop_front();
        break;
      case 4:
        if (below(4) != 0) break;
        ASSERT_TRUE(queues[a].Append(std::move(queues[1 - a])));
        models[a].insert(models[a].end(), models[1 - a].begin(),
                         models[1 - a].end());
        models[1 - a].clear();
        break;
      case 5: {
        const size_t n = queues[a].MoveFrom(queues[1 - a], below(100));
        for (size_t i = 0; i < n; ++i) {
          models[a].push_back(models[1 - a].front());
          models[1 - a].pop_front();
        }
        break;
      }
      case 6: {
        const size_t n = queues[a].Drop(below(50));
        models[a].erase(models[a].begin(),
                        models[a].begin() + static_cast<ptrdiff_t>(n));
        break;
      }
      default: {
        const size_t n = std::min<size_t>(below(50), queues[a].size());
        queues[a].Discard(n);
        models[a].erase(models[a].begin(),
                        models[a].begin() + static_cast<ptrdiff_t>(n));
        break;
      }
    }
    ASSERT_EQ(queues[a].size(), models[a].size());
    if (step % 500 == 0) {
      ASSERT_EQ(Payloads(queues[a]),
                std::vector<std::string>(models[a].begin(), models[a].end()));
    }
  }
}

}  // namespace
}  // namespace percore
