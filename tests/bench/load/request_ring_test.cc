#include "percore/bench/load/request_ring.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <deque>
#include <random>

namespace percore::bench {
namespace {

TEST(RequestRingTest, IsAQueueThatGrows) {
  RequestRing ring;
  std::deque<RequestId> oracle;
  std::mt19937 random(3);
  for (RequestId id = 0; id < 100'000; ++id) {
    if (!oracle.empty() && random() % 2 == 0) {
      ASSERT_EQ(ring.front().id, oracle.front());
      ring.Pop();
      oracle.pop_front();
    } else {
      ring.Push({.id = id, .due_ns = 0, .measured = false});
      oracle.push_back(id);
    }
    ASSERT_EQ(ring.size(), oracle.size());
    ASSERT_EQ(ring.empty(), oracle.empty());
    if (!oracle.empty()) {
      const size_t index = random() % oracle.size();
      ASSERT_EQ(ring[index].id, oracle[index]);
    }
  }
}

}  // namespace
}  // namespace percore::bench
