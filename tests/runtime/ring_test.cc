#include "percore/runtime/ring.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <liburing.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "percore/runtime/event_base.h"
#include "percore/runtime/internal/ring_request.h"
#include "percore/tests/support/sanitizers.h"
#include "percore/tests/support/socket_ends.h"
#include "percore/tests/support/test_kernel.h"

namespace percore {
namespace {

using Call = TestKernel::Call;
using internal::RingRequest;
using testing::ElementsAre;
using testing::IsEmpty;

// Writes down what it is told.
class Requester : public RingUser {
 public:
  enum Kind : unsigned { kPoll, kSend, kAccept };

  Requester(Ring& ring, int fd)
      : ring_(ring), fd_(fd), seat_(ring.Join(*this)) {}
  ~Requester() {
    if (seated_) ring_.Leave(seat_);
  }

  void AskToPoll() {
    polls_ = true;
    ring_.AskToPutIn(seat_, Ring::Over::kLater);
  }
  void AskToSend() {
    sends_ = true;
    ring_.AskToPutIn(seat_, Ring::Over::kAtOnce);
  }
  void AskToAccept() {
    accepts_ = true;
    ring_.AskToPutIn(seat_, Ring::Over::kLater);
  }
  // With its next request, or when that has been put in.
  void AddTimerInPutIn(Event& timer) { timer_in_put_in_ = &timer; }
  void AddTimerWhenPutIn(Event& timer) { timer_when_put_in_ = &timer; }
  void CancelAccept() { ring_.CancelAccept(seat_, kAccept); }
  void CancelPoll() { ring_.Cancel(seat_, kPoll); }
  void Leave() {
    ring_.Leave(seat_);
    seated_ = false;
  }
  std::vector<std::string> Told() { return std::exchange(told_, {}); }

 private:
  static void Add(Event* timer) {
    if (timer == nullptr) return;
    EXPECT_TRUE(timer->Add(std::chrono::milliseconds(1)).ok());
  }

  void PutIn() override {
    told_.push_back("put in");
    Add(std::exchange(timer_in_put_in_, nullptr));
    if (std::exchange(polls_, false)) {
      io_uring_prep_poll_add(ring_.NextRequest(seat_, kPoll), fd_, POLLIN);
    }
    if (std::exchange(accepts_, false)) {
      EXPECT_TRUE(ring_.Accept(seat_, kAccept, fd_));
    }
    if (std::exchange(sends_, false)) {
      msghdr* const message = ring_.NewMessage(2);
      message->msg_iov[0] = {.iov_base = bytes_, .iov_len = 2};
      message->msg_iov[1] = {.iov_base = bytes_ + 2, .iov_len = 3};
      io_uring_prep_sendmsg(ring_.NextRequest(seat_, kSend), fd_, message,
                            MSG_DONTWAIT);
    }
  }
  void OnCompletion(unsigned kind, const RingCompletion& completion) override {
    if (kind == kAccept && completion.result >= 0) {
      close(completion.result);
      const auto* const peer =
          reinterpret_cast<const sockaddr_in*>(completion.peer);
      told_.push_back(absl::StrCat(
          "accepted", peer == nullptr ? 0 : ntohs(peer->sin_port)));
      return;
    }
    told_.push_back(absl::StrCat(kind, " ", completion.result,
                                 completion.more ? " more" : ""));
  }
  void OnPutIn() override {
    told_.push_back("done");
    Add(std::exchange(timer_when_put_in_, nullptr));
  }
  void OnRingRenewed() override { told_.push_back("renewed"); }

  Ring& ring_;
  const int fd_;
  const uint32_t seat_;
  bool seated_ = true;
  bool polls_ = false;
  bool sends_ = false;
  bool accepts_ = false;
  char bytes_[5] = {'h', 'e', 'l', 'l', 'o'};
  std::vector<std::string> told_;
  Event* timer_in_put_in_ = nullptr;
  Event* timer_when_put_in_ = nullptr;
};

class RingTest : public testing::Test {
 protected:
  void SetUp() override {
    auto made = EventBase::Create({.backend = "io_uring", .kernel = &kernel_});
    if (!made.ok()) GTEST_SKIP() << "NO io_uring HERE: " << made.status();
    base_ = *std::move(made);
    ring_ = base_->ring();
    requester_ = std::make_unique<Requester>(*ring_, ends_[0]);
  }
  void Run() { ASSERT_TRUE(base_->Run(RunMode::kNonBlocking).ok()); }
  // Something that keeps the loop from being at rest.
  void RunARound() {
    ring_->AddPending();
    Run();
    ring_->RemovePending();
  }
  std::string Received() {
    char bytes[64];
    const ssize_t size = read(ends_[1], bytes, sizeof(bytes));
    return size < 0 ? "nothing" : std::string(bytes, size);
  }

