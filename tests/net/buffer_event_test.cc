#include "percore/net/buffer_event.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "percore/net/listen_sockets.h"
#include "percore/tests/support/temporary_folder.h"
#include "percore/tests/support/test_kernel.h"

namespace percore {
namespace {

using Call = TestKernel::Call;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;

class BufferEventTest : public testing::Test {
 protected:
  void SetUp() override {
    std::array<int, 2> ends;
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends.data()),
              0);
    peer_.Reset(ends[1]);
    Adopt(UniqueFd(ends[0]));
  }

  void Adopt(UniqueFd socket) {
    connection_ = std::make_unique<BufferEvent>(*base_, std::move(socket));
    connection_->SetCallbacks(
        {.read =
             [](BufferEvent&, void* test) {
               static_cast<BufferEventTest*>(test)->on_read_();
             },
         .write =
             [](BufferEvent&, void* test) {
               static_cast<BufferEventTest*>(test)->on_write_();
             },
         .event =
             [](BufferEvent&, ConnectionEvent event, const absl::Status& status,
                void* test) {
               static_cast<BufferEventTest*>(test)->on_event_(event, status);
             }},
        this);
    ASSERT_TRUE(connection_->Enable(EventFlags::kRead).ok());
  }

  void RunOnce(int rounds = 1) {
    for (int i = 0; i < rounds; ++i) {
      ASSERT_TRUE(base_->Run(RunMode::kNonBlocking).ok());
    }
  }
  void PeerSends(std::string_view bytes) {
    ASSERT_EQ(send(peer_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }
  std::string PeerReceives() {
    std::string received(1 << 20, '\0');
    const ssize_t size =
        recv(peer_.get(), received.data(), received.size(), MSG_DONTWAIT);
    received.resize(std::max<ssize_t>(size, 0));
    return received;
  }
  // What the kernel holds between the two, at most.
  std::string MoreThanTheSocketHolds() { return std::string(4 << 20, 'x'); }

  TestKernel kernel_{TestKernel::Clock::kManual};
  const std::unique_ptr<EventBase> base_ =
      *EventBase::Create({.kernel = &kernel_});
  UniqueFd peer_;
  int reads_ = 0;
  int writes_ = 0;
  std::vector<ConnectionEvent> events_;
  absl::Status error_;
  std::function<void()> on_read_ = [this] { ++reads_; };
  std::function<void()> on_write_ = [this] { ++writes_; };
  std::function<void(ConnectionEvent, const absl::Status&)> on_event_ =
      [this](ConnectionEvent event, const absl::Status& status) {
        events_.push_back(event);
        error_ = status;
      };
  std::unique_ptr<BufferEvent> connection_;
};

TEST_F(BufferEventTest, CallsTheReadCallbackWhenBytesArrive) {
  PeerSends("hello");
  RunOnce();
  EXPECT_EQ(reads_, 1);
  EXPECT_EQ(connection_->input().ToString(), "hello");
}

TEST_F(BufferEventTest, WritesWhatIsAppendedOutsideOfCallbacksInOneCall) {
  connection_->output().Append("hel");
  connection_->output().Append("lo");
  EXPECT_EQ(PeerReceives(), "");  // not from inside Append()
  RunOnce();
  EXPECT_EQ(PeerReceives(), "hello");
  EXPECT_EQ(writes_, 1);
  EXPECT_EQ(kernel_.Count(Call::kWritev), 1);
}

TEST_F(BufferEventTest, WritesWhatACallbackAppendedWhenItReturns) {
  on_read_ = [this] {
    connection_->output().Append("a");
    connection_->output().Append(std::move(connection_->input()));
  };
  PeerSends("b");
  RunOnce();
  EXPECT_EQ(PeerReceives(), "ab");
  EXPECT_EQ(kernel_.Count(Call::kWritev), 1);
}

// A request and its answer: one read, one write, nothing else.
TEST_F(BufferEventTest, EchoesWithTwoSystemCallsBesidesTheWait) {
  on_read_ = [this] {
    connection_->output().Append(std::move(connection_->input()));
  };
  PeerSends("warm up");
  RunOnce();
  const int reads = kernel_.Count(Call::kRead);
  const int writes = kernel_.Count(Call::kWritev);
  const int changes = kernel_.Count(Call::kEpollCtl);
  const int waits = kernel_.Count(Call::kEpollWait);
  for (int i = 0; i < 10; ++i) {
    PeerSends("x");
    RunOnce();
  }
  EXPECT_EQ(kernel_.Count(Call::kRead), reads + 10);
  EXPECT_EQ(kernel_.Count(Call::kWritev), writes + 10);
  EXPECT_EQ(kernel_.Count(Call::kEpollCtl), changes);
  EXPECT_EQ(kernel_.Count(Call::kEpollWait), waits + 10);
}

TEST_F(BufferEventTest, ReadsNothingWhileDisabled) {
  connection_->Disable(EventFlags::kRead);
  EXPECT_FALSE(connection_->read_enabled());
  PeerSends("x");
  RunOnce(2);
  EXPECT_EQ(reads_, 0);
  ASSERT_TRUE(connection_->Enable(EventFlags::kRead).ok());
  RunOnce();
  EXPECT_EQ(reads_, 1);
}

TEST_F(BufferEventTest, WritesNothingWhileDisabled) {
  connection_->Disable(EventFlags::kWrite);
  EXPECT_FALSE(connection_->write_enabled());
  connection_->output().Append("x");
  RunOnce(2);
  EXPECT_EQ(PeerReceives(), "");
  ASSERT_TRUE(connection_->Enable(EventFlags::kWrite).ok());
  RunOnce();
  EXPECT_EQ(PeerReceives(), "x");
}

TEST_F(BufferEventTest, WaitsForTheReadLowWatermark) {
  connection_->SetWatermarks(EventFlags::kRead, 3, 0);
  PeerSends("ab");
  RunOnce();
  EXPECT_EQ(reads_, 0);
  PeerSends("c");
  RunOnce();
  EXPECT_EQ(reads_, 1);
}

TEST_F(BufferEventTest, StopsReadingAtTheReadHighWatermark) {
  connection_->SetWatermarks(EventFlags::kRead, 0, 4);
  PeerSends("abcdefgh");
  RunOnce(3);
  EXPECT_EQ(connection_->input().ToString(), "abcd");
  const int reads = kernel_.Count(Call::kRead);
  RunOnce(3);
  EXPECT_EQ(kernel_.Count(Call::kRead), reads);  // it does not even look
  connection_->input().Drain(3);                 // outside of any callback
  RunOnce(3);
  EXPECT_EQ(connection_->input().ToString(), "defg");
}

TEST_F(BufferEventTest, StopsReadingAtTheWriteHighWatermark) {
  connection_->SetWatermarks(EventFlags::kWrite, 0, 1000);
  const std::string bytes = MoreThanTheSocketHolds();
  connection_->output().Append(bytes);
  PeerSends("x");
  RunOnce(3);
  EXPECT_EQ(reads_, 0);
  std::string received;
  while (reads_ == 0) {
    received += PeerReceives();
    RunOnce();
  }
  EXPECT_LE(connection_->output().size(), 1000u);
  while (received.size() < bytes.size()) {
    RunOnce();
    received += PeerReceives();
  }
  EXPECT_EQ(received, bytes);
}

TEST_F(BufferEventTest, CallsTheWriteCallbackAtTheWriteLowWatermark) {
  connection_->SetWatermarks(EventFlags::kWrite, 100, 0);
  connection_->output().Append(MoreThanTheSocketHolds());
  RunOnce(3);
  EXPECT_EQ(writes_, 0);
  while (writes_ == 0) {
    PeerReceives();
    RunOnce();
  }
  EXPECT_LE(connection_->output().size(), 100u);
}

TEST_F(BufferEventTest, WatchesForRoomOnlyWhileTheSocketIsFull) {
  connection_->output().Append(MoreThanTheSocketHolds());
  // One turn after another, each bounded.
  for (int i = 0; i < 100; ++i) RunOnce();
  const uint64_t written_rounds = base_->stats()->write_events.Get();
  RunOnce(10);  // full: nothing is ready
  EXPECT_EQ(base_->stats()->write_events.Get(), written_rounds);
  std::string received;
  while (!connection_->output().empty()) {
    received += PeerReceives();
    RunOnce();
  }
  RunOnce();
  const uint64_t events = base_->stats()->write_events.Get();
  RunOnce(5);  // empty: a writable socket is no event any more
  EXPECT_EQ(base_->stats()->write_events.Get(), events);
}

TEST_F(BufferEventTest, DoesNotTryAFullSocketAgainUntilThereIsRoom) {
  connection_->output().Append(MoreThanTheSocketHolds());
  RunOnce(100);
  ASSERT_FALSE(connection_->output().empty());
  const int writes = kernel_.Count(Call::kWritev);
  // Each of them makes a turn, at whose end there is something to send.
  for (int i = 0; i < 5; ++i) {
    PeerSends("x");
    RunOnce();
  }
  EXPECT_EQ(reads_, 5);
  EXPECT_EQ(kernel_.Count(Call::kWritev), writes);
}

TEST_F(BufferEventTest, SendsEverythingThroughShortWrites) {
  kernel_.LimitTransfers(3);
  const std::string text = "the quick brown fox jumps over the lazy dog";
  connection_->output().Append(text);
  RunOnce(3);
  EXPECT_EQ(PeerReceives(), text);
  PeerSends(text);
  while (connection_->input().size() < text.size()) RunOnce();
  EXPECT_EQ(connection_->input().ToString(), text);
}

TEST_F(BufferEventTest, SendsFilesBetweenOtherBytes) {
  const std::string text = MoreThanTheSocketHolds();
  const int fd = memfd_create("file", MFD_CLOEXEC);
  ASSERT_EQ(write(fd, text.data(), text.size()),
            static_cast<ssize_t>(text.size()));
  auto file = FileSegment::Create(kernel_, fd, {});
  ASSERT_TRUE(file.ok());
  connection_->output().Append("header");
  connection_->output().AppendFile(*std::move(file));
  connection_->output().Append("trailer");
  connection_->Flush(EventFlags::kWrite, FlushMode::kFinished);
  std::string received;
  for (int i = 0; i < 1000 && !connection_->output_finished(); ++i) {
    RunOnce();
    for (std::string part = PeerReceives(); !part.empty();
         part = PeerReceives()) {
      received += part;
    }
  }
  EXPECT_EQ(received.size(), text.size() + 13);
  EXPECT_TRUE(received == "header" + text + "trailer");
  EXPECT_GT(kernel_.Count(Call::kSendFile), 0);
  EXPECT_EQ(kernel_.Count(Call::kMapFile), 0);
}

TEST_F(BufferEventTest, ReadsNoMoreThanTheInputMayHold) {
  connection_->input().SetSizeLimit(4);
  PeerSends("0123456789");
  RunOnce(3);
  EXPECT_EQ(connection_->input().ToString(), "0123");
  EXPECT_EQ(events_, std::vector<ConnectionEvent>());
  connection_->input().Drain(3);
  RunOnce(3);
  EXPECT_EQ(connection_->input().ToString(), "3456");
}

TEST_F(BufferEventTest, LeavesFrozenBuffersAlone) {
  connection_->input().Freeze(BufferEnd::kBack);
  connection_->output().Append("output");
  connection_->output().Freeze(BufferEnd::kFront);
  ASSERT_TRUE(connection_->Enable(EventFlags::kRead | EventFlags::kWrite).ok());
  PeerSends("input");
  RunOnce(3);
  EXPECT_EQ(PeerReceives(), "");
  EXPECT_EQ(reads_, 0);
  EXPECT_EQ(events_, std::vector<ConnectionEvent>());
  connection_->input().Unfreeze(BufferEnd::kBack);
  connection_->output().Unfreeze(BufferEnd::kFront);
  ASSERT_TRUE(connection_->Enable(EventFlags::kRead | EventFlags::kWrite).ok());
  RunOnce(3);
  EXPECT_EQ(PeerReceives(), "output");
  EXPECT_EQ(connection_->input().ToString(), "input");
}

TEST_F(BufferEventTest, ReportsTheEndOfTheFile) {
  PeerSends("last");
  shutdown(peer_.get(), SHUT_WR);
  RunOnce(2);
  EXPECT_EQ(connection_->input().ToString(), "last");
  EXPECT_THAT(events_, ElementsAre(ConnectionEvent::kReading |
                                   ConnectionEvent::kEndOfFile));
  RunOnce(3);  // once
  EXPECT_EQ(events_.size(), 1u);
  connection_->output().Append("still");  // the other direction is open
  RunOnce();
  EXPECT_EQ(PeerReceives(), "still");
}

TEST_F(BufferEventTest, ReportsAReadError) {
  kernel_.Fail(Call::kRead, ECONNRESET);
  PeerSends("x");
  RunOnce(3);
  EXPECT_THAT(events_,
              ElementsAre(ConnectionEvent::kReading | ConnectionEvent::kError));
  EXPECT_THAT(std::string(error_.message()),
              testing::HasSubstr("Connection reset by peer"));
}

TEST_F(BufferEventTest, ReportsAWriteErrorOnce) {
  peer_.Reset();
  connection_->output().Append("x");
  connection_->Disable(EventFlags::kRead);
  RunOnce(3);
  EXPECT_THAT(events_,
              ElementsAre(ConnectionEvent::kWriting | ConnectionEvent::kError));
  connection_->output().Append("y");
  RunOnce(3);
  EXPECT_EQ(events_.size(), 1u);
}

TEST_F(BufferEventTest, TreatsAgainAndInterruptedAsNothing) {
  kernel_.Fail(Call::kRead, EINTR);
  kernel_.Fail(Call::kRead, EAGAIN);
  PeerSends("x");
  RunOnce();
  EXPECT_EQ(reads_, 0);
  RunOnce();
  EXPECT_EQ(reads_, 1);
  kernel_.Fail(Call::kWritev, EINTR);
  kernel_.Fail(Call::kWritev, EAGAIN);
  connection_->output().Append("y");
  RunOnce(3);
  EXPECT_EQ(PeerReceives(), "y");
  EXPECT_TRUE(events_.empty());
}

TEST_F(BufferEventTest, TimesOutWhenNothingArrives) {
  connection_->SetTimeouts(seconds(5), Duration::zero());
  const TimePoint start = kernel_.Now();
  ASSERT_TRUE(base_->Run(RunMode::kOnce).ok());
  EXPECT_THAT(events_, ElementsAre(ConnectionEvent::kReading |
                                   ConnectionEvent::kTimeout));
  EXPECT_EQ(kernel_.Now() - start, seconds(5));
  EXPECT_FALSE(connection_->read_enabled());
}

TEST_F(BufferEventTest, EachByteStartsTheReadTimeoutAnew) {
  connection_->SetTimeouts(seconds(5), Duration::zero());
  for (int i = 0; i < 3; ++i) {
    kernel_.Advance(seconds(4));
    PeerSends("x");
    RunOnce();
  }
  EXPECT_TRUE(events_.empty());
  EXPECT_EQ(reads_, 3);
}

TEST_F(BufferEventTest, DoesNotCountTimeWhileItDoesNotWait) {
  connection_->SetTimeouts(seconds(5), seconds(5));
  connection_->Disable(EventFlags::kRead);
  kernel_.Advance(seconds(60));  // not reading, and nothing to write
  RunOnce();
  EXPECT_TRUE(events_.empty());
  ASSERT_TRUE(connection_->Enable(EventFlags::kRead).ok());
  kernel_.Advance(seconds(4));
  RunOnce();
  EXPECT_TRUE(events_.empty());
}

TEST_F(BufferEventTest, TimesOutWhenThePeerTakesNothing) {
  connection_->SetTimeouts(Duration::zero(), seconds(5));
  connection_->output().Append(MoreThanTheSocketHolds());
  while (events_.empty()) ASSERT_TRUE(base_->Run(RunMode::kOnce).ok());
  EXPECT_THAT(events_, ElementsAre(ConnectionEvent::kWriting |
                                   ConnectionEvent::kTimeout));
  EXPECT_FALSE(connection_->write_enabled());
}

TEST_F(BufferEventTest, ATimeoutOfZeroIsNone) {
  connection_->SetTimeouts(seconds(5), seconds(5));
  connection_->SetTimeouts(Duration::zero(), Duration::zero());
  EXPECT_EQ(base_->stats()->timers_pending.Get(), 0);
  kernel_.Advance(seconds(60));
  RunOnce();
  EXPECT_TRUE(events_.empty());
}

TEST_F(BufferEventTest, FinishesItsOutputAfterTheLastByte) {
  connection_->output().Append("last");
  connection_->Flush(EventFlags::kWrite, FlushMode::kFinished);
  EXPECT_TRUE(connection_->output_finished());
  EXPECT_EQ(PeerReceives(), "last");
  char byte;
  EXPECT_EQ(recv(peer_.get(), &byte, 1, MSG_DONTWAIT), 0);  // the end
  PeerSends("x");  // the other direction is open
  RunOnce();
  EXPECT_EQ(reads_, 1);
}

TEST_F(BufferEventTest, MayBeDestroyedInEachOfItsCallbacks) {
  on_read_ = [this] { connection_.reset(); };
  PeerSends("x");
  RunOnce(2);
  EXPECT_EQ(connection_, nullptr);

  SetUp();
  on_write_ = [this] { connection_.reset(); };
  connection_->output().Append("x");
  RunOnce(2);
  EXPECT_EQ(connection_, nullptr);

  SetUp();
  on_event_ = [this](ConnectionEvent, const absl::Status&) {
    connection_.reset();
  };
  peer_.Reset();
  RunOnce(2);
  EXPECT_EQ(connection_, nullptr);

  SetUp();
  connection_->SetTimeouts(seconds(1), Duration::zero());
  ASSERT_TRUE(base_->Run(RunMode::kOnce).ok());
  EXPECT_EQ(connection_, nullptr);
}

TEST_F(BufferEventTest, ItsCallbacksMayBeReplacedAtAnyTime) {
  int other = 0;
  on_read_ = [&] {
    connection_->SetCallbacks(
        {.read = [](BufferEvent&,
                    void* other) { ++*static_cast<int*>(other); }},
        &other);
  };
  PeerSends("x");
  RunOnce();
  PeerSends("x");
  RunOnce();
  EXPECT_EQ(other, 1);
  connection_->SetCallbacks({}, nullptr);
  PeerSends("x");
  peer_.Reset();
  RunOnce(2);
  EXPECT_EQ(connection_->input().size(), 3u);
}

TEST_F(BufferEventTest, CountsItsTraffic) {
  ListenerStats stats;
  connection_->set_traffic_stats(&stats);
  PeerSends("abc");
  connection_->output().Append("hello");
  RunOnce();
  EXPECT_EQ(stats.received_bytes.Get(), 3u);
  EXPECT_EQ(stats.sent_bytes.Get(), 5u);
}

// A sender that is never done leaves room for others.
TEST_F(BufferEventTest, BoundsWhatItReadsInOneTurn) {
  const int size = 1 << 20;
  setsockopt(peer_.get(), SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
  const std::string bytes(FlowLimits::kDefaultMaxSingleRead * 2, 'x');
  ASSERT_GT(send(peer_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT), 0);
  RunOnce();
  EXPECT_LE(connection_->input().size(), FlowLimits::kDefaultMaxSingleRead);
}

TEST_F(BufferEventTest, GivesItsSocketAway) {
  const int fd = connection_->fd();
  const UniqueFd socket = connection_->Detach();
  EXPECT_EQ(socket.get(), fd);
  EXPECT_EQ(connection_->fd(), -1);
  EXPECT_FALSE(connection_->Detach().valid());
  PeerSends("x");
  RunOnce(3);
  EXPECT_EQ(reads_, 0);
  char byte;
  EXPECT_EQ(read(socket.get(), &byte, 1), 1);
}

TEST_F(BufferEventTest, TakesAnotherSocketAndClosesTheOneBefore) {
  UniqueFd before = std::move(peer_);
  std::array<int, 2> ends;
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends.data()),
            0);
  peer_.Reset(ends[1]);
  on_read_ = [&] {
    ++reads_;
    if (reads_ == 1) {
      EXPECT_TRUE(connection_->SetDescriptor(UniqueFd(ends[0])).ok());
      connection_->output().Append("hello");
    }
  };
  ASSERT_EQ(send(before.get(), "x", 1, MSG_NOSIGNAL), 1);
  RunOnce(3);
  EXPECT_EQ(connection_->fd(), ends[0]);
  EXPECT_EQ(PeerReceives(), "hello");
  char byte;
  EXPECT_EQ(recv(before.get(), &byte, 1, MSG_DONTWAIT), 0);  // closed
  PeerSends("y");
  RunOnce(3);
  EXPECT_EQ(connection_->input().ToString(), "xy");
}

TEST_F(BufferEventTest, KeepsADescriptorThatItIsNotToClose) {
  std::array<int, 2> ends;
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends.data()),
            0);
  const UniqueFd kept(ends[0]);
  peer_.Reset(ends[1]);
  {
    BufferEvent connection(
        *base_, UniqueFd(kept.get()),
        {.descriptor = BufferEventOptions::Descriptor::kKeep});
    ASSERT_TRUE(connection.Enable(EventFlags::kRead).ok());
  }
  PeerSends("x");
  char byte;
  EXPECT_EQ(read(kept.get(), &byte, 1), 1);
}

