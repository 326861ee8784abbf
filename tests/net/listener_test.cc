#include "percore/net/listener.h"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "percore/net/listen_sockets.h"
#include "percore/tests/support/blocking_client.h"
#include "percore/tests/support/temporary_folder.h"
#include "percore/tests/support/test_kernel.h"

namespace percore {
namespace {

using Call = TestKernel::Call;

class ListenerTest : public testing::Test {
 protected:
  using Function = std::function<void(UniqueFd)>;

  void SetUp() override {
    MakeListener(sockets_.Take(0));
    ASSERT_TRUE(listener_->Enable().ok());
  }

  static void OnAccept(UniqueFd connection, const SocketAddress& peer,
                       void* test) {
    EXPECT_NE(peer.port(), 0);
    static_cast<ListenerTest*>(test)->on_accept_(std::move(connection));
  }

  void MakeListener(UniqueFd socket, const ListenerOptions& options = {}) {
    listener_.emplace(*base_, std::move(socket), &OnAccept, this, options);
    stats_ = listener_->stats();
  }
  void OnError(std::function<void(const absl::Status&)> function) {
    on_error_ = std::move(function);
    listener_->SetErrorCallback(
        [](const absl::Status& status, void* test) {
          static_cast<ListenerTest*>(test)->on_error_(status);
        },
        this);
  }
  void KeepErrors() {
    OnError([this](const absl::Status& status) {
      errors_.emplace_back(status.message());
    });
  }

  void RunOnce() {
    for (int i = 0; i < rounds_; ++i) {
      ASSERT_TRUE(base_->Run(RunMode::kNonBlocking).ok());
    }
  }

  // Whether the kernel accepts by itself.
  bool ByRing() const {
    return base_->ring() != nullptr && base_->ring()->can_accept();
  }
  // accept() fails, `times` times. It is not called before the ring's request
  // has failed: a round earlier.
  void FailAccept(int error, int times = 1) {
    if (ByRing()) {
      kernel_.Fail(Call::kAccept, error);
      rounds_ = 2;
    }
    kernel_.Fail(Call::kAccept, error, times);
  }
  // The ring has a request, which will not fail any more: it gets another one.
  void StartAnew() {
    listener_->Disable();
    ASSERT_TRUE(listener_->Enable().ok());
  }

  uint64_t Errors(AcceptError reason) const {
    return stats_->accept_errors[static_cast<size_t>(reason)].Get();
  }
  uint64_t Rejected(RejectReason reason) const {
    return stats_->rejected[static_cast<size_t>(reason)].Get();
  }