  TestKernel kernel_;
  SocketEnds ends_;
  std::unique_ptr<EventBase> base_;
  Ring* ring_ = nullptr;
  std::unique_ptr<Requester> requester_;
};

TEST(RingOfOthersTest, OtherBackEndsHaveNone) {
  for (const char* backend : {"epoll", "poll", "select"}) {
    EXPECT_EQ((*EventBase::Create({.backend = backend}))->ring(), nullptr);
  }
}

TEST_F(RingTest, PutsInWhenAskedAndTellsWhatCameOfIt) {
  requester_->AskToSend();
  requester_->AskToSend();
  EXPECT_THAT(requester_->Told(), IsEmpty());
  RunARound();
  EXPECT_THAT(requester_->Told(), ElementsAre("put in", "1 5", "done"));
  EXPECT_EQ(Received(), "hello");
  RunARound();
  EXPECT_THAT(requester_->Told(), IsEmpty());
}

TEST_F(RingTest, WhatStaysWithTheKernelIsToldLater) {
  requester_->AskToPoll();
  RunARound();
  EXPECT_THAT(requester_->Told(), ElementsAre("put in", "done"));
  ASSERT_EQ(write(ends_[1], "x", 1), 1);
  RunARound();
  EXPECT_THAT(requester_->Told(), ElementsAre(absl::StrCat("0 ", POLLIN)));
}

TEST_F(RingTest, WhatIsCancelledSaysSo) {
  requester_->AskToPoll();
  RunARound();
  requester_->CancelPoll();
  RunARound();
  EXPECT_THAT(requester_->Told(),
              ElementsAre("put in", "done", absl::StrCat("0 ", -ECANCELED)));
}

TEST_F(RingTest, WhoHasLeftIsToldNothingAndNeitherIsWhoTookHisSeat) {
  requester_->AskToPoll();
  RunARound();
  ASSERT_EQ(write(ends_[1], "x", 1), 1);
  requester_->Leave();
  Requester next(*ring_, ends_[0]);
  RunARound();
  EXPECT_THAT(requester_->Told(), ElementsAre("put in", "done"));
  EXPECT_THAT(next.Told(), IsEmpty());
}

TEST_F(RingTest, ClosesAtTheEndOfTheRoundOrAtOnceWhileNoLoopRuns) {
  int more[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, more), 0);
  base_->Post([&] {
    ring_->Close(more[0]);
    char byte;
    // Under ThreadSanitizer it is always at once.
    EXPECT_EQ(read(more[1], &byte, 1), kThreadSanitized ? 0 : -1);
  });
  Run();
  char byte;
  EXPECT_EQ(read(more[1], &byte, 1), 0);
  ring_->Close(more[1]);
  EXPECT_EQ(fcntl(more[1], F_GETFD), -1);
}

TEST_F(RingTest, WhatTheLastRoundAskedForDoesNotWaitForTheNextRun) {
  base_->Post([&] { requester_->AskToSend(); });
  Run();
  EXPECT_EQ(Received(), "hello");
}

TEST_F(RingTest, TheLoopHearsOfWhatIsOverAtOnceBeforeItSleeps) {
  // If it slept, it would do so for ever.
  base_->Post([&] { requester_->AskToSend(); });
  Event exit = Event::Timer(
      *base_,
      [](int, EventFlags, void* base) {
        static_cast<EventBase*>(base)->Exit();
      },
      base_.get());
  ASSERT_TRUE(exit.Add(std::chrono::milliseconds(1)).ok());
  const int calls = kernel_.Count(Call::kEnterRing);
  ASSERT_TRUE(base_->Run(RunMode::kUntilExit).ok());
  EXPECT_THAT(requester_->Told(), ElementsAre("put in", "1 5", "done"));
  EXPECT_GE(kernel_.Count(Call::kEnterRing), calls + 2);
}

// Else it would sleep for ever.
TEST_F(RingTest, ATimerThatIsAddedWhileItIsPutInIsNotOverslept) {
  Event timer = Event::Timer(
      *base_,
      [](int, EventFlags, void* base) {
        static_cast<EventBase*>(base)->Break();
      },
      base_.get());
  requester_->AskToPoll();
  requester_->AddTimerInPutIn(timer);
  ASSERT_TRUE(base_->Run(RunMode::kUntilExit).ok());
  requester_->AskToSend();
  requester_->AddTimerWhenPutIn(timer);
  ASSERT_TRUE(base_->Run(RunMode::kUntilExit).ok());
}

TEST_F(RingTest, WhatTheKernelDoesNotTakeIsInterruptedIfItRefersToMemory) {
  requester_->AskToSend();
  requester_->AskToPoll();
  kernel_.Fail(Call::kEnterRing, ENOMEM);
  EXPECT_FALSE([&] {
    ring_->AddPending();
    const bool ok = base_->Run(RunMode::kNonBlocking).ok();
    ring_->RemovePending();
    return ok;
  }());
  EXPECT_THAT(requester_->Told(),
              ElementsAre("put in", absl::StrCat("1 ", -EINTR), "done"));
  // The other one waits for the next call.
  ASSERT_EQ(write(ends_[1], "x", 1), 1);
  RunARound();
  EXPECT_THAT(requester_->Told(), ElementsAre(absl::StrCat("0 ", POLLIN)));
  EXPECT_EQ(Received(), "nothing");
}

TEST_F(RingTest, ASendThatWasNeverPutInHasNotSucceeded) {
  requester_->AskToSend();
  kernel_.Fail(Call::kEnableRing, ENOMEM);
  ring_->AddPending();
  EXPECT_FALSE(base_->Run(RunMode::kNonBlocking).ok());
  ring_->RemovePending();
  EXPECT_THAT(requester_->Told(),
              ElementsAre("put in", absl::StrCat("1 ", -EINTR), "done"));
  EXPECT_EQ(Received(), "nothing");
}

TEST_F(RingTest, AnotherThreadFlushesNothing) {
  RunARound();
  requester_->AskToSend();
  std::thread([&] {
    ring_->Flush();
    // A run that ends before it waits.
    base_->Exit();
    EXPECT_TRUE(base_->Run(RunMode::kUntilExit).ok());
  }).join();
  EXPECT_THAT(requester_->Told(), IsEmpty());
  RunARound();
  EXPECT_THAT(requester_->Told(), ElementsAre("put in", "1 5", "done"));
  EXPECT_EQ(Received(), "hello");
}

TEST_F(RingTest, CountsWhatGoesThroughIt) {
  RunARound();
  const uint64_t submissions = base_->stats()->ring_submissions.Get();
  const uint64_t completions = base_->stats()->ring_completions.Get();
  requester_->AskToSend();
  RunARound();
  EXPECT_EQ(base_->stats()->ring_submissions.Get(), submissions + 1);
  EXPECT_EQ(base_->stats()->ring_completions.Get(), completions + 1);
  EXPECT_EQ(base_->stats()->ready_descriptors.Get(), 1);
  RunARound();
  EXPECT_EQ(base_->stats()->ready_descriptors.Get(), 0);
  ring_->CountExhaustion();
  EXPECT_EQ(base_->stats()->ring_buffer_exhaustions.Get(), 1u);
}

TEST_F(RingTest, WhoWaitsKeepsTheLoopRunning) {
  EXPECT_EQ(base_->pending_count(), 0u);
  ring_->AddPending();
  EXPECT_EQ(base_->pending_count(), 1u);
  EXPECT_EQ(ring_->pending_count(), 1u);
  ring_->RemovePending();
  EXPECT_EQ(base_->pending_count(), 0u);
}

TEST_F(RingTest, AnotherThreadsRingKnowsNothingOfTheOldRequests) {
  requester_->AskToPoll();
  RunARound();
  (void)requester_->Told();
  std::thread([&] { RunARound(); }).join();
  EXPECT_THAT(requester_->Told(), ElementsAre("renewed"));
}

// Sockets of TCP: one that listens, and clients.
class RingAcceptTest : public RingTest {
 protected:
  void SetUp() override {
    RingTest::SetUp();
    if (IsSkipped()) return;
    if (!ring_->can_accept()) GTEST_SKIP() << "NO ACCEPTS BY io_uring HERE";
    socket_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    ASSERT_EQ(listen(socket_, 100), 0);
    socklen_t size = sizeof(address_);
    ASSERT_EQ(getsockname(socket_, native(), &size), 0);
    requester_ = std::make_unique<Requester>(*ring_, socket_);
    requester_->AskToAccept();
    RunARound();
    (void)requester_->Told();
  }
  void TearDown() override {
    close(socket_);
    for (const int client : clients_) close(client);
  }
  sockaddr* native() { return reinterpret_cast<sockaddr*>(&address_); }

