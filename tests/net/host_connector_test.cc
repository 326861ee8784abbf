#include "percore/net/host_connector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "percore/net/listen_sockets.h"
#include "percore/tests/support/scripted_resolver.h"
#include "percore/tests/support/scripted_transports.h"
#include "percore/tests/support/temporary_folder.h"
#include "percore/tests/support/test_kernel.h"

namespace percore {
namespace {

using Call = TestKernel::Call;
using Families = HostConnectorOptions::Families;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

absl::Status NoSuchName() {
  return absl::NotFoundError("a.test: no such name");
}

class HostConnectorTest : public testing::Test {
 protected:
  void Connect(std::string_view host = "a.test", uint16_t port = 80) {
    connector_.emplace(
        *base_, resolver_, host, port,
        [](absl::StatusOr<HostConnection> result, void* test) {
          auto& self = *static_cast<HostConnectorTest*>(test);
          ++self.results_;
          self.status_ = result.status();
          if (result.ok()) self.connection_ = *std::move(result);
          self.on_result_();
        },
        this, options_);
  }
  void RunOnce() { ASSERT_TRUE(base_->Run(RunMode::kNonBlocking).ok()); }
  void RunUntilResult() {
    while (results_ == 0) ASSERT_TRUE(base_->Run(RunMode::kOnce).ok());
  }
  void Pass(Duration time) {
    kernel_.Advance(time);
    RunOnce();
  }
  std::string Message() const { return std::string(status_.message()); }

