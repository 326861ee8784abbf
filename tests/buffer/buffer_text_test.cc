// Text that is made in a Buffer, and cords.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "percore/buffer/buffer.h"

namespace percore {
namespace {

using testing::ElementsAre;

TEST(BufferTextTest, AppendsAsStrFormatDoes) {
  Buffer buffer;
  buffer.Append("> ");
  buffer.AppendFormat("HTTP/%d.%d %s\r\n", 1, 1, "200 OK");
  buffer.AppendFormat("%s", std::string(100'000, 'x'));
  EXPECT_EQ(buffer.ToString(),
            "> HTTP/1.1 200 OK\r\n" + std::string(100'000, 'x'));
}

TEST(BufferTextTest, FormattedTextIsOneChangeAndIsRefusedWhole) {
  Buffer buffer;
  size_t calls = 0;
  BufferObserver observer([](Buffer&, const BufferChange&,
                             void* calls) { ++*static_cast<size_t*>(calls); },
                          &calls);
  buffer.AddObserver(observer);
  const std::string part(3'000, 'x');
  EXPECT_TRUE(buffer.AppendFormat("%s-%s-%s", part, part, part));
  EXPECT_EQ(calls, 1u);
  EXPECT_EQ(buffer.ToString(), part + "-" + part + "-" + part);
  buffer.SetSizeLimit(buffer.size() + 3'000);
  EXPECT_FALSE(buffer.AppendFormat("%s-%s", part, part));
  EXPECT_EQ(buffer.AppendPrintf("%s-", part.c_str()), -1);
  EXPECT_EQ(calls, 1u);
  EXPECT_EQ(buffer.AppendPrintf("%s", part.c_str()), 3'000);
}

TEST(BufferTextTest, AppendsAsPrintfDoes) {
  Buffer buffer;
  EXPECT_EQ(buffer.AppendPrintf("%s-%03d", "a", 7), 5);
  EXPECT_EQ(buffer.AppendPrintf("%s", ""), 0);
  EXPECT_EQ(buffer.ToString(), "a-007");
}

TEST(BufferTextTest, PrintsTextOfAnyLengthIntoRoomOfAnySize) {
  for (const size_t before : {0, 1, 440, 447, 448, 5000}) {
    for (const size_t size : {1, 255, 256, 257, 448, 70'000}) {
      Buffer buffer;
      buffer.Append(std::string(before, 'b'));
      const std::string text(size, 't');
      EXPECT_EQ(buffer.AppendPrintf("%s", text.c_str()),
                static_cast<int>(size));
      EXPECT_EQ(buffer.ToString(), std::string(before, 'b') + text);
    }
  }
}

TEST(BufferTextTest, ChangesNothingWhenTheTextCannotBePrinted) {
  Buffer buffer;
  buffer.Append("before");
  // No character of the C locale.
  EXPECT_EQ(buffer.AppendPrintf("%lc", static_cast<wint_t>(0x20AC)), -1);
  EXPECT_EQ(buffer.ToString(), "before");
  buffer.Append(" and after");
  EXPECT_EQ(buffer.ToString(), "before and after");
}

TEST(BufferTextTest, TellsItsObserverOnceForAPrintedText) {
  Buffer buffer;
  std::vector<size_t> added;
  BufferObserver observer(
      [](Buffer&, const BufferChange& change, void* sizes) {
        static_cast<std::vector<size_t>*>(sizes)->push_back(change.added);
      },
      &added);
  buffer.AddObserver(observer);
  buffer.AppendPrintf("%s", std::string(1000, 'x').c_str());
  EXPECT_THAT(added, ElementsAre(1000));
}

TEST(BufferTextTest, ACordGoesInAndComesOut) {
  absl::Cord cord("short, ");
  cord.Append(std::string(10'000, 'l'));
  absl::Cord tail(std::string(5'000, 't'));
  cord.Append(tail);
  Buffer buffer;
  buffer.Append("> ");
  buffer.AppendCord(cord);
  EXPECT_EQ(buffer.ToString(), "> " + std::string(cord));
  EXPECT_EQ(buffer.ToCord(), absl::StrCat("> ", std::string(cord)));
  buffer.AppendCord(absl::Cord());
  EXPECT_EQ(buffer.size(), 2 + cord.size());
  EXPECT_EQ(Buffer().ToCord(), "");
}

TEST(BufferTextTest, ACordsMemoryStaysAsLongAsTheBytes) {
  bool released = false;
  std::string memory(10'000, 'm');
  {
    absl::Cord cord = absl::MakeCordFromExternal(
        absl::string_view(memory),
        [&released](absl::string_view) { released = true; });
    Buffer buffer;
    buffer.AppendCord(cord);
    cord.Clear();
    EXPECT_EQ(buffer.Front().data(), memory.data()) << "it is not copied";
    Buffer part;
    part.MoveFrom(buffer, 5'000);
    buffer.Clear();
    EXPECT_FALSE(released);
    EXPECT_EQ(part.ToString(), std::string(5'000, 'm'));
  }
  EXPECT_TRUE(released);
}

}  // namespace
}  // namespace percore