  TestKernel kernel_{TestKernel::Clock::kManual};
  const std::unique_ptr<EventBase> base_ =
      *EventBase::Create({.kernel = &kernel_});
  ListenSockets sockets_ = *ListenSockets::Open("127.0.0.1:0", 1);
  std::vector<UniqueFd> accepted_;
  std::vector<std::string> errors_;
  int rounds_ = 1;
  int others_ = 0;  // connections that another callback was called for
  Function on_accept_ = [this](UniqueFd fd) {
    accepted_.push_back(std::move(fd));
  };
  std::function<void(const absl::Status&)> on_error_;
  std::optional<Listener> listener_;
  std::shared_ptr<ListenerStats> stats_;
};

TEST_F(ListenerTest, AcceptsAllThatWait) {
  const BlockingClient first(sockets_.address());
  const BlockingClient second(sockets_.address());
  RunOnce();
  EXPECT_EQ(accepted_.size(), 2u);
  EXPECT_EQ(stats_->accepted.Get(), 2u);
}

TEST_F(ListenerTest, AcceptsNothingWhileDisabled) {
  listener_->Disable();
  const BlockingClient client(sockets_.address());
  RunOnce();
  EXPECT_TRUE(accepted_.empty());
  ASSERT_TRUE(listener_->Enable().ok());
  RunOnce();
  EXPECT_EQ(accepted_.size(), 1u);
}

TEST_F(ListenerTest, MayBeDisabledInItsCallback) {
  const BlockingClient first(sockets_.address());
  const BlockingClient second(sockets_.address());
  on_accept_ = [this](UniqueFd fd) {
    accepted_.push_back(std::move(fd));
    listener_->Disable();
  };
  RunOnce();
  EXPECT_EQ(accepted_.size(), 1u);
}

TEST_F(ListenerTest, MayBeDestroyedInItsCallback) {
  const BlockingClient client(sockets_.address());
  on_accept_ = [this](UniqueFd) { listener_.reset(); };
  ASSERT_TRUE(base_->Run().ok());
  EXPECT_EQ(stats_->accepted.Get(), 1u);
}

TEST_F(ListenerTest, BacksOffWhenOutOfMemoryAndRecovers) {
  for (const int error : {ENOBUFS, ENOMEM}) {
    SCOPED_TRACE(error);
    accepted_.clear();
    StartAnew();
    const BlockingClient client(sockets_.address());
    FailAccept(error);
    RunOnce();
    EXPECT_TRUE(accepted_.empty());
    EXPECT_EQ(stats_->paused.Get(), 1);
    const int calls = kernel_.Count(Call::kAccept);
    // It sleeps, it does not spin: the next call comes when the rest is over.
    while (accepted_.empty()) {
      ASSERT_TRUE(base_->Run(RunMode::kOnce).ok());
    }
    EXPECT_EQ(stats_->paused.Get(), 0);
    EXPECT_LE(kernel_.Count(Call::kAccept), calls + 2);
  }
  EXPECT_EQ(Errors(AcceptError::kNoMemory), 2u);
  EXPECT_EQ(Rejected(RejectReason::kNoDescriptors), 0u);
}

TEST_F(ListenerTest, TurnsOneClientAwayWhenOutOfDescriptorsAndRecovers) {
  for (const int error : {EMFILE, ENFILE}) {
    SCOPED_TRACE(error);
    accepted_.clear();
    StartAnew();
    BlockingClient first(sockets_.address());
    BlockingClient second(sockets_.address());
    FailAccept(error);
    RunOnce();
    EXPECT_EQ(first.ReadToEnd(), "");  // it need not wait any longer
    EXPECT_TRUE(accepted_.empty());
    EXPECT_EQ(stats_->paused.Get(), 1);
    const int calls = kernel_.Count(Call::kAccept);
    while (accepted_.empty()) {
      ASSERT_TRUE(base_->Run(RunMode::kOnce).ok());
    }
    EXPECT_EQ(accepted_.size(), 1u);
    EXPECT_EQ(stats_->paused.Get(), 0);
    EXPECT_LE(kernel_.Count(Call::kAccept), calls + 2);
  }
  EXPECT_EQ(Errors(AcceptError::kNoDescriptors), 2u);
  EXPECT_EQ(Rejected(RejectReason::kNoDescriptors), 2u);
  EXPECT_EQ(stats_->accepted.Get(), 2u);
}

TEST_F(ListenerTest, ClientsWaitWhereTheReserveHelpsNothing) {
  const BlockingClient client(sockets_.address());
  // Another thread has taken the descriptor that the reserve left.
  FailAccept(EMFILE, 2);
  kernel_.Fail(Call::kEventFd, EMFILE);
  RunOnce();
  EXPECT_EQ(Rejected(RejectReason::kNoDescriptors), 0u);
  while (accepted_.empty()) ASSERT_TRUE(base_->Run(RunMode::kOnce).ok());
  EXPECT_EQ(accepted_.size(), 1u);
  // There is a reserve again.
  StartAnew();
  BlockingClient other(sockets_.address());
  FailAccept(EMFILE);
  RunOnce();
  EXPECT_EQ(other.ReadToEnd(), "");
}

TEST_F(ListenerTest, DoesWithoutAReserveUntilThereIsOne) {
  listener_->Release().Reset();
  ListenSockets sockets = *ListenSockets::Open("127.0.0.1:0", 1);
  kernel_.Fail(Call::kEventFd, EMFILE);
  MakeListener(sockets.Take(0));
  ASSERT_TRUE(listener_->Enable().ok());
  const BlockingClient client(sockets.address());
  FailAccept(EMFILE);
  RunOnce();
  EXPECT_EQ(Rejected(RejectReason::kNoDescriptors), 0u);
  while (accepted_.empty()) ASSERT_TRUE(base_->Run(RunMode::kOnce).ok());
  StartAnew();
  BlockingClient other(sockets.address());
  FailAccept(EMFILE);
  RunOnce();
  EXPECT_EQ(other.ReadToEnd(), "");
}

TEST_F(ListenerTest, RestsLongerEachTimeUpToASecond) {
  const BlockingClient client(sockets_.address());
  for (int i = 0; i < 10; ++i) FailAccept(ENOMEM);
  const TimePoint start = kernel_.Now();
  while (accepted_.empty()) ASSERT_TRUE(base_->Run(RunMode::kOnce).ok());
  // 10 + 20 + ... + 640 ms, then 1 s three times.
  EXPECT_EQ(kernel_.Now() - start, std::chrono::milliseconds(1270 + 3000));
}

TEST_F(ListenerTest, TellsAboutEachRestAndItsReason) {
  KeepErrors();
  const BlockingClient client(sockets_.address());
  FailAccept(ENOMEM);
  FailAccept(EMFILE, 2);
  FailAccept(EINVAL);
  while (accepted_.empty()) ASSERT_TRUE(base_->Run(RunMode::kOnce).ok());
  const std::string prefix = "accept " + sockets_.address().ToString() + ": ";
  EXPECT_EQ(errors_,
            (std::vector<std::string>{prefix + "Cannot allocate memory",
                                      prefix + "Too many open files",
                                      prefix + "Invalid argument"}));
}

TEST_F(ListenerTest, NamesTheDescriptorWhereTheAddressIsNotKnown) {
  KeepErrors();
  const BlockingClient client(sockets_.address());
  FailAccept(ENOMEM);
  kernel_.Fail(Call::kGetSocketName, ENOBUFS);
  RunOnce();
  EXPECT_EQ(errors_, (std::vector<std::string>{"accept fd " +
                                               std::to_string(listener_->fd()) +
                                               ": Cannot allocate memory"}));
}

TEST_F(ListenerTest, DoesNotTellWhatPassesByItself) {
  KeepErrors();
  const BlockingClient client(sockets_.address());
  for (const int error : {EINTR, ECONNABORTED, EPROTO, ENETDOWN, EAGAIN}) {
    kernel_.Fail(Call::kAccept, error);
  }
  while (accepted_.empty()) ASSERT_TRUE(base_->Run(RunMode::kOnce).ok());
  EXPECT_TRUE(errors_.empty());
}

TEST_F(ListenerTest, MayBeDestroyedInItsErrorCallback) {
  const BlockingClient client(sockets_.address());
  OnError([this](const absl::Status&) { listener_.reset(); });
  FailAccept(ENOMEM);
  ASSERT_TRUE(base_->Run().ok());
  EXPECT_EQ(stats_->paused.Get(), 0);
}

TEST_F(ListenerTest, MayBeDisabledInItsErrorCallback) {
  BlockingClient client(sockets_.address());
  OnError([this](const absl::Status&) { listener_->Disable(); });
  FailAccept(EMFILE);
  ASSERT_TRUE(base_->Run().ok());  // no timer is left
  EXPECT_EQ(client.ReadToEnd(), "");
}

TEST_F(ListenerTest, GivesOtherEventsTheirTurnAfterABatch) {
  listener_->Disable();
  const ListenerOptions options = {.accept_batch = 2};
  MakeListener(listener_->Release(), options);
  ASSERT_TRUE(listener_->Enable().ok());
  const BlockingClient clients[] = {
      BlockingClient(sockets_.address()), BlockingClient(sockets_.address()),
      BlockingClient(sockets_.address()), BlockingClient(sockets_.address()),
      BlockingClient(sockets_.address())};
  for (const size_t accepted : {2, 4, 5}) {
    RunOnce();
    EXPECT_EQ(accepted_.size(), accepted);
  }
}

TEST_F(ListenerTest, HasOtherCallbacksFromTheNextConnectionOn) {
  const BlockingClient first(sockets_.address());
  const BlockingClient second(sockets_.address());
  on_accept_ = [this](UniqueFd) {
    listener_->SetCallback([](UniqueFd, const SocketAddress&,
                              void* count) { ++*static_cast<int*>(count); },
                           &others_);
  };
  RunOnce();
  EXPECT_EQ(others_, 1);
}

TEST_F(ListenerTest, AcceptsNothingWithoutACallback) {
  listener_->SetCallback(nullptr, nullptr);
  const BlockingClient client(sockets_.address());
  RunOnce();
  EXPECT_EQ(kernel_.Count(Call::kAccept), 0);
  listener_->Disable();
  ASSERT_TRUE(listener_->Enable().ok());
  RunOnce();
  EXPECT_EQ(kernel_.Count(Call::kAccept), 0);
  listener_->SetCallback(&ListenerTest::OnAccept, this);
  RunOnce();
  EXPECT_EQ(accepted_.size(), 1u);
}

TEST_F(ListenerTest, GivesItsSocketBackAndAnotherGoesOn) {
  const BlockingClient client(sockets_.address());
  const int fd = listener_->fd();
  UniqueFd socket = listener_->Release();
  EXPECT_EQ(socket.get(), fd);
  EXPECT_EQ(listener_->fd(), -1);
  EXPECT_EQ(listener_->Enable().code(), absl::StatusCode::kFailedPrecondition);
  RunOnce();
  EXPECT_TRUE(accepted_.empty());
  MakeListener(std::move(socket));
  ASSERT_TRUE(listener_->Enable().ok());
  RunOnce();
  EXPECT_EQ(accepted_.size(), 1u);
}

TEST_F(ListenerTest, MayGiveItsSocketBackInItsCallback) {
  const BlockingClient first(sockets_.address());
  const BlockingClient second(sockets_.address());
  UniqueFd socket;
  on_accept_ = [&](UniqueFd) { socket = listener_->Release(); };
  ASSERT_TRUE(base_->Run().ok());
  EXPECT_TRUE(socket.valid());
  // By the kernel both were.
  EXPECT_EQ(stats_->accepted.Get(), ByRing() ? 2u : 1u);
}

TEST_F(ListenerTest, KnowsItsSocketAndBase) {
  EXPECT_EQ(&listener_->base(), base_.get());
  EXPECT_EQ(*SocketAddress::OfSocket(listener_->fd()), sockets_.address());
  EXPECT_TRUE(listener_->enabled());
  EXPECT_TRUE(listener_->Enable().ok());  // changes nothing
  listener_->Disable();
  EXPECT_FALSE(listener_->enabled());
}

TEST_F(ListenerTest, GoesOnAfterAConnectionThatWasGivenUp) {
  const BlockingClient client(sockets_.address());
  kernel_.Fail(Call::kAccept, ECONNABORTED);
  kernel_.Fail(Call::kAccept, EINTR);
  while (accepted_.empty()) RunOnce();
  EXPECT_EQ(accepted_.size(), 1u);
  EXPECT_EQ(Errors(AcceptError::kAborted), 1u);
  EXPECT_EQ(stats_->paused.Get(), 0);
}

TEST_F(ListenerTest, RestsAfterAnErrorItDoesNotKnow) {
  const BlockingClient client(sockets_.address());
  FailAccept(EINVAL);
  RunOnce();
  EXPECT_EQ(Errors(AcceptError::kOther), 1u);
  EXPECT_EQ(stats_->paused.Get(), 1);
  listener_->Disable();
  EXPECT_EQ(stats_->paused.Get(), 0);
}

TEST_F(ListenerTest, CountsAConnectionAsOpenUntilItIsSaidToBeClosed) {
  const BlockingClient client(sockets_.address());
  RunOnce();
  EXPECT_EQ(stats_->connections_open(), 1);
  stats_->closed[static_cast<size_t>(CloseReason::kTimeout)].Add();
  EXPECT_EQ(stats_->connections_open(), 0);
}

TEST(ListenerUnixTest, TellsWhoConnected) {
  const TemporaryFolder folder;
  const std::unique_ptr<EventBase> base = *EventBase::Create({});
  ListenSockets sockets =
      *ListenSockets::Open("unix:" + folder.File("socket"), 1);
  std::vector<std::string> peers;
  Listener listener(
      *base, sockets.Take(0),
      [](UniqueFd, const SocketAddress& peer, void* argument) {
        static_cast<std::vector<std::string>*>(argument)->push_back(
            peer.ToString());
      },
      &peers);
  ASSERT_TRUE(listener.Enable().ok());
  const BlockingClient unnamed(sockets.address());
  const SocketAddress name =
      *SocketAddress::OfAbstractName(folder.File("client"));
  const UniqueFd named(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(bind(named.get(), name.native(), name.native_size()), 0);
  ASSERT_EQ(connect(named.get(), sockets.address().native(),
                    sockets.address().native_size()),
            0);
  ASSERT_TRUE(base->Run(RunMode::kNonBlocking).ok());
  EXPECT_EQ(peers, (std::vector<std::string>{"unix:", name.ToString()}));
}

}  // namespace
}  // namespace percore
