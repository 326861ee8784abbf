// Datagrams that go through the kernel as one, and memory of many sizes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/udp.h>

#include <random>
#include <string>
#include <utility>
#include <vector>

#include "percore/net/datagram_endpoint.h"
#include "percore/tests/net/datagram_side.h"
#include "percore/tests/support/test_kernel.h"

namespace percore {
namespace {

using Call = TestKernel::Call;
using testing::ElementsAre;

// Where the kernel has UDP_SEGMENT and UDP_GRO at all.
bool KernelOffloads() {
  const UniqueFd fd(socket(AF_INET, SOCK_DGRAM, 0));
  const int off = 0;
  return setsockopt(fd.get(), IPPROTO_UDP, UDP_SEGMENT, &off, sizeof(off)) ==
             0 &&
         setsockopt(fd.get(), IPPROTO_UDP, UDP_GRO, &off, sizeof(off)) == 0;
}

#define SKIP_WITHOUT_OFFLOAD()                                       \
  do {                                                               \
    if (!KernelOffloads()) {                                         \
      GTEST_SKIP() << "NOT TESTED HERE: no UDP_SEGMENT and UDP_GRO"; \
    }                                                                \
  } while (false)

class DatagramOffloadTest : public testing::Test {
 protected:
  template <typename Condition>
  void RunUntil(Condition condition) {
    while (!condition()) {
      ASSERT_TRUE(base_->Run(RunMode::kNonBlocking).ok());
    }
  }

