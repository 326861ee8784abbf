// PROXY headers of version 1.
#include <gtest/gtest.h>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "percore/net/proxy_protocol.h"
#include "percore/tests/net/proxy_header_checks.h"

namespace percore {
namespace {

using Kind = ProxyParseResult::Kind;
using std::string_literals::operator""s;

TEST(ProxyLineTest, ReadsLines) {
  struct Case {
    const char* line;
    const char* source;
    const char* destination;
  };
  const Case cases[] = {
      {"TCP4 192.0.2.1 192.0.2.2 56324 443", "192.0.2.1:56324",
       "192.0.2.2:443"},
      {"TCP4 255.255.255.255 255.255.255.255 65535 65535",
       "255.255.255.255:65535", "255.255.255.255:65535"},
      {"TCP4 0.0.0.0 0.0.0.0 0 0", "0.0.0.0:0", "0.0.0.0:0"},
      {"TCP6 ::1 2001:db8::5 1 2", "[::1]:1", "[2001:db8::5]:2"},
      {"TCP6 1:2:3:4:5:6:7:: :: 1 2", "[1:2:3:4:5:6:7:0]:1", "[::]:2"},
      {"TCP6 ffff:FFFF:ffff:ffff:ffff:ffff:ffff:ffff "
       "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535",
       "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
       "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"},
      {"TCP6 0001:0:0:0:0:0:0:0a ::ffff:192.0.2.1 1 2", "[1::a]:1",
       "[::ffff:192.0.2.1]:2"},
      {"TCP6 1:2:3:4:5:6:7.8.9.10 ::1:2:3:4:5:6:7 1 2",
       "[1:2:3:4:5:6:708:90a]:1", "[0:1:2:3:4:5:6:7]:2"},
  };
  for (const Case& test : cases) {
    EXPECT_EQ(Parsed(absl::StrCat("PROXY ", test.line, "\r\n")),
              V1(Endpoints(test.source, test.destination)))
        << test.line;
  }
}

TEST(ProxyLineTest, IgnoresTheRestOfAnUnknownLine) {
  for (const std::string& rest :
       {""s, " "s, " TCP4"s, "  ::1 \t x"s, " \0\r \n\xff\r\r"s,
        " ffff:f...f:ffff ffff:f...f:ffff 65535 65535"s,
        " "s.append(92 - 1, 'x')}) {
    EXPECT_EQ(Parsed(absl::StrCat("PROXY UNKNOWN", rest, "\r\n")),
              V1(std::nullopt))
        << absl::CEscape(rest);
  }
}

constexpr char kBadProtocol[] = "expected TCP4, TCP6 or UNKNOWN behind PROXY";
constexpr char kBadUnknown[] = "expected a space or CR LF behind UNKNOWN";
constexpr char kNoSpace[] = "expected a space behind PROXY";
constexpr char kBadSource4[] =
    "the source address must be an IPv4 address, with a space behind it";
constexpr char kBadDestination4[] =
    "the destination address must be an IPv4 address, with a space behind it";
constexpr char kBadSource6[] =
    "the source address must be an IPv6 address, with a space behind it";
constexpr char kBadDestination6[] =
    "the destination address must be an IPv6 address, with a space behind it";
constexpr char kBadSourcePort[] =
    "the source port must be 0 to 65535 without leading zeros, with a space "
    "behind it";
constexpr char kBadDestinationPort[] =
    "the destination port must be 0 to 65535 without leading zeros, with CR LF "
    "behind it";
constexpr char kTooLong[] = "no CR LF within 107 bytes";

struct BadLine {
  std::string line;
  const char* error;
};

// Each is wrong with its last byte, and not before.
TEST(ProxyLineTest, SaysWhatIsWrongWithALineAtItsFirstWrongByte) {
  const BadLine cases[] = {
      {"PROXYT", kNoSpace},
      {"PROXY\r", kNoSpace},
      {"PROXY  ", kBadProtocol},
      {"PROXY t", kBadProtocol},
      {"PROXY TCP ", kBadProtocol},
      {"PROXY TCP5", kBadProtocol},
      {"PROXY TCP45", kBadProtocol},
      {"PROXY TCP4\r", kBadProtocol},
      {"PROXY UD", kBadProtocol},
      {"PROXY UNKNOWNS", kBadUnknown},
      {"PROXY UNKNOWN\n", kBadUnknown},
      {"PROXY UNKNOWN\r ", kBadUnknown},
      {"PROXY TCP4  ", kBadSource4},
      {"PROXY TCP4 x", kBadSource4},
      {"PROXY TCP4 :", kBadSource4},
      {"PROXY TCP4 .", kBadSource4},
      {"PROXY TCP4 256", kBadSource4},
      {"PROXY TCP4 00", kBadSource4},
      {"PROXY TCP4 01", kBadSource4},
      {"PROXY TCP4 1..", kBadSource4},
      {"PROXY TCP4 1 ", kBadSource4},
      {"PROXY TCP4 1.2.3 ", kBadSource4},
      {"PROXY TCP4 1.2.3.4.", kBadSource4},
      {"PROXY TCP4 1.2.3.4\r", kBadSource4},
      {"PROXY TCP4 1.2.3.4\t", kBadSource4},
      {"PROXY TCP4 1.2.3.4\0"s, kBadSource4},
      {"PROXY TCP4 1.2.3.4  ", kBadDestination4},
      {"PROXY TCP4 1.2.3.4 1:", kBadDestination4},
      {"PROXY TCP6 x", kBadSource6},
      {"PROXY TCP6 .", kBadSource6},
      {"PROXY TCP6 [", kBadSource6},
      {"PROXY TCP6 :1", kBadSource6},
      {"PROXY TCP6 12345", kBadSource6},
      {"PROXY TCP6 ::1::", kBadSource6},
      {"PROXY TCP6 1:::", kBadSource6},
      {"PROXY TCP6 1:2:3:4:5:6:7 ", kBadSource6},
      {"PROXY TCP6 1:2:3:4:5:6:7:8:", kBadSource6},
      {"PROXY TCP6 ::1:2:3:4:5:6:7:", kBadSource6},
      {"PROXY TCP6 1:2:3:4:5:6:7:1.", kBadSource6},
      {"PROXY TCP6 1.", kBadSource6},
      {"PROXY TCP6 ::256.", kBadSource6},
      {"PROXY TCP6 fe80::1%", kBadSource6},
      {"PROXY TCP6 ::1 ::g", kBadDestination6},
      {"PROXY TCP4 1.2.3.4 1.2.3.4  ", kBadSourcePort},
      {"PROXY TCP4 1.2.3.4 1.2.3.4 -", kBadSourcePort},
      {"PROXY TCP4 1.2.3.4 1.2.3.4 +", kBadSourcePort},
      {"PROXY TCP4 1.2.3.4 1.2.3.4 01", kBadSourcePort},
      {"PROXY TCP4 1.2.3.4 1.2.3.4 65536", kBadSourcePort},
      {"PROXY TCP4 1.2.3.4 1.2.3.4 100000", kBadSourcePort},
      {"PROXY TCP4 1.2.3.4 1.2.3.4 1\r", kBadSourcePort},
      {"PROXY TCP4 1.2.3.4 1.2.3.4 1  ", kBadDestinationPort},
      {"PROXY TCP4 1.2.3.4 1.2.3.4 1 \r", kBadDestinationPort},
      {"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n", kBadDestinationPort},
      {"PROXY TCP4 1.2.3.4 1.2.3.4 1 2 ", kBadDestinationPort},
      {"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\rx", kBadDestinationPort},
      {"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\r", kBadDestinationPort},
  };
  for (const BadLine& test : cases) {
    EXPECT_EQ(ErrorOf(test.line), test.error) << absl::CEscape(test.line);
    const std::string before = test.line.substr(0, test.line.size() - 1);
    EXPECT_EQ(KindOf(before), Kind::kNeedMore) << absl::CEscape(before);
  }
}

TEST(ProxyLineTest, LinesHaveALimit) {
  const std::string longest = "PROXY UNKNOWN " + std::string(91, 'x');
  EXPECT_EQ(Parsed(longest + "\r\n"), V1(std::nullopt));
  ASSERT_EQ((longest + "\r\n").size(), kMaxProxyLine);
  // No room for CR LF is left, whatever comes.
  EXPECT_EQ(ErrorOf(longest + "x"), kTooLong);
  EXPECT_EQ(ErrorOf(longest + "x\r\n"), kTooLong);
  EXPECT_EQ(KindOf(longest + "\r"), Kind::kNeedMore);
  EXPECT_EQ(ErrorOf(longest + "\rx"), kTooLong);
  EXPECT_EQ(ErrorOf(std::string(longest).append(100'000, 'x')), kTooLong);
}

TEST(ProxyLineTest, SeesThatAddressesLeaveNoRoomForTheRest) {
  const std::string longest = "0000:0000:0000:0000:0000:0000:255.255.255.255";
  const std::string whole =
      absl::StrCat("PROXY TCP6 ", longest, " ", longest, " 0 0\r\n");
  ASSERT_EQ(whole.size(), kMaxProxyLine + 1);
  // One digit less, and there is room.
  const size_t last_digit = whole.find(" 0 0") - 1;
  EXPECT_EQ(KindOf(whole.substr(0, last_digit)), Kind::kNeedMore);
  EXPECT_EQ(ErrorOf(whole.substr(0, last_digit + 1)), kTooLong);
  std::string shorter = whole;
  shorter.erase(last_digit, 1);
  EXPECT_EQ(Parsed(shorter).endpoints->destination,
            Address("[::255.255.255.25]:0"));
}

TEST(ProxyLineTest, WritesLines) {
  struct Case {
    ProxyEndpoints endpoints;
    const char* line;
  };
  const Case cases[] = {
      {Endpoints("192.0.2.1:56324", "192.0.2.2:443"),
       "PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n"},
      {Endpoints("[::1]:0", "[2001:db8::5]:65535"),
       "PROXY TCP6 ::1 2001:db8::5 0 65535\r\n"},
      {Endpoints("[fe80::1%lo]:1", "[::]:2"), "PROXY TCP6 fe80::1 :: 1 2\r\n"},
      // The specification knows hexadecimal digits only.
      {Endpoints("[::ffff:192.0.2.1]:1", "[::192.0.2.1]:2"),
       "PROXY TCP6 ::ffff:c000:201 ::c000:201 1 2\r\n"},
      {Endpoints("unix:/x", "unix:@y"), "PROXY UNKNOWN\r\n"},
      {Endpoints("127.0.0.1:1", "127.0.0.1:2", ProxyTransport::kDatagram),
       "PROXY UNKNOWN\r\n"},
  };
  for (const Case& test : cases) {
    EXPECT_EQ(Formatted(V1(test.endpoints)), test.line);
  }
  EXPECT_EQ(Formatted(V1(std::nullopt)), "PROXY UNKNOWN\r\n");
}

TEST(ProxyLineTest, RefusesWhatALineCannotSay) {
  ProxyHeader local = V1(std::nullopt);
  local.command = ProxyCommand::kLocal;
  ProxyHeader with_tlv = V1(std::nullopt);
  with_tlv.tlvs.push_back({ProxyTlv::kAlpn, "h2"});
  ProxyHeader with_checksum = V1(std::nullopt);
  with_checksum.checksum = true;
  for (const ProxyHeader& header : {local, with_tlv, with_checksum}) {
    EXPECT_EQ(RefusalOf(header),
              "bad PROXY header: version 1 has neither LOCAL nor TLVs nor a "
              "checksum");
  }
}

}  // namespace
}  // namespace percore
