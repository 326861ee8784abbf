#include "percore/net/internal/proxy_line.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "percore/net/proxy_protocol.h"
#include "percore/runtime/error.h"

namespace percore::internal {
namespace {

constexpr std::string_view kCrlf = "\r\n";

enum class Protocol : uint8_t { kTcp4, kTcp6, kUnknown };
constexpr std::array<std::string_view, 3> kProtocols = {"TCP4", "TCP6",
                                                        "UNKNOWN"};

// An address's numbers and their text. IPv6 addresses have no scope here.
std::optional<SocketAddress> ReadAddress(Protocol protocol,
                                         std::string_view text) {
  // inet_pton() wants a NUL behind the text, and takes one in it for the end.
  std::array<char, INET6_ADDRSTRLEN> copy = {};
  if (text.size() >= copy.size()) return std::nullopt;
  if (text.find('\0') != std::string_view::npos) return std::nullopt;
  std::memcpy(copy.data(), text.data(), text.size());

  sockaddr_in6 v6 = {};
  sockaddr_in v4 = {};
  v6.sin6_family = AF_INET6;
  v4.sin_family = AF_INET;
  const bool is_v4 = protocol == Protocol::kTcp4;
  if (is_v4 ? inet_pton(AF_INET, copy.data(), &v4.sin_addr) != 1
            : inet_pton(AF_INET6, copy.data(), &v6.sin6_addr) != 1) {
    return std::nullopt;
  }
  const absl::StatusOr<SocketAddress> address =
      is_v4 ? SocketAddress::FromNative(reinterpret_cast<sockaddr*>(&v4),
                                        sizeof(v4))
            : SocketAddress::FromNative(reinterpret_cast<sockaddr*>(&v6),
                                        sizeof(v6));
  if (!address.ok()) return std::nullopt;
  return *address;
}

std::optional<uint16_t> ReadPort(std::string_view text) {
  constexpr size_t kMaxDigits = 5;
  if (text.empty() || text.size() > kMaxDigits) return std::nullopt;
  if (text.size() > 1 && text.front() == '0') return std::nullopt;
  if (text.find_first_not_of("0123456789") != std::string_view::npos) {
    return std::nullopt;
  }
  uint32_t port = 0;
  if (!absl::SimpleAtoi(ToAbsl(text), &port) || port > UINT16_MAX) {
    return std::nullopt;
  }
  return static_cast<uint16_t>(port);
}

// How few characters make an address of what could be the beginning of one;
// nothing if it is not.
std::optional<size_t> MissingFromAddress(Protocol protocol,
                                         std::string_view beginning) {
  // One of these completes every beginning, the shortest first. So the grammar
  // is inet_pton()'s, and nobody else's.
  for (const std::string_view end : {"", "0", ":", "::", ".0", "0.0", ".0.0",
                                     "0.0.0", ".0.0.0", "0.0.0.0"}) {
    const std::string whole = std::string(beginning).append(end);
    if (ReadAddress(protocol, whole).has_value()) return end.size();
  }
  return std::nullopt;
}

std::optional<size_t> MissingFromPort(std::string_view beginning) {
  if (beginning.empty()) return 1;
  return ReadPort(beginning).has_value() ? std::optional<size_t>(0)
                                         : std::nullopt;
}

absl::Status TooLong() {
  return BadProxyHeader(
      absl::StrCat("no CR LF within ", kMaxProxyLine, " bytes"));
}

// The line goes on, with at least `missing` characters more than it has.
absl::StatusOr<std::optional<ProxyLine>> Unfinished(std::string_view line,
                                                    size_t missing) {
  if (line.size() + missing > kMaxProxyLine) return TooLong();
  return std::nullopt;
}

// Whether `bytes` begin with `expected`, as far as they go.
bool BeginsAs(std::string_view bytes, std::string_view expected) {
  return bytes.substr(0, expected.size()) == expected.substr(0, bytes.size());
}

// What comes behind "PROXY UNKNOWN" is `rest`.
absl::StatusOr<std::optional<ProxyLine>> ReadUnknown(std::string_view line,
                                                     std::string_view rest) {
  const bool has_more = rest.starts_with(' ');
  if (!has_more && !BeginsAs(rest, kCrlf)) {
    return BadProxyHeader("expected a space or CR LF behind UNKNOWN");
  }
  const size_t end = rest.find(kCrlf);
  if (end == std::string_view::npos) {
    return Unfinished(line, rest.ends_with('\r') ? 1 : kCrlf.size());
  }
  const size_t size = line.size() - rest.size() + end + kCrlf.size();
  return ProxyLine{.endpoints = std::nullopt, .size = size};
}

// The four fields behind "PROXY TCP4 " or "PROXY TCP6 ".
struct Field {
  std::string_view name;
  char end;
};
constexpr size_t kAddresses = 2;
constexpr std::array<Field, 4> kFields = {{{"source address", ' '},
                                           {"destination address", ' '},
                                           {"source port", ' '},
                                           {"destination port", '\r'}}};

absl::Status BadField(size_t field, Protocol protocol) {
  const std::string_view expected =
      field >= kAddresses           ? "0 to 65535 without leading zeros"
      : protocol == Protocol::kTcp4 ? "an IPv4 address"
                                    : "an IPv6 address";
  return BadProxyHeader(absl::StrCat(
      "the ", ToAbsl(kFields[field].name), " must be ", ToAbsl(expected),
      ", with ", kFields[field].end == ' ' ? "a space" : "CR LF",
      " behind it"));
}

// The line ends within a field, of which it has `text`.
absl::StatusOr<std::optional<ProxyLine>> ReadUnfinishedField(
    std::string_view line, std::string_view text, size_t field,
    Protocol protocol) {
  std::optional<size_t> missing = field < kAddresses
                                      ? MissingFromAddress(protocol, text)
                                      : MissingFromPort(text);
  if (!missing.has_value()) return BadField(field, protocol);
  const size_t shortest_address =
      std::string_view(protocol == Protocol::kTcp4 ? "0.0.0.0" : "::").size();
  for (size_t next = field + 1; next < kFields.size(); ++next) {
    *missing += 1 + (next < kAddresses ? shortest_address : 1);
  }
  return Unfinished(line, *missing + kCrlf.size());
}

// What comes behind "PROXY TCP4 " or "PROXY TCP6 " is `rest`.
absl::StatusOr<std::optional<ProxyLine>> ReadEndpoints(std::string_view line,
                                                       std::string_view rest,
                                                       Protocol protocol) {
  std::array<SocketAddress, kAddresses> addresses;
  for (size_t i = 0; i < kFields.size(); ++i) {
    const size_t end = rest.find(kFields[i].end);
    const std::string_view text = rest.substr(0, end);
    if (end == std::string_view::npos) {
      return ReadUnfinishedField(line, text, i, protocol);
    }
    if (i < kAddresses) {
      std::optional<SocketAddress> address = ReadAddress(protocol, text);
      if (!address.has_value()) return BadField(i, protocol);
      addresses[i] = *std::move(address);
    } else {
      const std::optional<uint16_t> port = ReadPort(text);
      if (!port.has_value()) return BadField(i, protocol);
      SocketAddress& address = addresses[i - kAddresses];
      address = address.WithPort(*port);
    }
    rest.remove_prefix(end + 1);
  }
  if (rest.empty()) return Unfinished(line, 1);
  if (rest.front() != '\n') return BadField(kFields.size() - 1, protocol);
  return ProxyLine{
      .endpoints = ProxyEndpoints{.source = std::move(addresses[0]),
                                  .destination = std::move(addresses[1])},
      .size = line.size() - rest.size() + 1};
}

// IPv6 in hexadecimal only, which is all that the specification speaks of:
// inet_ntop() ends some addresses like IPv4 ones.
std::string FormatAddress(const SocketAddress& address) {
  std::array<char, INET6_ADDRSTRLEN> text;
  if (address.family() == AF_INET) {
    sockaddr_in native;
    std::memcpy(&native, address.native(), sizeof(native));
    return inet_ntop(AF_INET, &native.sin_addr, text.data(), text.size());
  }
  sockaddr_in6 native;
  std::memcpy(&native, address.native(), sizeof(native));
  const in6_addr& numbers = native.sin6_addr;
  std::string result = inet_ntop(AF_INET6, &numbers, text.data(), text.size());
  if (result.find('.') != std::string::npos) {
    result.resize(result.rfind(':') + 1);
    absl::StrAppend(&result, absl::Hex(ntohs(numbers.s6_addr16[6])), ":",
                    absl::Hex(ntohs(numbers.s6_addr16[7])));
  }
  return result;
}

}  // namespace

absl::Status BadProxyHeader(std::string_view reason) {
  return absl::InvalidArgumentError(
      absl::StrCat("bad PROXY header: ", ToAbsl(reason)));
}

absl::StatusOr<std::optional<ProxyLine>> ReadProxyLine(std::string_view bytes) {
  const std::string_view line = bytes.substr(0, kMaxProxyLine);
  std::string_view rest =
      line.substr(std::min(line.size(), kProxyLineStart.size()));
  if (rest.empty()) return std::nullopt;
  if (rest.front() != ' ') {
    return BadProxyHeader("expected a space behind PROXY");
  }
  rest.remove_prefix(1);

  const size_t space = rest.find(' ');
  for (size_t i = 0; i < kProtocols.size(); ++i) {
    const auto protocol = static_cast<Protocol>(i);
    const std::string_view name = kProtocols[i];
    if (protocol == Protocol::kUnknown && rest.starts_with(name)) {
      return ReadUnknown(line, rest.substr(name.size()));
    }
    if (space != std::string_view::npos && rest.substr(0, space) == name) {
      return ReadEndpoints(line, rest.substr(space + 1), protocol);
    }
    if (space == std::string_view::npos && name.starts_with(rest)) {
      return std::nullopt;
    }
  }
  return BadProxyHeader("expected TCP4, TCP6 or UNKNOWN behind PROXY");
}

std::string FormatProxyLine(const std::optional<ProxyEndpoints>& endpoints) {
  if (!endpoints.has_value() || endpoints->source.is_unix() ||
      endpoints->transport != ProxyTransport::kStream) {
    return absl::StrCat("PROXY UNKNOWN", ToAbsl(kCrlf));
  }
  const SocketAddress& source = endpoints->source;
  const SocketAddress& destination = endpoints->destination;
  return absl::StrCat("PROXY ", source.family() == AF_INET ? "TCP4" : "TCP6",
                      " ", FormatAddress(source), " ",
                      FormatAddress(destination), " ", source.port(), " ",
                      destination.port(), ToAbsl(kCrlf));
}

}  // namespace percore::internal