  TestKernel kernel_{TestKernel::Clock::kManual};
  const std::unique_ptr<EventBase> base_ =
      *EventBase::Create({.kernel = &kernel_});
  ScriptedResolver resolver_;
  ScriptedTransports transports_;
  HostConnectorOptions options_ = {.make_transport = &ScriptedTransports::Make,
                                   .transport_argument = &transports_};
  int results_ = 0;
  absl::Status status_;
  HostConnection connection_;
  std::function<void()> on_result_ = [] {};
  std::optional<HostConnector> connector_;
};

TEST_F(HostConnectorTest, AsksForBothFamiliesAtOnceAndIpv6First) {
  Connect();
  EXPECT_THAT(resolver_.questions(), ElementsAre("AAAA a.test", "A a.test"));
}

TEST_F(HostConnectorTest, TriesIpv6AndAfterAQuarterOfASecondIpv4) {
  Connect();
  resolver_.Answer(AF_INET6, {"2001:db8::1"});
  EXPECT_THAT(transports_.tried(), ElementsAre("[2001:db8::1]:80"));
  resolver_.Answer(AF_INET, {"192.0.2.1"});
  Pass(milliseconds(249));
  EXPECT_EQ(transports_.tried().size(), 1u);
  Pass(milliseconds(1));
  EXPECT_THAT(transports_.tried(),
              ElementsAre("[2001:db8::1]:80", "192.0.2.1:80"));
  EXPECT_EQ(transports_.open().size(), 2u);  // the first goes on
  EXPECT_EQ(results_, 0);
}

TEST_F(HostConnectorTest, TheFirstToConnectWinsAndClosesTheOthers) {
  Connect();
  resolver_.Answer(AF_INET6, {"2001:db8::1", "2001:db8::2"});
  resolver_.Answer(AF_INET, {"192.0.2.1"});
  Pass(milliseconds(250));
  Pass(milliseconds(250));
  EXPECT_EQ(transports_.open().size(), 3u);
  transports_.Connect("192.0.2.1:80");
  EXPECT_EQ(results_, 1);
  EXPECT_TRUE(status_.ok()) << status_;
  EXPECT_NE(connection_.transport, nullptr);
  EXPECT_EQ(connection_.address.ToString(), "192.0.2.1:80");
  EXPECT_THAT(transports_.open(), ElementsAre("192.0.2.1:80"));
  Pass(hours(1));
  EXPECT_EQ(transports_.tried().size(), 3u);
  EXPECT_EQ(results_, 1);
}

TEST_F(HostConnectorTest, TheWinnerTakesBackQuestionsThatAreStillOpen) {
  Connect();
  resolver_.Answer(AF_INET6, {"2001:db8::1"});
  transports_.Connect("[2001:db8::1]:80");
  EXPECT_EQ(resolver_.pending(), 0u);
  EXPECT_EQ(base_->pending_count(), 0u);
}

TEST_F(HostConnectorTest, Ipv4Waits50MillisecondsForTheAnswerOfIpv6) {
  Connect();
  resolver_.Answer(AF_INET, {"192.0.2.1"});
  Pass(milliseconds(49));
  EXPECT_THAT(transports_.tried(), IsEmpty());
  Pass(milliseconds(1));
  EXPECT_THAT(transports_.tried(), ElementsAre("192.0.2.1:80"));
}

TEST_F(HostConnectorTest, Ipv6GoesFirstIfItsAnswerComesInTime) {
  Connect();
  resolver_.Answer(AF_INET, {"192.0.2.1"});
  Pass(milliseconds(49));
  resolver_.Answer(AF_INET6, {"2001:db8::1"});
  EXPECT_THAT(transports_.tried(), ElementsAre("[2001:db8::1]:80"));
  Pass(milliseconds(249));  // not 50 after the answer of IPv4
  EXPECT_EQ(transports_.tried().size(), 1u);
  Pass(milliseconds(1));
  EXPECT_EQ(transports_.tried().size(), 2u);
}

TEST_F(HostConnectorTest, Ipv4WaitsNoLongerThanForIpv6ToHaveNoAddress) {
  Connect();
  resolver_.Answer(AF_INET, {"192.0.2.1"});
  RunOnce();
  resolver_.Fail(AF_INET6, NoSuchName());
  EXPECT_THAT(transports_.tried(), ElementsAre("192.0.2.1:80"));
}

TEST_F(HostConnectorTest, Ipv4StartsAtOnceIfIpv6IsKnownToHaveNoAddress) {
  Connect();
  resolver_.Fail(AF_INET6, NoSuchName());
  resolver_.Answer(AF_INET, {"192.0.2.1"});
  EXPECT_THAT(transports_.tried(), ElementsAre("192.0.2.1:80"));
}

TEST_F(HostConnectorTest, Ipv6StartsAtOnceIfIpv4HasNoAddress) {
  Connect();
  resolver_.Fail(AF_INET, NoSuchName());
  Pass(seconds(1));
  EXPECT_EQ(results_, 0);
  resolver_.Answer(AF_INET6, {"2001:db8::1"});
  EXPECT_THAT(transports_.tried(), ElementsAre("[2001:db8::1]:80"));
}

TEST_F(HostConnectorTest, TheFamiliesTakeTurnsInTheResolversOrder) {
  Connect();
  resolver_.Answer(AF_INET6, {"2001:db8::9", "2001:db8::1", "2001:db8::5"});
  resolver_.Answer(AF_INET, {"192.0.2.7", "192.0.2.1"});
  for (int i = 0; i < 10; ++i) Pass(milliseconds(250));
  EXPECT_THAT(
      transports_.tried(),
      ElementsAre("[2001:db8::9]:80", "192.0.2.7:80", "[2001:db8::1]:80",
                  "192.0.2.1:80", "[2001:db8::5]:80"));
}

TEST_F(HostConnectorTest, LateAddressesAreTriedAsIfTheyHadBeenThere) {
  Connect();
  resolver_.Answer(AF_INET, {"192.0.2.1", "192.0.2.2", "192.0.2.3"});
  Pass(milliseconds(50));
  Pass(milliseconds(250));
  EXPECT_EQ(transports_.tried().size(), 2u);
  resolver_.Answer(AF_INET6, {"2001:db8::1", "2001:db8::2"});
  EXPECT_EQ(transports_.tried().size(), 2u);  // not before their time
  for (int i = 0; i < 10; ++i) Pass(milliseconds(250));
  EXPECT_THAT(transports_.tried(),
              ElementsAre("192.0.2.1:80", "192.0.2.2:80", "[2001:db8::1]:80",
                          "192.0.2.3:80", "[2001:db8::2]:80"));
}

TEST_F(HostConnectorTest, ALateAddressWhoseTimeHasComeIsTriedAtOnce) {
  Connect();
  resolver_.Answer(AF_INET6, {"2001:db8::1"});
  Pass(seconds(1));
  resolver_.Answer(AF_INET, {"192.0.2.1"});
  EXPECT_EQ(transports_.tried().size(), 2u);
}

TEST_F(HostConnectorTest, AFailureBringsTheNextAttemptAtOnce) {
  Connect();
  resolver_.Answer(AF_INET6, {"2001:db8::1"});
  resolver_.Answer(AF_INET, {"192.0.2.1", "192.0.2.2"});
  Pass(milliseconds(100));
  transports_.Fail("[2001:db8::1]:80", absl::UnavailableError("refused"));
  EXPECT_THAT(transports_.open(), ElementsAre("192.0.2.1:80"));
  // And the one after that has to wait all of its time.
  Pass(milliseconds(249));
  EXPECT_EQ(transports_.tried().size(), 2u);
  Pass(milliseconds(1));
  EXPECT_EQ(transports_.tried().size(), 3u);
}

TEST_F(HostConnectorTest, WhatCannotEvenBeginIsPassedOver) {
  transports_.Refuse("[2001:db8::1]:80", absl::UnavailableError("no"));
  transports_.Refuse("192.0.2.1:80", absl::UnavailableError("no"));
  Connect();
  resolver_.Answer(AF_INET6, {"2001:db8::1", "2001:db8::2"});
  EXPECT_THAT(transports_.open(), ElementsAre("[2001:db8::2]:80"));
  resolver_.Answer(AF_INET, {"192.0.2.1", "192.0.2.2"});
  Pass(milliseconds(250));
  EXPECT_THAT(transports_.open(),
              ElementsAre("192.0.2.2:80", "[2001:db8::2]:80"));
}

TEST_F(HostConnectorTest, ItsFailureTellsOfEveryAttempt) {
  Connect();
  resolver_.Answer(AF_INET6, {"2001:db8::1"});
  resolver_.Answer(AF_INET, {"192.0.2.1", "192.0.2.2"});
  transports_.Fail("[2001:db8::1]:80", absl::UnavailableError("unreachable"));
  transports_.Fail("192.0.2.1:80", absl::UnavailableError("refused"));
  EXPECT_EQ(results_, 0);
  transports_.Fail("192.0.2.2:80", absl::DeadlineExceededError("too late"));
  EXPECT_EQ(results_, 1);
  EXPECT_EQ(status_.code(), absl::StatusCode::kDeadlineExceeded);  // the last
  EXPECT_EQ(Message(),
            "cannot connect to a.test: [2001:db8::1]:80: unreachable; "
            "192.0.2.1:80: refused; 192.0.2.2:80: too late");
  EXPECT_FALSE(IsResolutionError(status_));
  EXPECT_THAT(transports_.open(), IsEmpty());
}

TEST_F(HostConnectorTest, WhenAllHaveFailedItWaitsForAnswersThatAreStillOpen) {
  Connect();
  resolver_.Answer(AF_INET6, {"2001:db8::1"});
  transports_.Fail("[2001:db8::1]:80", absl::UnavailableError("refused"));
  Pass(seconds(1));
  EXPECT_EQ(results_, 0);
  resolver_.Fail(AF_INET, NoSuchName());
  EXPECT_EQ(results_, 1);
  EXPECT_EQ(status_.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(Message(),
            "cannot connect to a.test: [2001:db8::1]:80: refused; "
            "IPv4: a.test: no such name");
  EXPECT_FALSE(IsResolutionError(status_));
}

TEST_F(HostConnectorTest, ANameThatDoesNotExistIsAResolutionError) {
  Connect();
  resolver_.Fail(AF_INET, NoSuchName());
  EXPECT_EQ(results_, 0);
  resolver_.Fail(AF_INET6, NoSuchName());
  EXPECT_EQ(results_, 1);
  EXPECT_TRUE(absl::IsNotFound(status_));
  EXPECT_TRUE(IsResolutionError(status_));
  EXPECT_EQ(Message(),
            "cannot connect to a.test: IPv4: a.test: no such name; "
            "IPv6: a.test: no such name");
}

// "Try again" is more than "no".
TEST_F(HostConnectorTest, NoAnswerCountsMoreThanNoAddress) {
  Connect();
  resolver_.Fail(AF_INET, absl::UnavailableError("no server answers"));
  resolver_.Fail(AF_INET6, NoSuchName());
  EXPECT_TRUE(absl::IsUnavailable(status_));
  EXPECT_TRUE(IsResolutionError(status_));
}

TEST_F(HostConnectorTest, AnEmptyAnswerIsNoAddress) {
  Connect();
  resolver_.Answer(AF_INET, {});
  resolver_.Answer(AF_INET6, {});
  EXPECT_TRUE(absl::IsNotFound(status_));
  EXPECT_TRUE(IsResolutionError(status_));
}

TEST_F(HostConnectorTest, AHundredAddressesAreTriedAndToldOfInFewWords) {
  Connect();
  std::vector<std::string> v6;
  std::vector<std::string> v4;
  for (int i = 1; i <= 50; ++i) {
    v6.push_back(absl::StrCat("2001:db8::", i));
    v4.push_back(absl::StrCat("192.0.2.", i));
  }
  resolver_.Answer(AF_INET6, v6);
  resolver_.Answer(AF_INET, v4);
  for (int i = 1; i < 100; ++i) Pass(milliseconds(250));
  EXPECT_EQ(transports_.open().size(), 100u);
  for (const std::string& address : transports_.open()) {
    transports_.Fail(address, absl::UnavailableError(std::string(10000, 'x')));
  }
  EXPECT_EQ(results_, 1);
  EXPECT_LT(status_.message().size(), 1200u);
  EXPECT_THAT(Message(), HasSubstr("; and 96 more"));
}

TEST_F(HostConnectorTest, AHundredThatFailOneAfterTheOtherTakeNoTime) {
  Connect();
  std::vector<std::string> addresses;
  for (int i = 1; i <= 100; ++i) {
    addresses.push_back(absl::StrCat("192.0.2.", i));
    transports_.Refuse(absl::StrCat("192.0.2.", i, ":80"),
                       absl::UnavailableError("no"));
  }
  resolver_.Fail(AF_INET6, NoSuchName());
  resolver_.Answer(AF_INET, addresses);
  EXPECT_EQ(results_, 1);
  EXPECT_EQ(transports_.tried().size(), 100u);
}

TEST_F(HostConnectorTest, Ipv4MayGoFirst) {
  options_.families = Families::kIpv4First;
  Connect();
  EXPECT_THAT(resolver_.questions(), ElementsAre("A a.test", "AAAA a.test"));
  resolver_.Answer(AF_INET6, {"2001:db8::1"});
  EXPECT_THAT(transports_.tried(), IsEmpty());
  resolver_.Answer(AF_INET, {"192.0.2.1"});
  Pass(milliseconds(250));
  EXPECT_THAT(transports_.tried(),
              ElementsAre("192.0.2.1:80", "[2001:db8::1]:80"));
}

TEST_F(HostConnectorTest, OneFamilyAloneMayBeAskedFor) {
  options_.families = Families::kIpv4Only;
  Connect();
  EXPECT_THAT(resolver_.questions(), ElementsAre("A a.test"));
  resolver_.Answer(AF_INET, {"192.0.2.1"});
  EXPECT_THAT(transports_.tried(), ElementsAre("192.0.2.1:80"));
  transports_.Fail("192.0.2.1:80", absl::UnavailableError("refused"));
  EXPECT_EQ(results_, 1);

  options_.families = Families::kIpv6Only;
  Connect();
  EXPECT_EQ(resolver_.questions().back(), "AAAA a.test");
  resolver_.Fail(AF_INET6, NoSuchName());
  EXPECT_TRUE(absl::IsNotFound(status_));
}

TEST_F(HostConnectorTest, TheDelaysAreOptions) {
  options_.resolution_delay = milliseconds(5);
  options_.attempt_delay = milliseconds(20);
  Connect();
  resolver_.Answer(AF_INET, {"192.0.2.1", "192.0.2.2"});
  Pass(milliseconds(5));
  EXPECT_EQ(transports_.tried().size(), 1u);
  Pass(milliseconds(20));
  EXPECT_EQ(transports_.tried().size(), 2u);
}

TEST_F(HostConnectorTest, AttemptsAreTenMillisecondsApartAtLeast) {
  options_.attempt_delay = milliseconds(0);
  Connect();
  resolver_.Answer(AF_INET6, {"2001:db8::1", "2001:db8::2"});
  Pass(milliseconds(9));
  EXPECT_EQ(transports_.tried().size(), 1u);
  Pass(milliseconds(1));
  EXPECT_EQ(transports_.tried().size(), 2u);
}

TEST_F(HostConnectorTest, NumbersAndPathsAreNotLookedUp) {
  struct {
    std::string host;
    std::string address;
  } const tests[] = {
      {"127.0.0.1", "127.0.0.1:80"},
      {"::1", "[::1]:80"},
      {"[::1]", "[::1]:80"},
      {"fe80::1%1", "[fe80::1%lo]:80"},
      {"unix:/a/path", "unix:/a/path"},
      {"unix:@name", "unix:@name"},
  };
  for (const auto& test : tests) {
    Connect(test.host);
    RunOnce();
    ASSERT_THAT(transports_.open(), ElementsAre(test.address)) << test.host;
    transports_.Connect(test.address);
    EXPECT_EQ(connection_.address.ToString(), test.address);
    connection_.transport.reset();
  }
  EXPECT_THAT(resolver_.questions(), IsEmpty());
}

TEST_F(HostConnectorTest, WhatIsNeitherANameNorAnAddressIsRefusedFromTheLoop) {
  struct {
    std::string host;
    std::string reason;
  } const tests[] = {
      {"::1::", "not an IPv6 address"},
      {"fe80::1%none", "there is no such network interface"},
      {"unix:", "expected unix:PATH"},
      {"a.test:80", "not an IPv4 address"},
      {"127.0.0.1:80", "a host has no port of its own"},
  };
  for (const auto& test : tests) {
    results_ = 0;
    Connect(test.host);
    EXPECT_EQ(results_, 0);
    RunOnce();
    EXPECT_EQ(results_, 1);
    EXPECT_TRUE(absl::IsInvalidArgument(status_)) << status_;
    EXPECT_TRUE(IsResolutionError(status_));
    EXPECT_THAT(Message(), HasSubstr(test.reason));
  }
  EXPECT_THAT(resolver_.questions(), IsEmpty());
}

TEST_F(HostConnectorTest, HostsAreToldOfInPrintableWords) {
  Connect(std::string("a\n\0", 3) + std::string(1000, 'x'));
  resolver_.Fail(AF_INET6, NoSuchName());
  resolver_.Fail(AF_INET, NoSuchName());
  EXPECT_THAT(Message(), HasSubstr("a\\n\\x00x"));
  EXPECT_LT(status_.message().size(), 400u);
}

TEST_F(HostConnectorTest, MayBeDestroyedAtEveryStage) {
  const std::vector<std::function<void()>> steps = {
      [&] { Connect(); },
      [&] {
        resolver_.Answer(AF_INET, {"192.0.2.1", "192.0.2.2"});
      },
      [&] { Pass(milliseconds(50)); },
      [&] { Pass(milliseconds(250)); },
      [&] { resolver_.Answer(AF_INET6, {"2001:db8::1"}); },
      [&] {
        transports_.Fail("192.0.2.1:80", absl::UnavailableError("refused"));
      },
  };
  for (size_t stages = 1; stages <= steps.size(); ++stages) {
    for (size_t i = 0; i < stages; ++i) steps[i]();
    connector_.reset();
    EXPECT_EQ(resolver_.pending(), 0u);
    EXPECT_THAT(transports_.open(), IsEmpty());
    EXPECT_EQ(base_->pending_count(), 0u);
    Pass(hours(1));
  }
  Connect("127.0.0.1");
  connector_.reset();
  RunOnce();
  EXPECT_EQ(results_, 0);
}

TEST_F(HostConnectorTest, MayBeDestroyedInItsCallback) {
  on_result_ = [this] {
    connector_.reset();
    connection_.transport.reset();
  };
  Connect();  // connected
  resolver_.Answer(AF_INET6, {"2001:db8::1"});
  transports_.Connect("[2001:db8::1]:80");
  EXPECT_EQ(results_, 1);

  Connect();  // the last attempt fails
  resolver_.Fail(AF_INET6, NoSuchName());
  resolver_.Answer(AF_INET, {"192.0.2.1"});
  transports_.Fail("192.0.2.1:80", absl::UnavailableError("refused"));
  EXPECT_EQ(results_, 2);

  Connect();  // the last answer is none
  resolver_.Fail(AF_INET6, NoSuchName());
  resolver_.Fail(AF_INET, NoSuchName());
  EXPECT_EQ(results_, 3);

  Connect("::nonsense");  // from the loop
  RunOnce();
  EXPECT_EQ(results_, 4);
  EXPECT_FALSE(connector_.has_value());
}

TEST_F(HostConnectorTest, AnotherMayBeMadeInItsCallback) {
  on_result_ = [this] {
    if (results_ == 1) Connect("b.test");
  };
  Connect();
  resolver_.Fail(AF_INET6, NoSuchName());
  resolver_.Fail(AF_INET, NoSuchName());
  resolver_.Answer(AF_INET6, {"2001:db8::1"});
  transports_.Connect("[2001:db8::1]:80");
  EXPECT_EQ(results_, 2);
  EXPECT_TRUE(status_.ok());
}

// With the sockets of the system.
class HostConnectorSocketTest : public HostConnectorTest {
 protected:
  HostConnectorSocketTest() { options_ = {}; }

  ListenSockets sockets_ = *ListenSockets::Open("127.0.0.1:0", 1);
  const UniqueFd listening_ = sockets_.Take(0);
  const uint16_t port_ = sockets_.address().port();
};

TEST_F(HostConnectorSocketTest, Connects) {
  Connect("a.test", port_);
  resolver_.Fail(AF_INET6, NoSuchName());
  resolver_.Answer(AF_INET, {"127.0.0.1"});
  RunUntilResult();
  ASSERT_TRUE(status_.ok()) << status_;
  EXPECT_EQ(*SocketAddress::OfPeer(connection_.transport->fd()),
            sockets_.address());
}

TEST_F(HostConnectorSocketTest, ConnectsToUnixPaths) {
  const TemporaryFolder folder;
  const std::string path = "unix:" + folder.File("socket");
  ListenSockets sockets = *ListenSockets::Open(path, 1);
  Connect(path, 0);
  RunUntilResult();
  EXPECT_TRUE(status_.ok()) << status_;
  EXPECT_EQ(connection_.address.ToString(), path);
}

TEST_F(HostConnectorSocketTest, GoesOnAfterARefusal) {
  Connect("a.test", port_);
  resolver_.Fail(AF_INET6, NoSuchName());
  resolver_.Answer(AF_INET, {"127.0.0.2", "127.0.0.1"});  // nobody is at .2
  RunUntilResult();
  EXPECT_TRUE(status_.ok()) << status_;
  EXPECT_EQ(connection_.address, sockets_.address());
}

TEST_F(HostConnectorSocketTest, GoesOnWhenThereIsNoSocketForOneAttempt) {
  kernel_.Fail(Call::kSocket, EMFILE);
  Connect("a.test", port_);
  resolver_.Answer(AF_INET6, {"::1"});
  resolver_.Answer(AF_INET, {"127.0.0.1"});
  RunUntilResult();
  EXPECT_TRUE(status_.ok()) << status_;
  EXPECT_EQ(connection_.address, sockets_.address());
}

TEST_F(HostConnectorSocketTest, SaysWhatTheSystemSaysOfEveryAttempt) {
  kernel_.Fail(Call::kSocket, EMFILE);
  kernel_.Fail(Call::kConnect, ENETUNREACH);
  kernel_.Fail(Call::kConnect, ECONNREFUSED);
  Connect("a.test", 80);
  resolver_.Answer(AF_INET, {"127.0.0.1", "127.0.0.2", "127.0.0.3"});
  resolver_.Fail(AF_INET6, NoSuchName());
  RunUntilResult();
  EXPECT_THAT(Message(), HasSubstr("127.0.0.1:80: socket 127.0.0.1:80: Too "
                                   "many open files; 127.0.0.2:80: connect"));
  EXPECT_THAT(Message(), HasSubstr("Network is unreachable; 127.0.0.3:80"));
  EXPECT_THAT(Message(), HasSubstr("Connection refused"));
}

// Whatever fails in whatever place, there is one result and nothing is left.
TEST_F(HostConnectorSocketTest, SurvivesEveryFailureOfEveryCall) {
  for (const Call call : {Call::kSocket, Call::kConnect, Call::kEpollCtl,
                          Call::kGetSocketOption}) {
    for (int passing = 0; passing < 3; ++passing) {
      results_ = 0;
      kernel_.Fail(call, ENOMEM, 1, passing);
      Connect("a.test", port_);
      resolver_.Answer(AF_INET, {"127.0.0.1"});
      resolver_.Fail(AF_INET6, NoSuchName());
      RunUntilResult();
      connector_.reset();
      connection_.transport.reset();
      RunOnce();
      EXPECT_EQ(results_, 1);
      EXPECT_EQ(base_->pending_count(), 0u);
    }
  }
}

}  // namespace
}  // namespace percore
