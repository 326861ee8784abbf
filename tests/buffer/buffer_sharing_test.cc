// What moves, what is shared, what is copied; and that nobody writes to memory
// that another Buffer can see.
#include <array>
#include <cstring>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "percore/buffer/buffer.h"

namespace percore {
namespace {

constexpr size_t kSmall = Buffer::kMaxCopiedBytes;
constexpr size_t kLarge = 4000;

void Count(void* counter) { ++*static_cast<int*>(counter); }

size_t ExtentCount(const Buffer& buffer) {
  return static_cast<size_t>(std::distance(buffer.begin(), buffer.end()));
}

// `size` bytes in one extent.
Buffer Filled(size_t size, char fill) {
  Buffer buffer;
  buffer.Append(std::string(size, fill));
  return buffer;
}

TEST(BufferSharingTest, AppendingABufferMovesItsSegments) {
  Buffer first = Filled(kLarge, 'a');
  Buffer second = Filled(kLarge, 'b');
  const char* const moved = second.Front().data();
  first.Append(std::move(second));
  EXPECT_TRUE(second.empty());  // NOLINT: a moved-from Buffer is empty
  EXPECT_EQ(first.ToString(),
            std::string(kLarge, 'a') + std::string(kLarge, 'b'));
  EXPECT_EQ((*++first.begin()).data(), moved);
  first.Append("c");
  EXPECT_EQ(ExtentCount(first), 2u) << "the moved segment's room is used";
}

TEST(BufferSharingTest, AppendingAnEmptyBufferChangesNothing) {
  Buffer buffer = Filled(10, 'a');
  buffer.Append(Buffer());
  EXPECT_EQ(buffer.ToString(), std::string(10, 'a'));
}

TEST(BufferSharingTest, SmallBuffersAreCopiedIfThereIsRoom) {
  const auto stats = BufferMemoryStats::OfThisThread();
  const uint64_t before = stats->copied_bytes.Get();
  Buffer buffer = Filled(1, 'a');
  buffer.Append(Filled(kSmall, 'b'));
  EXPECT_EQ(ExtentCount(buffer), 1u);
  EXPECT_EQ(stats->copied_bytes.Get(), before + kSmall);
  buffer.Append(Filled(kSmall + 1, 'c'));
  EXPECT_EQ(ExtentCount(buffer), 2u);
  EXPECT_EQ(stats->copied_bytes.Get(), before + kSmall);
  EXPECT_EQ(buffer.ToString(),
            "a" + std::string(kSmall, 'b') + std::string(kSmall + 1, 'c'));
}

TEST(BufferSharingTest, ASmallBufferThatIsCopiedReleasesItsReferences) {
  int released = 0;
  Buffer source;
  source.AppendReference("one", 3, Count, &released);
  source.AppendReference("two", 3, Count, &released);
  Buffer buffer = Filled(1, 'a');
  buffer.Append(std::move(source));
  EXPECT_EQ(buffer.ToString(), "aonetwo");
  EXPECT_EQ(released, 2);
}

TEST(BufferSharingTest, MoveFromMovesWholeSegmentsAndSharesTheOneItCuts) {
  Buffer source = Filled(kLarge, 'a');
  source.Append(Filled(kLarge, 'b'));
  source.Append(Filled(kLarge, 'c'));
  std::vector<const char*> data;
  for (std::string_view extent : source) data.push_back(extent.data());
  const auto stats = BufferMemoryStats::OfThisThread();
  const uint64_t copied = stats->copied_bytes.Get();
  Buffer buffer;
  EXPECT_EQ(buffer.MoveFrom(source, kLarge + 1000), kLarge + 1000);
  EXPECT_EQ(buffer.ToString(),
            std::string(kLarge, 'a') + std::string(1000, 'b'));
  EXPECT_EQ(source.ToString(),
            std::string(kLarge - 1000, 'b') + std::string(kLarge, 'c'));
  EXPECT_EQ((*buffer.begin()).data(), data[0]);
  EXPECT_EQ((*++buffer.begin()).data(), data[1]);
  EXPECT_EQ((*source.begin()).data(), data[1] + 1000);
  EXPECT_EQ((*++source.begin()).data(), data[2]);
  EXPECT_EQ(stats->copied_bytes.Get(), copied);
}

TEST(BufferSharingTest, MoveFromStopsAtTheEndOfTheSource) {
  Buffer source = Filled(10, 'a');
  Buffer buffer;
  EXPECT_EQ(buffer.MoveFrom(source, 0), 0u);
  EXPECT_EQ(buffer.MoveFrom(source, 4), 4u);
  EXPECT_EQ(buffer.MoveFrom(source, 100), 6u);
  EXPECT_EQ(buffer.MoveFrom(source, 100), 0u);
  EXPECT_EQ(buffer.ToString(), std::string(10, 'a'));
}

TEST(BufferSharingTest, SmallCutsAreCopiedAndLeaveTheSegmentUnshared) {
  Buffer source = Filled(kLarge, 'a');
  Buffer buffer;
  buffer.MoveFrom(source, kSmall);
  EXPECT_EQ(buffer.ToString(), std::string(kSmall, 'a'));
  const char* const data = source.Front().data();
  source.Prepend("x");
  EXPECT_EQ(source.Front().data(), data - 1) << "its headroom is its own";
}

TEST(BufferSharingTest, NobodyWritesIntoASharedSegmentsBytes) {
  Buffer back = Filled(kLarge, 'b');
  Buffer front;
  front.MoveFrom(back, kLarge / 2);
  const std::string half(kLarge / 2, 'b');
  front.Append(half + "tail");   // would overwrite back's bytes
  back.Prepend(half + "head");   // would overwrite front's bytes
  back.Append(half + "tail");    // may use the room behind the last byte
  front.Prepend(half + "head");  // has no room in front either
  EXPECT_EQ(front.ToString(), half + "head" + half + half + "tail");
  EXPECT_EQ(back.ToString(), half + "head" + half + half + "tail");
}

TEST(BufferSharingTest, NoReservationReachesIntoASharedSegmentsBytes) {
  Buffer back = Filled(kLarge, 'b');
  Buffer front;
  front.MoveFrom(back, kLarge / 2);
  for (Buffer* buffer : {&front, &back}) {
    std::array<iovec, 2> extents;
    const size_t count = buffer->Reserve(3 * kLarge, extents);
    for (size_t i = 0; i < count; ++i) {
      std::memset(extents[i].iov_base, 'x', extents[i].iov_len);
    }
    EXPECT_TRUE(buffer->Commit(3 * kLarge).ok());
  }
  const std::string wanted =
      std::string(kLarge / 2, 'b') + std::string(3 * kLarge, 'x');
  EXPECT_EQ(front.ToString(), wanted);
  EXPECT_EQ(back.ToString(), wanted);
}

TEST(BufferSharingTest, PullupDoesNotWriteIntoASharedSegmentsBytes) {
  Buffer back = Filled(kLarge, 'b');
  Buffer front;
  front.MoveFrom(back, kLarge / 2);
  front.Append(Filled(kLarge, 'c'));
  front.Pullup(kLarge);
  EXPECT_EQ(back.ToString(), std::string(kLarge / 2, 'b'));
  EXPECT_EQ(front.ToString(),
            std::string(kLarge / 2, 'b') + std::string(kLarge, 'c'));
}

TEST(BufferSharingTest, OnlyOneOfManyPartsHasTheRoom) {
  Buffer rest = Filled(kLarge, 'a');
  std::vector<Buffer> parts(5);
  for (Buffer& part : parts) part.MoveFrom(rest, 600);
  parts.push_back(std::move(rest));
  for (size_t i = 0; i < parts.size(); ++i) {
    parts[i].Append(std::string(20, static_cast<char>('A' + i)));
    parts[i].Prepend(std::string(20, static_cast<char>('0' + i)));
  }
  for (size_t i = 0; i < parts.size(); ++i) {
    const size_t size = i < 5 ? 600 : kLarge - 5 * 600;
    EXPECT_EQ(parts[i].ToString(),
              std::string(20, static_cast<char>('0' + i)) +
                  std::string(size, 'a') +
                  std::string(20, static_cast<char>('A' + i)));
  }
}

TEST(BufferSharingTest, SharedPartsThatComeTogetherAgainStayRight) {
  Buffer back = Filled(kLarge, 'b');
  Buffer front;
  front.MoveFrom(back, kLarge / 2);
  front.Append("middle");
  front.Append(std::move(back));
  front.Append("end");
  EXPECT_EQ(front.ToString(), std::string(kLarge / 2, 'b') + "middle" +
                                  std::string(kLarge / 2, 'b') + "end");
}

TEST(BufferSharingTest, ReferencesAreReleasedOnceWhenTheLastByteIsGone) {
  const std::string text(kLarge, 'r');
  int released = 0;
  Buffer buffer;
  buffer.AppendReference(text.data(), text.size(), Count, &released);
  EXPECT_EQ(buffer.Front().data(), text.data());
  Buffer other;
  other.MoveFrom(buffer, kLarge / 2);
  EXPECT_EQ(other.Front().data(), text.data());
  buffer.Clear();
  EXPECT_EQ(released, 0);
  other.Drain(kLarge / 2 - 1);
  EXPECT_EQ(released, 0);
  other.Drain(1);
  EXPECT_EQ(released, 1);
}

TEST(BufferSharingTest, AnEmptyReferenceIsReleasedAtOnce) {
  int released = 0;
  Buffer buffer;
  buffer.AppendReference("", 0, Count, &released);
  EXPECT_EQ(released, 1);
  EXPECT_TRUE(buffer.empty());
  buffer.AppendReference("", 0, nullptr, nullptr);
}

TEST(BufferSharingTest, ReferencesAreReleasedByTheDestructorAndByAssignment) {
  int released = 0;
  {
    Buffer buffer;
    buffer.AppendReference("one", 3, Count, &released);
    buffer = Buffer();
    EXPECT_EQ(released, 1);
    buffer.AppendReference("two", 3, Count, &released);
  }
  EXPECT_EQ(released, 2);
}

TEST(BufferSharingTest, ReferencedBytesAreNeverWritten) {
  const std::string text(kLarge, 'r');
  std::string memory = "....." + text + ".....";
  const std::string before = memory;
  Buffer buffer;
  buffer.AppendReference(memory.data() + 5, kLarge, nullptr, nullptr);
  buffer.Append("tail");
  buffer.Drain(1000);
  buffer.Prepend("head");
  EXPECT_EQ(memory, before);
  EXPECT_EQ(buffer.ToString(), "head" + text.substr(1000) + "tail");
}

TEST(BufferSharingTest, AReleaseFunctionMayChangeOrDestroyTheBuffer) {
  auto* const buffer = new Buffer;
  buffer->AppendReference(
      "one", 3,
      [](void* argument) { static_cast<Buffer*>(argument)->Append("more"); },
      buffer);
  buffer->AppendReference("two", 3, nullptr, nullptr);
  buffer->Drain(4);
  EXPECT_EQ(buffer->ToString(), "womore");
  buffer->AppendReference(
      "three", 5, [](void* argument) { delete static_cast<Buffer*>(argument); },
      buffer);
  buffer->AppendReference("four", 4, nullptr, nullptr);
  buffer->Drain(11 + 1);
}

TEST(BufferSharingTest, UnshareCopiesWhatOthersShareAndNothingElse) {
  const std::string external(kLarge, 'e');
  int released = 0;
  Buffer source = Filled(kLarge, 'a');
  source.AppendReference(external.data(), kLarge, Count, &released);
  source.Append(Filled(kLarge, 'b'));
  const std::string text = source.ToString();
  Buffer buffer;
  buffer.MoveFrom(source, 1000);
  buffer.MoveFrom(source, kLarge);
  const char* const own = (*source.begin()).data();
  source.Unshare();
  EXPECT_NE((*source.begin()).data(), own);
  buffer.Clear();
  EXPECT_EQ(released, 1) << "source has no part of it any more";
  EXPECT_EQ(source.ToString(), text.substr(kLarge + 1000));
  const char* const unshared = (*source.begin()).data();
  source.Unshare();
  EXPECT_EQ((*source.begin()).data(), unshared);
}

TEST(BufferSharingTest, AnUnsharedPartIsUsedOnAnotherThread) {
  Buffer source;
  source.Append(std::string(100'000, 'a'));
  Buffer part;
  part.MoveFrom(source, 50'000);
  part.Unshare();
  std::thread other([moved = std::move(part)]() mutable {
    moved.Append("tail");
    moved.Prepend("head");
    EXPECT_EQ(moved.ToString(), "head" + std::string(50'000, 'a') + "tail");
  });
  source.Append("tail");
  source.Drain(10'000);
  source.Prepend("head");
  EXPECT_EQ(source.ToString(), "head" + std::string(40'000, 'a') + "tail");
  source.Clear();
  other.join();
}

std::string SomeText(size_t size) {
  std::string text(size, ' ');
  for (size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + i % 26);
  return text;
}

TEST(BufferSharingTest, SharedContentsAreIndependentFromThenOn) {
  for (const size_t size : {1, 256, 257, 70'000}) {
    const std::string text = SomeText(size);
    Buffer source;
    source.Append(text);
    Buffer copy;
    copy.Append("> ");
    copy.AppendShared(source);
    EXPECT_EQ(copy.ToString(), "> " + text);
    source.Append("!");
    source.Prepend("?");
    copy.Append(".");
    EXPECT_EQ(source.ToString(), "?" + text + "!");
    EXPECT_EQ(copy.ToString(), "> " + text + ".");
    source.Clear();
    EXPECT_EQ(copy.ToString(), "> " + text + ".");
  }
}

TEST(BufferSharingTest, SharingCopiesNothingThatIsLarge) {
  const std::string text = SomeText(100'000);
  Buffer source;
  source.AppendReference(text.data(), text.size(), nullptr, nullptr);
  Buffer copy;
  copy.AppendShared(source);
  copy.AppendShared(source);
  EXPECT_EQ(copy.Front().data(), text.data());
  EXPECT_EQ(copy.ToString(), text + text);
}

TEST(BufferSharingTest, ABufferMayBeSharedWithItself) {
  for (const size_t size : {3, 300, 70'000}) {
    const std::string text = absl::StrCat(SomeText(size), "abc");
    Buffer buffer;
    buffer.Append(std::string_view(text).substr(0, size));
    buffer.AppendReference("abc", 3, nullptr, nullptr);
    buffer.AppendShared(buffer);
    EXPECT_EQ(buffer.ToString(), absl::StrCat(text, text));
  }
  Buffer empty;
  empty.AppendShared(empty);
  EXPECT_TRUE(empty.empty());
}

TEST(BufferSharingTest, ABufferMovesToTheFrontOfAnother) {
  for (const size_t size : {1, 200, 300, 70'000}) {
    for (const size_t moved :
         {size_t{0}, size_t{1}, size / 2, size, size + 1}) {
      const std::string text = SomeText(size);
      Buffer source;
      source.Append(text);
      Buffer buffer;
      buffer.Append("tail");
      EXPECT_EQ(buffer.PrependFrom(source, moved), std::min(moved, size));
      EXPECT_EQ(buffer.ToString(), text.substr(0, moved) + "tail");
      EXPECT_EQ(source.ToString(), text.substr(std::min(moved, size)));
      buffer.Append("!");
      source.Append("?");
      EXPECT_EQ(buffer.ToString(), text.substr(0, moved) + "tail!");
      EXPECT_EQ(source.ToString(), text.substr(std::min(moved, size)) + "?");
    }
  }
  Buffer source;
  source.Append("all");
  Buffer empty;
  empty.Prepend(std::move(source));
  EXPECT_EQ(empty.ToString(), "all");
  EXPECT_EQ(empty.PrependFrom(empty, 2), 0u);
}

}  // namespace
}  // namespace percore