  TestKernel kernel_;
  const std::unique_ptr<EventBase> base_ =
      *EventBase::Create({.kernel = &kernel_});
};

std::string Numbered(size_t size, int number) {
  std::string bytes(size, static_cast<char>('a' + number % 26));
  bytes.replace(0, std::min<size_t>(size, 4),
                std::to_string(1000 + number).substr(0, size));
  return bytes;
}

TEST_F(DatagramOffloadTest, ARunGoesAndComesAsOneMessage) {
  SKIP_WITHOUT_OFFLOAD();
  for (const char* const address : {"127.0.0.1:0", "[::1]:0", "[::]:0"}) {
    for (const size_t size : {1, 64, 300, 1400, 9000}) {
      DatagramSide from(*base_, address);
      DatagramSide to(*base_, address);
      const SocketAddress peer =
          AddressOf(address[1] == ':' ? "[::1]:0" : "127.0.0.1:0")
              .WithPort(to.address().port());
      kernel_.LimitMessages(1);
      constexpr int kCount = 7;
      std::vector<std::string> sent;
      for (int i = 0; i < kCount; ++i) {
        // The last one is shorter, and still belongs to them.
        sent.push_back(Numbered(i == kCount - 1 ? (size + 1) / 2 : size, i));
        ASSERT_TRUE(from->Send(sent.back(), peer));
      }
      const int calls = kernel_.Count(Call::kSendMessages);
      RunUntil([&] { return to.input().size() == kCount; });
      EXPECT_EQ(kernel_.Count(Call::kSendMessages), calls + 1);
      EXPECT_EQ(from->stats()->sent.Get(), 7u);
      EXPECT_EQ(to->stats()->receive_calls.Get(), 1u);
      for (const Datagram& datagram : to.input()) {
        EXPECT_EQ(datagram.peer.port(), from.address().port());
      }
      EXPECT_EQ(to.TakeAll(), sent);
      kernel_.LimitMessages(UINT_MAX);
    }
  }
}

TEST_F(DatagramOffloadTest, OthersGetEachByItself) {
  DatagramSide from(*base_);
  const PlainUdp to;
  const PlainUdp other;
  for (int i = 0; i < 30; ++i) {
    ASSERT_TRUE(from->Send(Numbered(100, i), (i == 10 ? other : to).address()));
  }
  RunUntil([&] { return from.output().empty(); });
  for (int i = 0; i < 30; ++i) {
    EXPECT_EQ((i == 10 ? other : to).Receive(), Numbered(100, i));
  }
}

TEST_F(DatagramOffloadTest, RunsOfAllKindsArriveAsTheyWereSent) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  DatagramSide from(*base_);
  DatagramSide to(*base_, "127.0.0.1:0",
                  {.socket = {.receive_buffer_bytes = size_t{1} << 20}});
  ASSERT_TRUE(from->Connect(to.address()).ok());
  for (int round = 0; round < 100; ++round) {
    std::vector<std::string> sent;
    for (size_t runs = 1 + random() % 4; runs > 0; --runs) {
      const size_t size = random() % (random() % 3 == 0 ? 4000 : 1500);
      for (size_t count = 1 + random() % 6; count > 0; --count) {
        sent.push_back(Numbered(size, static_cast<int>(sent.size())));
        ASSERT_TRUE(from->Send(
            sent.back(), random() % 2 == 0 ? to.address() : SocketAddress()));
      }
      sent.push_back(Numbered(random() % (size + 1), 99));
      ASSERT_TRUE(from->Send(sent.back()));
    }
    RunUntil([&] { return to.input().size() == sent.size(); });
    ASSERT_EQ(to.TakeAll(), sent);
  }
}

TEST_F(DatagramOffloadTest, WhatWasCoalescedIsNotCopied) {
  SKIP_WITHOUT_OFFLOAD();
  DatagramSide from(*base_);
  DatagramSide to(*base_);
  const auto memory = BufferMemoryStats::OfThisThread();
  uint64_t copied = 0;
  for (int round = 0; round < 3; ++round) {
    // It has learned the size then.
    if (round == 2) copied = memory->copied_bytes.Get();
    for (int i = 0; i < 20; ++i) {
      ASSERT_TRUE(from->Send(Numbered(1400, i), to.address()));
    }
    RunUntil([&] { return to.input().size() == 20; });
    if (round != 2) to.input().Clear();
  }
  EXPECT_EQ(memory->copied_bytes.Get(), copied);
  EXPECT_EQ(to.TakeAll()[19], Numbered(1400, 19));
}

TEST_F(DatagramOffloadTest, MayBeSwitchedOff) {
  const DatagramOptions options = {.receive_offload = DatagramOffload::kOff,
                                   .send_offload = DatagramOffload::kOff};
  DatagramSide from(*base_, "127.0.0.1:0", options);
  DatagramSide to(*base_, "127.0.0.1:0", options);
  kernel_.LimitMessages(2);
  for (int i = 0; i < 6; ++i) {
    ASSERT_TRUE(from->Send(Numbered(100, i), to.address()));
  }
  RunUntil([&] { return to.input().size() == 6; });
  EXPECT_EQ(kernel_.Count(Call::kSendMessages), 3);
  EXPECT_EQ(to->stats()->receive_calls.Get(), 3u);
}

TEST_F(DatagramOffloadTest, IsGivenUpWhereADeviceRefusesIt) {
  SKIP_WITHOUT_OFFLOAD();
  struct Case {
    int error;
    size_t size_that_still_goes_as_one;
  };
  for (const Case& test : {Case{EINVAL, 99}, Case{EMSGSIZE, 99}, Case{EIO, 0},
                           Case{EOPNOTSUPP, 0}}) {
    DatagramSide from(*base_);
    const PlainUdp to;
    const auto calls_for = [&](size_t size) {
      const int before = kernel_.Count(Call::kSendMessages);
      kernel_.LimitMessages(1);
      for (int i = 0; i < 5; ++i) {
        EXPECT_TRUE(from->Send(Numbered(size, i), to.address()));
      }
      RunUntil([&] { return from.output().empty(); });
      kernel_.LimitMessages(UINT_MAX);
      for (int i = 0; i < 5; ++i) EXPECT_EQ(to.Receive(), Numbered(size, i));
      return kernel_.Count(Call::kSendMessages) - before;
    };
    EXPECT_EQ(calls_for(100), 1);
    kernel_.Fail(Call::kSendMessages, test.error);
    EXPECT_EQ(calls_for(100), 6);  // in vain, and then one by one
    EXPECT_EQ(calls_for(100), 5);
    EXPECT_EQ(calls_for(99), test.size_that_still_goes_as_one == 99 ? 1 : 5);
    EXPECT_TRUE(from.events.empty());
  }
}

TEST_F(DatagramOffloadTest, ARunThatFailsForAnotherReasonIsTriedAgainAsOne) {
  SKIP_WITHOUT_OFFLOAD();
  DatagramSide from(*base_);
  const PlainUdp to;
  // As a run, and as one datagram, which is dropped.
  kernel_.Fail(Call::kSendMessages, EINVAL, 2);
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(from->Send(Numbered(100, i), to.address()));
  }
  RunUntil([&] { return from.output().empty(); });
  for (int i = 1; i < 5; ++i) EXPECT_EQ(to.Receive(), Numbered(100, i));
  EXPECT_EQ(from.events.size(), 1u);
  EXPECT_EQ(kernel_.Count(Call::kSendMessages), 3);
}

