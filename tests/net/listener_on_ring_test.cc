// What is a listener's own where the kernel accepts by itself: clients that it
// has accepted and nobody has heard of, and its detour when that fails. What it
// has in common with others is in listener_test, which is run with io_uring as
// well.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <cerrno>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "percore/net/listen_sockets.h"
#include "percore/net/listener.h"
#include "percore/net/socket_options.h"
#include "percore/tests/support/blocking_client.h"
#include "percore/tests/support/descriptors.h"
#include "percore/tests/support/temporary_folder.h"
#include "percore/tests/support/test_kernel.h"

namespace percore {
namespace {

using Call = TestKernel::Call;

class ListenerOnRingTest : public testing::Test {
 protected:
  void SetUp() override { MakeBase(); }
  void TearDown() override {
    listener_.reset();
    sockets_.reset();
    accepted_.clear();
    clients_.clear();
    base_ = nullptr;
    EXPECT_EQ(OpenDescriptors(), descriptors_);
  }
  void MakeBase() {
    listener_.reset();
    auto made = EventBase::Create({.backend = "io_uring", .kernel = &kernel_});
    if (!made.ok()) GTEST_SKIP() << "NO io_uring HERE: " << made.status();
    base_ = *std::move(made);
    if (!base_->ring()->can_accept()) {
      GTEST_SKIP() << "NO ACCEPTS BY io_uring HERE";
    }
  }

  void Listen(const ListenerOptions& options = {},
              const std::string& address = "127.0.0.1:0") {
    sockets_ = *ListenSockets::Open(address, 1);
    listener_.emplace(*base_, sockets_->Take(0), &OnAccept, this, options);
    stats_ = listener_->stats();
    ASSERT_TRUE(listener_->Enable().ok());
  }
  void Connect(int count = 1) {
    for (int i = 0; i < count; ++i) clients_.emplace_back(sockets_->address());
  }
  // More clients than a batch: one is delivered, and the others are kept.
  void KeepTwo() {
    Listen({.accept_batch = 1});
    Connect(3);
    Run(1);
    ASSERT_EQ(accepted_.size(), 1u);
  }
  void Run(int rounds = 10) {
    for (int i = 0; i < rounds; ++i) {
      ASSERT_TRUE(base_->Run(RunMode::kNonBlocking).ok());
    }
  }
  int AcceptCalls() { return kernel_.Count(Call::kAccept); }
  // As the kernel accepts them: in the order in which they connected.
  void ExpectAllAccepted() {
    ASSERT_EQ(accepted_.size(), clients_.size());
    for (size_t i = 0; i < clients_.size(); ++i) {
      SCOPED_TRACE(i);
      EXPECT_EQ(accepted_[i].peer, *SocketAddress::OfSocket(clients_[i].fd()));
      EXPECT_EQ(accepted_[i].peer,
                *SocketAddress::OfPeer(accepted_[i].socket.get()));
    }
  }
  void ExpectAllClosed() {
    for (BlockingClient& client : clients_) EXPECT_EQ(client.ReadToEnd(), "");
  }

  struct Accepted {
    UniqueFd socket;
    SocketAddress peer;
  };

  const int descriptors_ = OpenDescriptors();
  TestKernel kernel_{TestKernel::Clock::kManual};
  std::unique_ptr<EventBase> base_;
  std::optional<ListenSockets> sockets_;
  std::deque<BlockingClient> clients_;
  std::vector<Accepted> accepted_;
  bool told_ = false;
  std::function<void()> on_accept_ = [] {};
  std::optional<Listener> listener_;
  std::shared_ptr<ListenerStats> stats_;

