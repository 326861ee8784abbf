#include "percore/examples/proxy_service/client_network.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace percore::proxy {
namespace {

TEST(ClientNetworkTest, KeepsThePrefixAlone) {
  struct Case {
    std::string_view client;
    NetworkPrefix prefix;
    std::string_view network;
  };
  constexpr Case kCases[] = {
      {"192.0.2.77:1234", {}, "192.0.2.0:0"},
      {"192.0.2.77:1234", {.ipv4 = 32}, "192.0.2.77:0"},
      {"192.0.2.77:1234", {.ipv4 = 26}, "192.0.2.64:0"},
      {"192.0.2.77:1234", {.ipv4 = 1}, "128.0.0.0:0"},
      {"192.0.2.77:1234", {.ipv4 = 0}, "0.0.0.0:0"},
      {"[2001:db8:1:2:3:4:5:6]:80", {}, "[2001:db8:1:2::]:0"},
      {"[2001:db8:1:2:3:4:5:6]:80", {.ipv6 = 60}, "[2001:db8:1::]:0"},
      {"[2001:db8:1:2:3:4:5:6]:80", {.ipv6 = 128}, "[2001:db8:1:2:3:4:5:6]:0"},
      {"[2001:db8:1:2:3:4:5:6]:80", {.ipv6 = 0}, "[::]:0"},
      // IPv4 on a socket that serves both.
      {"[::ffff:192.0.2.77]:80", {}, "192.0.2.0:0"},
      {"unix:/run/client.sock", {}, "unix:@clients"},
      {"unix:@client", {}, "unix:@clients"},
  };
  for (const Case& test : kCases) {
    const auto client = SocketAddress::Parse(test.client);
    ASSERT_TRUE(client.ok()) << client.status();
    EXPECT_EQ(NetworkOf(*client, test.prefix).ToString(), test.network)
        << test.client;
  }
}

TEST(ClientNetworkTest, LinkLocalAddressesAreOfTheirInterface) {
  const auto one = SocketAddress::Parse("[fe80::1%1]:80");
  const auto other = SocketAddress::Parse("[fe80::1%2]:80");
  ASSERT_TRUE(one.ok() && other.ok());
  EXPECT_NE(NetworkOf(*one, {}), NetworkOf(*other, {}));
}

TEST(ClientNetworkTest, ReadsPrefixes) {
  EXPECT_EQ(*ParseNetworkPrefix("16"), (NetworkPrefix{.ipv4 = 16, .ipv6 = 64}));
  EXPECT_EQ(*ParseNetworkPrefix("0/0"), (NetworkPrefix{.ipv4 = 0, .ipv6 = 0}));
  EXPECT_EQ(*ParseNetworkPrefix("32/128"),
            (NetworkPrefix{.ipv4 = 32, .ipv6 = 128}));
}

TEST(ClientNetworkTest, RefusesWhatIsNoPrefix) {
  for (const std::string_view text :
       {"", "/", "24/", "/64", "33", "24/129", "-1", "x", "24/64/1"}) {
    EXPECT_FALSE(ParseNetworkPrefix(text).ok()) << text;
  }
}

}  // namespace
}  // namespace percore::proxy