  // What is told of it when it is the last of its call.
  std::string Connect() {
    const int client = socket(AF_INET, SOCK_STREAM, 0);
    EXPECT_EQ(connect(client, native(), sizeof(address_)), 0);
    clients_.push_back(client);
    sockaddr_in own;
    socklen_t size = sizeof(own);
    getsockname(client, reinterpret_cast<sockaddr*>(&own), &size);
    return absl::StrCat("accepted", ntohs(own.sin_port));
  }
  // Accepted, and closed again: one that waits in the backlog has no end.
  static void ExpectClosed(int client) {
    char byte;
    EXPECT_EQ(recv(client, &byte, 1, MSG_DONTWAIT), 0);
  }

  int socket_ = -1;
  sockaddr_in address_ = {};
  std::vector<int> clients_;
};

TEST_F(RingAcceptTest, ItIsKnownWhoseTheLastOneIs) {
  Connect();
  Connect();
  const std::string third = Connect();
  RunARound();
  EXPECT_THAT(requester_->Told(), ElementsAre("accepted0", "accepted0", third));
  const std::string fourth = Connect();
  RunARound();
  EXPECT_THAT(requester_->Told(), ElementsAre(fourth));
}

TEST_F(RingAcceptTest, IsCancelled) {
  requester_->CancelAccept();
  Connect();
  RunARound();
  EXPECT_THAT(requester_->Told(), ElementsAre(absl::StrCat("2 ", -ECANCELED)));
}

TEST_F(RingAcceptTest, WhatIsAcceptedForWhoHasLeftIsClosed) {
  requester_->Leave();
  Requester next(*ring_, socket_);
  Connect();
  RunARound();
  RunARound();
  ExpectClosed(clients_[0]);
  EXPECT_THAT(next.Told(), IsEmpty());
  EXPECT_THAT(requester_->Told(), IsEmpty());
}

// So many requests that they have to be made known before the loop's own call,
// which takes what came of them.
TEST_F(RingAcceptTest, WhatWasAcceptedWithoutBeingToldIsNotTakenForTheLast) {
  kernel_.LimitCompletions(2);
  requester_.reset();
  base_ = *EventBase::Create({.backend = "io_uring", .kernel = &kernel_});
  ring_ = base_->ring();
  requester_ = std::make_unique<Requester>(*ring_, socket_);
  requester_->AskToAccept();
  std::vector<std::string> expected(10, "accepted0");
  for (int i = 0; i < 10; ++i) expected[i] = Connect();
  for (int i = 0; i < 10; ++i) {
    RunARound();
    requester_->AskToAccept();
  }
  size_t count = 0;
  for (const std::string& told : requester_->Told()) {
    if (!told.starts_with("accepted")) continue;
    ASSERT_LT(count, expected.size());
    if (told != "accepted0") {
      EXPECT_EQ(told, expected[count]);
    }
    ++count;
  }
  EXPECT_EQ(count, expected.size());
}

TEST_F(RingAcceptTest, WhatNobodyWasToldOfIsClosedWithTheRing) {
  Connect();
  // More requests than there is room for have the first ones made known.
  const uint32_t seat = ring_->Join(*requester_);
  for (int i = 0; i < 300; ++i) {
    io_uring_sqe* const request = ring_->NextRequest(seat, 0);
    ASSERT_NE(request, nullptr);
    io_uring_prep_nop(request);
  }
  ring_->Leave(seat);
  char byte;
  ASSERT_EQ(recv(clients_[0], &byte, 1, MSG_DONTWAIT), -1);
  requester_->Leave();
  base_ = nullptr;
  requester_ = nullptr;
  ExpectClosed(clients_[0]);
}

TEST(RingRequestTest, IsPackedAndUnpacked) {
  const RingRequest request = {.of = RingRequest::Of::kUser,
                               .kind = 3,
                               .number = RingRequest::kNumberMask,
                               .generation = 0xdeadbeef};
  const RingRequest same = RingRequest::Unpack(RingRequest::Pack(request));
  EXPECT_EQ(same.of, request.of);
  EXPECT_EQ(same.kind, request.kind);
  EXPECT_EQ(same.number, request.number);
  EXPECT_EQ(same.generation, request.generation);
  EXPECT_EQ(RingRequest::Unpack(RingRequest::kNobody).of,
            RingRequest::Of::kNobody);
}

}  // namespace
}  // namespace percore