// --- Datagrams that do not fit ---

TEST_F(DatagramOffloadTest, TellsOfTruncatedDatagrams) {
  for (const DatagramOffload offload :
       {DatagramOffload::kOff, DatagramOffload::kWherePossible}) {
    DatagramSide from(*base_);
    DatagramSide to(*base_, "127.0.0.1:0",
                    {.max_datagram = 100, .receive_offload = offload});
    for (const size_t size : {100, 101, 5000, 65507}) {
      ASSERT_TRUE(from->Send(Numbered(size, 1), to.address()));
    }
    // And a run.
    for (int i = 0; i < 3; ++i) {
      ASSERT_TRUE(from->Send(Numbered(500, i), to.address()));
    }
    ASSERT_TRUE(from->Send(Numbered(50, 3), to.address()));
    RunUntil([&] { return to.input().size() == 8; });
    std::vector<uint32_t> sizes;
    for (const Datagram& datagram : to.input()) {
      sizes.push_back(datagram.truncated_from);
      EXPECT_EQ(datagram.truncated(), datagram.truncated_from != 0);
    }
    EXPECT_THAT(sizes, ElementsAre(0, 101, 5000, 65507, 500, 500, 500, 0));
    EXPECT_EQ(to->stats()->truncated.Get(), 6u);
    const std::vector<std::string> payloads = to.TakeAll();
    EXPECT_EQ(payloads[1], Numbered(101, 1).substr(0, 100));
    EXPECT_EQ(payloads[5], Numbered(500, 1).substr(0, 100));
    EXPECT_EQ(payloads[7], Numbered(50, 3));
  }
}

TEST_F(DatagramOffloadTest, EndpointsOfOneThreadShareItsMemory) {
  // One of each kind in turn: nothing of one shows in the other.
  DatagramSide from(*base_);
  DatagramSide small(*base_, "127.0.0.1:0", {.max_datagram = 10});
  DatagramSide wildcard(*base_, "0.0.0.0:0");
  DatagramSide plain(*base_, "127.0.0.1:0",
                     {.receive_offload = DatagramOffload::kOff});
  for (int i = 0; i < 50; ++i) {
    const std::string bytes = Numbered(static_cast<size_t>(i) * 700, i);
    for (DatagramSide* side : {&small, &wildcard, &plain}) {
      const SocketAddress to =
          AddressOf("127.0.0.1:0").WithPort(side->address().port());
      ASSERT_TRUE(from->Send(bytes, to));
      RunUntil([&] { return !side->input().empty(); });
      const Datagram datagram = side->input().Pop();
      EXPECT_EQ(datagram.payload.ToString(),
                side == &small ? bytes.substr(0, 10) : bytes);
      EXPECT_EQ(datagram.local.ToString(), to.ToString());
    }
  }
}

TEST_F(DatagramOffloadTest, SmallDatagramsDoNotKeepLargeMemory) {
  DatagramSide from(*base_);
  DatagramSide to(*base_);
  ASSERT_TRUE(from->Send(std::string(60000, 'x'), to.address()));
  RunUntil([&] { return to.input().size() == 1; });
  to.input().Clear();
  const auto memory = BufferMemoryStats::OfThisThread();
  for (int i = 0; i < 30; ++i) {
    ASSERT_TRUE(from->Send(std::to_string(i), to.address()));
    RunUntil([&] { return from.output().empty(); });
  }
  RunUntil([&] { return to.input().size() == 30; });
  const int64_t with = memory->bytes_in_use.Get();
  to.input().Clear();
  EXPECT_LE(with - memory->bytes_in_use.Get(), 30 * 1024);
}

}  // namespace
}  // namespace percore
