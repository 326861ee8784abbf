// BufferEvent::ConnectHost(). How addresses are tried: host_connector_test.cc.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "percore/net/buffer_event.h"
#include "percore/net/listen_sockets.h"
#include "percore/tests/support/scripted_resolver.h"
#include "percore/tests/support/scripted_transports.h"
#include "percore/tests/support/test_kernel.h"

namespace percore {
namespace {

using Call = TestKernel::Call;
using std::chrono::hours;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

absl::Status NoSuchName() {
  return absl::NotFoundError("a.test: no such name");
}
absl::Status Refused() { return absl::UnavailableError("refused"); }

class ConnectHostTest : public testing::Test {
 protected:
  ConnectHostTest() { Make({}); }

  void Make(const BufferEventOptions& options) {
    connection_ = std::make_unique<BufferEvent>(*base_, options);
    connection_->SetCallbacks(
        {.event =
             [](BufferEvent&, ConnectionEvent event, const absl::Status& status,
                void* argument) {
               auto& test = *static_cast<ConnectHostTest*>(argument);
               test.events_.push_back(event);
               test.error_ = status;
               test.on_event_();
             }},
        this);
  }
  void ConnectHost(std::string_view host = "a.test") {
    connection_->ConnectHost(resolver_, host, 80,
                             {.make_transport = &ScriptedTransports::Make,
                              .transport_argument = &transports_});
  }
  void AnswerAndConnect() {
    resolver_.Answer(AF_INET6, {"2001:db8::1"});
    transports_.Connect("[2001:db8::1]:80");
  }
  void FailToResolve() {
    resolver_.Fail(AF_INET6, NoSuchName());
    resolver_.Fail(AF_INET, NoSuchName());
  }
  void RunOnce() { ASSERT_TRUE(base_->Run(RunMode::kNonBlocking).ok()); }
  void RunUntilEvent() {
    while (events_.empty()) ASSERT_TRUE(base_->Run(RunMode::kOnce).ok());
  }
  void Pass(Duration time) {
    kernel_.Advance(time);
    RunOnce();
  }