 private:
  static void OnAccept(UniqueFd connection, const SocketAddress& peer,
                       void* argument) {
    auto* const test = static_cast<ListenerOnRingTest*>(argument);
    test->accepted_.push_back({.socket = std::move(connection), .peer = peer});
    test->on_accept_();
  }
};

TEST_F(ListenerOnRingTest, ALoneClientCostsNoCall) {
  Listen();
  Run();
  for (int i = 0; i < 5; ++i) {
    Connect();
    Run();
  }
  ExpectAllAccepted();
  EXPECT_EQ(AcceptCalls(), 1);
  EXPECT_EQ(kernel_.Count(Call::kGetPeerName), 0);
}

TEST_F(ListenerOnRingTest, ClientsThatComeAtOnceHaveTheirOwnAddresses) {
  for (const char* address : {"127.0.0.1:0", "[::1]:0"}) {
    SCOPED_TRACE(address);
    Listen({}, address);
    for (int i = 0; i < 5; ++i) {
      Connect(40);
      Run();
    }
    ExpectAllAccepted();
    EXPECT_TRUE(fcntl(accepted_[0].socket.get(), F_GETFL) & O_NONBLOCK);
    EXPECT_TRUE(fcntl(accepted_[0].socket.get(), F_GETFD) & FD_CLOEXEC);
    accepted_.clear();
    clients_.clear();
  }
}

TEST_F(ListenerOnRingTest, MoreClientsThanTheKernelTellsAtOnce) {
  kernel_.LimitCompletions(4);
  MakeBase();
  Listen({.accept_batch = 3});
  for (int i = 0; i < 3; ++i) {
    Connect(50);
    Run(60);
  }
  ExpectAllAccepted();
}

TEST_F(ListenerOnRingTest, WhoHasGoneAlreadyHasNoAddress) {
  Listen();
  Connect(2);
  clients_[0].Reset();
  Run();
  ASSERT_EQ(accepted_.size(), 2u);
  EXPECT_EQ(accepted_[0].peer, SocketAddress());
  EXPECT_EQ(accepted_[1].peer, *SocketAddress::OfSocket(clients_[1].fd()));
}

TEST_F(ListenerOnRingTest, NoMoreAreAcceptedWhileSomeAreNotDelivered) {
  Listen({.accept_batch = 1});
  Connect(10);
  Run(2);
  const int before = OpenDescriptors();
  Connect(5);
  Run(5);
  EXPECT_EQ(accepted_.size(), 7u);
  EXPECT_EQ(OpenDescriptors(), before + 5);
  Run(20);
  ExpectAllAccepted();
}

TEST_F(ListenerOnRingTest, WhatIsLeftWhenItIsDisabledIsDeliveredLater) {
  KeepTwo();
  listener_->Disable();
  Connect(2);
  Run();
  EXPECT_EQ(accepted_.size(), 1u);
  ASSERT_TRUE(listener_->Enable().ok());
  Run();
  ExpectAllAccepted();
}

TEST_F(ListenerOnRingTest, WhatIsLeftWithoutACallbackIsDeliveredLater) {
  KeepTwo();
  listener_->SetCallback(nullptr, nullptr);
  Connect(2);
  Run();
  EXPECT_EQ(accepted_.size(), 1u);
  int others = 0;
  listener_->SetCallback([](UniqueFd, const SocketAddress&,
                            void* count) { ++*static_cast<int*>(count); },
                         &others);
  Run();
  EXPECT_EQ(others, 4);
}

TEST_F(ListenerOnRingTest, MayBeDisabledAndEnabledInItsCallback) {
  Listen();
  on_accept_ = [this] {
    listener_->Disable();
    ASSERT_TRUE(listener_->Enable().ok());
  };
  for (int i = 0; i < 3; ++i) {
    Connect(5);
    Run();
  }
  ExpectAllAccepted();
}

TEST_F(ListenerOnRingTest, DisabledWithoutARunningLoopItAcceptsNoMore) {
  Listen();
  Run();
  listener_->Disable();
  Connect();
  Run();
  EXPECT_TRUE(accepted_.empty());
  // Somebody else has it.
  EXPECT_TRUE(UniqueFd(accept(listener_->fd(), nullptr, nullptr)).valid());
  ExpectAllClosed();
}

TEST_F(ListenerOnRingTest, WhatIsLeftIsDeliveredBeforeTheSocketIsGivenBack) {
  KeepTwo();
  const UniqueFd socket = listener_->Release();
  ExpectAllAccepted();
  // The next one is whoever's it is.
  Connect();
  Run();
  EXPECT_EQ(accepted_.size(), 3u);
  EXPECT_TRUE(UniqueFd(accept(socket.get(), nullptr, nullptr)).valid());
}

TEST_F(ListenerOnRingTest, WhatIsLeftIsClosedIfNobodyWantsItFromRelease) {
  KeepTwo();
  listener_->SetCallback(nullptr, nullptr);
  listener_->Release().Reset();
  accepted_.clear();
  ExpectAllClosed();
}

TEST_F(ListenerOnRingTest, MayBeDestroyedInItsCallbackByRelease) {
  KeepTwo();
  on_accept_ = [this] { listener_.reset(); };
  EXPECT_TRUE(listener_->Release().valid());
  EXPECT_EQ(accepted_.size(), 2u);
  accepted_.clear();
  ExpectAllClosed();
}

TEST_F(ListenerOnRingTest, ItsEndClosesWhatIsLeft) {
  KeepTwo();
  listener_.reset();
  accepted_.clear();
  ExpectAllClosed();
}

TEST_F(ListenerOnRingTest, ItsEndInItsCallbackClosesWhatIsLeft) {
  Listen();
  Connect(3);
  on_accept_ = [this] { listener_.reset(); };
  Run();
  EXPECT_EQ(accepted_.size(), 1u);
  accepted_.clear();
  ExpectAllClosed();
}

TEST_F(ListenerOnRingTest, ClientsThatComeBeforeTheRingHasHeardOfItsEnd) {
  Listen();
  Run();
  base_->Post([this] {
    Connect(3);
    listener_.reset();
  });
  Run();
  ExpectAllClosed();
}

TEST_F(ListenerOnRingTest, ALackThatIsNoneIsNotTold) {
  Listen();
  // Nobody has come.
  kernel_.Fail(Call::kAccept, EMFILE);
  Run();
  EXPECT_EQ(stats_->paused.Get(), 0);
  // By accept(), which finds that there are no more.
  Connect();
  Run();
  EXPECT_EQ(AcceptCalls(), 4);
  // And from then on by the ring again.
  Connect();
  Run();
  ExpectAllAccepted();
  EXPECT_EQ(AcceptCalls(), 4);
  for (const Counter& errors : stats_->accept_errors) {
    EXPECT_EQ(errors.Get(), 0u);
  }
}

TEST_F(ListenerOnRingTest, RestsAndComesBackToTheRing) {
  Listen();
  Connect(2);
  kernel_.Fail(Call::kAccept, EMFILE, 2);
  Run();
  EXPECT_EQ(stats_->paused.Get(), 1);
  EXPECT_EQ(clients_[0].ReadToEnd(), "");
  clients_.pop_front();
  while (accepted_.empty()) ASSERT_TRUE(base_->Run(RunMode::kOnce).ok());
  EXPECT_EQ(stats_->paused.Get(), 0);
  const int calls = AcceptCalls();
  Connect(2);
  Run();
  ExpectAllAccepted();
  EXPECT_EQ(AcceptCalls(), calls);
}

TEST_F(ListenerOnRingTest, WhereTheRingCannotAcceptIsNotTriedAgain) {
  Listen();
  kernel_.Fail(Call::kAccept, EINVAL);
  Run();
  for (int i = 0; i < 3; ++i) {
    Connect();
    Run();
  }
  ExpectAllAccepted();
  EXPECT_EQ(AcceptCalls(), 1 + 3 * 2);
}

TEST_F(ListenerOnRingTest, InterruptedRequestsArePutInAgain) {
  Listen();
  kernel_.Fail(Call::kAccept, EINTR);
  kernel_.Fail(Call::kAccept, ECANCELED);
  Connect();
  Run();
  ExpectAllAccepted();
  EXPECT_EQ(AcceptCalls(), 3);
}

TEST_F(ListenerOnRingTest, LimitedOnesAndUnixSocketsAreWatched) {
  const TemporaryFolder folder;
  Listen({.max_connections = 5});
  Connect();
  Run();
  EXPECT_EQ(AcceptCalls(), 2);
  Listen({}, "unix:" + folder.File("socket"));
  Connect();
  Run();
  EXPECT_EQ(AcceptCalls(), 4);
  EXPECT_EQ(accepted_.size(), 2u);
}

TEST_F(ListenerOnRingTest, WhatItCannotBeSureOfIsWatched) {
  for (int passing = 0; passing < 2; ++passing) {
    kernel_.Fail(Call::kGetSocketOption, ENOBUFS, 1, passing);
    Listen();
    Connect();
    Run();
    EXPECT_EQ(AcceptCalls(), 2 * (passing + 1));
  }
}

// Else the first one would have all connections.
TEST_F(ListenerOnRingTest, ASocketThatOthersMayShareIsWatched) {
  sockets_ = *ListenSockets::Open("127.0.0.1:0", 1);
  UniqueFd socket = sockets_->Take(0);
  ASSERT_TRUE(SetReusePort(socket.get(), Switch::kOff).ok());
  listener_.emplace(
      *base_, std::move(socket),
      [](UniqueFd, const SocketAddress&, void* accepted) {
        *static_cast<bool*>(accepted) = true;
      },
      &told_);
  ASSERT_TRUE(listener_->Enable().ok());
  Connect();
  Run();
  EXPECT_TRUE(told_);
  EXPECT_EQ(AcceptCalls(), 2);
}

TEST_F(ListenerOnRingTest, LosesNothingByACallOfTheLoopsThatFails) {
  Listen();
  Connect();
  for (const int error : {ENOMEM, EAGAIN, EINTR}) {
    kernel_.Fail(Call::kEnterRing, error);
    (void)base_->Run(RunMode::kNonBlocking);
    Connect();
  }
  Run();
  ExpectAllAccepted();
}

TEST_F(ListenerOnRingTest, CountsAsPendingOnce) {
  const size_t before = base_->pending_count();
  Listen();
  EXPECT_EQ(base_->pending_count(), before + 1);
  Run();
  EXPECT_EQ(base_->pending_count(), before + 1);
  listener_->Disable();
  ASSERT_TRUE(base_->Run().ok());
}

TEST_F(ListenerOnRingTest, TheLoopMayRunInAnotherThread) {
  Listen();
  std::thread([this] {
    Connect(3);
    Run();
    Connect();
  }).join();
  Run();
  for (int i = 0; i < 3; ++i) {
    Connect(2);
    Run();
  }
  ExpectAllAccepted();
}

TEST_F(ListenerOnRingTest, TheLoopMayRunInAnotherThreadWhileItIsDisabled) {
  KeepTwo();
  listener_->Disable();
  std::thread([this] { Run(); }).join();
  ASSERT_TRUE(listener_->Enable().ok());
  Connect(2);
  Run();
  ExpectAllAccepted();
}

TEST_F(ListenerOnRingTest, GoesOnWhenThereAreDescriptorsAgain) {
  constexpr rlim_t kRoom = 3;
  Listen();
  // Until it cannot any more; the last one has to be accepted by hand.
  Connect(6);
  {
    const DescriptorLimit limit(kRoom);
    while (stats_->paused.Get() == 0) Run(1);
    EXPECT_EQ(accepted_.size(), kRoom);
  }
  EXPECT_EQ(clients_[kRoom].ReadToEnd(), "");
  clients_.erase(clients_.begin() + kRoom);
  while (accepted_.size() < clients_.size()) {
    ASSERT_TRUE(base_->Run(RunMode::kOnce).ok());
  }
  ExpectAllAccepted();
  const int calls = AcceptCalls();
  Connect();
  Run();
  ExpectAllAccepted();
  EXPECT_EQ(AcceptCalls(), calls);
}

}  // namespace
}  // namespace percore
