// Frozen ends and size limits: what is refused changes nothing.
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "percore/buffer/buffer.h"
#include "percore/tests/support/memory_file.h"

namespace percore {
namespace {

// One call; returns whether the buffer did it.
struct Change {
  const char* name;
  bool (*make)(Buffer& buffer);
};

std::shared_ptr<const FileSegment> FileOf(std::string_view text) {
  auto file = FileSegment::Create(Kernel::Real(), MemoryFile(text), {});
  EXPECT_TRUE(file.ok());
  return *std::move(file);
}

Buffer Filled(std::string_view text) {
  Buffer buffer;
  buffer.Append(text);
  return buffer;
}

ssize_t ReadFour(Buffer& buffer) {
  std::array<int, 2> fds;
  EXPECT_EQ(pipe(fds.data()), 0);
  EXPECT_EQ(write(fds[1], "read", 4), 4);
  const ssize_t result = buffer.ReadFrom(Kernel::Real(), fds[0]);
  close(fds[0]);
  close(fds[1]);
  return result;
}

ssize_t WriteOne(Buffer& buffer) {
  std::array<int, 2> fds;
  EXPECT_EQ(pipe(fds.data()), 0);
  const ssize_t result = buffer.WriteTo(Kernel::Real(), fds[1], 1);
  close(fds[0]);
  close(fds[1]);
  return result;
}

// Each appends four bytes.
constexpr Change kAppends[] = {
    {"Append", [](Buffer& b) { return b.Append("four"); }},
    {"AppendExtents",
     [](Buffer& b) {
       std::string four = "four";
       const iovec extents[] = {{four.data(), 1}, {four.data() + 1, 3}};
       return b.AppendExtents(extents);
     }},
    {"Append(Buffer)", [](Buffer& b) { return b.Append(Filled("four")); }},
    {"AppendFormat", [](Buffer& b) { return b.AppendFormat("%s", "four"); }},
    {"AppendPrintf", [](Buffer& b) { return b.AppendPrintf("%d", 4444) == 4; }},
    {"AppendCord", [](Buffer& b) { return b.AppendCord(absl::Cord("four")); }},
    {"AppendShared",
     [](Buffer& b) {
       Buffer four = Filled("four");
       return b.AppendShared(four);
     }},
    {"AppendReference",
     [](Buffer& b) { return b.AppendReference("four", 4, nullptr, nullptr); }},
    {"AppendFile", [](Buffer& b) { return b.AppendFile(FileOf("four")); }},
    {"MoveFrom",
     [](Buffer& b) {
       Buffer four = Filled("four");
       return b.MoveFrom(four, 4) == 4;
     }},
    {"Reserve",
     [](Buffer& b) {
       iovec room;
       if (b.Reserve(4, {&room, 1}) == 0) return false;
       return b.Commit(4).ok();
     }},
    {"Expand", [](Buffer& b) { return b.Expand(4) && b.Append("four"); }},
    {"ReadFrom", [](Buffer& b) { return ReadFour(b) == 4; }},
};

constexpr Change kPrepends[] = {
    {"Prepend", [](Buffer& b) { return b.Prepend("four"); }},
    {"Prepend(Buffer)", [](Buffer& b) { return b.Prepend(Filled("four")); }},
    {"PrependFrom",
     [](Buffer& b) {
       Buffer four = Filled("four");
       return b.PrependFrom(four, 4) == 4;
     }},
};

// Each takes one byte or more away.
constexpr Change kRemovals[] = {
    {"Drain", [](Buffer& b) { return b.Drain(1) == 1; }},
    {"Drain of all", [](Buffer& b) { return b.Drain(100) != 0; }},
    {"Clear", [](Buffer& b) { return b.Clear() != 0; }},
    {"Remove",
     [](Buffer& b) {
       std::array<char, 2> bytes;
       return b.Remove(bytes) == 2;
     }},
    {"ReadLine",
     [](Buffer& b) { return b.ReadLine(EndOfLine::kLf).has_value(); }},
    {"MoveFrom",
     [](Buffer& b) {
       Buffer to;
       return to.MoveFrom(b, 1) == 1;
     }},
    {"PrependFrom",
     [](Buffer& b) {
       Buffer to;
       return to.PrependFrom(b, 1) == 1;
     }},
    {"Append(Buffer)",
     [](Buffer& b) {
       Buffer to;
       return to.Append(std::move(b));
     }},
    {"Prepend(Buffer)",
     [](Buffer& b) {
       Buffer to;
       return to.Prepend(std::move(b));
     }},
    {"constructor",
     [](Buffer& b) {
       const Buffer to(std::move(b));
       return !to.empty();
     }},
    {"assignment",
     [](Buffer& b) {
       Buffer to;
       to = std::move(b);
       return !to.empty();
     }},
    {"WriteTo", [](Buffer& b) { return WriteOne(b) == 1; }},
};

constexpr std::string_view kText = "line\nand more";

void ExpectRefused(Buffer& buffer, const Change& change) {
  int told = 0;
  BufferObserver observer([](Buffer&, const BufferChange&,
                             void* told) { ++*static_cast<int*>(told); },
                          &told);
  buffer.AddObserver(observer);
  const std::string before = buffer.ToString();
  EXPECT_FALSE(change.make(buffer)) << change.name;
  EXPECT_EQ(buffer.ToString(), before) << change.name;
  EXPECT_EQ(told, 0) << change.name;
}

TEST(BufferRefusalTest, AFrozenBackRefusesWhatAppends) {
  for (const Change& change : kAppends) {
    Buffer buffer = Filled(kText);
    buffer.Freeze(BufferEnd::kBack);
    EXPECT_TRUE(buffer.frozen(BufferEnd::kBack));
    EXPECT_FALSE(buffer.frozen(BufferEnd::kFront));
    ExpectRefused(buffer, change);
    buffer.Unfreeze(BufferEnd::kBack);
    EXPECT_TRUE(change.make(buffer)) << change.name;
    EXPECT_EQ(buffer.size(), kText.size() + 4) << change.name;
  }
}

TEST(BufferRefusalTest, AFrozenBackLetsTheFrontChange) {
  for (const Change& change : kRemovals) {
    Buffer buffer = Filled(kText);
    buffer.Freeze(BufferEnd::kBack);
    EXPECT_TRUE(change.make(buffer)) << change.name;
    EXPECT_LT(buffer.size(), kText.size()) << change.name;
  }
  for (const Change& change : kPrepends) {
    Buffer buffer = Filled(kText);
    buffer.Freeze(BufferEnd::kBack);
    EXPECT_TRUE(change.make(buffer)) << change.name;
  }
}

TEST(BufferRefusalTest, AFrozenFrontRefusesWhatRemovesAndPrepends) {
  std::vector<Change> changes(std::begin(kRemovals), std::end(kRemovals));
  changes.insert(changes.end(), std::begin(kPrepends), std::end(kPrepends));
  for (const Change& change : changes) {
    Buffer buffer = Filled(kText);
    buffer.Freeze(BufferEnd::kFront);
    ExpectRefused(buffer, change);
    buffer.Unfreeze(BufferEnd::kFront);
    EXPECT_TRUE(change.make(buffer)) << change.name;
  }
}

TEST(BufferRefusalTest, AFrozenFrontLetsTheBackChange) {
  for (const Change& change : kAppends) {
    Buffer buffer = Filled(kText);
    buffer.Freeze(BufferEnd::kFront);
    EXPECT_TRUE(change.make(buffer)) << change.name;
  }
}

TEST(BufferRefusalTest, AFullBufferRefusesWhatAdds) {
  std::vector<Change> changes(std::begin(kAppends), std::end(kAppends));
  changes.insert(changes.end(), std::begin(kPrepends), std::end(kPrepends));
  for (const Change& change : changes) {
    Buffer buffer = Filled(kText);
    buffer.SetSizeLimit(kText.size());
    EXPECT_EQ(buffer.size_limit(), kText.size());
    ExpectRefused(buffer, change);
    // With just enough room it is done.
    buffer.SetSizeLimit(kText.size() + 4);
    EXPECT_TRUE(change.make(buffer)) << change.name;
    EXPECT_EQ(buffer.size(), kText.size() + 4) << change.name;
    ExpectRefused(buffer, change);
    // And without a limit again.
    buffer.SetSizeLimit(SIZE_MAX);
    EXPECT_TRUE(change.make(buffer)) << change.name;
  }
}

TEST(BufferRefusalTest, WhatWouldNotFitWholeIsNotAddedInPart) {
  for (const Change& change : kAppends) {
    const std::string_view name = change.name;
    if (name == "MoveFrom" || name == "ReadFrom") continue;  // see below
    Buffer buffer = Filled(kText);
    buffer.SetSizeLimit(kText.size() + 3);
    ExpectRefused(buffer, change);
  }
}

TEST(BufferRefusalTest, MovesAndReadsBringAsMuchAsFits) {
  Buffer buffer = Filled(kText);
  buffer.SetSizeLimit(kText.size() + 3);
  Buffer source = Filled("source");
  EXPECT_EQ(buffer.MoveFrom(source, SIZE_MAX), 3u);
  EXPECT_EQ(source.ToString(), "rce");
  EXPECT_EQ(buffer.MoveFrom(source, SIZE_MAX), 0u);
  buffer.Drain(2);
  EXPECT_EQ(buffer.PrependFrom(source, SIZE_MAX), 2u);
  EXPECT_EQ(source.ToString(), "e");
  buffer.Drain(3);
  EXPECT_EQ(ReadFour(buffer), 3);
  EXPECT_EQ(ReadFour(buffer), -ENOBUFS);
}

TEST(BufferRefusalTest, ALimitBelowTheSizeTakesNothingAway) {
  Buffer buffer = Filled(kText);
  buffer.SetSizeLimit(2);
  EXPECT_EQ(buffer.ToString(), kText);
  EXPECT_FALSE(buffer.Append("x"));
  buffer.Drain(kText.size() - 1);
  EXPECT_TRUE(buffer.Append("x"));
  EXPECT_FALSE(buffer.Append("x"));
}

TEST(BufferRefusalTest, ALimitedBufferHandsOutNoMoreRoomThanItMayTake) {
  Buffer buffer;
  buffer.SetSizeLimit(1000);
  std::array<iovec, 4> extents;
  ASSERT_EQ(buffer.Reserve(10, extents), 1u);
  EXPECT_LE(extents[0].iov_len, 1000u);
  EXPECT_FALSE(buffer.Commit(1001).ok());
  EXPECT_TRUE(buffer.Commit(10).ok());
  EXPECT_EQ(buffer.Reserve(991, extents), 0u);
  EXPECT_FALSE(buffer.Expand(991));
  EXPECT_TRUE(buffer.Expand(990));
}

TEST(BufferRefusalTest, FreezingEndsAReservation) {
  Buffer buffer;
  iovec room;
  ASSERT_EQ(buffer.Reserve(10, {&room, 1}), 1u);
  buffer.Freeze(BufferEnd::kBack);
  EXPECT_EQ(buffer.Commit(1).code(), absl::StatusCode::kFailedPrecondition);
}

TEST(BufferRefusalTest, ErrorsOfIoSayWhy) {
  Buffer buffer = Filled(kText);
  buffer.Freeze(BufferEnd::kBack);
  EXPECT_EQ(ReadFour(buffer), -EPERM);
  buffer.Freeze(BufferEnd::kFront);
  EXPECT_EQ(WriteOne(buffer), -EPERM);
}

TEST(BufferRefusalTest, AssignmentIsRefusedWhole) {
  Buffer source = Filled("source");
  Buffer frozen = Filled(kText);
  frozen.Freeze(BufferEnd::kFront);
  frozen = std::move(source);
  EXPECT_EQ(frozen.ToString(), kText);
  // Not moved from.
  EXPECT_EQ(source.ToString(), "source");  // NOLINT(bugprone-use-after-move)
  Buffer limited = Filled("12345");
  limited.SetSizeLimit(5);
  limited = std::move(source);
  EXPECT_EQ(limited.ToString(), "12345");
  EXPECT_EQ(source.ToString(), "source");  // NOLINT(bugprone-use-after-move)
  limited.SetSizeLimit(6);
  limited = std::move(source);
  EXPECT_EQ(limited.ToString(), "source");
  EXPECT_TRUE(source.empty());  // NOLINT(bugprone-use-after-move)
}

TEST(BufferRefusalTest, ReferencesThatAreRefusedAreNotReleased) {
  bool released = false;
  const auto release = [](void* released) {
    *static_cast<bool*>(released) = true;
  };
  Buffer buffer;
  buffer.Freeze(BufferEnd::kBack);
  EXPECT_FALSE(buffer.AppendReference("text", 4, release, &released));
  EXPECT_FALSE(released);
}

TEST(BufferRefusalTest, ASizeThatOverflowsIsRefused) {
  Buffer buffer = Filled("text");
  EXPECT_FALSE(buffer.AppendReference("text", SIZE_MAX - 3, nullptr, nullptr));
  const iovec extents[] = {{nullptr, SIZE_MAX / 2 + 1},
                           {nullptr, SIZE_MAX / 2 + 1}};
  EXPECT_FALSE(buffer.AppendExtents(extents));
  EXPECT_EQ(buffer.ToString(), "text");
  // The most that a size can say; nobody looks at the bytes.
  EXPECT_TRUE(buffer.AppendReference("text", SIZE_MAX - 4, nullptr, nullptr));
  EXPECT_EQ(buffer.size(), SIZE_MAX);
  EXPECT_FALSE(buffer.Append("x"));
  EXPECT_FALSE(buffer.Prepend("x"));
  EXPECT_EQ(buffer.Drain(SIZE_MAX), SIZE_MAX);
}

}  // namespace
}  // namespace percore
