#include "percore/buffer/file_segment.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "percore/buffer/buffer.h"
#include "percore/runtime/log.h"
#include "percore/tests/support/memory_file.h"
#include "percore/tests/support/test_kernel.h"

namespace percore {
namespace {

using Call = TestKernel::Call;

// Of which no two places look alike.
std::string TextOf(size_t size) {
  std::string text;
  for (size_t i = 0; text.size() < size; ++i) text += std::to_string(i) + ",";
  text.resize(size);
  return text;
}

bool IsOpen(int fd) { return fcntl(fd, F_GETFD) >= 0; }

class FileSegmentTest : public testing::Test {
 protected:
  std::shared_ptr<const FileSegment> Create(
      std::string_view text, const FileSegmentOptions& options = {}) {
    auto file = FileSegment::Create(kernel_, MemoryFile(text), options);
    EXPECT_TRUE(file.ok()) << file.status();
    return *std::move(file);
  }

  TestKernel kernel_;
};

TEST_F(FileSegmentTest, IsTheWholeFileOrARangeOfIt) {
  const std::string text = TextOf(100'000);
  EXPECT_EQ(Create(text)->size(), 100'000u);
  EXPECT_EQ(Create(text, {.offset = 99'999})->size(), 1u);
  EXPECT_EQ(Create(text, {.offset = 100'000})->size(), 0u);
  const auto range = Create(text, {.offset = 5'001, .size = 70'000});
  EXPECT_EQ(range->size(), 70'000u);
  EXPECT_EQ(range->offset(), 5'001u);
  Buffer buffer;
  EXPECT_TRUE(buffer.AppendFile(range));
  EXPECT_EQ(buffer.ToString(), text.substr(5'001, 70'000));
}

TEST_F(FileSegmentTest, ARangeBeyondTheFileIsAnError) {
  const int fd = MemoryFile("0123456789");
  for (const FileSegmentOptions& options :
       {FileSegmentOptions{.offset = 11},
        FileSegmentOptions{.offset = 5, .size = 6},
        FileSegmentOptions{.offset = UINT64_MAX, .size = 2},
        FileSegmentOptions{.offset = 1, .size = SIZE_MAX - 1}}) {
    const auto file = FileSegment::Create(kernel_, fd, options);
    EXPECT_EQ(file.status().code(), absl::StatusCode::kOutOfRange);
    EXPECT_TRUE(IsOpen(fd)) << "stays with the caller";
  }
  close(fd);
}

TEST_F(FileSegmentTest, WhatIsNoRegularFileIsAnError) {
  std::array<int, 2> fds;
  ASSERT_EQ(pipe(fds.data()), 0);
  EXPECT_EQ(FileSegment::Create(kernel_, fds[0], {}).status().code(),
            absl::StatusCode::kInvalidArgument);
  close(fds[0]);
  close(fds[1]);
  EXPECT_EQ(FileSegment::Create(kernel_, -1, {}).status().message(),
            "fstat fd -1: Bad file descriptor");
}

TEST_F(FileSegmentTest, ClosesItsDescriptorInTheEndUnlessItIsToBeKept) {
  for (const auto descriptor : {FileSegmentOptions::Descriptor::kClose,
                                FileSegmentOptions::Descriptor::kKeep}) {
    const bool kept = descriptor == FileSegmentOptions::Descriptor::kKeep;
    int released = 0;
    const int fd = MemoryFile(TextOf(50'000));
    auto file = FileSegment::Create(
        kernel_, fd,
        {.descriptor = descriptor,
         .release = [](void* released) { ++*static_cast<int*>(released); },
         .argument = &released});
    ASSERT_TRUE(file.ok());
    Buffer one;
    Buffer other;
    one.AppendFile(*file);
    other.AppendFile(*std::move(file), 10, 100);
    file = absl::UnknownError("let go of");
    one.Clear();
    EXPECT_EQ(released, 0);
    EXPECT_TRUE(IsOpen(fd));
    other.Drain(99);
    EXPECT_EQ(released, 0);
    other.Drain(1);
    EXPECT_EQ(released, 1);
    EXPECT_EQ(IsOpen(fd), kept);
    if (kept) close(fd);
  }
}

TEST_F(FileSegmentTest, ARangeBeyondItIsRefused) {
  const auto file = Create("0123456789");
  Buffer buffer;
  EXPECT_FALSE(buffer.AppendFile(file, 0, 11));
  EXPECT_FALSE(buffer.AppendFile(file, 11, 0));
  EXPECT_FALSE(buffer.AppendFile(file, 5, SIZE_MAX));
  EXPECT_TRUE(buffer.AppendFile(file, 10, 0));
  EXPECT_TRUE(buffer.empty());
  EXPECT_TRUE(buffer.AppendFile(file, 3, 4));
  EXPECT_EQ(buffer.ToString(), "3456");
}

// Around the size up to which bytes are read instead of mapped, and for both
// ways to get at them.
TEST_F(FileSegmentTest, EveryOperationFindsTheBytes) {
  for (size_t size : {1, 255, 257, 16'383, 16'384, 16'385, 100'000}) {
    for (const auto access : {FileSegmentOptions::Access::kMap,
                              FileSegmentOptions::Access::kRead}) {
      const std::string text = TextOf(size) + "\n";
      const auto file = Create(text, {.access = access});
      const auto buffer_of = [&] {
        Buffer buffer;
        buffer.Append("<");
        EXPECT_TRUE(buffer.AppendFile(file));
        buffer.Append(">");
        return buffer;
      };
      const std::string all = "<" + text + ">";
      SCOPED_TRACE(size);

      EXPECT_EQ(buffer_of().ToString(), all);
      EXPECT_EQ(buffer_of().Pullup(SIZE_MAX), all);
      EXPECT_EQ(buffer_of().FindChar('\n'), size + 1);
      EXPECT_EQ(buffer_of().Find("\n>"), size + 1);
      EXPECT_EQ(buffer_of().FindLineEnd(EndOfLine::kCrlf)->offset, size + 1);
      EXPECT_EQ(std::string(buffer_of().ToCord()), all);
      EXPECT_EQ(*buffer_of().ReadLine(EndOfLine::kLf), all.substr(0, size + 1));

      Buffer buffer = buffer_of();
      std::string bytes(size, ' ');
      EXPECT_EQ(buffer.CopyOut(bytes, 1), size);
      EXPECT_EQ(bytes, text.substr(0, size));
      EXPECT_EQ(buffer.Remove(bytes), size);
      EXPECT_EQ(bytes, all.substr(0, size));

      // Cut, moved and shared without being looked at, then looked at.
      buffer = buffer_of();
      Buffer front;
      EXPECT_EQ(front.MoveFrom(buffer, size / 2 + 1), size / 2 + 1);
      Buffer shared;
      shared.AppendShared(buffer);
      shared.AppendShared(front);
      buffer.Drain(size / 3);
      EXPECT_EQ(shared.ToString(),
                all.substr(size / 2 + 1) + all.substr(0, size / 2 + 1));
      EXPECT_EQ(buffer.ToString(), all.substr(size / 2 + 1 + size / 3));
      front.Unshare();
      EXPECT_EQ(front.ToString(), all.substr(0, size / 2 + 1));
      buffer.Prepend(std::move(front));
      EXPECT_EQ(buffer.size(), all.size() - size / 3);
      EXPECT_TRUE(file->status().ok());
    }
  }
}

TEST_F(FileSegmentTest, NobodyFetchesBytesThatNobodyLooksAt) {
  const auto file = Create(TextOf(1'000'000));
  Buffer buffer;
  buffer.Append("header");
  buffer.AppendFile(file);
  Buffer other;
  other.MoveFrom(buffer, 500'000);
  other.AppendShared(buffer);
  other.Drain(100);
  buffer.Unshare();
  std::array<iovec, 1> extents;
  (void)buffer.CopyOut({});
  EXPECT_TRUE(buffer.PositionAt(300'000).has_value());
  buffer.Clear();
  EXPECT_EQ(kernel_.Count(Call::kPread), 0);
  EXPECT_EQ(kernel_.Count(Call::kMapFile), 0);
  // A large range is mapped once, whoever looks at it.
  EXPECT_EQ(other.Peek(extents, 400'000), 1u);
  EXPECT_EQ(other.FindChar('!'), std::nullopt);
  Buffer third;
  third.AppendFile(file);
  EXPECT_FALSE(third.Front().empty());
  EXPECT_EQ(kernel_.Count(Call::kPread), 0);
  EXPECT_EQ(kernel_.Count(Call::kMapFile), 1);
}

TEST_F(FileSegmentTest, IsFetchedAheadOnRequest) {
  const std::string text = TextOf(100'000);
  const auto file = Create(text, {.offset = 4'097});
  kernel_.Fail(Call::kMapFile, ENOMEM);
  EXPECT_EQ(file->Load().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(file->Load().ok());
  EXPECT_TRUE(file->Load().ok());
  EXPECT_EQ(kernel_.Count(Call::kMapFile), 2);
  Buffer buffer;
  buffer.AppendFile(file);
  EXPECT_EQ(buffer.ToString(), text.substr(4'097));
  EXPECT_EQ(kernel_.Count(Call::kMapFile), 2);
  EXPECT_TRUE(Create("")->Load().ok()) << "of an empty file";
  // A small one is read, and stays in memory.
  const auto small = Create(text.substr(0, 1'000));
  kernel_.Fail(Call::kPread, EIO);
  EXPECT_FALSE(small->Load().ok());
  EXPECT_TRUE(small->Load().ok());
  for (int i = 0; i < 3; ++i) {
    buffer.Clear();
    buffer.AppendFile(small, 1, 998);
    EXPECT_EQ(buffer.ToString(), text.substr(1, 998));
  }
  EXPECT_EQ(kernel_.Count(Call::kPread), 2);
}

TEST_F(FileSegmentTest, BytesInMemoryAreCounted) {
  const auto stats = BufferMemoryStats::OfThisThread();
  const int64_t before = stats->file_bytes.Get();
  for (size_t size : {1'000, 100'000}) {
    auto file = Create(TextOf(size));
    EXPECT_EQ(stats->file_bytes.Get(), before);
    EXPECT_TRUE(file->Load().ok());
    EXPECT_EQ(stats->file_bytes.Get(), before + static_cast<int64_t>(size));
    file.reset();
    EXPECT_EQ(stats->file_bytes.Get(), before);
  }
}

TEST_F(FileSegmentTest, WhatCannotBeMappedIsRead) {
  const std::string text = TextOf(100'000);
  const auto file = Create(text);
  kernel_.Fail(Call::kMapFile, ENODEV);
  kernel_.Fail(Call::kPread, EINTR);
  kernel_.LimitTransfers(30'000);
  Buffer buffer;
  buffer.AppendFile(file);
  EXPECT_EQ(buffer.ToString(), text);
  EXPECT_EQ(kernel_.Count(Call::kPread), 5);
  EXPECT_TRUE(file->status().ok());
}

TEST_F(FileSegmentTest, BytesThatCannotBeFetchedAreZerosAndTheStatusSaysWhy) {
  std::vector<std::string> logged;
  SetLogSink(
      [](LogLevel level, std::string_view message, void* logged) {
        EXPECT_EQ(level, LogLevel::kError);
        static_cast<std::vector<std::string>*>(logged)->emplace_back(message);
      },
      &logged);
  const auto file = Create(TextOf(1'000));
  kernel_.Fail(Call::kPread, EIO);
  Buffer buffer;
  buffer.AppendFile(file);
  EXPECT_EQ(buffer.ToString(), std::string(1'000, '\0'));
  EXPECT_NE(file->status().message().find("Input/output error"),
            std::string::npos);
  // The next who looks may be luckier; it is logged once.
  buffer.Clear();
  buffer.AppendFile(file);
  EXPECT_EQ(buffer.ToString(), TextOf(1'000));
  EXPECT_EQ(logged.size(), 1u);
  SetLogSink(nullptr, nullptr);
}

TEST_F(FileSegmentTest, AFileThatBecameShorterIsNoticed) {
  SetLogSink([](LogLevel, std::string_view, void*) {}, nullptr);
  const int fd = MemoryFile(TextOf(100'000));
  auto file = FileSegment::Create(
      kernel_, fd, {.access = FileSegmentOptions::Access::kRead});
  ASSERT_TRUE(file.ok());
  Buffer buffer;
  buffer.AppendFile(*file);
  ASSERT_EQ(ftruncate(fd, 50'000), 0);
  EXPECT_EQ(buffer.ToString(), std::string(100'000, '\0'));
  EXPECT_FALSE((*file)->status().ok());
  SetLogSink(nullptr, nullptr);
}

TEST_F(FileSegmentTest, GoesToAnotherThreadWithItsBuffer) {
  const std::string text = TextOf(100'000);
  const auto file = Create(text);
  Buffer stays;
  stays.AppendFile(file);
  Buffer goes;
  goes.AppendShared(stays);
  goes.Unshare();
  // Both look at the same time, and one of them maps it.
  std::thread other([&] {
    Buffer buffer(std::move(goes));
    EXPECT_EQ(buffer.ToString(), text);
  });
  EXPECT_EQ(stays.ToString(), text);
  other.join();
  EXPECT_EQ(kernel_.Count(Call::kMapFile), 1);
}

class FileSendTest : public FileSegmentTest {
 protected:
  FileSendTest() {
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
                         fds_.data()),
              0);
  }
  ~FileSendTest() override {
    close(fds_[0]);
    if (fds_[1] >= 0) close(fds_[1]);
  }

  int fd() const { return fds_[0]; }
  void CloseOther() { close(std::exchange(fds_[1], -1)); }

  // Writes all of `buffer`, reading at the other end what comes.
  std::string SendAll(Buffer& buffer) {
    std::string received;
    std::string part(1 << 16, ' ');
    while (true) {
      const ssize_t written =
          buffer.empty() ? 0 : buffer.WriteTo(kernel_, fd());
      EXPECT_TRUE(written >= 0 || written == -EAGAIN) << written;
      if (written < 0 && written != -EAGAIN) return received;
      const ssize_t size = read(fds_[1], part.data(), part.size());
      if (size > 0) received.append(part, 0, static_cast<size_t>(size));
      if (buffer.empty() && size < 0) return received;
    }
  }

  std::array<int, 2> fds_;
};

TEST_F(FileSendTest, LargeRangesGoFromTheFileToTheSocket) {
  const std::string text = TextOf(1'000'000);
  const auto file = Create(text, {.offset = 1'000});
  Buffer buffer;
  buffer.Append("header");
  buffer.AppendFile(file);
  buffer.Append("trailer");
  EXPECT_EQ(SendAll(buffer), "header" + text.substr(1'000) + "trailer");
  EXPECT_GT(kernel_.Count(Call::kSendFile), 0);
  EXPECT_EQ(kernel_.Count(Call::kMapFile), 0);
  EXPECT_EQ(kernel_.Count(Call::kPread), 0);
}

TEST_F(FileSendTest, SmallRangesLeaveWithWhatIsAroundThem) {
  const auto file = Create(TextOf(1'000));
  Buffer buffer;
  buffer.Append("header");
  buffer.AppendFile(file);
  buffer.Append("trailer");
  EXPECT_EQ(buffer.WriteTo(kernel_, fd()), 1'013);
  EXPECT_EQ(kernel_.Count(Call::kSendFile), 0);
  EXPECT_EQ(kernel_.Count(Call::kWritev), 1);
  EXPECT_EQ(SendAll(buffer), "header" + TextOf(1'000) + "trailer");
}

TEST_F(FileSendTest, WritesNoMoreThanAskedFor) {
  const std::string text = TextOf(100'000);
  Buffer buffer;
  buffer.AppendFile(Create(text));
  EXPECT_EQ(buffer.WriteTo(kernel_, fd(), 20'000), 20'000);
  EXPECT_EQ(buffer.size(), 80'000u);
  EXPECT_EQ(buffer.WriteTo(kernel_, fd(), 1), 1);
  EXPECT_EQ(SendAll(buffer), text);
}

TEST_F(FileSendTest, ShortInterruptedAndFailingCallsLoseNothing) {
  const std::string text = TextOf(200'000);
  Buffer buffer;
  buffer.Append("header");
  buffer.AppendFile(Create(text));
  kernel_.LimitTransfers(7'000);
  kernel_.Fail(Call::kSendFile, EINTR);
  EXPECT_EQ(buffer.WriteTo(kernel_, fd()), 6);
  kernel_.Fail(Call::kSendFile, EAGAIN);
  EXPECT_EQ(buffer.WriteTo(kernel_, fd()), -EAGAIN) << "after EINTR";
  kernel_.Fail(Call::kSendFile, EIO);
  EXPECT_EQ(buffer.WriteTo(kernel_, fd()), -EIO);
  EXPECT_EQ(buffer.size(), text.size());
  EXPECT_EQ(SendAll(buffer), "header" + text);
}

TEST_F(FileSendTest, WhatSendfileDoesNotTakeIsWritten) {
  const std::string text = TextOf(100'000);
  for (int error : {EINVAL, ENOSYS}) {
    Buffer buffer;
    buffer.AppendFile(Create(text));
    kernel_.Fail(Call::kSendFile, error);
    EXPECT_EQ(SendAll(buffer), text);
  }
  Buffer buffer;
  buffer.AppendFile(
      Create(text, {.transmission = FileSegmentOptions::Transmission::kWrite}));
  const int before = kernel_.Count(Call::kSendFile);
  EXPECT_EQ(SendAll(buffer), text);
  EXPECT_EQ(kernel_.Count(Call::kSendFile), before);
}

TEST_F(FileSendTest, WhatIsReadForAWriteIsReadInParts) {
  const auto stats = BufferMemoryStats::OfThisThread();
  const std::string text = TextOf(3'000'000);
  Buffer buffer;
  buffer.Append("header");
  buffer.AppendFile(
      Create(text, {.access = FileSegmentOptions::Access::kRead,
                    .transmission = FileSegmentOptions::Transmission::kWrite}));
  buffer.Append("trailer");
  const int64_t before = stats->bytes_in_use.Get();
  std::string received;
  std::string part(1 << 20, ' ');
  while (!buffer.empty()) {
    ASSERT_GT(buffer.WriteTo(kernel_, fd()), 0);
    EXPECT_LE(stats->bytes_in_use.Get(), before + (1 << 20));
    ssize_t size;
    while ((size = read(fds_[1], part.data(), part.size())) > 0) {
      received.append(part, 0, static_cast<size_t>(size));
    }
  }
  EXPECT_TRUE(received == "header" + text + "trailer");
}

TEST_F(FileSendTest, AFileThatBecameShorterIsAnErrorOfTheWrite) {
  for (size_t size : {1'000, 100'000}) {
    const int file_fd = MemoryFile(TextOf(size));
    auto file = FileSegment::Create(kernel_, file_fd, {});
    ASSERT_TRUE(file.ok());
    Buffer buffer;
    buffer.AppendFile(*file);
    ASSERT_EQ(ftruncate(file_fd, 0), 0);
    EXPECT_EQ(buffer.WriteTo(kernel_, fd()), -EIO);
    EXPECT_EQ(buffer.size(), size);
    // What is in front of it is written before.
    buffer.Prepend("header");
    EXPECT_EQ(buffer.WriteTo(kernel_, fd()), 6);
    EXPECT_EQ(buffer.WriteTo(kernel_, fd()), -EIO);
  }
}

TEST_F(FileSendTest, APeerThatIsGoneIsAnErrorAndNoSignal) {
  Buffer buffer;
  buffer.AppendFile(Create(TextOf(100'000)));
  CloseOther();
  EXPECT_EQ(buffer.WriteTo(kernel_, fd()), -EPIPE);
  // And with the signal blocked by the program itself, none stays pending.
  sigset_t pipe_signal;
  sigset_t before;
  sigset_t pending;
  sigemptyset(&pipe_signal);
  sigaddset(&pipe_signal, SIGPIPE);
  ASSERT_EQ(pthread_sigmask(SIG_BLOCK, &pipe_signal, &before), 0);
  EXPECT_EQ(buffer.WriteTo(kernel_, fd()), -EPIPE);
  sigpending(&pending);
  EXPECT_EQ(sigismember(&pending, SIGPIPE), 0);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

TEST_F(FileSendTest, GoesToAPipeAndToAFile) {
  const std::string text = TextOf(50'000);
  std::array<int, 2> pipe_fds;
  ASSERT_EQ(pipe2(pipe_fds.data(), O_CLOEXEC | O_NONBLOCK), 0);
  const int copy = MemoryFile("");
  for (const int to : {pipe_fds[1], copy}) {
    Buffer buffer;
    buffer.Append("header");
    buffer.AppendFile(Create(text));
    while (!buffer.empty()) ASSERT_GT(buffer.WriteTo(kernel_, to), 0);
  }
  std::string copied(60'000, ' ');
  copied.resize(static_cast<size_t>(pread(copy, copied.data(), 60'000, 0)));
  EXPECT_EQ(copied, "header" + text);
  close(pipe_fds[0]);
  close(pipe_fds[1]);
  close(copy);
}

}  // namespace
}  // namespace percore
