// With PERCORE_TEST_SEED=<seed> in its environment the random test repeats one
// run.
#include "percore/net/proxy_protocol.h"

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <random>
#include <string>
#include <string_view>

#include "absl/strings/escaping.h"
#include "percore/tests/net/proxy_header_checks.h"

namespace percore {
namespace {

using Kind = ProxyParseResult::Kind;
using std::string_literals::operator""s;

TEST(ProxyProtocolTest, TellsWhatIsNoHeader) {
  for (const std::string& bytes :
       {"G"s, "GET / HTTP/1.1\r\n"s, "proxy TCP4"s, "PROXI"s, "PP"s, "\n"s,
        "\r\n\r\n\r"s, "\r\n\r\n\0\r\nQUIT\r"s, " PROXY TCP4"s, "\0"s}) {
    EXPECT_EQ(KindOf(bytes), Kind::kNotProxy) << absl::CEscape(bytes);
  }
}

TEST(ProxyProtocolTest, WaitsForTheFirstByte) {
  EXPECT_EQ(KindOf(""), Kind::kNeedMore);
}

TEST(ProxyProtocolTest, TakesNothingFromAFrozenFront) {
  for (const std::string& bytes :
       {"PROXY UNKNOWN\r\n"s, "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"s}) {
    Buffer buffer;
    buffer.Append(bytes);
    buffer.Freeze(BufferEnd::kFront);
    EXPECT_EQ(ParseProxyHeader(buffer).status().code(),
              absl::StatusCode::kFailedPrecondition);
    EXPECT_EQ(buffer.ToString(), bytes);
    buffer.Unfreeze(BufferEnd::kFront);
    EXPECT_EQ(ParseProxyHeader(buffer)->kind, Kind::kHeader);
  }
}

TEST(ProxyProtocolTest, AppendsAllOrNothing) {
  for (const ProxyVersion version : {ProxyVersion::kV1, ProxyVersion::kV2}) {
    ProxyHeader header;
    header.version = version;
    Buffer buffer;
    buffer.SetSizeLimit(14);
    EXPECT_EQ(AppendProxyHeader(header, buffer).code(),
              absl::StatusCode::kFailedPrecondition);
    EXPECT_TRUE(buffer.empty());
    buffer.SetSizeLimit(SIZE_MAX);
    buffer.Freeze(BufferEnd::kBack);
    EXPECT_EQ(AppendProxyHeader(header, buffer).code(),
              absl::StatusCode::kFailedPrecondition);
  }
}

TEST(ProxyProtocolTest, RefusesEndpointsOfDifferentFamilies) {
  const ProxyEndpoints endpoints = Endpoints("127.0.0.1:1", "[::1]:2");
  for (const ProxyHeader& header : {V1(endpoints), V2(endpoints)}) {
    EXPECT_EQ(RefusalOf(header),
              "bad PROXY header: source and destination are of different "
              "families");
  }
}

TEST(ProxyProtocolTest, DoesNotTouchWhatComesBehind) {
  const std::string behind(100'000, 'x');
  Buffer buffer;
  buffer.Append(Formatted(V2(Endpoints("[::1]:1", "[::1]:2"))));
  buffer.AppendReference(behind.data(), behind.size(), nullptr, nullptr);
  ASSERT_EQ(ParseProxyHeader(buffer)->kind, Kind::kHeader);
  EXPECT_EQ(buffer.Front().data(), behind.data());
}

class RandomHeaders {
 public:
  explicit RandomHeaders(uint64_t seed) : random_(seed) {}

  size_t Below(size_t limit) { return random_() % limit; }

  std::string Bytes(size_t size) {
    std::string bytes(size, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random_());
    return bytes;
  }

  SocketAddress Address(int family) {
    if (family == AF_UNIX) {
      std::string name = Bytes(1 + Below(SocketAddress::kMaxUnixName));
      for (char& byte : name) byte |= 1;
      return Below(2) == 0 ? *SocketAddress::OfUnixPath(name)
                           : *SocketAddress::OfAbstractName(name);
    }
    sockaddr_in6 native = {};
    native.sin6_family = static_cast<sa_family_t>(family);
    for (uint8_t& byte : native.sin6_addr.s6_addr) {
      byte = static_cast<uint8_t>(Below(3) == 0 ? random_() : 0);
    }
    // The same place in both families.
    native.sin6_port = static_cast<in_port_t>(random_());
    sockaddr_in v4 = {};
    v4.sin_family = AF_INET;
    v4.sin_port = native.sin6_port;
    v4.sin_addr.s_addr = static_cast<in_addr_t>(random_());
    return family == AF_INET
               ? *SocketAddress::FromNative(reinterpret_cast<sockaddr*>(&v4),
                                            sizeof(v4))
               : *SocketAddress::FromNative(
                     reinterpret_cast<sockaddr*>(&native), sizeof(native));
  }

  ProxyHeader Header() {
    ProxyHeader header;
    header.version = Below(2) == 0 ? ProxyVersion::kV1 : ProxyVersion::kV2;
    const bool is_v2 = header.version == ProxyVersion::kV2;
    if (is_v2 && Below(10) == 0) {
      header.command = ProxyCommand::kLocal;
      return header;
    }
    if (Below(10) != 0) {
      const std::array<int, 3> families = {AF_INET, AF_INET6, AF_UNIX};
      const int family = families[Below(is_v2 ? 3 : 2)];
      header.endpoints = ProxyEndpoints{
          .source = Address(family),
          .destination = Address(family),
          .transport = is_v2 && Below(2) == 0 ? ProxyTransport::kDatagram
                                              : ProxyTransport::kStream};
    }
    if (!is_v2) return header;
    for (size_t left = Below(4); left > 0; --left) {
      header.tlvs.push_back(
          {static_cast<uint8_t>(0xe0 + Below(32)), Bytes(Below(300))});
    }
    header.checksum = Below(2) == 0;
    return header;
  }

 private:
  std::mt19937_64 random_;
};

uint64_t ChooseSeed() {
  const char* const chosen = std::getenv("PERCORE_TEST_SEED");
  const uint64_t seed = chosen != nullptr ? std::strtoull(chosen, nullptr, 10)
                                          : std::random_device()();
  std::cout << "PERCORE_TEST_SEED=" << seed << std::endl;
  return seed;
}

TEST(ProxyProtocolTest, ReadsWhatItWrites) {
  RandomHeaders random(ChooseSeed());
  for (int i = 0; i < 200 && !testing::Test::HasFailure(); ++i) {
    const ProxyHeader header = random.Header();
    const std::string bytes = Formatted(header);
    if (header.version == ProxyVersion::kV1) {
      EXPECT_LE(bytes.size(), kMaxProxyLine);
    }
    EXPECT_EQ(Parsed(bytes), header) << absl::CEscape(bytes);
  }
}

TEST(ProxyProtocolTest, EveryLineThatIsWaitedForCanBeFinished) {
  constexpr std::string_view kCharacters = "\r\n 0125:.fUNKOWTCP46";
  RandomHeaders random(ChooseSeed());
  for (int i = 0; i < 200; ++i) {
    std::string line = "PROXY ";
    while (KindOf(line) == Kind::kNeedMore) {
      // Any character that does not make it wrong; there always is one.
      const size_t first = random.Below(kCharacters.size());
      bool found = false;
      for (size_t j = 0; j < kCharacters.size() && !found; ++j) {
        line.push_back(kCharacters[(first + j) % kCharacters.size()]);
        found = ErrorOf(line).empty();
        if (!found) line.pop_back();
      }
      ASSERT_TRUE(found) << absl::CEscape(line);
    }
  }
}

}  // namespace
}  // namespace percore