  TestKernel kernel_{TestKernel::Clock::kManual};
  const std::unique_ptr<EventBase> base_ =
      *EventBase::Create({.kernel = &kernel_});
  ScriptedResolver resolver_;
  ScriptedTransports transports_;
  std::vector<ConnectionEvent> events_;
  absl::Status error_;
  std::function<void()> on_event_ = [] {};
  std::unique_ptr<BufferEvent> connection_;
};

TEST_F(ConnectHostTest, ConnectsAndSendsWhatWasWrittenBefore) {
  ConnectHost();
  connection_->output().Append("early");
  RunOnce();
  EXPECT_THAT(events_, IsEmpty());
  AnswerAndConnect();
  EXPECT_THAT(events_, ElementsAre(ConnectionEvent::kConnected));
  EXPECT_TRUE(error_.ok());
  RunOnce();
  EXPECT_EQ(transports_.sent(), "early");
}

TEST_F(ConnectHostTest, ANameWithoutAddressesIsAResolutionError) {
  ConnectHost();
  FailToResolve();
  EXPECT_THAT(events_, ElementsAre(ConnectionEvent::kError));
  EXPECT_TRUE(IsResolutionError(error_));
  EXPECT_TRUE(absl::IsNotFound(error_));
}

TEST_F(ConnectHostTest, AddressesWhereNobodyListensAreNoResolutionError) {
  ConnectHost();
  resolver_.Answer(AF_INET, {"192.0.2.1"});
  resolver_.Fail(AF_INET6, NoSuchName());
  transports_.Fail("192.0.2.1:80", Refused());
  EXPECT_THAT(events_, ElementsAre(ConnectionEvent::kError));
  EXPECT_FALSE(IsResolutionError(error_));
  EXPECT_TRUE(absl::IsUnavailable(error_));
}

TEST_F(ConnectHostTest, WrongArgumentsAreToldFromTheLoopToo) {
  ConnectHost("::1::");
  EXPECT_THAT(events_, IsEmpty());
  RunOnce();
  EXPECT_THAT(events_, ElementsAre(ConnectionEvent::kError));
  EXPECT_TRUE(absl::IsInvalidArgument(error_));
}

TEST_F(ConnectHostTest, KeepsWhatWasEnabled) {
  ASSERT_TRUE(connection_->Enable(EventFlags::kRead).ok());
  connection_->Disable(EventFlags::kWrite);
  ConnectHost();
  connection_->output().Append("later");
  AnswerAndConnect();
  RunOnce();
  EXPECT_TRUE(connection_->read_enabled());
  EXPECT_EQ(transports_.sent(), "");
  ASSERT_TRUE(connection_->Enable(EventFlags::kWrite).ok());
  RunOnce();
  EXPECT_EQ(transports_.sent(), "later");
}

TEST_F(ConnectHostTest, RemembersToFinishItsOutput) {
  ConnectHost();
  connection_->output().Append("all");
  connection_->Flush(EventFlags::kWrite, FlushMode::kFinished);
  EXPECT_FALSE(connection_->output_finished());
  AnswerAndConnect();
  RunOnce();
  EXPECT_EQ(transports_.sent(), "all<end>");
}

TEST_F(ConnectHostTest, FinishesOutputOfNothing) {
  ConnectHost();
  connection_->Flush(EventFlags::kWrite, FlushMode::kFinished);
  AnswerAndConnect();
  EXPECT_EQ(transports_.sent(), "<end>");
}

TEST_F(ConnectHostTest, TheReadTimeoutDoesNotCountMeanwhile) {
  connection_->SetTimeouts(seconds(5), Duration::zero());
  ASSERT_TRUE(connection_->Enable(EventFlags::kRead).ok());
  ConnectHost();
  connection_->output().Append("x");
  Pass(hours(1));
  resolver_.Answer(AF_INET6, {"2001:db8::1"});
  Pass(hours(1));
  EXPECT_THAT(events_, IsEmpty());
  transports_.Connect("[2001:db8::1]:80");
  RunOnce();
  Pass(seconds(5));
  EXPECT_THAT(events_, ElementsAre(ConnectionEvent::kConnected,
                                   ConnectionEvent::kReading |
                                       ConnectionEvent::kTimeout));
}

TEST_F(ConnectHostTest, TheWriteTimeoutIsForConnectingToo) {
  connection_->SetTimeouts(Duration::zero(), seconds(5));
  ConnectHost();
  Pass(seconds(4));
  EXPECT_THAT(events_, IsEmpty());
  Pass(seconds(1));
  EXPECT_THAT(events_, ElementsAre(ConnectionEvent::kWriting |
                                   ConnectionEvent::kTimeout));
  Pass(seconds(60));
  EXPECT_EQ(events_.size(), 1u);
  ASSERT_TRUE(connection_->SetTransport(nullptr).ok());  // gives it up
}

TEST_F(ConnectHostTest, DeferredCallbacksAreDeferred) {
  Make({.callbacks = BufferEventOptions::Callbacks::kDeferred});
  ConnectHost();
  FailToResolve();
  EXPECT_THAT(events_, IsEmpty());
  RunOnce();
  EXPECT_THAT(events_, ElementsAre(ConnectionEvent::kError));
  EXPECT_TRUE(IsResolutionError(error_));
}

TEST_F(ConnectHostTest, MayBeDestroyedWhileItGoesOn) {
  ConnectHost();
  connection_.reset();
  EXPECT_EQ(resolver_.pending(), 0u);

  Make({});
  ConnectHost();
  resolver_.Answer(AF_INET6, {"2001:db8::1"});
  connection_.reset();
  EXPECT_THAT(transports_.open(), IsEmpty());
  EXPECT_EQ(resolver_.pending(), 0u);
  EXPECT_EQ(base_->pending_count(), 0u);
}

TEST_F(ConnectHostTest, MayBeDestroyedInItsEvent) {
  on_event_ = [this] { connection_.reset(); };
  ConnectHost();
  AnswerAndConnect();
  EXPECT_EQ(connection_, nullptr);
  EXPECT_THAT(transports_.open(), IsEmpty());

  Make({});
  ConnectHost();
  FailToResolve();
  EXPECT_EQ(connection_, nullptr);
}

TEST_F(ConnectHostTest, MayTryAgainInItsEvent) {
  on_event_ = [this] {
    if (events_.size() > 1) return;
    ASSERT_TRUE(connection_->Enable(EventFlags::kWrite).ok());
    ConnectHost("b.test");
  };
  ConnectHost();
  connection_->output().Append("still here");
  FailToResolve();
  EXPECT_EQ(resolver_.questions().back(), "A b.test");
  AnswerAndConnect();
  RunOnce();
  EXPECT_THAT(events_, ElementsAre(ConnectionEvent::kError,
                                   ConnectionEvent::kConnected));
  EXPECT_EQ(transports_.sent(), "still here");
}

TEST_F(ConnectHostTest, AnotherTransportGivesItUp) {
  ConnectHost();
  resolver_.Answer(AF_INET6, {"2001:db8::1"});
  ASSERT_TRUE(connection_->SetTransport(nullptr).ok());
  EXPECT_THAT(transports_.open(), IsEmpty());
  EXPECT_EQ(resolver_.pending(), 0u);
  ConnectHost();
  ConnectHost("b.test");
  EXPECT_EQ(resolver_.pending(), 2u);
  EXPECT_THAT(events_, IsEmpty());
}

TEST_F(ConnectHostTest, TheBlockingResolverIsThereOnRequest) {
  ListenSockets sockets = *ListenSockets::Open("127.0.0.1:0", 1);
  const UniqueFd listening = sockets.Take(0);
  kernel_.AddHost("b.test", {"127.0.0.1"});
  connection_->ConnectHostBlocking("b.test", sockets.address().port());
  connection_->output().Append("early");
  EXPECT_EQ(kernel_.Count(Call::kGetAddressInfo), 0);
  RunUntilEvent();
  EXPECT_THAT(events_, ElementsAre(ConnectionEvent::kConnected));
  RunOnce();
  const UniqueFd peer(accept(listening.get(), nullptr, nullptr));
  std::string received(5, '\0');
  EXPECT_EQ(recv(peer.get(), received.data(), received.size(), MSG_DONTWAIT),
            5);
  EXPECT_EQ(received, "early");
}

TEST_F(ConnectHostTest, TheBlockingResolversErrorsAreResolutionErrors) {
  kernel_.AddHost("b.test", {});
  connection_->ConnectHostBlocking("b.test", 80);
  RunUntilEvent();
  EXPECT_THAT(events_, ElementsAre(ConnectionEvent::kError));
  EXPECT_TRUE(IsResolutionError(error_));
  EXPECT_TRUE(absl::IsNotFound(error_)) << error_;
}

}  // namespace
}  // namespace percore
