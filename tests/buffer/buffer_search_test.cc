#include <optional>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "percore/buffer/buffer.h"

namespace percore {
namespace {

// A Buffer of `text` in extents of `extent_size` bytes. `text` must outlive it.
Buffer InExtents(std::string_view text, size_t extent_size) {
  Buffer buffer;
  for (size_t at = 0; at < text.size(); at += extent_size) {
    const std::string_view part = text.substr(at, extent_size);
    buffer.AppendReference(part.data(), part.size(), nullptr, nullptr);
  }
  return buffer;
}

std::optional<size_t> FindInString(std::string_view text,
                                   std::string_view needle, size_t from) {
  const size_t hit = text.find(needle, from);
  return hit == std::string_view::npos ? std::nullopt : std::optional(hit);
}

TEST(BufferSearchTest, FindsWhatStringFindsWhereverTheBordersAre) {
  const std::string text = "abracadabra, abracadabra! simsalabim, ab";
  const std::vector<std::string> needles = {
      "",         "a",   "b",         "ab",
      "abra",     "cad", ", ab",      "abracadabra!",
      "a, abrac", "im",  "bim,",      "z",
      "abz",      text,  text + "x",  "!",
      " ab ",     "aa",  "dabra! sim"};
  for (size_t extent_size = 1; extent_size <= text.size(); ++extent_size) {
    const Buffer buffer = InExtents(text, extent_size);
    for (const std::string& needle : needles) {
      for (size_t from = 0; from <= text.size() + 1; ++from) {
        EXPECT_EQ(buffer.Find(needle, from), FindInString(text, needle, from))
            << needle << " from " << from << " extents of " << extent_size;
      }
    }
    for (char wanted : {'a', 'b', '!', 'z'}) {
      for (size_t from = 0; from <= text.size() + 1; ++from) {
        EXPECT_EQ(buffer.FindChar(wanted, from),
                  FindInString(text, std::string(1, wanted), from));
      }
    }
  }
}

TEST(BufferSearchTest, FindsNothingInAnEmptyBuffer) {
  const Buffer buffer;
  EXPECT_EQ(buffer.Find(""), 0u);
  EXPECT_EQ(buffer.Find("", 1), std::nullopt);
  EXPECT_EQ(buffer.Find("a"), std::nullopt);
  EXPECT_EQ(buffer.FindChar('a'), std::nullopt);
  EXPECT_EQ(buffer.FindLineEnd(EndOfLine::kLf), std::nullopt);
}

TEST(BufferSearchTest, FindsNeedlesLongerThanAnyExtent) {
  std::string text(200'000, 'a');
  text += 'b';
  for (size_t needle_size : {100, 256, 257, 1000, 70'000}) {
    const std::string needle = std::string(needle_size - 1, 'a') + 'b';
    for (size_t extent_size : {64, 1000, 65'000}) {
      const Buffer buffer = InExtents(text, extent_size);
      EXPECT_EQ(buffer.Find(needle), text.size() - needle_size)
          << needle_size << " in extents of " << extent_size;
      EXPECT_EQ(buffer.Find(needle, text.size() - needle_size + 1),
                std::nullopt);
    }
  }
}

TEST(BufferSearchTest, SearchTimeIsLinearForTheWorstNeedle) {
  // A naive search at each border or each byte compares 10^11 bytes here and
  // runs into the test's time limit.
  const std::string text(2'000'000, 'a');
  const std::string needle = std::string(100'000, 'a') + 'b';
  EXPECT_EQ(InExtents(text, 10).Find(needle), std::nullopt);
  EXPECT_EQ(InExtents(text, 50'000).Find(needle), std::nullopt);
}

struct LineCase {
  std::string text;
  EndOfLine style;
  size_t from;
  size_t offset;  // SIZE_MAX: none
  size_t size;
};

TEST(BufferSearchTest, FindsTheEndOfALine) {
  constexpr size_t kNone = SIZE_MAX;
  const std::vector<LineCase> cases = {
      {"one\ntwo\r\n", EndOfLine::kLf, 0, 3, 1},
      {"one\ntwo\r\n", EndOfLine::kLf, 3, 3, 1},
      {"one\ntwo\r\n", EndOfLine::kLf, 4, 8, 1},
      {"one\ntwo\r\n", EndOfLine::kLf, 9, kNone, 0},
      {"one\ntwo\r\n", EndOfLine::kLf, 99, kNone, 0},
      {"one\ntwo\r\n", EndOfLine::kCrlf, 0, 3, 1},
      {"one\ntwo\r\n", EndOfLine::kCrlf, 4, 7, 2},
      {"one\ntwo\r\n", EndOfLine::kCrlf, 8, 7, 2},
      {"one\ntwo\r\n", EndOfLine::kCrlfStrict, 0, 7, 2},
      {"one\ntwo\r\n", EndOfLine::kCrlfStrict, 8, 7, 2},
      {"one\ntwo\r\n", EndOfLine::kCrlfStrict, 9, kNone, 0},
      {"\n", EndOfLine::kCrlf, 0, 0, 1},
      {"\r\n", EndOfLine::kLf, 0, 1, 1},
      {"\r\n", EndOfLine::kCrlf, 0, 0, 2},
      {"\r\n", EndOfLine::kCrlfStrict, 0, 0, 2},
      {"a\r\r\n", EndOfLine::kCrlf, 0, 2, 2},
      {"a\r\r\n", EndOfLine::kCrlfStrict, 0, 2, 2},
      {"a\rb\n", EndOfLine::kCrlf, 0, 3, 1},
      {"a\rb\n", EndOfLine::kCrlfStrict, 0, kNone, 0},
      {"no end\r", EndOfLine::kCrlf, 0, kNone, 0},
      {"no end\r", EndOfLine::kCrlfStrict, 0, kNone, 0},
      {"one\r\n\n\rtwo\n", EndOfLine::kAny, 0, 3, 4},
      {"one\r\n\n\rtwo\n", EndOfLine::kAny, 5, 5, 2},
      {"one\r\n\n\rtwo\n", EndOfLine::kAny, 7, 10, 1},
      {"\n\r", EndOfLine::kAny, 0, 0, 2},
      {"no end", EndOfLine::kAny, 0, kNone, 0},
      {"", EndOfLine::kAny, 0, kNone, 0},
      {"a\n", EndOfLine::kNul, 0, kNone, 0},
  };
  for (const LineCase& c : cases) {
    for (size_t extent_size = 1; extent_size <= c.text.size(); ++extent_size) {
      const Buffer buffer = InExtents(c.text, extent_size);
      const auto end = buffer.FindLineEnd(c.style, c.from);
      const std::string what = c.text + " from " + std::to_string(c.from) +
                               " style " +
                               std::to_string(static_cast<int>(c.style));
      ASSERT_EQ(end.has_value(), c.offset != kNone) << what;
      if (!end.has_value()) continue;
      EXPECT_EQ(end->offset, c.offset) << what;
      EXPECT_EQ(end->size, c.size) << what;
    }
  }
}

TEST(BufferSearchTest, AnInterruptedLineSearchGoesOnWhereItStopped) {
  for (EndOfLine style : {EndOfLine::kCrlf, EndOfLine::kCrlfStrict}) {
    Buffer buffer;
    buffer.Append("line\r");
    EXPECT_FALSE(buffer.FindLineEnd(style).has_value());
    const size_t searched = buffer.size();
    buffer.Append("\nnext");
    const auto end = buffer.FindLineEnd(style, searched);
    ASSERT_TRUE(end.has_value());
    EXPECT_EQ(end->offset, 4u);
    EXPECT_EQ(end->size, 2u);
  }
}

TEST(BufferSearchTest, ANulEndsALineAsWell) {
  using std::string_literals::operator""s;
  const std::string text = "one\n\0two\0"s;
  for (size_t extent_size = 1; extent_size <= text.size(); ++extent_size) {
    const Buffer buffer = InExtents(text, extent_size);
    const auto first = buffer.FindLineEnd(EndOfLine::kNul);
    ASSERT_TRUE(first.has_value());
    EXPECT_EQ(first->offset, 4u);
    EXPECT_EQ(first->size, 1u);
    EXPECT_EQ(buffer.FindLineEnd(EndOfLine::kNul, 5)->offset, 8u);
  }
}

TEST(BufferSearchTest, FindsInARangeWhatEndsInIt) {
  const std::string text = "abracadabra";
  for (size_t extent_size = 1; extent_size <= text.size(); ++extent_size) {
    const Buffer buffer = InExtents(text, extent_size);
    for (const std::string needle : {"", "a", "ra", "abra", "cada", "z"}) {
      for (size_t from = 0; from <= text.size() + 1; ++from) {
        for (size_t end = 0; end <= text.size() + 1; ++end) {
          const auto expected =
              from > end ? std::nullopt
                         : FindInString(std::string_view(text).substr(0, end),
                                        needle, from);
          EXPECT_EQ(buffer.FindInRange(needle, from, end), expected)
              << needle << " from " << from << " to " << end;
        }
      }
    }
  }
}

TEST(BufferSearchTest, APositionInAnEmptyBufferIsRightWhenBytesArrive) {
  Buffer buffer;
  const auto position = buffer.PositionAt(0);
  ASSERT_TRUE(position.has_value());
  buffer.Append("text");
  std::string copy(4, ' ');
  EXPECT_EQ(buffer.CopyOut(copy, *position), 4u);
  EXPECT_EQ(copy, "text");
  iovec extent;
  EXPECT_EQ(buffer.Peek({&extent, 1}, *position), 1u);
  EXPECT_EQ(buffer.FindChar('x', *position), 2u);
}

TEST(BufferSearchTest, ReadsLines) {
  Buffer buffer = InExtents("GET /\r\nHost: x\n\nrest", 3);
  EXPECT_EQ(buffer.ReadLine(EndOfLine::kCrlf), "GET /");
  EXPECT_EQ(buffer.ReadLine(EndOfLine::kCrlf), "Host: x");
  EXPECT_EQ(buffer.ReadLine(EndOfLine::kCrlf), "");
  EXPECT_EQ(buffer.ReadLine(EndOfLine::kCrlf), std::nullopt);
  EXPECT_EQ(buffer.ToString(), "rest");
}

}  // namespace
}  // namespace percore
