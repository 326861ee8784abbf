#include "percore/examples/proxy_service/upstream.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "percore/net/host_connector.h"
#include "percore/net/listen_sockets.h"

namespace percore::proxy {
namespace {

using Addresses = absl::StatusOr<std::vector<SocketAddress>>;

// What the resolver answers, from the loop.
Addresses Ask(EventBase& base, UpstreamResolver& resolver, int family) {
  std::optional<Addresses> answer;
  const auto request = resolver.Lookup(
      "any", family,
      [](Addresses addresses, void* answer) {
        *static_cast<std::optional<Addresses>*>(answer) = std::move(addresses);
      },
      &answer);
  EXPECT_FALSE(answer.has_value());
  EXPECT_TRUE(base.Run().ok());
  return answer.value();
}

TEST(UpstreamTest, NumbersAndPathsAreTakenAsTheyAre) {
  struct Case {
    std::string_view text;
    std::string_view host;
    uint16_t port;
  };
  constexpr Case kCases[] = {
      {"127.0.0.1:80", "127.0.0.1", 80},
      {"[::1]:443", "[::1]", 443},
      {"unix:/run/x.sock", "unix:/run/x.sock", 0},
      {"unix:@name", "unix:@name", 0},
  };
  for (const Case& test : kCases) {
    const auto upstream = Upstream::Resolve(test.text);
    ASSERT_TRUE(upstream.ok()) << upstream.status();
    EXPECT_EQ(upstream->host(), test.host);
    EXPECT_EQ(upstream->port(), test.port);
  }
}

TEST(UpstreamTest, RefusesWhatIsNoAddress) {
  for (const std::string_view text :
       {"", "host", ":80", "host:", "host:0", "host:65536", "host:x",
        "127.0.0.1:0", "a:b:80", "unix:"}) {
    const auto upstream = Upstream::Resolve(text);
    EXPECT_FALSE(upstream.ok()) << text;
  }
}

TEST(UpstreamTest, ANameIsLookedUpOnce) {
  const auto upstream = Upstream::Resolve("localhost:80");
  ASSERT_TRUE(upstream.ok()) << upstream.status();
  EXPECT_EQ(upstream->host(), "localhost");
  const auto addresses = upstream->AddressesOf(AF_INET);
  ASSERT_FALSE(addresses.empty());
  EXPECT_EQ(addresses.front().WithPort(0).ToString(), "127.0.0.1:0");

  const auto base = *EventBase::Create({});
  UpstreamResolver resolver(*base, *upstream);
  EXPECT_EQ(*Ask(*base, resolver, AF_INET), addresses);
}

TEST(UpstreamTest, AFamilyWithoutAddressesIsNotFound) {
  const Upstream upstream;
  const auto base = *EventBase::Create({});
  UpstreamResolver resolver(*base, upstream);
  EXPECT_EQ(Ask(*base, resolver, AF_INET6).status().code(),
            absl::StatusCode::kNotFound);
}

TEST(UpstreamTest, AQuestionMayBeTakenBack) {
  const Upstream upstream;
  const auto base = *EventBase::Create({});
  UpstreamResolver resolver(*base, upstream);
  Addresses answer = absl::CancelledError("there was none");
  auto request = resolver.Lookup(
      "any", AF_INET,
      [](Addresses addresses, void* answer) {
        *static_cast<Addresses*>(answer) = std::move(addresses);
      },
      &answer);
  request = nullptr;
  EXPECT_TRUE(base->Run().ok());
  EXPECT_EQ(answer.status().code(), absl::StatusCode::kCancelled);
}

}  // namespace
}  // namespace percore::proxy
