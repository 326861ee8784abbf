#include "percore/net/socket_address.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/netlink.h>
#include <net/if.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/hash/hash_testing.h"
#include "absl/strings/str_cat.h"
#include "percore/net/unique_fd.h"
#include "percore/tests/support/test_kernel.h"

namespace percore {
namespace {

using testing::EndsWith;
using testing::StartsWith;

SocketAddress Address(std::string_view text) {
  return *SocketAddress::Parse(text);
}

TEST(SocketAddressTest, ReadsAndFormats) {
  for (const char* text :
       {"127.0.0.1:80", "0.0.0.0:0", "255.255.255.255:65535", "[::1]:8080",
        "[::]:0", "[2001:db8::5]:443", "[fe80::1%lo]:80",
        "[fe80::1%4000000000]:80", "unix:/run/x.sock", "unix:x.sock",
        "unix:./@x", "unix:@name", "unix:@", "unix:@a:80", "unix:/a b",
        R"(unix:@\x00\xff\x5cx)", R"(unix:\x40x)", R"(unix:/\x0a)"}) {
    const absl::StatusOr<SocketAddress> address = SocketAddress::Parse(text);
    ASSERT_TRUE(address.ok()) << text << ": " << address.status();
    EXPECT_EQ(address->ToString(), text);
  }
}

TEST(SocketAddressTest, NumbersAndNamesOfAnInterfaceAreTheSame) {
  const SocketAddress address =
      Address(absl::StrCat("[fe80::1%", if_nametoindex("lo"), "]:80"));
  EXPECT_EQ(address, Address("[fe80::1%lo]:80"));
  EXPECT_EQ(address.ToString(), "[fe80::1%lo]:80");
  EXPECT_EQ(address.scope_id(), if_nametoindex("lo"));
  EXPECT_EQ(Address("[fe80::1]:80").scope_id(), 0u);
  EXPECT_EQ(Address("127.0.0.1:80").scope_id(), 0u);
}

struct BadCase {
  std::string text;
  const char* reason;
};

constexpr char kNoPort[] = "expected ADDRESS:PORT";
constexpr char kBadPort[] = "the port must be a number from 0 to 65535";
constexpr char kNotIpv4[] = "not an IPv4 address, nor an IPv6 address in []";
constexpr char kNotIpv6[] = "not an IPv6 address";
constexpr char kNoInterface[] = "there is no such network interface";
constexpr char kNoPath[] = "expected unix:PATH or unix:@NAME";
constexpr char kBadEscape[] = "a backslash begins \\x and two of 0-9, a-f";

TEST(SocketAddressTest, SaysWhatIsWrong) {
  const BadCase cases[] = {
      {"", kNoPort},
      {"127.0.0.1", kNoPort},
      {"[::1]", kNoPort},
      {"127.0.0.1:", kBadPort},
      {"127.0.0.1:+1", kBadPort},
      {"127.0.0.1:65536", kBadPort},
      {"127.0.0.1:99999999999", kBadPort},
      {"localhost:80", kNotIpv4},
      {"127.0.0.1%lo:80", kNotIpv4},
      {"::1:80", kNotIpv4},
      {"[:80", kNotIpv4},
      {"[::1:80", kNotIpv4},
      {"/run/x.sock:80", kNotIpv4},
      {"[127.0.0.1]:80", kNotIpv6},
      {"[]:80", kNotIpv6},
      {"[%lo]:80", kNotIpv6},
      {"[fe80::1%]:80", kNoInterface},
      {"[fe80::1%0]:80", kNoInterface},
      {"[fe80::1%nosuch0]:80", kNoInterface},
      {"[fe80::1%99999999999]:80", kNoInterface},
      {"unix:", kNoPath},
      {"unix:/a\\", kBadEscape},
      {"unix:/a\\x4", kBadEscape},
      {"unix:/a\\x4g", kBadEscape},
      {"unix:/a\\xg4", kBadEscape},
      {"unix:/a\\n34", kBadEscape},
  };
  for (const BadCase& test : cases) {
    const absl::Status status = SocketAddress::Parse(test.text).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(status.message(),
              absl::StrCat("bad address '", test.text, "': ", test.reason));
  }
}

TEST(SocketAddressTest, ErrorsShowBytesThatCannotBePrinted) {
  using std::string_literals::operator""s;
  EXPECT_EQ(SocketAddress::Parse("127.0.0.1\0:80"s).status().message(),
            R"(bad address '127.0.0.1\x00:80': not an IPv4 address, nor an )"
            "IPv6 address in []");
  EXPECT_EQ(SocketAddress::Parse("[fe80::1%lo\0]:80"s).status().message(),
            R"(bad address '[fe80::1%lo\x00]:80': there is no such network )"
            "interface");
  EXPECT_EQ(SocketAddress::Parse("unix:/a\0b\n"s).status().message(),
            R"(bad address 'unix:/a\x00b\x0a': a path has no NUL)");
}

TEST(SocketAddressTest, PathsAndNamesHaveALimit) {
  const std::string longest(SocketAddress::kMaxUnixName, 'x');
  for (const std::string start : {"unix:", "unix:@"}) {
    EXPECT_EQ(Address(start + longest).ToString(), start + longest);
    const absl::Status status =
        SocketAddress::Parse(start + longest + "x").status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()),
                EndsWith("is longer than 107 bytes"));
  }
}

