#include "percore/net/socket_address.h"

#include <gtest/gtest.h>
#include <sys/un.h>

#include <string>

#include "percore/net/unique_fd.h"

namespace percore {
namespace {

TEST(SocketAddressTest, ReadsAndFormats) {
  for (const char* text : {"127.0.0.1:80", "0.0.0.0:0", "255.255.255.255:65535",
                           "[::1]:8080", "[::]:0", "[2001:db8::5]:443"}) {
    const absl::StatusOr<SocketAddress> address = SocketAddress::Parse(text);
    ASSERT_TRUE(address.ok()) << text;
    EXPECT_EQ(address->ToString(), text);
  }
}

TEST(SocketAddressTest, SaysWhatIsWrong) {
  struct Case {
    const char* text;
    const char* message;
  };
  const Case cases[] = {
      {"", "bad address '': expected ADDRESS:PORT"},
      {"127.0.0.1", "bad address '127.0.0.1': expected ADDRESS:PORT"},
      {"127.0.0.1:",
       "bad address '127.0.0.1:': the port must be a number from "
       "0 to 65535"},
      {"127.0.0.1:+1",
       "bad address '127.0.0.1:+1': the port must be a number "
       "from 0 to 65535"},
      {"127.0.0.1:65536",
       "bad address '127.0.0.1:65536': the port must be a "
       "number from 0 to 65535"},
      {"127.0.0.1:99999999999",
       "bad address '127.0.0.1:99999999999': the port must be a number from 0 "
       "to 65535"},
      {"localhost:80",
       "bad address 'localhost:80': not an IPv4 address, nor "
       "an IPv6 address in []"},
      {"::1:80",
       "bad address '::1:80': not an IPv4 address, nor an IPv6 address in []"},
      {"[127.0.0.1]:80", "bad address '[127.0.0.1]:80': not an IPv6 address"},
      {"[]:80", "bad address '[]:80': not an IPv6 address"},
  };
  for (const Case& test : cases) {
    const absl::Status status = SocketAddress::Parse(test.text).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(status.message(), test.message);
  }
}

TEST(SocketAddressTest, ComparesFamilyAddressAndPort) {
  const SocketAddress address = *SocketAddress::Parse("127.0.0.1:80");
  EXPECT_EQ(address, *SocketAddress::Parse("127.0.0.1:80"));
  EXPECT_FALSE(address == *SocketAddress::Parse("127.0.0.2:80"));
  EXPECT_FALSE(address == *SocketAddress::Parse("[::1]:80"));
  EXPECT_FALSE(address == address.WithPort(81));
}

TEST(SocketAddressTest, TakesAnotherPort) {
  for (const char* text : {"127.0.0.1:1", "[::1]:1"}) {
    const SocketAddress address = *SocketAddress::Parse(text);
    EXPECT_EQ(address.WithPort(4711).port(), 4711);
    EXPECT_EQ(address.port(), 1);
  }
}

TEST(SocketAddressTest, ReadsWhereASocketIsBound) {
  const UniqueFd fd(socket(AF_INET, SOCK_STREAM, 0));
  const SocketAddress any = *SocketAddress::Parse("127.0.0.1:0");
  ASSERT_EQ(bind(fd.get(), any.native(), any.native_size()), 0);
  const absl::StatusOr<SocketAddress> bound = SocketAddress::OfSocket(fd.get());
  ASSERT_TRUE(bound.ok());
  EXPECT_NE(bound->port(), 0);
  EXPECT_FALSE(SocketAddress::OfSocket(-1).ok());
}

TEST(SocketAddressTest, RefusesOtherFamilies) {
  sockaddr_un path = {};
  path.sun_family = AF_UNIX;
  EXPECT_FALSE(SocketAddress::FromNative(reinterpret_cast<sockaddr*>(&path),
                                         sizeof(path))
                   .ok());
  sockaddr_in cut = {};
  cut.sin_family = AF_INET;
  EXPECT_FALSE(
      SocketAddress::FromNative(reinterpret_cast<sockaddr*>(&cut), 4).ok());
}

}  // namespace
}  // namespace percore
