#include "percore/buffer/receive_buffers.h"

#include <gtest/gtest.h>
#include <liburing.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "percore/buffer/buffer.h"
#include "percore/buffer/buffer_memory_stats.h"
#include "percore/runtime/event_base.h"
#include "percore/tests/support/socket_ends.h"
#include "percore/tests/support/test_kernel.h"

namespace percore {
namespace {

// Receives once, as often as it is asked to.
class Receiver : public RingUser {
 public:
  Receiver(Ring& ring, int fd)
      : ring_(ring), fd_(fd), seat_(ring.Join(*this)) {}
  ~Receiver() { ring_.Leave(seat_); }
  void Receive() { ring_.AskToPutIn(seat_, Ring::Over::kLater); }

  Buffer received;
  std::vector<int> failures;

 private:
  void PutIn() override {
    io_uring_sqe* const request = ring_.NextRequest(seat_, 0);
    io_uring_prep_recv(request, fd_, nullptr, 0, 0);
    request->flags |= IOSQE_BUFFER_SELECT;
    request->buf_group = ReceiveBuffers::kGroup;
  }
  void OnCompletion(unsigned, const RingCompletion& completion) override {
    ReceiveBuffers& buffers = *ReceiveBuffers::Of(ring_);
    if (completion.result < 0) {
      failures.push_back(-completion.result);
      if (completion.result == -ENOBUFS) buffers.NoteExhaustion();
      return;
    }
    buffers.TakeAll(*completion.buffer, static_cast<size_t>(completion.result),
                    [this](Segment* segment) {
                      EXPECT_TRUE(received.AppendSegment(segment));
                    });
  }
  void OnPutIn() override {}
  void OnRingRenewed() override {}

  Ring& ring_;
  const int fd_;
  const uint32_t seat_;
};

constexpr int64_t kFirstOfferedBytes =
    ReceiveBuffers::kFirstOffered *
    (ReceiveBuffers::kBufferBytes + Segment::kHeaderBytes);

class ReceiveBuffersTest : public testing::Test {
 protected:
  void SetUp() override {
    auto made = EventBase::Create({.backend = "io_uring", .kernel = &kernel_});
    if (!made.ok()) GTEST_SKIP() << "NO io_uring HERE: " << made.status();
    base_ = *std::move(made);
    if (!base_->ring()->can_receive()) GTEST_SKIP() << "THIS io_uring IS OLD";
    base_->ring()->AddPending();
  }
  void Run() { ASSERT_TRUE(base_->Run(RunMode::kNonBlocking).ok()); }
  void Write(const std::string& bytes) {
    ASSERT_EQ(write(ends_[1], bytes.data(), bytes.size()),
              static_cast<ssize_t>(bytes.size()));
  }
  ReceiveBuffers& buffers() { return *ReceiveBuffers::Of(*base_->ring()); }