TEST(SocketAddressTest, ThePortMayHaveADefault) {
  struct Case {
    const char* text;
    const char* read;
  };
  const Case cases[] = {
      {"127.0.0.1", "127.0.0.1:53"},
      {"127.0.0.1:80", "127.0.0.1:80"},
      {"[::1]", "[::1]:53"},
      {"[::1]:80", "[::1]:80"},
      {"::1", "[::1]:53"},
      {"fe80::1:80", "[fe80::1:80]:53"},
      {"fe80::1%lo", "[fe80::1%lo]:53"},
      {"[fe80::1%lo]", "[fe80::1%lo]:53"},
      {"unix:/x", "unix:/x"},
  };
  for (const Case& test : cases) {
    const absl::StatusOr<SocketAddress> address =
        SocketAddress::Parse(test.text, 53);
    ASSERT_TRUE(address.ok()) << address.status();
    EXPECT_EQ(address->ToString(), test.read);
  }
  const BadCase bad_cases[] = {
      {"", kNotIpv4},       {"localhost", kNotIpv4}, {"127.0.0.1:", kBadPort},
      {"[::1]:", kBadPort}, {"::g", kNotIpv6},       {"]", kNotIpv4},
      {"[", kNotIpv4},
  };
  for (const BadCase& test : bad_cases) {
    EXPECT_EQ(SocketAddress::Parse(test.text, 53).status().message(),
              absl::StrCat("bad address '", test.text, "': ", test.reason));
  }
}

TEST(SocketAddressTest, TakesPathsAndNamesAsTheyAre) {
  EXPECT_EQ(*SocketAddress::OfUnixPath("@\\"), Address(R"(unix:\x40\x5c)"));
  EXPECT_EQ(*SocketAddress::OfAbstractName(std::string_view("\0@", 2)),
            Address(R"(unix:@\x00@)"));
  EXPECT_FALSE(SocketAddress::OfUnixPath("").ok());
  EXPECT_FALSE(SocketAddress::OfUnixPath(std::string_view("a\0", 2)).ok());
}

TEST(SocketAddressTest, OnlyAPathIsAPath) {
  EXPECT_EQ(Address("unix:/run/x").unix_path(), "/run/x");
  EXPECT_EQ(Address("unix:@x").unix_path(), "");
  EXPECT_EQ(Address("127.0.0.1:80").unix_path(), "");
  EXPECT_EQ(std::strlen(Address("unix:/run/x").unix_path().data()), 6u);
}

TEST(SocketAddressTest, KnowsWhatOnlyThisMachineReaches) {
  for (const char* text : {"127.0.0.1:1", "127.255.0.1:1", "[::1]:1",
                           "[::ffff:127.0.0.1]:1", "unix:/x", "unix:@x"}) {
    EXPECT_TRUE(Address(text).is_loopback()) << text;
  }
  for (const char* text : {"0.0.0.0:1", "128.0.0.1:1", "[::]:1", "[::2]:1",
                           "[::127.0.0.1]:1", "[::ffff:128.0.0.1]:1"}) {
    EXPECT_FALSE(Address(text).is_loopback()) << text;
  }
}

