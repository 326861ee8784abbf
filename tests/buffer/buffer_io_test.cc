#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <deque>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "percore/buffer/buffer.h"

namespace percore {
namespace {

// A connected pair of non-blocking sockets.
class SocketPair {
 public:
  SocketPair() {
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
                         fds_.data()),
              0);
  }
  SocketPair(const SocketPair&) = delete;
  SocketPair& operator=(const SocketPair&) = delete;
  ~SocketPair() {
    CloseSecond();
    close(fds_[0]);
  }

  int first() const { return fds_[0]; }
  int second() const { return fds_[1]; }
  void CloseSecond() {
    if (fds_[1] >= 0) close(fds_[1]);
    fds_[1] = -1;
  }

 private:
  std::array<int, 2> fds_ = {-1, -1};
};

// The real kernel, except that the next calls fail, or are cut short, as a test
// says. Counts calls and the extents they were given.
class FaultyKernel : public Kernel {
 public:
  // One entry for each call: -errno to fail with, or the most bytes that the
  // call handles. Calls beyond the script are left alone.
  std::deque<ssize_t> script;
  int calls = 0;
  std::vector<int> extent_counts;

  ssize_t Read(int fd, void* data, size_t size) override {
    const iovec extent = {.iov_base = data, .iov_len = size};
    return Readv(fd, &extent, 1);
  }
  ssize_t Readv(int fd, const iovec* extents, int count) override {
    return Apply(extents, count, [&](const std::vector<iovec>& limited) {
      return Kernel::Readv(fd, limited.data(),
                           static_cast<int>(limited.size()));
    });
  }
  ssize_t Writev(int fd, const iovec* extents, int count) override {
    return Apply(extents, count, [&](const std::vector<iovec>& limited) {
      return Kernel::Writev(fd, limited.data(),
                            static_cast<int>(limited.size()));
    });
  }

 private:
  template <typename Call>
  ssize_t Apply(const iovec* extents, int count, Call call) {
    ++calls;
    extent_counts.push_back(count);
    std::vector<iovec> limited(extents, extents + count);
    if (!script.empty()) {
      const ssize_t entry = script.front();
      script.pop_front();
      if (entry < 0) return entry;
      size_t left = static_cast<size_t>(entry);
      for (iovec& extent : limited) {
        extent.iov_len = std::min(extent.iov_len, left);
        left -= extent.iov_len;
      }
    }
    return call(limited);
  }
};

class BufferIoTest : public testing::Test {
 protected:
  // Makes `text` readable from first().
  void Send(std::string_view text) {
    ASSERT_EQ(write(sockets_.second(), text.data(), text.size()),
              static_cast<ssize_t>(text.size()));
  }

