// What is this transport's own: requests that outlive what they were put in
// for, and buffers that all connections share. What it has in common with
// others is tested by the contract of connections.
#include "percore/net/internal/completion_transport.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <deque>
#include <memory>
#include <string>
#include <thread>

#include "percore/buffer/file_segment.h"
#include "percore/buffer/receive_buffers.h"
#include "percore/net/socket_pair.h"
#include "percore/tests/net/connection_side.h"
#include "percore/tests/support/descriptors.h"
#include "percore/tests/support/test_kernel.h"

namespace percore {
namespace {

using Call = TestKernel::Call;

// A connection, and the peer's socket.
struct Link {
  std::unique_ptr<ConnectionSide> side;
  UniqueFd peer;
};

class CompletionTransportTest : public testing::Test {
 protected:
  void SetUp() override { MakeBase(); }
  void TearDown() override {
    links_.clear();
    base_ = nullptr;
    EXPECT_EQ(OpenDescriptors(), descriptors_);
  }
  void MakeBase() {
    auto made = EventBase::Create({.backend = "io_uring", .kernel = &kernel_});
    if (!made.ok()) GTEST_SKIP() << "NO io_uring HERE: " << made.status();
    base_ = *std::move(made);
  }

  Link& Connect() {
    auto [near, peer] = *SocketPair();
    Link& link = links_.emplace_back();
    link.side = std::make_unique<ConnectionSide>();
    link.side->Take(std::make_unique<BufferEvent>(*base_, std::move(near)));
    link.peer = std::move(peer);
    EXPECT_TRUE(link.side->connection->Enable(EventFlags::kRead).ok());
    return link;
  }
  // Its peer gets back what it sends, and nobody hears of it.
  void ConnectEcho() {
    Connect().side->connection->SetCallbacks(
        {.read =
             [](BufferEvent& connection, void*) {
               connection.output().Append(std::move(connection.input()));
             }},
        nullptr);
  }
  void Write(const Link& link, std::string_view bytes) {
    ASSERT_EQ(write(link.peer.get(), bytes.data(), bytes.size()),
              static_cast<ssize_t>(bytes.size()));
  }
  // What the peer has received; "(end)" behind the last byte of all.
  static std::string Read(const UniqueFd& peer) {
    std::string received;
    char bytes[65536];
    ssize_t size;
    while ((size = read(peer.get(), bytes, sizeof(bytes))) > 0) {
      received.append(bytes, static_cast<size_t>(size));
    }
    return size == 0 ? received + "(end)" : received;
  }
  static int LeftInSocket(const Link& link) {
    int left = 0;
    EXPECT_EQ(ioctl(link.side->connection->fd(), FIONREAD, &left), 0);
    return left;
  }
  void Run(int rounds = 20) {
    for (int i = 0; i < rounds; ++i) {
      ASSERT_TRUE(base_->Run(RunMode::kNonBlocking).ok());
    }
  }
  // Without telling anybody of it: by the system call that another one's
  // request makes.
  void GiveWhatHasCome() {
    Connect();
    base_->ring()->Flush();
  }
  ReceiveBuffers& buffers() { return *ReceiveBuffers::Of(*base_->ring()); }