class BufferEventConnectTest : public BufferEventTest {
 protected:
  void SetUp() override {}

  void Connect(const SocketAddress& address) {
    Adopt(UniqueFd(kernel_.Socket(address.family(), SOCK_STREAM, 0)));
    ASSERT_TRUE(connection_->Connect(address).ok());
  }
  void RunUntilEvent() {
    while (events_.empty()) ASSERT_TRUE(base_->Run(RunMode::kOnce).ok());
  }

  const ListenSockets sockets_ = *ListenSockets::Open("127.0.0.1:0", 1);
};

TEST_F(BufferEventConnectTest, ConnectsAndSendsWhatWasWrittenBefore) {
  ListenSockets sockets = *ListenSockets::Open("127.0.0.1:0", 1);
  const UniqueFd listening = sockets.Take(0);
  Connect(sockets.address());
  connection_->output().Append("early");
  EXPECT_TRUE(events_.empty());
  RunUntilEvent();
  EXPECT_THAT(events_, ElementsAre(ConnectionEvent::kConnected));
  peer_.Reset(accept(listening.get(), nullptr, nullptr));
  RunOnce(2);
  EXPECT_EQ(PeerReceives(), "early");
}

TEST_F(BufferEventConnectTest, ConnectsToUnixAddresses) {
  const TemporaryFolder folder;
  ListenSockets sockets =
      *ListenSockets::Open("unix:" + folder.File("socket"), 1);
  const UniqueFd listening = sockets.Take(0);
  Connect(sockets.address());
  connection_->output().Append("early");
  RunUntilEvent();
  EXPECT_THAT(events_, ElementsAre(ConnectionEvent::kConnected));
  peer_.Reset(accept(listening.get(), nullptr, nullptr));
  RunOnce(2);
  EXPECT_EQ(PeerReceives(), "early");
}

TEST_F(BufferEventConnectTest, ReportsARefusedConnection) {
  SocketAddress unused;
  {
    const ListenSockets sockets = *ListenSockets::Open("127.0.0.1:0", 1);
    unused = sockets.address();
  }
  Connect(unused);
  RunUntilEvent();
  EXPECT_THAT(events_, ElementsAre(ConnectionEvent::kError));
  EXPECT_THAT(std::string(error_.message()),
              testing::HasSubstr("Connection refused"));
}

TEST_F(BufferEventConnectTest, ReportsFromTheLoopWhatConnectSaidAtOnce) {
  kernel_.Fail(Call::kConnect, ENETUNREACH);
  Connect(sockets_.address());
  EXPECT_TRUE(events_.empty());
  RunUntilEvent();
  EXPECT_THAT(std::string(error_.message()),
              testing::HasSubstr("Network is unreachable"));
}

}  // namespace
}  // namespace percore