// From the least to the greatest, all different.
std::vector<SocketAddress> Sorted() {
  std::vector<SocketAddress> addresses = {*SocketAddress::FromNative(
      std::array<sockaddr, 1>{{{.sa_family = AF_UNIX, .sa_data = {}}}}.data(),
      sizeof(sa_family_t))};
  for (const char* text :
       {"unix:@",      "unix:@a",      "unix:@aa",       "unix:/a",
        "unix:/a/b",   "unix:/b",      "0.0.0.0:0",      "0.0.0.0:1",
        "0.0.0.0:256", "1.0.0.0:0",    "10.0.0.0:0",     "127.0.0.1:0",
        "200.0.0.0:0", "[::]:0",       "[::1]:0",        "[::1]:80",
        "[::1:0]:80",  "[fe80::1]:80", "[fe80::1%1]:80", "[fe80::1%2]:0"}) {
    addresses.push_back(Address(text));
  }
  return addresses;
}

TEST(SocketAddressTest, ComparesFamilyAddressScopeAndPort) {
  const std::vector<SocketAddress> sorted = Sorted();
  for (size_t i = 0; i < sorted.size(); ++i) {
    for (size_t j = 0; j < sorted.size(); ++j) {
      EXPECT_EQ(sorted[i] == sorted[j], i == j);
      EXPECT_EQ(sorted[i] < sorted[j], i < j)
          << sorted[i].ToString() << ", " << sorted[j].ToString();
    }
  }
}

TEST(SocketAddressTest, HashesAsItCompares) {
  EXPECT_TRUE(absl::VerifyTypeImplementsAbslHashCorrectly(Sorted()));
}

TEST(SocketAddressTest, IsAValue) {
  for (const SocketAddress& address : Sorted()) {
    SocketAddress copy = address;
    EXPECT_EQ(copy, address);
    SocketAddress moved = std::move(copy);
    EXPECT_EQ(moved, address);
    EXPECT_EQ(copy, SocketAddress());  // NOLINT(bugprone-use-after-move)
    copy = moved;
    copy = *&copy;
    EXPECT_EQ(copy, address);
    moved = Address("unix:/another");
    EXPECT_EQ(copy, address);
  }
  EXPECT_TRUE(std::is_nothrow_move_constructible_v<SocketAddress>);
}

TEST(SocketAddressTest, TakesAnotherPort) {
  for (const char* text : {"127.0.0.1:1", "[::1]:1"}) {
    const SocketAddress address = Address(text);
    EXPECT_EQ(address.WithPort(4711).port(), 4711);
    EXPECT_EQ(address.port(), 1);
  }
  EXPECT_EQ(Address("unix:/x").WithPort(4711), Address("unix:/x"));
  EXPECT_EQ(Address("unix:/x").port(), 0);
}

TEST(SocketAddressTest, ReadsWhatItGivesToSystemCalls) {
  for (const SocketAddress& address : Sorted()) {
    EXPECT_EQ(
        *SocketAddress::FromNative(address.native(), address.native_size()),
        address);
  }
}

TEST(SocketAddressTest, DropsTheFlowLabel) {
  const SocketAddress address = Address("[::1]:80");
  sockaddr_in6 native;
  std::memcpy(&native, address.native(), sizeof(native));
  native.sin6_flowinfo = 4711;
  EXPECT_EQ(*SocketAddress::FromNative(
                reinterpret_cast<const sockaddr*>(&native), sizeof(native)),
            address);
}

TEST(SocketAddressTest, RefusesOtherFamiliesAndWhatIsCutShort) {
  for (const char* text : {"127.0.0.1:80", "[::1]:80"}) {
    const SocketAddress address = Address(text);
    EXPECT_FALSE(
        SocketAddress::FromNative(address.native(), address.native_size() - 1)
            .ok());
    EXPECT_FALSE(SocketAddress::FromNative(address.native(), 0).ok());
  }
  sockaddr_nl netlink = {};
  netlink.nl_family = AF_NETLINK;
  EXPECT_EQ(SocketAddress::FromNative(
                reinterpret_cast<const sockaddr*>(&netlink), sizeof(netlink))
                .status()
                .message(),
            "neither an IPv4, nor an IPv6, nor a UNIX address: family 16, 12 "
            "bytes");
}