  const int descriptors_ = OpenDescriptors();
  TestKernel kernel_{TestKernel::Clock::kManual};
  std::unique_ptr<EventBase> base_;
  std::deque<Link> links_;
};

TEST_F(CompletionTransportTest, ARoundMakesOneCallForAllConnections) {
  for (int i = 0; i < 15; ++i) ConnectEcho();
  Run();
  for (const Link& link : links_) Write(link, "hello");
  const int calls = kernel_.Count(Call::kEnterRing);
  // One in which all is received, one in which all is sent.
  ASSERT_TRUE(base_->Run(RunMode::kNonBlocking).ok());
  EXPECT_EQ(kernel_.Count(Call::kEnterRing), calls + 2);
  for (const Link& link : links_) EXPECT_EQ(Read(link.peer), "hello");
}

TEST_F(CompletionTransportTest, WhatComesWhileNobodyReadsIsKeptAndGivenLater) {
  Link& link = Connect();
  Run();
  Write(link, "early ");
  // The kernel gives it before the loop hears that reading is over.
  GiveWhatHasCome();
  link.side->connection->Disable(EventFlags::kRead);
  base_->ring()->Flush();
  Run();
  EXPECT_EQ(link.side->reads, 0);
  Write(link, "late");
  Run();
  EXPECT_EQ(link.side->reads, 0);
  ASSERT_TRUE(link.side->connection->Enable(EventFlags::kRead).ok());
  Run();
  EXPECT_EQ(link.side->input().ToString(), "early late");
}

// Whoever is not told of what was sent is served as soon as others.
TEST_F(CompletionTransportTest, WhatOneRequestCannotTakeFollowsWithoutASleep) {
  Link& link = Connect();
  link.side->connection->SetCallbacks({}, nullptr);
  link.side->connection->SetMaxSingle(EventFlags::kWrite, 3000);
  std::string expected;
  for (int i = 0; i < 300; ++i) {
    static constexpr char kPiece[] = "a piece of its own";
    link.side->output().AppendReference(kPiece, sizeof(kPiece) - 1, nullptr,
                                        nullptr);
    expected += kPiece;
  }
  const std::string text(10'000, 'f');
  const int fd = memfd_create("file", MFD_CLOEXEC);
  ASSERT_EQ(write(fd, text.data(), text.size()),
            static_cast<ssize_t>(text.size()));
  auto file = FileSegment::Create(kernel_, fd, {});
  ASSERT_TRUE(file.ok());
  link.side->output().AppendFile(*std::move(file));
  expected += text;
  // The clock moves when the loop sleeps, and then this is what ends it.
  ASSERT_TRUE(base_->ExitAfter(std::chrono::milliseconds(1)).ok());
  ASSERT_TRUE(base_->Run(RunMode::kUntilExit).ok());
  EXPECT_EQ(Read(link.peer), expected);
}

TEST_F(CompletionTransportTest, WhoComesToWaitForWhatIsSentHearsOfItAtOnce) {
  Link& link = Connect();
  link.side->connection->SetCallbacks({}, nullptr);
  Run();
  const TimePoint asked = kernel_.Now();
  TimePoint written = kInfiniteFuture;
  base_->Post([&] {
    link.side->output().Append("hello");
    link.side->connection->SetCallbacks(
        {.write =
             [](BufferEvent& connection, void* written) {
               *static_cast<TimePoint*>(written) =
                   connection.base().kernel().Now();
             }},
        &written);
  });
  // The clock moves when the loop sleeps, and then this is what ends it.
  ASSERT_TRUE(base_->ExitAfter(std::chrono::milliseconds(1)).ok());
  ASSERT_TRUE(base_->Run(RunMode::kUntilExit).ok());
  EXPECT_EQ(written, asked);
  EXPECT_EQ(Read(link.peer), "hello");
}

TEST_F(CompletionTransportTest, NoMoreIsTakenFromTheSocketThanThereIsRoomFor) {
  Link& link = Connect();
  link.side->connection->SetWatermarks(EventFlags::kRead, 0, 10);
  Run();
  Write(link, std::string(100, 'x'));
  Run();
  EXPECT_EQ(link.side->input().size(), 10u);
  EXPECT_EQ(LeftInSocket(link), 90);
  link.side->input().Drain(7);
  Run();
  EXPECT_EQ(link.side->input().size(), 10u);
  EXPECT_EQ(LeftInSocket(link), 83);
}

TEST_F(CompletionTransportTest, KernelsWithoutBoundedReceivesGiveTheSame) {
  kernel_.Fail(Call::kRead, EINVAL);
  Link& bounded = Connect();
  bounded.side->connection->SetWatermarks(EventFlags::kRead, 0, 10);
  Run();
  EXPECT_FALSE(buffers().can_be_bounded());
  Write(bounded, std::string(100, 'x'));
  Run();
  EXPECT_EQ(bounded.side->input().size(), 10u);
  EXPECT_EQ(LeftInSocket(bounded), 90);

  Link& link = Connect();
  Run();
  for (int i = 0; i < 5; ++i) {
    Write(link, std::string(50'000, static_cast<char>('a' + i)));
    Run();
  }
  EXPECT_EQ(link.side->input().size(), 250'000u);
  EXPECT_EQ(link.side->input().FindChar('c'), 100'000u);
}

TEST_F(CompletionTransportTest, WhoKeepsHisBytesDoesNotStarveOthers) {
  // More than are offered to the kernel at once.
  Link& slow = Connect();
  slow.side->connection->SetMaxSingle(EventFlags::kRead, 16 << 20);
  const int most = 8 << 20;
  setsockopt(slow.peer.get(), SOL_SOCKET, SO_SNDBUFFORCE, &most, sizeof(most));
  const std::string much(100'000, 'x');
  size_t written = 0;
  for (int i = 0; i < 100; ++i) {
    const ssize_t size = write(slow.peer.get(), much.data(), much.size());
    if (size > 0) written += static_cast<size_t>(size);
    Run(2);
  }
  EXPECT_GT(written, ReceiveBuffers::kFirstOffered * size_t{16} * 1024);
  EXPECT_EQ(slow.side->input().size(), written);
  Link& other = Connect();
  Write(other, "hello");
  Run();
  EXPECT_EQ(other.side->input().ToString(), "hello");
}

TEST_F(CompletionTransportTest, GoesOnWhenAllBuffersAreTaken) {
  constexpr size_t kConnections = 3 * ReceiveBuffers::kFirstOffered;
  for (size_t i = 0; i < kConnections; ++i) Write(Connect(), "hello");
  Run();
  for (const Link& link : links_) {
    EXPECT_EQ(link.side->input().ToString(), "hello");
  }
  EXPECT_GT(buffers().exhaustions(), 0u);
  const size_t offered = buffers().offered();
  EXPECT_GT(offered, ReceiveBuffers::kFirstOffered);
  // There are enough of them from now on.
  const uint64_t exhaustions = buffers().exhaustions();
  for (int round = 0; round < 5; ++round) {
    for (const Link& link : links_) Write(link, "x");
    Run();
  }
  EXPECT_LE(buffers().exhaustions(), exhaustions + kConnections);
  for (const Link& link : links_) EXPECT_EQ(link.side->input().size(), 10u);
}

TEST_F(CompletionTransportTest, MoreCompletionsThanTheKernelTellsAtOnce) {
  base_ = nullptr;
  kernel_.LimitCompletions(4);
  MakeBase();
  for (int i = 0; i < 50; ++i) ConnectEcho();
  for (int round = 0; round < 5; ++round) {
    for (const Link& link : links_) Write(link, "hello");
    Run(60);
    for (const Link& link : links_) EXPECT_EQ(Read(link.peer), "hello");
  }
}

TEST_F(CompletionTransportTest, ShortAndInterruptedSendsKeepTheOrder) {
  Link& link = Connect();
  std::string expected;
  for (int i = 0; i < 200; ++i) {
    auto* const line = new std::string("line " + std::to_string(i) + "\n");
    expected += *line;
    // In a segment of its own.
    link.side->output().AppendReference(
        line->data(), line->size(),
        [](void* sent) { delete static_cast<std::string*>(sent); }, line);
  }
  kernel_.LimitTransfers(7);
  kernel_.Fail(Call::kWritev, EINTR, 1, 3);
  kernel_.Fail(Call::kWritev, EAGAIN, 1, 5);
  kernel_.Fail(Call::kEnterRing, ENOMEM, 2, 4);
  std::string received;
  for (int i = 0; i < 2000 && received.size() < expected.size(); ++i) {
    (void)base_->Run(RunMode::kNonBlocking);
    received += Read(link.peer);
  }
  EXPECT_EQ(received, expected);
  EXPECT_TRUE(link.side->events.empty());
}

TEST_F(CompletionTransportTest, ClosedByTheEndOfTheRound) {
  Link& link = Connect();
  Run();
  link.side->on_read = [&] { link.side->connection = nullptr; };
  Write(link, "x");
  Run(1);
  EXPECT_EQ(Read(link.peer), "(end)");
  EXPECT_EQ(base_->ring()->pending_count(), 0u);
}

TEST_F(CompletionTransportTest, ClosedAtOnceWhileNoLoopRuns) {
  Link& link = Connect();
  Run();
  link.side->connection = nullptr;
  EXPECT_EQ(Read(link.peer), "(end)");
}

TEST_F(CompletionTransportTest, DetachGivesWhatWasReceivedAndStopsReceiving) {
  Link& link = Connect();
  Run();
  Write(link, "received");
  GiveWhatHasCome();
  const UniqueFd socket = link.side->connection->Detach();
  EXPECT_EQ(link.side->input().ToString(), "received");
  Write(link, "left");
  Run();
  EXPECT_EQ(Read(socket), "left");
}

TEST_F(CompletionTransportTest, TheLoopMayRunInAnotherThread) {
  Link& link = Connect();
  Write(link, "one ");
  Run();
  std::thread([&] {
    Write(link, "two ");
    Run();
    link.side->output().Append("reply");
    Run();
  }).join();
  Write(link, "three");
  Run();
  EXPECT_EQ(link.side->input().ToString(), "one two three");
  EXPECT_EQ(Read(link.peer), "reply");
}

TEST_F(CompletionTransportTest, OtherDescriptorsAreCarriedByReadiness) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_NONBLOCK), 0);
  const UniqueFd writer(ends[1]);
  ConnectionSide side;
  side.Take(std::make_unique<BufferEvent>(*base_, UniqueFd(ends[0])));
  ASSERT_TRUE(side.connection->Enable(EventFlags::kRead).ok());
  ASSERT_EQ(write(writer.get(), "hello", 5), 5);
  Run();
  EXPECT_EQ(side.input().ToString(), "hello");
}

TEST_F(CompletionTransportTest, WithoutBuffersReadinessCarriesThemAll) {
  kernel_.Fail(Call::kRegisterRingBuffers, EINVAL);
  Link& link = Connect();
  Write(link, "hello");
  Run();
  EXPECT_EQ(link.side->input().ToString(), "hello");
  EXPECT_EQ(base_->ring()->buffers(), nullptr);
}

}  // namespace
}  // namespace percore
