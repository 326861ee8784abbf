#include "percore/buffer/buffer.h"

#include <array>
#include <cstring>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace percore {
namespace {

std::string Text(size_t size, char first = 'a') {
  std::string text(size, ' ');
  for (size_t i = 0; i < size; ++i) {
    text[i] = static_cast<char>('a' + (first - 'a' + i) % 26);
  }
  return text;
}

std::vector<std::string_view> Extents(const Buffer& buffer) {
  return {buffer.begin(), buffer.end()};
}

TEST(BufferTest, AnEmptyOneOwnsNoMemory) {
  const auto stats = BufferMemoryStats::OfThisThread();
  const int64_t before = stats->segments_in_use.Get();
  Buffer buffer;
  EXPECT_LE(sizeof(buffer), 64u);
  EXPECT_TRUE(buffer.empty());
  EXPECT_EQ(buffer.size(), 0u);
  EXPECT_EQ(buffer.begin(), buffer.end());
  EXPECT_EQ(buffer.ToString(), "");
  buffer.Append(Text(100'000));
  EXPECT_GT(stats->segments_in_use.Get(), before);
  buffer.Drain(100'000);
  EXPECT_EQ(stats->segments_in_use.Get(), before);
}

TEST(BufferTest, AppendsBytesOfAnyNumber) {
  for (size_t size : {0, 1, 447, 448, 449, 4096, 65'472, 65'473, 1'000'000}) {
    Buffer buffer;
    buffer.Append(Text(size));
    EXPECT_EQ(buffer.size(), size);
    EXPECT_EQ(buffer.ToString(), Text(size));
    buffer.Append("end");
    EXPECT_EQ(buffer.ToString(), Text(size) + "end");
  }
}

TEST(BufferTest, AppendsNoBytesFromNowhere) {
  Buffer buffer;
  buffer.Append(std::string_view());
  EXPECT_TRUE(buffer.empty());
  buffer.Append("x");
  buffer.Append(std::string_view());
  EXPECT_EQ(buffer.ToString(), "x");
}

TEST(BufferTest, SmallAppendsFillTheLastSegment) {
  Buffer buffer;
  for (int i = 0; i < 100; ++i) buffer.Append("four");
  EXPECT_EQ(Extents(buffer).size(), 1u);
}

TEST(BufferTest, SegmentsGrowWithTheContents) {
  Buffer buffer;
  for (int i = 0; i < 1'000'000; ++i) buffer.Append("0123456789");
  EXPECT_LT(Extents(buffer).size(), 8u + 10'000'000 / 65'000 + 1);
}

TEST(BufferTest, MayBeAppendedToItself) {
  Buffer buffer;
  buffer.Append(Text(300));
  buffer.Append(buffer.Front());
  EXPECT_EQ(buffer.ToString(), Text(300) + Text(300));
  buffer.Prepend(buffer.Front());
  Buffer& same = buffer;
  buffer.Append(std::move(same));
  EXPECT_EQ(buffer.MoveFrom(buffer, 10), 0u);
  EXPECT_GE(buffer.size(), 900u);
}

TEST(BufferTest, PrependsInFrontOfEverything) {
  for (size_t size : {0, 1, 448, 449, 65'472, 65'473, 200'000}) {
    Buffer buffer;
    buffer.Prepend(Text(size));
    EXPECT_EQ(buffer.ToString(), Text(size));
    buffer.Append("end");
    buffer.Prepend("start");
    EXPECT_EQ(buffer.ToString(), "start" + Text(size) + "end");
  }
}

TEST(BufferTest, PrependFillsTheRoomThatDrainingLeft) {
  Buffer buffer;
  buffer.Append("0123456789");
  buffer.Drain(5);
  buffer.Prepend("abcde");
  EXPECT_EQ(Extents(buffer), std::vector<std::string_view>{"abcde56789"});
  buffer.Prepend("x");
  EXPECT_EQ(Extents(buffer),
            (std::vector<std::string_view>{"x", "abcde56789"}));
  for (int i = 0; i < 400; ++i) buffer.Prepend("y");
  EXPECT_EQ(Extents(buffer).size(), 2u) << "further prepends fill the same one";
}

TEST(BufferTest, DrainsFromTheFrontAndNotMoreThanThereIs) {
  const std::string text = Text(200'000);
  Buffer buffer;
  buffer.Append(text);
  buffer.Drain(0);
  buffer.Drain(7);
  EXPECT_EQ(buffer.ToString(), text.substr(7));
  buffer.Drain(130'000);
  EXPECT_EQ(buffer.ToString(), text.substr(130'007));
  buffer.Drain(1'000'000);
  EXPECT_TRUE(buffer.empty());
  buffer.Drain(1);
  buffer.Clear();
  EXPECT_TRUE(buffer.empty());
}

TEST(BufferTest, CopiesOutFromAnywhereWithoutDraining) {
  const std::string text = Text(200'000);
  Buffer buffer;
  buffer.Append(text);
  std::string copy(150'000, ' ');
  EXPECT_EQ(buffer.CopyOut(copy), 150'000u);
  EXPECT_EQ(copy, text.substr(0, 150'000));
  EXPECT_EQ(buffer.CopyOut(copy, 65'472), 200'000u - 65'472);
  EXPECT_EQ(copy.substr(0, 200'000 - 65'472), text.substr(65'472));
  EXPECT_EQ(buffer.CopyOut(copy, 200'000), 0u);
  EXPECT_EQ(buffer.CopyOut(copy, SIZE_MAX), 0u);
  EXPECT_EQ(buffer.CopyOut({}), 0u);
  EXPECT_EQ(buffer.size(), 200'000u);
}

TEST(BufferTest, RemoveCopiesOutAndDrains) {
  Buffer buffer;
  buffer.Append("0123456789");
  std::array<char, 4> four;
  EXPECT_EQ(buffer.Remove(four), 4u);
  EXPECT_EQ(std::string_view(four.data(), 4), "0123");
  EXPECT_EQ(buffer.Remove(four), 4u);
  EXPECT_EQ(buffer.Remove(four), 2u);
  EXPECT_EQ(std::string_view(four.data(), 2), "89");
  EXPECT_EQ(buffer.Remove(four), 0u);
}

// Three extents: "first", "second", "third".
Buffer ThreeExtents() {
  Buffer buffer;
  buffer.AppendReference("first", 5, nullptr, nullptr);
  buffer.AppendReference("second", 6, nullptr, nullptr);
  buffer.AppendReference("third", 5, nullptr, nullptr);
  return buffer;
}

TEST(BufferTest, PullupCopiesOnlyIfTheFirstSegmentIsTooShort) {
  Buffer buffer = ThreeExtents();
  const char* const first = buffer.Front().data();
  EXPECT_EQ(buffer.Pullup(0), "");
  EXPECT_EQ(buffer.Pullup(4), "firs");
  EXPECT_EQ(buffer.Pullup(5).data(), first);
  EXPECT_EQ(buffer.Pullup(8), "firstsec");
  EXPECT_EQ(Extents(buffer),
            (std::vector<std::string_view>{"firstsec", "ond", "third"}));
  const char* const pulled = buffer.Front().data();
  EXPECT_EQ(buffer.Pullup(11), "firstsecond");
  EXPECT_EQ(buffer.Front().data(), pulled) << "the room there was is used";
  EXPECT_EQ(buffer.Pullup(SIZE_MAX), "firstsecondthird");
  EXPECT_EQ(Extents(buffer).size(), 1u);
  buffer.Append("!");
  EXPECT_EQ(buffer.ToString(), "firstsecondthird!");
}

TEST(BufferTest, PullupOfAnEmptyBufferIsEmpty) {
  Buffer buffer;
  EXPECT_EQ(buffer.Pullup(10), "");
  EXPECT_EQ(buffer.Front(), "");
}

TEST(BufferTest, PullupMakesMoreThanASegmentContiguous) {
  const std::string text = Text(1'000'000);
  Buffer buffer;
  buffer.Append(text);
  EXPECT_EQ(buffer.Pullup(300'000), std::string_view(text).substr(0, 300'000));
  EXPECT_EQ(buffer.Pullup(2'000'000), text);
  buffer.Drain(999'999);
  EXPECT_EQ(buffer.ToString(), text.substr(999'999));
}

TEST(BufferTest, IteratesAndPeeksExtents) {
  const Buffer buffer = ThreeExtents();
  EXPECT_EQ(Extents(buffer),
            (std::vector<std::string_view>{"first", "second", "third"}));
  const auto peek = [&buffer](size_t room, size_t offset) {
    std::vector<iovec> extents(room);
    extents.resize(buffer.Peek(extents, offset));
    std::vector<std::string_view> views;
    views.reserve(extents.size());
    for (const iovec& extent : extents) {
      views.emplace_back(static_cast<const char*>(extent.iov_base),
                         extent.iov_len);
    }
    return views;
  };
  using Views = std::vector<std::string_view>;
  EXPECT_EQ(peek(8, 0), (Views{"first", "second", "third"}));
  EXPECT_EQ(peek(2, 0), (Views{"first", "second"}));
  EXPECT_EQ(peek(0, 0), Views());
  EXPECT_EQ(peek(8, 4), (Views{"t", "second", "third"}));
  EXPECT_EQ(peek(8, 5), (Views{"second", "third"}));
  EXPECT_EQ(peek(1, 6), Views{"econd"});
  EXPECT_EQ(peek(8, 16), Views());
  EXPECT_EQ(peek(8, SIZE_MAX), Views());
}

TEST(BufferTest, CommitsWhatWasWrittenToReservedRoom) {
  Buffer buffer;
  buffer.Append("start ");
  std::array<iovec, 2> extents;
  ASSERT_EQ(buffer.Reserve(3, extents), 1u);
  EXPECT_GE(extents[0].iov_len, 3u);
  EXPECT_EQ(buffer.ToString(), "start ") << "nothing is there before Commit()";
  std::memcpy(extents[0].iov_base, "end", 3);
  EXPECT_TRUE(buffer.Commit(3).ok());
  EXPECT_EQ(buffer.ToString(), "start end");
  EXPECT_EQ(Extents(buffer).size(), 1u);
}

TEST(BufferTest, ReservedRoomGoesOverSegments) {
  for (size_t extent_count : {1, 2, 3, 8}) {
    for (size_t committed : {0, 1, 400, 60'000, 70'000, 200'000}) {
      for (bool has_room : {false, true}) {
        Buffer buffer;
        if (has_room) buffer.Append("start");
        std::vector<iovec> extents(extent_count);
        extents.resize(buffer.Reserve(200'000, extents));
        size_t reserved = 0;
        for (const iovec& extent : extents) {
          std::memset(extent.iov_base, 'x', extent.iov_len);
          reserved += extent.iov_len;
        }
        EXPECT_GE(reserved, 200'000u);
        EXPECT_TRUE(buffer.Commit(committed).ok());
        buffer.Append("end");
        EXPECT_EQ(buffer.ToString(), (has_room ? "start" : "") +
                                         std::string(committed, 'x') + "end");
      }
    }
  }
}

TEST(BufferTest, ASingleReservedExtentIsContiguous) {
  Buffer buffer;
  buffer.Append("start");
  iovec extent;
  ASSERT_EQ(buffer.Reserve(1'000'000, {&extent, 1}), 1u);
  EXPECT_GE(extent.iov_len, 1'000'000u);
  std::memset(extent.iov_base, 'x', 1'000'000);
  EXPECT_TRUE(buffer.Commit(1'000'000).ok());
  EXPECT_EQ(buffer.ToString(), "start" + std::string(1'000'000, 'x'));
}

TEST(BufferTest, AWrongCommitChangesNothing) {
  Buffer buffer;
  buffer.Append("text");
  EXPECT_EQ(buffer.Commit(0).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(buffer.Commit(1).code(), absl::StatusCode::kFailedPrecondition);
  iovec extent;
  ASSERT_EQ(buffer.Reserve(10, {&extent, 1}), 1u);
  EXPECT_EQ(buffer.Commit(extent.iov_len + 1).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(buffer.ToString(), "text");
  std::memcpy(extent.iov_base, "0123456789", 10);
  EXPECT_TRUE(buffer.Commit(10).ok()) << "the reservation still holds";
  EXPECT_EQ(buffer.ToString(), "text0123456789");
  EXPECT_EQ(buffer.Commit(1).code(), absl::StatusCode::kFailedPrecondition);
}

TEST(BufferTest, ReserveRefusesWhatItCannotHandOut) {
  Buffer buffer;
  iovec extent;
  EXPECT_EQ(buffer.Reserve(1, {}), 0u);
  EXPECT_EQ(buffer.Reserve(Buffer::kMaxReservedBytes + 1, {&extent, 1}), 0u);
  EXPECT_EQ(buffer.Reserve(SIZE_MAX, {&extent, 1}), 0u);
  EXPECT_FALSE(buffer.Commit(0).ok());
  EXPECT_EQ(buffer.Reserve(0, {&extent, 1}), 1u);
  EXPECT_GE(extent.iov_len, 1u);
}

TEST(BufferTest, EveryOtherChangeEndsAReservation) {
  const auto stats = BufferMemoryStats::OfThisThread();
  const std::vector<void (*)(Buffer&)> changes = {
      [](Buffer& buffer) { buffer.Append("x"); },
      [](Buffer& buffer) { buffer.Append(ThreeExtents()); },
      [](Buffer& buffer) { buffer.AppendReference("x", 1, nullptr, nullptr); },
      [](Buffer& buffer) { ThreeExtents().Append(std::move(buffer)); },
      [](Buffer& buffer) { ThreeExtents().MoveFrom(buffer, 1); },
      [](Buffer& buffer) { buffer.Prepend("x"); },
      [](Buffer& buffer) { buffer.Drain(1); },
      [](Buffer& buffer) { buffer.Clear(); },
      [](Buffer& buffer) { buffer.Pullup(1); },
      [](Buffer& buffer) { buffer.Unshare(); },
      [](Buffer& buffer) { Buffer other(std::move(buffer)); },
      [](Buffer& buffer) { buffer = ThreeExtents(); },
  };
  const int64_t before = stats->segments_in_use.Get();
  for (size_t i = 0; i < changes.size(); ++i) {
    for (std::string_view text : {"", "some text"}) {
      Buffer reserved;
      Buffer plain;
      reserved.Append(text);
      plain.Append(text);
      std::array<iovec, 8> extents;
      EXPECT_GE(reserved.Reserve(100'000, extents), 2u);
      changes[i](reserved);
      changes[i](plain);
      EXPECT_FALSE(reserved.Commit(1).ok()) << "change " << i;
      EXPECT_EQ(reserved.ToString(), plain.ToString()) << "change " << i;
    }
    EXPECT_EQ(stats->segments_in_use.Get(), before) << "change " << i;
  }
}

TEST(BufferTest, AppendsWhatExtentsDescribe) {
  Buffer buffer;
  std::string text = "0123456789";
  const iovec extents[] = {{text.data(), 3}, {nullptr, 0}, {&text[3], 7}};
  EXPECT_TRUE(buffer.AppendExtents(extents));
  EXPECT_TRUE(buffer.AppendExtents({}));
  EXPECT_EQ(buffer.ToString(), text);
  // Those of the buffer itself, too.
  std::array<iovec, 1> own;
  ASSERT_EQ(buffer.Peek(own), 1u);
  EXPECT_TRUE(buffer.AppendExtents(own));
  EXPECT_EQ(buffer.ToString(), text + text);
}

TEST(BufferTest, NothingIsAllocatedForBytesThatItWasExpandedFor) {
  const auto stats = BufferMemoryStats::OfThisThread();
  for (size_t size : {0, 1, 1'000, 65'472, 65'473, 300'000}) {
    for (std::string_view start : {"", "some text"}) {
      Buffer buffer;
      buffer.Append(start);
      ASSERT_TRUE(buffer.Expand(size));
      EXPECT_EQ(buffer.ToString(), start);
      EXPECT_EQ(std::distance(buffer.begin(), buffer.end()),
                start.empty() ? 0 : 1);
      const int64_t segments = stats->segments_in_use.Get();
      const std::string text(size, 'x');
      for (size_t at = 0; at < size; at += 701) {
        EXPECT_TRUE(buffer.Append(std::string_view(text).substr(at, 701)));
      }
      EXPECT_EQ(stats->segments_in_use.Get(), segments);
      EXPECT_EQ(buffer.ToString(), std::string(start) + text);
      // And what it was not expanded for is appended as well.
      EXPECT_TRUE(buffer.Append(std::string(100'000, 'y')));
      EXPECT_EQ(buffer.size(), start.size() + size + 100'000);
    }
  }
  Buffer buffer;
  EXPECT_FALSE(buffer.Expand(Buffer::kMaxReservedBytes + 1));
}

TEST(BufferTest, RoomThatIsNotUsedIsGivenUp) {
  const auto stats = BufferMemoryStats::OfThisThread();
  const int64_t before = stats->segments_in_use.Get();
  Buffer buffer;
  buffer.Expand(200'000);
  buffer.Append("x");
  EXPECT_GT(stats->segments_in_use.Get(), before + 1);
  buffer.Prepend("y");
  EXPECT_EQ(buffer.ToString(), "yx");
  EXPECT_LE(stats->segments_in_use.Get(), before + 2);
  buffer.Expand(200'000);
  buffer.Clear();
  EXPECT_EQ(stats->segments_in_use.Get(), before);
}

TEST(BufferTest, ACallThatChangesNothingEndsAReservationToo) {
  static BufferObserver observer([](Buffer&, const BufferChange&, void*) {},
                                 nullptr);
  const std::vector<void (*)(Buffer&)> calls = {
      [](Buffer& buffer) { buffer.MoveFrom(buffer, 1); },
      [](Buffer& buffer) { buffer.PrependFrom(buffer, 1); },
      [](Buffer& buffer) { Buffer().Append(std::move(buffer)); },
      [](Buffer& buffer) { Buffer().Prepend(std::move(buffer)); },
      [](Buffer& buffer) { buffer.Drain(0); },
      [](Buffer& buffer) { buffer.Remove({}); },
      [](Buffer& buffer) { buffer.ReadLine(EndOfLine::kLf); },
      [](Buffer& buffer) { buffer.Unfreeze(BufferEnd::kFront); },
      [](Buffer& buffer) { buffer.SetSizeLimit(SIZE_MAX); },
      [](Buffer& buffer) { buffer.SetMaxRead(SIZE_MAX); },
      [](Buffer& buffer) { buffer.AddObserver(observer); },
      [](Buffer& buffer) { buffer.RemoveObserver(observer); },
  };
  for (size_t i = 0; i < calls.size(); ++i) {
    Buffer buffer;
    iovec extent;
    ASSERT_EQ(buffer.Reserve(10, {&extent, 1}), 1u);
    calls[i](buffer);
    EXPECT_EQ(buffer.Commit(1).code(), absl::StatusCode::kFailedPrecondition)
        << "call " << i;
  }
}

TEST(BufferTest, ExpandedRoomRemainsWhenAPartIsDrained) {
  const auto stats = BufferMemoryStats::OfThisThread();
  Buffer buffer;
  buffer.AppendReference("first", 5, nullptr, nullptr);
  buffer.AppendReference("second", 6, nullptr, nullptr);
  EXPECT_TRUE(buffer.Expand(1000));
  EXPECT_EQ(buffer.Drain(5), 5u) << "a whole segment, but not the last";
  const int64_t segments = stats->segments_in_use.Get();
  buffer.Append(std::string(1000, 'x'));
  EXPECT_EQ(stats->segments_in_use.Get(), segments);
  EXPECT_EQ(buffer.ToString(), "second" + std::string(1000, 'x'));
}

TEST(BufferTest, AReservationIsNotSeenByReaders) {
  Buffer buffer;
  std::array<iovec, 4> extents;
  for (std::string_view text : {"", "some text"}) {
    buffer.Clear();
    buffer.Append(text);
    buffer.Reserve(100'000, extents);
    EXPECT_EQ(buffer.size(), text.size());
    EXPECT_EQ(buffer.Front(), text);
    EXPECT_EQ(Extents(buffer).size(), text.empty() ? 0u : 1u);
    EXPECT_EQ(buffer.Peek(extents), text.empty() ? 0u : 1u);
    EXPECT_EQ(buffer.FindChar('z'), std::nullopt);
    EXPECT_EQ(buffer.Find("zz"), std::nullopt);
  }
}

TEST(BufferTest, MovesItsContentsWhenMoved) {
  Buffer first;
  first.Append("text");
  Buffer second(std::move(first));
  EXPECT_TRUE(first.empty());  // NOLINT: a moved-from Buffer is empty
  EXPECT_EQ(second.ToString(), "text");
  first.Append("again");
  EXPECT_EQ(first.ToString(), "again");
  second = std::move(first);
  EXPECT_TRUE(first.empty());  // NOLINT
  EXPECT_EQ(second.ToString(), "again");
  second = Buffer();
  EXPECT_TRUE(second.empty());
  std::swap(first, second);
}

TEST(BufferTest, SteadyStateTakesNothingFromTheAllocator) {
  const auto stats = BufferMemoryStats::OfThisThread();
  Buffer first;
  Buffer second;
  const std::string small = Text(100);
  const std::string large = Text(20'000);
  const auto cycle = [&] {
    for (int i = 0; i < 10; ++i) {
      first.Append(small);
      first.Append(large);
      first.AppendReference(large.data(), large.size(), nullptr, nullptr);
      first.Prepend(small);
    }
    second.MoveFrom(first, 100'000);
    second.Append(std::move(first));
    second.Pullup(50'000);
    second.Drain(150'000);
    second.Clear();
  };
  cycle();
  const uint64_t misses = stats->pool_misses.Get();
  for (int i = 0; i < 1000; ++i) cycle();
  EXPECT_EQ(stats->pool_misses.Get(), misses);
}

TEST(BufferTest, MovesBetweenThreads) {
  const auto stats = BufferMemoryStats::OfThisThread();
  const int64_t before = stats->bytes_in_use.Get();
  std::shared_ptr<const BufferMemoryStats> other_stats;
  const std::string text = Text(100'000);
  Buffer buffer;
  buffer.Append(text);
  std::thread([&other_stats, &text, moved = std::move(buffer)]() mutable {
    other_stats = BufferMemoryStats::OfThisThread();
    EXPECT_EQ(moved.ToString(), text);
    moved.Append(text);
    moved.Drain(150'000);
    moved.Clear();
  }).join();
  EXPECT_TRUE(buffer.empty());  // NOLINT
  EXPECT_LT(other_stats->bytes_in_use.Get(), 0);
  EXPECT_EQ(stats->bytes_in_use.Get() + other_stats->bytes_in_use.Get(),
            before);
}

}  // namespace
}  // namespace percore