  // Reads until `buffer` asks for 256 KiB at a time; leaves it empty.
  void GrowReads(Buffer& buffer) {
    for (int i = 0; i < 3; ++i) {
      Send(std::string(100'000, 'x'));
      while (buffer.ReadFrom(kernel_, sockets_.first()) > 0) {
      }
    }
    buffer.Clear();
    kernel_.calls = 0;
    kernel_.extent_counts.clear();
  }

  // What has been written to first().
  std::string Receive() {
    std::string text(1 << 20, ' ');
    const ssize_t size = read(sockets_.second(), text.data(), text.size());
    text.resize(size < 0 ? 0 : static_cast<size_t>(size));
    return text;
  }

  SocketPair sockets_;
  FaultyKernel kernel_;
  Buffer buffer_;
  std::shared_ptr<const BufferMemoryStats> stats_ =
      BufferMemoryStats::OfThisThread();
};

TEST_F(BufferIoTest, ReadsWhatIsThere) {
  Send("hello");
  EXPECT_EQ(buffer_.ReadFrom(kernel_, sockets_.first(), 65'536), 5);
  EXPECT_EQ(buffer_.ToString(), "hello");
  Send(" world");
  EXPECT_EQ(buffer_.ReadFrom(kernel_, sockets_.first(), 65'536), 6);
  EXPECT_EQ(buffer_.ToString(), "hello world");
  EXPECT_EQ(kernel_.calls, 2);
}

TEST_F(BufferIoTest, ReadsNoMoreThanAskedFor) {
  const std::string text(100'000, 'x');
  Send(text);
  for (size_t max_bytes : {1, 2, 500, 449, 20'000, 65'000, 200'000}) {
    const size_t before = buffer_.size();
    const ssize_t result =
        buffer_.ReadFrom(kernel_, sockets_.first(), max_bytes);
    EXPECT_GT(result, 0);
    EXPECT_LE(result, static_cast<ssize_t>(max_bytes));
    EXPECT_EQ(buffer_.size(), before + static_cast<size_t>(result));
  }
  EXPECT_EQ(buffer_.ToString(), text.substr(0, buffer_.size()));
}

TEST_F(BufferIoTest, ReadsIntoTheRoomAndThenIntoAFreshSegment) {
  buffer_.Append("start");
  Send(std::string(10'000, 'x'));
  EXPECT_EQ(buffer_.ReadFrom(kernel_, sockets_.first(), 65'536), 10'000);
  EXPECT_EQ(kernel_.extent_counts, std::vector<int>{2});
  EXPECT_EQ(buffer_.ToString(), "start" + std::string(10'000, 'x'));
  EXPECT_EQ(std::distance(buffer_.begin(), buffer_.end()), 2);
  Send(std::string(5'000, 'y'));
  EXPECT_EQ(buffer_.ReadFrom(kernel_, sockets_.first(), 5'000), 5'000);
  EXPECT_EQ(kernel_.extent_counts, (std::vector<int>{2, 1}))
      << "the room alone is enough";
  EXPECT_EQ(std::distance(buffer_.begin(), buffer_.end()), 2);
}

TEST_F(BufferIoTest, SmallMessagesKeepSmallSegments) {
  const int64_t before = stats_->bytes_in_use.Get();
  Send("twenty bytes of text");
  EXPECT_EQ(buffer_.ReadFrom(kernel_, sockets_.first(), 1'000'000), 20);
  EXPECT_EQ(stats_->bytes_in_use.Get(), before + 512);
  buffer_.Clear();
  Send(std::string(3000, 'x'));
  EXPECT_EQ(buffer_.ReadFrom(kernel_, sockets_.first(), 1'000'000), 3000);
  EXPECT_EQ(stats_->bytes_in_use.Get(), before + 4096);
  EXPECT_EQ(std::distance(buffer_.begin(), buffer_.end()), 1);
}

TEST_F(BufferIoTest, FewBytesAreCopiedAndManyTakenOver) {
  const auto stats = BufferMemoryStats::OfThisThread();
  for (const size_t size : {size_t{64}, size_t{4096}, size_t{10'000}}) {
    Send("first");  // the pool has what the next read wants
    {
      Buffer buffer;
      ASSERT_EQ(buffer.ReadFrom(kernel_, sockets_.first()), 5);
    }
    const std::string text(size, 'x');
    Send(text);
    Buffer buffer;
    const uint64_t before = stats->copied_bytes.Get();
    ASSERT_EQ(buffer.ReadFrom(kernel_, sockets_.first()),
              static_cast<ssize_t>(size));
    EXPECT_EQ(stats->copied_bytes.Get() - before, size <= 4096 ? size : 0);
    EXPECT_EQ(buffer.ToString(), text);
  }
}

TEST_F(BufferIoTest, AFailedReadKeepsNoMemoryAndChangesNothing) {
  const int64_t before = stats_->bytes_in_use.Get();
  for (ssize_t error : {-EAGAIN, -ECONNRESET, -ENOMEM}) {
    kernel_.script = {error};
    EXPECT_EQ(buffer_.ReadFrom(kernel_, sockets_.first(), 65'536), error);
    EXPECT_TRUE(buffer_.empty());
    EXPECT_EQ(stats_->bytes_in_use.Get(), before);
  }
  EXPECT_EQ(buffer_.ReadFrom(kernel_, sockets_.first(), 65'536), -EAGAIN)
      << "of the real kernel";
  EXPECT_EQ(buffer_.ReadFrom(kernel_, -1, 65'536), -EBADF);
  EXPECT_EQ(buffer_.ReadFrom(kernel_, sockets_.first(), 0), -EINVAL);
  EXPECT_EQ(stats_->bytes_in_use.Get(), before);
}

TEST_F(BufferIoTest, AsksForMoreAfterFullReadsAndForLessAfterSmallOnes) {
  // What a read with more than enough to read gives.
  const auto read_much = [&] {
    // Short of the socket's own limit.
    Send(std::string(150'000, 'x'));
    const ssize_t result = buffer_.ReadFrom(kernel_, sockets_.first());
    while (buffer_.ReadFrom(kernel_, sockets_.first(), 1000) > 0) {
    }
    buffer_.Clear();
    return result;
  };
  EXPECT_EQ(read_much(), 16'384 - 64);
  GrowReads(buffer_);
  EXPECT_GT(read_much(), 100'000);
  for (int i = 0; i < 20; ++i) {
    Send("a few bytes");
    buffer_.ReadFrom(kernel_, sockets_.first());
    buffer_.Clear();
  }
  EXPECT_EQ(read_much(), 4096 - 64);
}

TEST_F(BufferIoTest, MaxReadBoundsEveryRead) {
  EXPECT_EQ(buffer_.max_read(), UINT32_MAX);
  buffer_.SetMaxRead(10);
  Send("0123456789abcdef");
  EXPECT_EQ(buffer_.ReadFrom(kernel_, sockets_.first(), 1000), 10);
  EXPECT_EQ(buffer_.ReadFrom(kernel_, sockets_.first(), 4), 4);
  buffer_.SetMaxRead(0);
  EXPECT_EQ(buffer_.max_read(), 1u);
  EXPECT_EQ(buffer_.ReadFrom(kernel_, sockets_.first()), 1);
  buffer_.SetMaxRead(SIZE_MAX);
  EXPECT_EQ(buffer_.ReadFrom(kernel_, sockets_.first()), 1);
  EXPECT_EQ(buffer_.ToString(), "0123456789abcdef");
}

TEST_F(BufferIoTest, ReadsTheEndOfTheFile) {
  Send("last");
  sockets_.CloseSecond();
  EXPECT_EQ(buffer_.ReadFrom(kernel_, sockets_.first(), 65'536), 4);
  EXPECT_EQ(buffer_.ReadFrom(kernel_, sockets_.first(), 65'536), 0);
  EXPECT_EQ(buffer_.ToString(), "last");
}

TEST_F(BufferIoTest, InterruptedReadsAndWritesAreRepeated) {
  Send("hello");
  kernel_.script = {-EINTR, -EINTR};
  EXPECT_EQ(buffer_.ReadFrom(kernel_, sockets_.first(), 65'536), 5);
  EXPECT_EQ(kernel_.calls, 3);
  kernel_.script = {-EINTR, -EINTR};
  EXPECT_EQ(buffer_.WriteTo(kernel_, sockets_.first()), 5);
  EXPECT_EQ(kernel_.calls, 6);
  EXPECT_EQ(Receive(), "hello");
}

TEST_F(BufferIoTest, WritesAndDrainsEverything) {
  buffer_.Append("head ");
  buffer_.AppendReference("reference ", 10, nullptr, nullptr);
  buffer_.Append(std::string(50'000, 'x'));
  EXPECT_EQ(buffer_.WriteTo(kernel_, sockets_.first()), 50'015);
  EXPECT_TRUE(buffer_.empty());
  EXPECT_EQ(kernel_.calls, 1);
  EXPECT_EQ(Receive(), "head reference " + std::string(50'000, 'x'));
}

TEST_F(BufferIoTest, WritesNoMoreThanAskedFor) {
  buffer_.Append("0123456789");
  buffer_.AppendReference("abcdefghij", 10, nullptr, nullptr);
  EXPECT_EQ(buffer_.WriteTo(kernel_, sockets_.first(), 0), 0);
  EXPECT_EQ(kernel_.calls, 0);
  EXPECT_EQ(buffer_.WriteTo(kernel_, sockets_.first(), 4), 4);
  EXPECT_EQ(buffer_.WriteTo(kernel_, sockets_.first(), 8), 8);
  EXPECT_EQ(buffer_.ToString(), "cdefghij");
  EXPECT_EQ(Receive(), "0123456789ab");
}

TEST_F(BufferIoTest, WritesNothingWithoutASystemCall) {
  EXPECT_EQ(buffer_.WriteTo(kernel_, sockets_.first()), 0);
  EXPECT_EQ(kernel_.calls, 0);
}

TEST_F(BufferIoTest, AShortWriteDrainsWhatWasWritten) {
  std::string text;
  for (int i = 0; i < 10; ++i) {
    const std::string part(100, static_cast<char>('a' + i));
    Buffer segment;
    segment.AppendReference("-", 1, nullptr, nullptr);
    segment.Append(part);
    segment.AppendReference("+", 1, nullptr, nullptr);
    buffer_.Append(std::move(segment));
    text += "-" + part + "+";
  }
  std::string received;
  for (size_t limit : {1, 2, 99, 100, 101, 350}) {
    kernel_.script = {static_cast<ssize_t>(limit)};
    EXPECT_EQ(buffer_.WriteTo(kernel_, sockets_.first()),
              static_cast<ssize_t>(limit));
    received += Receive();
    EXPECT_EQ(received + buffer_.ToString(), text);
  }
}

TEST_F(BufferIoTest, ShortReadsGiveWhatWasRead) {
  const std::string text(150'000, 'x');
  GrowReads(buffer_);
  Send(text);
  for (size_t limit : {65'600, 65'472, 449, 448, 447, 1}) {
    kernel_.script = {static_cast<ssize_t>(limit)};
    const size_t before = buffer_.size();
    EXPECT_EQ(buffer_.ReadFrom(kernel_, sockets_.first(), 200'000),
              static_cast<ssize_t>(limit));
    EXPECT_EQ(buffer_.size(), before + limit);
    EXPECT_EQ(buffer_.ToString(), text.substr(0, before + limit));
  }
}

TEST_F(BufferIoTest, AFailedWriteChangesNothing) {
  buffer_.Append("text");
  for (ssize_t error : {-EAGAIN, -EPIPE, -ECONNRESET, -ENOBUFS}) {
    kernel_.script = {error};
    EXPECT_EQ(buffer_.WriteTo(kernel_, sockets_.first()), error);
    EXPECT_EQ(buffer_.ToString(), "text");
  }
  sockets_.CloseSecond();
  EXPECT_EQ(buffer_.WriteTo(kernel_, sockets_.first()), -EPIPE)
      << "of the real kernel, and no signal";
  EXPECT_EQ(buffer_.ToString(), "text");
}

TEST_F(BufferIoTest, AFullSocketTakesWhatItCanAndThenNothing) {
  std::string text;
  text.resize(10'000'000, 'x');
  buffer_.Append(text);
  size_t written = 0;
  ssize_t result = 0;
  while ((result = buffer_.WriteTo(kernel_, sockets_.first())) > 0) {
    written += static_cast<size_t>(result);
  }
  EXPECT_EQ(result, -EAGAIN);
  EXPECT_GT(written, 0u);
  EXPECT_EQ(buffer_.size(), text.size() - written);
}

TEST_F(BufferIoTest, WritesAtMost64ExtentsWithOneCall) {
  for (int i = 0; i < 100; ++i) {
    buffer_.AppendReference("0123456789", 10, nullptr, nullptr);
  }
  EXPECT_EQ(buffer_.WriteTo(kernel_, sockets_.first()), 640);
  EXPECT_EQ(buffer_.WriteTo(kernel_, sockets_.first()), 360);
  EXPECT_EQ(kernel_.extent_counts, (std::vector<int>{64, 36}));
}

TEST_F(BufferIoTest, WritesToWhatIsNotASocket) {
  std::array<int, 2> pipe_fds;
  ASSERT_EQ(pipe2(pipe_fds.data(), O_CLOEXEC | O_NONBLOCK), 0);
  buffer_.Append("through a pipe");
  EXPECT_EQ(buffer_.WriteTo(kernel_, pipe_fds[1]), 14);
  EXPECT_EQ(buffer_.ReadFrom(kernel_, pipe_fds[0], 100), 14);
  EXPECT_EQ(buffer_.ToString(), "through a pipe");
  close(pipe_fds[0]);
  close(pipe_fds[1]);
}

TEST_F(BufferIoTest, TheObserverIsToldOfBytesReadAndWritten) {
  std::vector<std::pair<size_t, size_t>> changes;
  BufferObserver observer(
      [](Buffer&, const BufferChange& change, void* argument) {
        static_cast<decltype(changes)*>(argument)->emplace_back(change.added,
                                                                change.drained);
      },
      &changes);
  GrowReads(buffer_);
  buffer_.AddObserver(observer);
  Send(std::string(100'000, 'x'));
  buffer_.ReadFrom(kernel_, sockets_.first(), 200'000);
  buffer_.ReadFrom(kernel_, sockets_.first(), 200'000);
  buffer_.WriteTo(kernel_, sockets_.first(), 70'000);
  kernel_.script = {-EAGAIN};
  buffer_.WriteTo(kernel_, sockets_.first());
  EXPECT_EQ(changes, (decltype(changes){{100'000, 0}, {0, 70'000}}));
}

TEST_F(BufferIoTest, TheObserverMayDestroyTheBufferThatIsReadOrWritten) {
  BufferObserver observer(
      [](Buffer& buffer, const BufferChange&, void*) { delete &buffer; },
      nullptr);
  auto* const read = new Buffer;
  GrowReads(*read);
  read->AddObserver(observer);
  Send(std::string(100'000, 'x'));
  EXPECT_EQ(read->ReadFrom(kernel_, sockets_.first(), 200'000), 100'000);
  auto* const written = new Buffer;
  written->Append(std::string(100'000, 'x'));
  written->AddObserver(observer);
  EXPECT_EQ(written->WriteTo(kernel_, sockets_.first()), 100'000);
}

TEST_F(BufferIoTest, IoEndsAReservation) {
  buffer_.Append("text");
  std::array<iovec, 4> extents;
  buffer_.Reserve(100'000, extents);
  kernel_.script = {-EAGAIN};
  EXPECT_EQ(buffer_.WriteTo(kernel_, sockets_.first()), -EAGAIN);
  EXPECT_FALSE(buffer_.Commit(1).ok());
  buffer_.Reserve(100'000, extents);
  EXPECT_EQ(buffer_.ReadFrom(kernel_, sockets_.first(), 100), -EAGAIN);
  EXPECT_FALSE(buffer_.Commit(1).ok());
}

TEST_F(BufferIoTest, SteadyReadingAndWritingTakesNothingFromTheAllocator) {
  const auto echo = [&](std::string_view text) {
    Send(text);
    Buffer output;
    while (buffer_.ReadFrom(kernel_, sockets_.first(), 65'536) > 0) {
      output.Append(std::move(buffer_));
    }
    EXPECT_EQ(output.WriteTo(kernel_, sockets_.first()),
              static_cast<ssize_t>(text.size()));
    EXPECT_EQ(Receive(), text);
  };
  const std::string small(64, 's');
  const std::string large(150'000, 'l');
  echo(small);
  echo(large);
  const uint64_t misses = stats_->pool_misses.Get();
  for (int i = 0; i < 200; ++i) {
    echo(small);
    echo(large);
  }
  EXPECT_EQ(stats_->pool_misses.Get(), misses);
}

TEST_F(BufferIoTest, ASegmentIsCopiedOnlyWhereThatSavesMemory) {
  struct Case {
    size_t capacity;
    size_t bytes;
    bool copied;
  };
  for (const Case& test :
       {Case{400, 1, false}, Case{1984, 1, true}, Case{1984, 448, true},
        Case{1984, 960, true}, Case{1984, 961, false}, Case{1984, 1984, false},
        Case{65472, 4096, true}, Case{65472, 4097, false}}) {
    Segment* const segment = Segment::New(test.capacity);
    EXPECT_EQ(Buffer::WouldCopy(*segment, test.bytes), test.copied);
    std::memset(segment->tail(), 'x', test.bytes);
    const char* const data = segment->tail();
    segment->Extend(test.bytes);
    Buffer buffer;
    ASSERT_TRUE(buffer.AppendSegment(segment));
    EXPECT_EQ(buffer.Front().data() != data, test.copied);
    EXPECT_EQ(buffer.ToString(), std::string(test.bytes, 'x'));
  }
}

}  // namespace
}  // namespace percore