  const std::shared_ptr<const BufferMemoryStats> memory_ =
      BufferMemoryStats::OfThisThread();
  const int64_t segments_before_ = memory_->segments_in_use.Get();
  TestKernel kernel_;
  SocketEnds ends_;
  std::unique_ptr<EventBase> base_;
};

TEST_F(ReceiveBuffersTest, BelongToTheRing) {
  ReceiveBuffers* const made = ReceiveBuffers::Of(*base_->ring());
  ASSERT_NE(made, nullptr);
  EXPECT_EQ(ReceiveBuffers::Of(*base_->ring()), made);
  EXPECT_EQ(made->offered(), ReceiveBuffers::kFirstOffered);
  base_ = nullptr;
  EXPECT_EQ(memory_->segments_in_use.Get(), segments_before_);
}

TEST_F(ReceiveBuffersTest, GiveTheSegmentThatWasReceivedIntoWithoutACopy) {
  Receiver receiver(*base_->ring(), ends_[0]);
  buffers();
  const uint64_t copied = memory_->copied_bytes.Get();
  receiver.Receive();
  Write(std::string(10'000, 'x'));
  Run();
  EXPECT_EQ(receiver.received.ToString(), std::string(10'000, 'x'));
  EXPECT_EQ(memory_->copied_bytes.Get(), copied);
  // Another one has taken its place.
  EXPECT_EQ(memory_->segments_in_use.Get(), segments_before_ + 1);
  EXPECT_EQ(memory_->bytes_offered.Get(), kFirstOfferedBytes);
}

TEST_F(ReceiveBuffersTest, FewBytesDoNotKeepALargeSegment) {
  Receiver receiver(*base_->ring(), ends_[0]);
  buffers();
  const int64_t bytes = memory_->bytes_in_use.Get();
  receiver.Receive();
  Write("hello");
  Run();
  EXPECT_EQ(receiver.received.ToString(), "hello");
  EXPECT_LE(memory_->bytes_in_use.Get(), bytes + 512);
}

TEST_F(ReceiveBuffersTest, AreUsedOverAndOver) {
  Receiver receiver(*base_->ring(), ends_[0]);
  buffers();
  std::string expected;
  for (size_t i = 0; i < 3 * ReceiveBuffers::kMostOffered; ++i) {
    const std::string piece = std::to_string(i) + " ";
    expected += piece;
    receiver.Receive();
    Write(piece);
    Run();
  }
  EXPECT_EQ(receiver.received.ToString(), expected);
  EXPECT_EQ(buffers().offered(), ReceiveBuffers::kFirstOffered);
  EXPECT_EQ(buffers().exhaustions(), 0u);
}

TEST_F(ReceiveBuffersTest, MoreAreOfferedWhenSmallPiecesFindNone) {
  constexpr size_t kReceivers = ReceiveBuffers::kFirstOffered + 8;
  std::vector<SocketEnds> pairs(kReceivers);
  std::vector<std::unique_ptr<Receiver>> receivers;
  buffers();
  for (SocketEnds& pair : pairs) {
    receivers.push_back(std::make_unique<Receiver>(*base_->ring(), pair[0]));
    receivers.back()->Receive();
    ASSERT_EQ(write(pair[1], "x", 1), 1);
  }
  Run();
  EXPECT_EQ(buffers().exhaustions(), 8u);
  EXPECT_EQ(buffers().offered(), 2 * ReceiveBuffers::kFirstOffered);
  for (const auto& receiver : receivers) {
    if (!receiver->failures.empty()) receiver->Receive();
  }
  Run();
  for (const auto& receiver : receivers) {
    EXPECT_EQ(receiver->received.size(), 1u);
  }
  EXPECT_EQ(memory_->bytes_offered.Get(), 2 * kFirstOfferedBytes);

  // And fewer when they were not needed for long.
  for (size_t i = 0; i < 3 * ReceiveBuffers::kCallsToLookBack; ++i) {
    receivers[0]->Receive();
    ASSERT_EQ(write(pairs[0][1], "x", 1), 1);
    Run();
  }
  EXPECT_EQ(buffers().offered(), ReceiveBuffers::kFirstOffered);
  EXPECT_EQ(memory_->bytes_offered.Get(), kFirstOfferedBytes);
  EXPECT_EQ(receivers[0]->received.size(),
            1u + 3 * ReceiveBuffers::kCallsToLookBack);
}

TEST_F(ReceiveBuffersTest, WhoeverHasLeftDoesNotKeepThem) {
  buffers();
  const int64_t segments = memory_->segments_in_use.Get();
  {
    Receiver receiver(*base_->ring(), ends_[0]);
    receiver.Receive();
    Run();
    Write("hello");
  }
  Run();
  EXPECT_EQ(memory_->segments_in_use.Get(), segments);
}

TEST_F(ReceiveBuffersTest, AreThereInAnotherThreadToo) {
  Receiver receiver(*base_->ring(), ends_[0]);
  buffers();
  Run();
  std::thread([&] {
    receiver.Receive();
    Write("hello");
    Run();
  }).join();
  EXPECT_EQ(receiver.received.ToString(), "hello");
}

TEST_F(ReceiveBuffersTest, AreNotThereIfTheKernelRefuses) {
  kernel_.Fail(TestKernel::Call::kRegisterRingBuffers, ENOMEM);
  EXPECT_EQ(ReceiveBuffers::Of(*base_->ring()), nullptr);
  EXPECT_NE(ReceiveBuffers::Of(*base_->ring()), nullptr);
}

}  // namespace
}  // namespace percore
