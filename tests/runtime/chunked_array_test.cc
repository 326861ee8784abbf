#include "percore/runtime/internal/chunked_array.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace percore::internal {
namespace {

using testing::ElementsAre;

struct Element {
  int number = 7;
  int64_t more = 0;
};
using Array = ChunkedArray<Element>;
constexpr size_t kFar = Array::kChunkSize * 1000 + 3;

TEST(ChunkedArrayTest, HasWhatWasMade) {
  Array array;
  EXPECT_EQ(array.Find(0), nullptr);
  array.Make(kFar).number = 1;
  EXPECT_EQ(array[kFar].number, 1);
  EXPECT_EQ(array.Find(kFar), &array[kFar]);
  EXPECT_EQ(array.Make(kFar).number, 1);
  EXPECT_EQ(array.Find(kFar + 1)->number, 7);
  EXPECT_EQ(array.Find(kFar + Array::kChunkSize), nullptr);
  EXPECT_EQ(array.Find(SIZE_MAX), nullptr);
}

TEST(ChunkedArrayTest, AFarElementDoesNotMakeThoseInBetween) {
  Array array;
  array.Make(kFar);
  EXPECT_EQ(array.Find(0), nullptr);
  EXPECT_EQ(array.Find(kFar - Array::kChunkSize), nullptr);
}

TEST(ChunkedArrayTest, NothingMovesWhenItGrows) {
  Array array;
  const Element* const first = &array.Make(0);
  array.Make(kFar);
  EXPECT_EQ(array.Find(0), first);
}

TEST(ChunkedArrayTest, VisitsWhatWasMadeUntilItIsToldToStop) {
  Array array;
  array.Make(kFar).number = 2;
  array.Make(1).number = 1;
  std::vector<size_t> found;
  size_t visited = 0;
  EXPECT_TRUE(array.ForEach([&](size_t index, const Element& element) {
    ++visited;
    if (element.number != 7) found.push_back(index);
    return true;
  }));
  EXPECT_EQ(visited, 2 * Array::kChunkSize);
  EXPECT_THAT(found, ElementsAre(1, kFar));
  EXPECT_FALSE(array.ForEach([](size_t, Element&) { return false; }));
}

}  // namespace
}  // namespace percore::internal