TEST(SocketAddressTest, ReadsUnixPathsWithAndWithoutTheirNul) {
  sockaddr_un native = {};
  native.sun_family = AF_UNIX;
  std::memcpy(native.sun_path, "/x", 2);
  for (const size_t size :
       {offsetof(sockaddr_un, sun_path) + 2,
        offsetof(sockaddr_un, sun_path) + 3, sizeof(native)}) {
    EXPECT_EQ(*SocketAddress::FromNative(
                  reinterpret_cast<const sockaddr*>(&native), size),
              Address("unix:/x"));
  }
  // Linux takes a path that fills all of it, with no room for a NUL.
  std::fill(std::begin(native.sun_path), std::end(native.sun_path), 'x');
  EXPECT_FALSE(SocketAddress::FromNative(
                   reinterpret_cast<const sockaddr*>(&native), sizeof(native))
                   .ok());
}

TEST(SocketAddressTest, ReadsWhereASocketIsBound) {
  for (const char* text :
       {"127.0.0.1:0", "[::1]:0", "unix:@percore_socket_address_test"}) {
    const SocketAddress any = Address(text);
    const UniqueFd fd(socket(any.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(bind(fd.get(), any.native(), any.native_size()), 0) << text;
    const absl::StatusOr<SocketAddress> bound =
        SocketAddress::OfSocket(fd.get());
    ASSERT_TRUE(bound.ok());
    EXPECT_EQ(*bound, any.WithPort(bound->port()));
    EXPECT_EQ(bound->port() != 0, !any.is_unix());
  }
}

TEST(SocketAddressTest, ReadsWhereThePeerIs) {
  const SocketAddress any = Address("127.0.0.1:0");
  const UniqueFd server(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(bind(server.get(), any.native(), any.native_size()), 0);
  ASSERT_EQ(listen(server.get(), 1), 0);
  const SocketAddress bound = *SocketAddress::OfSocket(server.get());
  const UniqueFd client(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(connect(client.get(), bound.native(), bound.native_size()), 0);
  EXPECT_EQ(*SocketAddress::OfPeer(client.get()), bound);
}

TEST(SocketAddressTest, APeerThatNobodyBoundHasNoName) {
  std::array<int, 2> ends;
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
  const UniqueFd first(ends[0]);
  const UniqueFd second(ends[1]);
  const SocketAddress peer = *SocketAddress::OfPeer(first.get());
  EXPECT_EQ(peer.family(), AF_UNIX);
  EXPECT_EQ(peer.ToString(), "unix:");
  EXPECT_EQ(peer.unix_path(), "");
}

TEST(SocketAddressTest, SaysWhichSocketHasNoAddressToAskFor) {
  TestKernel kernel;
  kernel.Fail(TestKernel::Call::kGetSocketName, ENOBUFS);
  EXPECT_THAT(
      std::string(SocketAddress::OfSocket(0, kernel).status().message()),
      StartsWith("getsockname fd 0: No buffer space available"));
  kernel.Fail(TestKernel::Call::kGetPeerName, ENOTCONN);
  EXPECT_EQ(SocketAddress::OfPeer(0, kernel).status().message(),
            "getpeername fd 0: Transport endpoint is not connected");
  EXPECT_FALSE(SocketAddress::OfSocket(-1).ok());
}

TEST(SocketAddressTest, IsMadeOfWhatAnInternetSocketGives) {
  for (const char* const text :
       {"192.0.2.1:80", "0.0.0.0:0", "[2001:db8::1]:443", "[::]:1"}) {
    const SocketAddress address = *SocketAddress::Parse(text);
    sockaddr_in6 native;
    std::memset(&native, 0xff, sizeof(native));
    std::memcpy(&native, address.native(), address.native_size());
    const SocketAddress made = SocketAddress::FromInternet(native);
    EXPECT_EQ(made, address);
    EXPECT_EQ(made.ToString(), text);
    EXPECT_NE(made, made.WithPort(7));
  }
  sockaddr_in6 other = {};
  other.sin6_family = AF_UNIX;
  EXPECT_EQ(SocketAddress::FromInternet(other), SocketAddress());
}

}  // namespace
}  // namespace percore
