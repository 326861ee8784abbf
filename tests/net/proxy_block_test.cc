// PROXY headers of version 2.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "percore/net/proxy_protocol.h"
#include "percore/tests/net/proxy_header_checks.h"

namespace percore {
namespace {

using Kind = ProxyParseResult::Kind;
using std::string_literals::operator""s;
using testing::HasSubstr;
using testing::StartsWith;

constexpr std::string_view kSignature("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr size_t kFixedBytes = 16;

SocketAddress Unnamed() {
  const sockaddr native = {.sa_family = AF_UNIX, .sa_data = {}};
  return *SocketAddress::FromNative(&native, sizeof(sa_family_t));
}

std::string BigEndian(size_t number) {
  return {static_cast<char>(number >> 8), static_cast<char>(number)};
}

// A header of version 2 that says that it has `length` bytes more, and has
// `block`.
std::string Block(uint8_t version_and_command, uint8_t family_and_transport,
                  size_t length, std::string_view block) {
  return std::string(kSignature)
      .append({static_cast<char>(version_and_command),
               static_cast<char>(family_and_transport)})
      .append(BigEndian(length))
      .append(block);
}

std::string Block(uint8_t version_and_command, uint8_t family_and_transport,
                  std::string_view block) {
  return Block(version_and_command, family_and_transport, block.size(), block);
}

std::string Tlv(uint8_t type, std::string_view value) {
  return std::string(1, static_cast<char>(type))
      .append(BigEndian(value.size()))
      .append(value);
}

// 192.0.2.1:256 to 192.0.2.2:443.
const std::string& Ipv4Block() {
  static const auto* const block =
      new std::string("\xc0\x00\x02\x01\xc0\x00\x02\x02\x01\x00\x01\xbb"s);
  return *block;
}

std::string UnixBlock(std::string source, std::string destination) {
  constexpr size_t kNameBytes = 108;
  source.resize(kNameBytes);
  destination.resize(kNameBytes);
  return source + destination;
}

TEST(ProxyBlockTest, ReadsAndWritesEveryFamilyAndTransport) {
  struct Case {
    ProxyEndpoints endpoints;
    uint8_t family_and_transport;
    std::string block;
  };
  const std::string v6 = "\x20\x01\x0d\xb8"s.append(11, '\0').append("\x05") +
                         std::string(15, '\0') + "\x01\x01\x00\x01\xbb"s;
  const Case cases[] = {
      {Endpoints("192.0.2.1:256", "192.0.2.2:443"), 0x11, Ipv4Block()},
      {Endpoints("192.0.2.1:256", "192.0.2.2:443", ProxyTransport::kDatagram),
       0x12, Ipv4Block()},
      {Endpoints("[2001:db8::5]:256", "[::1]:443"), 0x21, v6},
      {Endpoints("[2001:db8::5]:256", "[::1]:443", ProxyTransport::kDatagram),
       0x22, v6},
      {Endpoints("unix:/run/x.sock", "unix:@name"), 0x31,
       UnixBlock("/run/x.sock", "\0name"s)},
      {Endpoints("unix:a", "unix:@a", ProxyTransport::kDatagram), 0x32,
       UnixBlock("a", "\0a"s)},
      {{.source = Unnamed(), .destination = Address("unix:/x")},
       0x31,
       UnixBlock("", "/x")},
      {Endpoints("unix:" + std::string(107, 'x'),
                 "unix:@" + std::string(107, 'y')),
       0x31, UnixBlock(std::string(107, 'x'), "\0"s.append(107, 'y'))},
  };
  for (const Case& test : cases) {
    const std::string bytes =
        Block(0x21, test.family_and_transport, test.block);
    EXPECT_EQ(Parsed(bytes), V2(test.endpoints));
    EXPECT_EQ(Formatted(V2(test.endpoints)), bytes);
  }
  EXPECT_EQ(Parsed(Block(0x21, 0x00, "")), V2(std::nullopt));
  EXPECT_EQ(Formatted(V2(std::nullopt)), Block(0x21, 0x00, ""));
}

TEST(ProxyBlockTest, LocalIgnoresAllThatFollows) {
  ProxyHeader local;
  local.command = ProxyCommand::kLocal;
  EXPECT_EQ(Formatted(local), Block(0x20, 0x00, ""));
  for (const int family_and_transport : {0x00, 0x11, 0x32, 0x45, 0xff}) {
    for (const std::string& block :
         {""s, "x"s, Ipv4Block(), Tlv(ProxyTlv::kCrc32c, "1234"),
          std::string(300, '\xff')}) {
      EXPECT_EQ(Parsed(Block(0x20, static_cast<uint8_t>(family_and_transport),
                             block)),
                local);
    }
  }
}

TEST(ProxyBlockTest, WithoutATransportTheAddressesAreIgnored) {
  for (const int family : {0x10, 0x20, 0x30}) {
    for (const std::string& block : {""s, "x"s, Ipv4Block()}) {
      EXPECT_EQ(Parsed(Block(0x21, static_cast<uint8_t>(family), block)),
                V2(std::nullopt));
    }
  }
}

TEST(ProxyBlockTest, WithoutAFamilyThereAreOnlyTlvs) {
  ProxyHeader header = V2(std::nullopt);
  header.tlvs.push_back({ProxyTlv::kAlpn, "h2"});
  const std::string tlvs = Tlv(ProxyTlv::kAlpn, "h2");
  EXPECT_EQ(Formatted(header), Block(0x21, 0x00, tlvs));
  for (const int transport : {0, 1, 2}) {
    EXPECT_EQ(Parsed(Block(0x21, static_cast<uint8_t>(transport), tlvs)),
              header);
  }
}

TEST(ProxyBlockTest, ReadsUnixAddressesAsOtherSystemsWriteThem) {
  // What stands behind a path's NUL is not part of it.
  EXPECT_EQ(Parsed(Block(0x21, 0x31, UnixBlock("/x\0garbage"s, "/y"))),
            V2(Endpoints("unix:/x", "unix:/y")));
  // NULs in an abstract name are, but for those at its end.
  EXPECT_EQ(Parsed(Block(0x21, 0x31, UnixBlock("\0a\0b\0"s, "\0\0c"s))),
            V2(Endpoints(R"(unix:@a\x00b)", R"(unix:@\x00c)")));
  // A path that fills its place with no NUL behind it has no room elsewhere.
  EXPECT_THAT(ErrorOf(Block(0x21, 0x31, UnixBlock(std::string(108, 'x'), ""))),
              HasSubstr("the path is longer than 107 bytes"));
}

// Each is wrong with its last byte, and not before.
TEST(ProxyBlockTest, SaysWhatIsWrongWithABlockAtItsFirstWrongByte) {
  struct Case {
    std::string bytes;
    const char* error;
  };
  const std::string start(kSignature);
  const Case cases[] = {
      {start + "\x11", "unknown version 1"},
      {start + "\x31", "unknown version 3"},
      {start + "\x22", "unknown command 2"},
      {start + "\x2f", "unknown command 15"},
      {start + "\x21\x41", "unknown family 4"},
      {start + "\x21\xf0", "unknown family 15"},
      {start + "\x21\x13", "unknown transport 3"},
      {start + "\x21\x0f", "unknown transport 15"},
      {Block(0x21, 0x11, 11, ""), "11 bytes, and its addresses are 12"},
      {Block(0x21, 0x12, 0, ""), "0 bytes, and its addresses are 12"},
      {Block(0x21, 0x21, 35, ""), "35 bytes, and its addresses are 36"},
      {Block(0x21, 0x31, 215, ""), "215 bytes, and its addresses are 216"},
      {Block(0x21, 0x11, 4097, ""),
       "4097 bytes, more than the 4096 that are accepted"},
      {Block(0x20, 0x00, 4097, ""),
       "4097 bytes, more than the 4096 that are accepted"},
      {start + "\x21\x11\x11",
       "4352 bytes, more than the 4096 that are accepted"},
  };
  for (const Case& test : cases) {
    EXPECT_EQ(ErrorOf(test.bytes), test.error);
    EXPECT_EQ(
        KindOf(std::string_view(test.bytes).substr(0, test.bytes.size() - 1)),
        Kind::kNeedMore)
        << test.error;
  }
}

TEST(ProxyBlockTest, TheLengthHasALimitOfTheCallersChoice) {
  const std::string noop = Tlv(ProxyTlv::kNoop, std::string(85, 'x'));
  const std::string bytes = Block(0x21, 0x11, Ipv4Block() + noop);
  ASSERT_EQ(bytes.size(), kFixedBytes + 100);
  EXPECT_EQ(ErrorOf(bytes, {.max_v2_length = 99}),
            "100 bytes, more than the 99 that are accepted");
  EXPECT_EQ(ErrorOf(bytes, {.max_v2_length = 100}), "");
  EXPECT_EQ(ErrorOf(Block(0x21, 0x00, ""), {.max_v2_length = 0}), "");

  constexpr size_t kMost = 65'535;
  ProxyHeader longest = V2(std::nullopt);
  longest.tlvs.push_back({0xe0, std::string(kMost - 3, 'x')});
  Buffer buffer;
  ASSERT_TRUE(AppendProxyHeader(longest, buffer).ok());
  EXPECT_FALSE(ParseProxyHeader(buffer).ok());
  const absl::StatusOr<ProxyParseResult> result =
      ParseProxyHeader(buffer, {.max_v2_length = kMost});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->header, longest);
  EXPECT_TRUE(buffer.empty());

  longest.tlvs[0].value.push_back('x');
  EXPECT_EQ(RefusalOf(longest),
            "bad PROXY header: 65536 bytes, more than the 65535 that it can "
            "have");
}

TEST(ProxyBlockTest, ReadsAndWritesTlvs) {
  const std::string bytes =
      Block(0x21, 0x11,
            Ipv4Block() + Tlv(ProxyTlv::kAlpn, "h2") +
                Tlv(ProxyTlv::kAuthority, "example.org") +
                Tlv(ProxyTlv::kUniqueId, std::string(128, '\0')) +
                Tlv(ProxyTlv::kNetworkNamespace, "blue") + Tlv(0xe0, "") +
                Tlv(0xe0, "second") + Tlv(0xff, "\xff"));
  const ProxyHeader header = Parsed(bytes);
  EXPECT_EQ(header.alpn(), "h2");
  EXPECT_EQ(header.authority(), "example.org");
  EXPECT_EQ(header.unique_id(), std::string(128, '\0'));
  EXPECT_EQ(header.network_namespace(), "blue");
  EXPECT_EQ(header.Find(0xe0), "");
  EXPECT_EQ(header.Find(0xff), "\xff");
  EXPECT_EQ(header.Find(0xe1), std::nullopt);
  EXPECT_EQ(header.tls(), std::nullopt);
  EXPECT_EQ(header.tlvs.size(), 7u);
  EXPECT_FALSE(header.checksum);
  EXPECT_EQ(Formatted(header), bytes);
}

TEST(ProxyBlockTest, PassesOverPadding) {
  const std::string noop = Tlv(ProxyTlv::kNoop, "\xff\x00"s);
  const ProxyHeader header = Parsed(Block(
      0x21, 0x11, Ipv4Block() + noop + Tlv(ProxyTlv::kAlpn, "h2") + noop));
  ASSERT_EQ(header.tlvs.size(), 1u);
  EXPECT_EQ(header.alpn(), "h2");
}

TEST(ProxyBlockTest, RefusesTlvsThatDoNotFillTheHeader) {
  const std::string cases[] = {"\x01",
                               "\x01\x00"s,
                               "\x01\x00\x01"s,
                               "\x01\xff\xff",
                               "\xe0\x00\x02x"s,
                               Tlv(1, "h2") + "x",
                               Tlv(1, "") + Tlv(2, "") + "\x03\x00"s};
  for (const std::string& tlvs : cases) {
    EXPECT_EQ(ErrorOf(Block(0x21, 0x11, Ipv4Block() + tlvs)),
              "a TLV is cut off");
    EXPECT_EQ(ErrorOf(Block(0x21, 0x00, tlvs)), "a TLV is cut off");
  }
}

TEST(ProxyBlockTest, UniqueIdsHaveALimit) {
  const std::string too_long(129, 'x');
  EXPECT_EQ(ErrorOf(Block(0x21, 0x00, Tlv(ProxyTlv::kUniqueId, too_long))),
            "a unique id has at most 128 bytes");
  ProxyHeader header = V2(std::nullopt);
  header.tlvs.push_back({ProxyTlv::kUniqueId, too_long});
  EXPECT_EQ(RefusalOf(header),
            "bad PROXY header: a unique id has at most 128 bytes");
}

// The CRC was computed by another program.
constexpr std::string_view kCrcOfIpv4("\x9b\x5f\x5b\x2f", 4);

TEST(ProxyBlockTest, ChecksAndMakesTheChecksum) {
  ProxyHeader header = V2(Endpoints("192.0.2.1:256", "192.0.2.2:443"));
  header.tlvs.push_back({ProxyTlv::kAlpn, "h2"});
  header.checksum = true;
  const std::string bytes = Block(0x21, 0x11,
                                  Ipv4Block() + Tlv(ProxyTlv::kAlpn, "h2") +
                                      Tlv(ProxyTlv::kCrc32c, kCrcOfIpv4));
  EXPECT_EQ(Formatted(header), bytes);
  EXPECT_EQ(Parsed(bytes), header);
  // Of each byte a bit, but of that which says that it is a checksum.
  for (size_t i = kFixedBytes; i < bytes.size(); ++i) {
    if (i == bytes.size() - Tlv(ProxyTlv::kCrc32c, kCrcOfIpv4).size()) continue;
    std::string wrong = bytes;
    wrong[i] = static_cast<char>(wrong[i] ^ 1);
    EXPECT_NE(ErrorOf(wrong), "") << i;
  }
}

TEST(ProxyBlockTest, TheChecksumMayStandAnywhere) {
  // CRC first: that of the same bytes is made by appending them.
  ProxyHeader header = V2(std::nullopt);
  header.checksum = true;
  const std::string alone = Formatted(header);
  EXPECT_EQ(alone.size(), kFixedBytes + 7);
  EXPECT_EQ(ErrorOf(Block(
                0x21, 0x00,
                Tlv(ProxyTlv::kCrc32c, "1234") + Tlv(ProxyTlv::kAlpn, "h2"))),
            "the CRC32C is wrong");
  EXPECT_TRUE(Parsed(Block(0x21, 0x00,
                           Tlv(ProxyTlv::kCrc32c,
                               std::string_view("\x52\x60\xb2\x84", 4)) +
                               Tlv(ProxyTlv::kAlpn, "h2")))
                  .checksum);
}

TEST(ProxyBlockTest, RefusesChecksumsOfAnotherSizeOrNumber) {
  for (const std::string_view value : {"", "123", "12345"}) {
    EXPECT_EQ(ErrorOf(Block(0x21, 0x00, Tlv(ProxyTlv::kCrc32c, value))),
              "a CRC32C has 4 bytes");
  }
  EXPECT_EQ(ErrorOf(Block(0x21, 0x00,
                          Tlv(ProxyTlv::kCrc32c,
                              std::string_view("\xcc\x34\x82\xca", 4)) +
                              Tlv(ProxyTlv::kCrc32c, "\0\0\0\0"s))),
            "more than one CRC32C");
  ProxyHeader header = V2(std::nullopt);
  header.tlvs.push_back({ProxyTlv::kCrc32c, "1234"});
  EXPECT_EQ(RefusalOf(header),
            "bad PROXY header: a CRC32C is asked for by `checksum`");
}

TEST(ProxyBlockTest, ReadsAndWritesWhatWasKnownOfTls) {
  const std::string value = "\x07\x00\x00\x00\x00"s + Tlv(0x21, "TLSv1.3") +
                            Tlv(0x22, "example.org") +
                            Tlv(0x23, "ECDHE-RSA-AES128-GCM-SHA256") +
                            Tlv(0x24, "RSA-SHA256") + Tlv(0x25, "RSA2048");
  const ProxyHeader header =
      Parsed(Block(0x21, 0x00, Tlv(ProxyTlv::kTls, value)));
  const std::optional<ProxyTls> tls = header.tls();
  ASSERT_TRUE(tls.has_value());
  EXPECT_TRUE(tls->encrypted);
  EXPECT_TRUE(tls->certificate_on_connection);
  EXPECT_TRUE(tls->certificate_in_session);
  EXPECT_EQ(tls->verify_error, 0u);
  EXPECT_EQ(tls->version, "TLSv1.3");
  EXPECT_EQ(tls->common_name, "example.org");
  EXPECT_EQ(tls->cipher, "ECDHE-RSA-AES128-GCM-SHA256");
  EXPECT_EQ(tls->signature_algorithm, "RSA-SHA256");
  EXPECT_EQ(tls->key_algorithm, "RSA2048");
  EXPECT_EQ(tls->ToValue(), value);
}

TEST(ProxyBlockTest, WhatIsNotSaidOfTlsIsAbsent) {
  const std::optional<ProxyTls> tls =
      ProxyTls::Read("\x02\x00\x00\x01\x02"s + Tlv(0x7f, "x"));
  ASSERT_TRUE(tls.has_value());
  EXPECT_FALSE(tls->encrypted);
  EXPECT_TRUE(tls->certificate_on_connection);
  EXPECT_FALSE(tls->certificate_in_session);
  EXPECT_EQ(tls->verify_error, 0x102u);
  EXPECT_EQ(tls->version, std::nullopt);
  EXPECT_EQ(tls->key_algorithm, std::nullopt);
  EXPECT_EQ(tls->ToValue(), "\x02\x00\x00\x01\x02"s);
  EXPECT_EQ(ProxyTls().verify_error, 1u);
}

TEST(ProxyBlockTest, RefusesTlsRecordsThatAreCutOff) {
  for (const std::string& value :
       {""s, "\x01\x00\x00\x00"s, "\x01\x00\x00\x00\x00\x21"s,
        "\x01\x00\x00\x00\x00\x21\x00\x02x"s}) {
    EXPECT_EQ(ErrorOf(Block(0x21, 0x00, Tlv(ProxyTlv::kTls, value))),
              "the TLS record is cut off");
    ProxyHeader header = V2(std::nullopt);
    header.tlvs.push_back({ProxyTlv::kTls, value});
    EXPECT_EQ(RefusalOf(header), "bad PROXY header: the TLS record is cut off");
    EXPECT_EQ(header.tls(), std::nullopt);
  }
}

TEST(ProxyBlockTest, TlsTextsThatAreTooLongAreRefused) {
  const std::string text(65'536, 'x');
  ProxyTls tls;
  tls.cipher = text;
  ProxyHeader header = V2(std::nullopt);
  header.tlvs.push_back({ProxyTlv::kTls, tls.ToValue()});
  EXPECT_THAT(RefusalOf(header), StartsWith("bad PROXY header: "));
}

TEST(ProxyBlockTest, RefusesALocalHeaderThatSaysMore) {
  ProxyHeader local;
  local.command = ProxyCommand::kLocal;
  ProxyHeader with_endpoints = local;
  with_endpoints.endpoints = Endpoints("127.0.0.1:1", "127.0.0.1:2");
  ProxyHeader with_tlv = local;
  with_tlv.tlvs.push_back({ProxyTlv::kAlpn, "h2"});
  ProxyHeader with_checksum = local;
  with_checksum.checksum = true;
  for (const ProxyHeader& header : {with_endpoints, with_tlv, with_checksum}) {
    EXPECT_EQ(RefusalOf(header),
              "bad PROXY header: LOCAL has neither endpoints nor TLVs nor a "
              "checksum");
  }
}

TEST(ProxyBlockTest, RefusesNamesThatWouldBeReadAsOthers) {
  for (const char* text : {"unix:@", R"(unix:@\x00)", R"(unix:@a\x00)"}) {
    for (const ProxyEndpoints& endpoints :
         {Endpoints(text, "unix:/x"), Endpoints("unix:/x", text)}) {
      EXPECT_EQ(RefusalOf(V2(endpoints)),
                "bad PROXY header: an abstract name that is empty or ends with "
                "a NUL");
    }
  }
}

}  // namespace
}  // namespace percore
