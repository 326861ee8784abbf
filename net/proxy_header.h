// Who is really there: what a proxy says of a connection that it relays.
//
// A server behind a proxy or a load balancer sees the proxy's address in place
// of the client's. The PROXY protocol has the proxy say, in a header in front
// of the first byte, where the connection came from and where it was going; in
// version 2 also what else the proxy knows, as records of a type and bytes
// (TLVs). net/proxy_protocol.h reads and writes such headers; this is what they
// say.
//
// ```cpp
// percore::ProxyHeader header;
// header.endpoints = percore::ProxyEndpoints{
//     .source = *percore::SocketAddress::Parse("192.0.2.1:56324"),
//     .destination = *percore::SocketAddress::Parse("192.0.2.2:443")};
// header.tlvs.push_back({percore::ProxyTlv::kAuthority, "example.org"});
// auto name = header.authority();  // "example.org"
// ```
//
// A header is a claim. Whoever connects can send one: believe it only where all
// that can connect are proxies of one's own.
#ifndef PERCORE_NET_PROXY_HEADER_H_
#define PERCORE_NET_PROXY_HEADER_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "percore/net/socket_address.h"

namespace percore {

enum class ProxyVersion : uint8_t {
  kV1 = 1,  // a line of text: TCP over IPv4 or IPv6 only, no TLVs
  kV2 = 2,  // binary
};

enum class ProxyCommand : uint8_t {
  // The proxy connected on its own behalf, to see whether the server is well:
  // the addresses are those of the connection itself. Version 2 only.
  kLocal,
  // On behalf of a client.
  kProxy,
};

enum class ProxyTransport : uint8_t {
  kStream,    // TCP, or a UNIX stream
  kDatagram,  // UDP, or UNIX datagrams
};

// Where the client is, and where it connected to: both IPv4, both IPv6 or both
// UNIX.
struct ProxyEndpoints {
  SocketAddress source = {};
  SocketAddress destination = {};
  ProxyTransport transport = ProxyTransport::kStream;

  friend bool operator==(const ProxyEndpoints& a,
                         const ProxyEndpoints& b) = default;
};

// One of a header's records.
struct ProxyTlv {
  // The types that have a meaning. 0xe0 to 0xef are for applications, 0xf0 to
  // 0xf7 for experiments.
  static constexpr uint8_t kAlpn = 0x01;
  static constexpr uint8_t kAuthority = 0x02;
  static constexpr uint8_t kCrc32c = 0x03;
  static constexpr uint8_t kNoop = 0x04;
  static constexpr uint8_t kUniqueId = 0x05;
  static constexpr uint8_t kTls = 0x20;
  static constexpr uint8_t kNetworkNamespace = 0x30;

  uint8_t type = kNoop;
  std::string value = {};

  friend bool operator==(const ProxyTlv& a, const ProxyTlv& b) = default;
};

// What the client and the proxy agreed upon, where they spoke TLS. The views
// are of the bytes it was read from; absent is what the proxy did not say.
struct ProxyTls {
  // Whether the client connected by TLS.
  bool encrypted = false;
  // Whether it showed a certificate, on this connection, or at some time in the
  // TLS session.
  bool certificate_on_connection = false;
  bool certificate_in_session = false;
  // 0 if it showed one that was verified.
  uint32_t verify_error = 1;

  // "TLSv1.3"
  std::optional<std::string_view> version = std::nullopt;
  // Of the certificate.
  std::optional<std::string_view> common_name = std::nullopt;
  // "ECDHE-RSA-AES128-GCM-SHA256"
  std::optional<std::string_view> cipher = std::nullopt;
  // "RSA-SHA256"
  std::optional<std::string_view> signature_algorithm = std::nullopt;
  // "RSA2048"
  std::optional<std::string_view> key_algorithm = std::nullopt;

  // From the value of a ProxyTlv::kTls; nothing if it is cut off somewhere.
  // Records of other types in it are passed over.
  static std::optional<ProxyTls> Read(std::string_view value);
  // As a value of ProxyTlv::kTls. Texts of 65,536 bytes and more make one that
  // no header has room for.
  std::string ToValue() const;
};

// A value: one thread at a time.
struct ProxyHeader {
  // The longest value of a ProxyTlv::kUniqueId.
  static constexpr size_t kMaxUniqueId = 128;

  ProxyVersion version = ProxyVersion::kV2;
  ProxyCommand command = ProxyCommand::kProxy;
  // Absent if the proxy does not say, or cannot: the addresses are those of the
  // connection itself.
  std::optional<ProxyEndpoints> endpoints = std::nullopt;
  // In their order, unknown types too. Those that say nothing are not among
  // them: kNoop, and kCrc32c.
  std::vector<ProxyTlv> tlvs = {};
  // Whether the header has a CRC32C of itself; one that was read has been
  // checked.
  bool checksum = false;

  // The value of the first TLV of a type. The view is of `tlvs`.
  std::optional<std::string_view> Find(uint8_t type) const;

  // The application's protocol, as ALPN names it: "h2".
  std::optional<std::string_view> alpn() const { return Find(ProxyTlv::kAlpn); }
  // The host that the client asked for, by TLS' server name or otherwise.
  std::optional<std::string_view> authority() const {
    return Find(ProxyTlv::kAuthority);
  }
  // What the proxy calls the connection: any bytes, at most kMaxUniqueId.
  std::optional<std::string_view> unique_id() const {
    return Find(ProxyTlv::kUniqueId);
  }
  // The name of the network namespace that the client's address is in.
  std::optional<std::string_view> network_namespace() const {
    return Find(ProxyTlv::kNetworkNamespace);
  }
  // Nothing too if the TLV is there, but not well-formed: not in a header that
  // was read.
  std::optional<ProxyTls> tls() const;

  friend bool operator==(const ProxyHeader& a, const ProxyHeader& b) = default;
};

}  // namespace percore

#endif  // PERCORE_NET_PROXY_HEADER_H_
