#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "gtest/gtest.h"
#include "percore/buffer/buffer.h"

namespace percore {
namespace {

// "0123456789abcdef" in extents of four bytes.
Buffer FourExtents() {
  Buffer buffer;
  for (const char* text : {"0123", "4567", "89ab", "cdef"}) {
    buffer.AppendReference(text, 4, nullptr, nullptr);
  }
  return buffer;
}

TEST(BufferPositionTest, IsSetWithinTheBufferAndAtItsEndOnly) {
  const Buffer buffer = FourExtents();
  for (size_t offset = 0; offset <= 16; ++offset) {
    const auto position = buffer.PositionAt(offset);
    ASSERT_TRUE(position.has_value());
    EXPECT_EQ(position->offset(), offset);
  }
  EXPECT_FALSE(buffer.PositionAt(17).has_value());
  EXPECT_FALSE(buffer.PositionAt(SIZE_MAX).has_value());
  const Buffer empty;
  EXPECT_TRUE(empty.PositionAt(0).has_value());
  EXPECT_FALSE(empty.PositionAt(1).has_value());
}

TEST(BufferPositionTest, AdvancesToTheEndAndNotBeyond) {
  const Buffer buffer = FourExtents();
  for (size_t step = 1; step <= 17; ++step) {
    auto position = buffer.PositionAt(0);
    size_t expected = 0;
    while (expected + step <= 16) {
      ASSERT_TRUE(buffer.Advance(*position, step));
      expected += step;
      EXPECT_EQ(position->offset(), expected);
    }
    EXPECT_FALSE(buffer.Advance(*position, step));
    EXPECT_FALSE(buffer.Advance(*position, SIZE_MAX));
    EXPECT_EQ(position->offset(), expected) << "stays where it was";
    EXPECT_TRUE(buffer.Advance(*position, 0));
  }
}

TEST(BufferPositionTest, SaysWhereToCopyAndLookFrom) {
  const Buffer buffer = FourExtents();
  const std::string text = buffer.ToString();
  for (size_t offset = 0; offset <= 16; ++offset) {
    const auto position = buffer.PositionAt(offset);
    std::array<char, 6> bytes;
    const size_t copied = buffer.CopyOut(bytes, *position);
    EXPECT_EQ(std::string_view(bytes.data(), copied), text.substr(offset, 6));
    std::array<iovec, 2> extents;
    const size_t count = buffer.Peek(extents, *position);
    std::string peeked;
    for (size_t i = 0; i < count; ++i) {
      peeked.append(static_cast<const char*>(extents[i].iov_base),
                    extents[i].iov_len);
    }
    EXPECT_EQ(peeked, text.substr(offset, 8 - offset % 4));
  }
}

TEST(BufferPositionTest, SaysWhereToSearchFrom) {
  const Buffer buffer = FourExtents();
  const auto position = buffer.PositionAt(5);
  EXPECT_EQ(buffer.Find("567", *position), 5u);
  EXPECT_EQ(buffer.Find("456", *position), std::nullopt);
  EXPECT_EQ(buffer.Find("ab", *position), 10u);
  EXPECT_EQ(buffer.Find("", *position), 5u);
  EXPECT_EQ(buffer.FindChar('4', *position), std::nullopt);
  EXPECT_EQ(buffer.FindChar('f', *position), 15u);
  EXPECT_EQ(buffer.FindInRange("89a", *position, 11), 8u);
  EXPECT_EQ(buffer.FindInRange("89a", *position, 10), std::nullopt);
  EXPECT_EQ(buffer.FindInRange("5", *position, 4), std::nullopt);
  const auto end = buffer.PositionAt(16);
  EXPECT_EQ(buffer.Find("f", *end), std::nullopt);
  EXPECT_EQ(buffer.FindChar('f', *end), std::nullopt);
}

TEST(BufferPositionTest, GoesFromLineToLine) {
  Buffer buffer;
  std::string text;
  for (int i = 0; i < 3000; ++i) text += std::to_string(i) + "\r\n";
  for (size_t at = 0; at < text.size(); at += 7) {
    buffer.AppendReference(text.data() + at,
                           std::min<size_t>(7, text.size() - at), nullptr,
                           nullptr);
  }
  auto position = buffer.PositionAt(0);
  for (int i = 0; i < 3000; ++i) {
    const auto end = buffer.FindLineEnd(EndOfLine::kCrlf, *position);
    ASSERT_TRUE(end.has_value());
    EXPECT_EQ(end->size, 2u);
    std::string line(end->offset - position->offset(), '\0');
    buffer.CopyOut(line, *position);
    EXPECT_EQ(line, std::to_string(i));
    ASSERT_TRUE(buffer.Advance(*position,
                               end->offset + end->size - position->offset()));
  }
  for (EndOfLine style : {EndOfLine::kCrlf, EndOfLine::kLf, EndOfLine::kAny,
                          EndOfLine::kCrlfStrict, EndOfLine::kNul}) {
    EXPECT_FALSE(buffer.FindLineEnd(style, *position).has_value());
  }
}

TEST(BufferPositionTest, StaysRightWhileBytesAreAppended) {
  Buffer buffer;
  auto position = buffer.PositionAt(0);
  std::string text;
  for (int i = 0; i < 50; ++i) {
    const std::string more = std::to_string(i) + std::string(100, ' ') + "\n";
    text += more;
    if (i % 3 == 0) {
      buffer.Append(std::string_view(more).substr(0, 1));
      buffer.AppendReference(text.data(), 0, nullptr, nullptr);
      Buffer rest;
      rest.Append(std::string_view(more).substr(1));
      buffer.Append(std::move(rest));
    } else {
      buffer.Append(more);
    }
    const auto end = buffer.FindLineEnd(EndOfLine::kLf, *position);
    ASSERT_TRUE(end.has_value());
    EXPECT_EQ(end->offset, text.size() - 1);
    ASSERT_TRUE(buffer.Advance(*position, text.size() - position->offset()));
    EXPECT_FALSE(buffer.FindLineEnd(EndOfLine::kLf, *position).has_value());
  }
}

#ifndef NDEBUG
using BufferPositionDeathTest = testing::Test;

TEST(BufferPositionDeathTest, UsingAnInvalidatedOneAborts) {
  const auto use_after = [](void (*change)(Buffer&)) {
    Buffer buffer = FourExtents();
    const auto position = buffer.PositionAt(3);
    change(buffer);
    (void)buffer.FindChar('f', *position);
  };
  const std::string message = "a change of its Buffer that invalidated it";
  EXPECT_DEATH(use_after([](Buffer& b) { b.Drain(1); }), message);
  EXPECT_DEATH(use_after([](Buffer& b) { b.Drain(5); }), message);
  EXPECT_DEATH(use_after([](Buffer& b) { b.Clear(); }), message);
  EXPECT_DEATH(use_after([](Buffer& b) { b.Prepend("x"); }), message);
  EXPECT_DEATH(use_after([](Buffer& b) { b.Pullup(10); }), message);
  EXPECT_DEATH(use_after([](Buffer& b) { b.Unshare(); }), message);
  EXPECT_DEATH(use_after([](Buffer& b) { Buffer().MoveFrom(b, 2); }), message);
  EXPECT_DEATH(use_after([](Buffer& b) { Buffer other(std::move(b)); }),
               message);
  EXPECT_DEATH(use_after([](Buffer& b) { b = Buffer(); }), message);
  // Reading and appending do not.
  use_after([](Buffer& b) {
    b.Append("more");
    b.Pullup(2);
    (void)b.ToString();
  });
}

TEST(BufferPositionDeathTest, UsingOneOfAnotherBufferAborts) {
  const Buffer one = FourExtents();
  const Buffer other = FourExtents();
  const auto position = one.PositionAt(3);
  EXPECT_DEATH((void)other.FindChar('f', *position), "of another Buffer");
}
#endif

}  // namespace
}  // namespace percore
