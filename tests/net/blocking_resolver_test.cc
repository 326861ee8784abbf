#include "percore/net/blocking_resolver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netdb.h>
#include <sys/socket.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "percore/tests/support/test_kernel.h"

namespace percore {
namespace {

using Addresses = absl::StatusOr<std::vector<SocketAddress>>;
using Call = TestKernel::Call;
using testing::ElementsAre;

std::vector<std::string> InWords(const std::vector<SocketAddress>& addresses) {
  std::vector<std::string> words;
  words.reserve(addresses.size());
  for (const SocketAddress& address : addresses) {
    words.push_back(address.ToString());
  }
  return words;
}

class BlockingResolverTest : public testing::Test {
 protected:
  std::unique_ptr<Resolver::Request> Lookup(std::string_view host, int family) {
    return resolver_.Lookup(
        host, family,
        [](Addresses addresses, void* test) {
          auto& self = *static_cast<BlockingResolverTest*>(test);
          ++self.answers_;
          self.answer_ = std::move(addresses);
          self.request_.reset();
        },
        this);
  }
  // What the answer is, once the loop has run.
  Addresses Ask(std::string_view host, int family) {
    request_ = Lookup(host, family);
    EXPECT_TRUE(base_->Run().ok());
    return answer_;
  }

  TestKernel kernel_;
  const std::unique_ptr<EventBase> base_ =
      *EventBase::Create({.kernel = &kernel_});
  BlockingResolver resolver_{*base_};
  std::unique_ptr<Resolver::Request> request_;
  int answers_ = 0;
  Addresses answer_ = absl::UnknownError("none yet");
};

TEST_F(BlockingResolverTest, AnswersWithTheAddressesOfOneFamilyInTheirOrder) {
  kernel_.AddHost("a.test", {"192.0.2.7", "2001:db8::1", "192.0.2.1"});
  const Addresses v4 = Ask("a.test", AF_INET);
  ASSERT_TRUE(v4.ok()) << v4.status();
  EXPECT_THAT(InWords(*v4), ElementsAre("192.0.2.7:0", "192.0.2.1:0"));
  const Addresses v6 = Ask("a.test", AF_INET6);
  ASSERT_TRUE(v6.ok()) << v6.status();
  EXPECT_THAT(InWords(*v6), ElementsAre("[2001:db8::1]:0"));
}

TEST_F(BlockingResolverTest, AsksTheSystem) {
  const Addresses addresses = Ask("127.0.0.1", AF_INET);
  ASSERT_TRUE(addresses.ok()) << addresses.status();
  EXPECT_THAT(InWords(*addresses), ElementsAre("127.0.0.1:0"));
}

TEST_F(BlockingResolverTest, AsksAndAnswersFromTheLoopOnly) {
  kernel_.AddHost("a.test", {"192.0.2.1"});
  request_ = Lookup("a.test", AF_INET);
  EXPECT_EQ(answers_, 0);
  EXPECT_EQ(kernel_.Count(Call::kGetAddressInfo), 0);
  ASSERT_TRUE(base_->Run().ok());
  EXPECT_EQ(answers_, 1);
  ASSERT_TRUE(base_->Run().ok());
  EXPECT_EQ(answers_, 1);
}

TEST_F(BlockingResolverTest, DoesNotAskWhatWasTakenBack) {
  kernel_.AddHost("a.test", {"192.0.2.1"});
  Lookup("a.test", AF_INET).reset();
  ASSERT_TRUE(base_->Run().ok());
  EXPECT_EQ(answers_, 0);
  EXPECT_EQ(kernel_.Count(Call::kGetAddressInfo), 0);
}

TEST_F(BlockingResolverTest, SaysInWordsWhyThereIsNoAddress) {
  struct {
    int error;
    absl::StatusCode code;
  } const tests[] = {
      {EAI_NONAME, absl::StatusCode::kNotFound},
      {EAI_AGAIN, absl::StatusCode::kUnavailable},
      {EAI_FAIL, absl::StatusCode::kInternal},
      {EAI_MEMORY, absl::StatusCode::kResourceExhausted},
  };
  for (const auto& test : tests) {
    kernel_.Fail(Call::kGetAddressInfo, test.error);
    const absl::Status status = Ask("a.test", AF_INET).status();
    EXPECT_EQ(status.code(), test.code) << status;
    EXPECT_EQ(status.message(),
              std::string("a.test: ") + gai_strerror(test.error));
  }
}

TEST_F(BlockingResolverTest, AFamilyWithoutAddressesIsNotFound) {
  kernel_.AddHost("a.test", {"192.0.2.1"});
  EXPECT_TRUE(absl::IsNotFound(Ask("a.test", AF_INET6).status()));
}

TEST_F(BlockingResolverTest, RefusesANameThatHasANul) {
  const absl::Status status =
      Ask(std::string_view("localhost\0.test", 15), AF_INET).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_EQ(status.message(), "localhost\\x00.test: a name has no NUL");
  EXPECT_EQ(kernel_.Count(Call::kGetAddressInfo), 0);
}

}  // namespace
}  // namespace percore
