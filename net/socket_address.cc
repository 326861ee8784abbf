#include "percore/net/socket_address.h"

#include <arpa/inet.h>
#include <net/if.h>

#include <array>
#include <cstddef>
#include <cstring>
#include <optional>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "percore/runtime/error.h"

namespace percore {
namespace {

constexpr std::string_view kUnixPrefix = "unix:";
constexpr std::string_view kDigits = "0123456789";
constexpr socklen_t kUnixNameOffset = offsetof(sockaddr_un, sun_path);

// For addresses that go into logs and metrics: only what is printable stays as
// it is, but for `special`.
std::string Escape(std::string_view bytes, std::string_view special) {
  std::string text;
  for (const char byte : bytes) {
    if (byte >= ' ' && byte <= '~' &&
        special.find(byte) == std::string_view::npos) {
      text.push_back(byte);
    } else {
      absl::StrAppend(&text, "\\x",
                      absl::Hex(static_cast<uint8_t>(byte), absl::kZeroPad2));
    }
  }
  return text;
}

absl::Status BadAddress(std::string_view text, std::string_view reason) {
  return absl::InvalidArgumentError(
      absl::StrCat("bad address '", Escape(text, ""), "': ", ToAbsl(reason)));
}

bool AllDigits(std::string_view text) {
  return !text.empty() &&
         text.find_first_not_of(kDigits) == std::string_view::npos;
}

// inet_pton(), to which a NUL would be the end.
bool ReadNumbers(int family, std::string_view text, void* result) {
  return text.find('\0') == std::string_view::npos &&
         inet_pton(family, std::string(text).c_str(), result) == 1;
}

// The number of a network interface, from its number or its name; or 0.
uint32_t ReadScope(std::string_view text) {
  uint32_t scope = 0;
  if (AllDigits(text) && absl::SimpleAtoi(ToAbsl(text), &scope)) return scope;
  if (text.find('\0') != std::string_view::npos) return 0;
  return if_nametoindex(std::string(text).c_str());
}

// The number where the interface has no name, or one that reads as a number.
std::string FormatScope(uint32_t scope) {
  std::array<char, IF_NAMESIZE> name;
  if (if_indextoname(scope, name.data()) != nullptr &&
      !AllDigits(name.data())) {
    return absl::StrCat("%", name.data());
  }
  return absl::StrCat("%", scope);
}

// Turns \xHH into bytes.
std::optional<std::string> Unescape(std::string_view text) {
  constexpr std::string_view kHexDigits = "0123456789abcdef";
  std::string bytes;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      bytes.push_back(text[i]);
      continue;
    }
    if (text.size() - i < 4 || text[i + 1] != 'x') return std::nullopt;
    const size_t high = kHexDigits.find(text[i + 2]);
    const size_t low = kHexDigits.find(text[i + 3]);
    if (high == std::string_view::npos || low == std::string_view::npos) {
      return std::nullopt;
    }
    bytes.push_back(static_cast<char>(high * 16 + low));
    i += 3;
  }
  return bytes;
}

absl::StatusOr<SocketAddress> ParseUnix(std::string_view text) {
  const std::optional<std::string> bytes =
      Unescape(text.substr(kUnixPrefix.size()));
  if (!bytes.has_value()) {
    return BadAddress(text, "a backslash begins \\x and two of 0-9, a-f");
  }
  const bool abstract = text.substr(kUnixPrefix.size()).starts_with('@');
  return abstract ? SocketAddress::OfAbstractName(bytes->substr(1))
                  : SocketAddress::OfUnixPath(*bytes);
}

absl::StatusOr<SocketAddress> ParseIpv6(std::string_view text,
                                        std::string_view host) {
  sockaddr_in6 native = {};
  native.sin6_family = AF_INET6;
  const size_t percent = host.find('%');
  if (!ReadNumbers(AF_INET6, host.substr(0, percent), &native.sin6_addr)) {
    return BadAddress(text, "not an IPv6 address");
  }
  if (percent != std::string_view::npos) {
    native.sin6_scope_id = ReadScope(host.substr(percent + 1));
    if (native.sin6_scope_id == 0) {
      return BadAddress(text, "there is no such network interface");
    }
  }
  return SocketAddress::FromNative(reinterpret_cast<const sockaddr*>(&native),
                                   sizeof(native));
}

absl::StatusOr<SocketAddress> ParseIpv4(std::string_view text,
                                        std::string_view host) {
  sockaddr_in native = {};
  native.sin_family = AF_INET;
  if (!ReadNumbers(AF_INET, host, &native.sin_addr)) {
    return BadAddress(text, "not an IPv4 address, nor an IPv6 address in []");
  }
  return SocketAddress::FromNative(reinterpret_cast<const sockaddr*>(&native),
                                   sizeof(native));
}

// Without a default port there must be one.
absl::StatusOr<SocketAddress> ParseText(std::string_view text,
                                        std::optional<uint16_t> default_port) {
  if (text.starts_with(kUnixPrefix)) return ParseUnix(text);

  const size_t colon = text.rfind(':');
  const bool bare_ipv6 = default_port.has_value() && !text.starts_with('[') &&
                         text.find(':') != colon;
  uint32_t port = default_port.value_or(0);
  std::string_view host = text;
  if (colon != std::string_view::npos && !text.ends_with(']') && !bare_ipv6) {
    host = text.substr(0, colon);
    const std::string_view digits = text.substr(colon + 1);
    if (!AllDigits(digits) || !absl::SimpleAtoi(ToAbsl(digits), &port) ||
        port > UINT16_MAX) {
      return BadAddress(text, "the port must be a number from 0 to 65535");
    }
  } else if (!default_port.has_value()) {
    return BadAddress(text, "expected ADDRESS:PORT");
  }

  const bool bracketed =
      host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  const absl::StatusOr<SocketAddress> address =
      bracketed || bare_ipv6 ? ParseIpv6(text, host) : ParseIpv4(text, host);
  if (!address.ok()) return address.status();
  return address->WithPort(static_cast<uint16_t>(port));
}

// An address that a system call tells of a socket.
absl::StatusOr<SocketAddress> Ask(Kernel& kernel, int fd,
                                  int (Kernel::*call)(int, sockaddr*,
                                                      socklen_t*),
                                  std::string_view call_name) {
  sockaddr_storage storage;
  socklen_t size = sizeof(storage);
  auto* const address = reinterpret_cast<sockaddr*>(&storage);
  const int result = (kernel.*call)(fd, address, &size);
  if (result < 0) {
    return SystemError(-result, call_name, absl::StrCat("fd ", fd));
  }
  return SocketAddress::FromNative(address, size);
}

}  // namespace

absl::StatusOr<SocketAddress> SocketAddress::Parse(std::string_view text) {
  return ParseText(text, std::nullopt);
}

absl::StatusOr<SocketAddress> SocketAddress::Parse(std::string_view text,
                                                   uint16_t default_port) {
  return ParseText(text, default_port);
}

absl::StatusOr<SocketAddress> SocketAddress::OfUnixPath(std::string_view path) {
  const std::string text = absl::StrCat(ToAbsl(kUnixPrefix), ToAbsl(path));
  if (path.empty()) return BadAddress(text, "expected unix:PATH or unix:@NAME");
  if (path.find('\0') != std::string_view::npos) {
    return BadAddress(text, "a path has no NUL");
  }
  if (path.size() > kMaxUnixName) {
    return BadAddress(text, "the path is longer than 107 bytes");
  }
  return OfUnixName(path);
}

absl::StatusOr<SocketAddress> SocketAddress::OfAbstractName(
    std::string_view name) {
  if (name.size() > kMaxUnixName) {
    return BadAddress(absl::StrCat(ToAbsl(kUnixPrefix), "@", ToAbsl(name)),
                      "the name is longer than 107 bytes");
  }
  return OfUnixName(std::string(1, '\0').append(name));
}

SocketAddress SocketAddress::OfUnixName(std::string_view name) {
  SocketAddress address;
  address.native_.local = {.family = AF_UNIX, .name = nullptr};
  if (name.empty()) return address;
  // The NUL after a path counts.
  const size_t end = name.front() == '\0' ? 0 : 1;
  auto* const copy = new UnixName{
      .native_size =
          static_cast<socklen_t>(kUnixNameOffset + name.size() + end),
      .native = {.sun_family = AF_UNIX, .sun_path = {}}};
  std::memcpy(copy->native.sun_path, name.data(), name.size());
  address.native_.local.name = copy;
  return address;
}

absl::StatusOr<SocketAddress> SocketAddress::FromNative(const sockaddr* address,
                                                        socklen_t size) {
  const int family =
      size >= sizeof(sa_family_t) ? address->sa_family : AF_UNSPEC;
  SocketAddress result;
  if (family == AF_INET && size >= sizeof(sockaddr_in)) {
    sockaddr_in native;
    std::memcpy(&native, address, sizeof(native));
    result.native_.v4.sin_addr = native.sin_addr;
    result.native_.v4.sin_port = native.sin_port;
    return result;
  }
  if (family == AF_INET6 && size >= sizeof(sockaddr_in6)) {
    std::memcpy(&result.native_.v6, address, sizeof(sockaddr_in6));
    result.native_.v6.sin6_flowinfo = 0;
    return result;
  }
  if (family == AF_UNIX) {
    std::string_view name(
        reinterpret_cast<const char*>(address) + kUnixNameOffset,
        size - kUnixNameOffset);
    if (name.empty()) return OfUnixName({});
    if (name.front() == '\0') return OfAbstractName(name.substr(1));
    return OfUnixPath(name.substr(0, name.find('\0')));
  }
  return absl::InvalidArgumentError(
      absl::StrCat("neither an IPv4, nor an IPv6, nor a UNIX address: family ",
                   family, ", ", size, " bytes"));
}

absl::StatusOr<SocketAddress> SocketAddress::OfSocket(int fd, Kernel& kernel) {
  return Ask(kernel, fd, &Kernel::GetSocketName, "getsockname");
}

absl::StatusOr<SocketAddress> SocketAddress::OfPeer(int fd, Kernel& kernel) {
  return Ask(kernel, fd, &Kernel::GetPeerName, "getpeername");
}

uint16_t SocketAddress::port() const {
  switch (family()) {
    case AF_INET:
      return ntohs(native_.v4.sin_port);
    case AF_INET6:
      return ntohs(native_.v6.sin6_port);
    default:
      return 0;
  }
}

SocketAddress SocketAddress::WithPort(uint16_t port) const {
  SocketAddress result = *this;
  if (family() == AF_INET) {
    result.native_.v4.sin_port = htons(port);
  } else if (family() == AF_INET6) {
    result.native_.v6.sin6_port = htons(port);
  }
  return result;
}

uint32_t SocketAddress::scope_id() const {
  return family() == AF_INET6 ? native_.v6.sin6_scope_id : 0;
}

std::string_view SocketAddress::unix_path() const {
  if (!is_unix()) return {};
  const std::string_view name = bytes();
  return name.starts_with('\0') ? std::string_view() : name;
}

bool SocketAddress::is_loopback() const {
  if (is_unix()) return true;
  constexpr uint8_t kLoopbackNetwork = 127;
  const auto* const numbers = reinterpret_cast<const uint8_t*>(bytes().data());
  if (family() == AF_INET) return numbers[0] == kLoopbackNetwork;
  const in6_addr& v6 = native_.v6.sin6_addr;
  return IN6_IS_ADDR_LOOPBACK(&v6) ||
         (IN6_IS_ADDR_V4MAPPED(&v6) && numbers[12] == kLoopbackNetwork);
}

std::string SocketAddress::ToString() const {
  if (is_unix()) {
    std::string_view name = bytes();
    std::string text(kUnixPrefix);
    if (name.starts_with('\0')) {
      text += '@';
      name.remove_prefix(1);
    } else if (name.starts_with('@')) {
      text += Escape("@", "@");
      name.remove_prefix(1);
    }
    return text + Escape(name, "\\");
  }
  std::array<char, INET6_ADDRSTRLEN> numbers;
  inet_ntop(family(), bytes().data(), numbers.data(), numbers.size());
  if (family() == AF_INET) return absl::StrCat(numbers.data(), ":", port());
  const std::string scope = scope_id() == 0 ? "" : FormatScope(scope_id());
  return absl::StrCat("[", numbers.data(), scope, "]:", port());
}

const sockaddr* SocketAddress::native() const {
  return is_unix() && native_.local.name != nullptr
             ? reinterpret_cast<const sockaddr*>(&native_.local.name->native)
             : &native_.base;
}

socklen_t SocketAddress::native_size() const {
  switch (family()) {
    case AF_INET:
      return sizeof(sockaddr_in);
    case AF_INET6:
      return sizeof(sockaddr_in6);
    default:
      return native_.local.name != nullptr ? native_.local.name->native_size
                                           : kUnixNameOffset;
  }
}

std::strong_ordering operator<=>(const SocketAddress& a,
                                 const SocketAddress& b) {
  // In the byte order of the network, bytes compare as the number does.
  std::strong_ordering order = a.family() <=> b.family();
  if (std::is_eq(order)) order = a.bytes() <=> b.bytes();
  if (std::is_eq(order)) order = a.scope_id() <=> b.scope_id();
  if (std::is_eq(order)) order = a.port() <=> b.port();
  return order;
}

void SocketAddress::CopyUnixName() {
  UnixName*& name = native_.local.name;
  if (name != nullptr) name = new UnixName(*name);
}

std::string_view SocketAddress::bytes() const {
  switch (family()) {
    case AF_INET:
      return {reinterpret_cast<const char*>(&native_.v4.sin_addr),
              sizeof(in_addr)};
    case AF_INET6:
      return {reinterpret_cast<const char*>(&native_.v6.sin6_addr),
              sizeof(in6_addr)};
    default:
      break;
  }
  if (native_.local.name == nullptr) return {};
  const sockaddr_un& name = native_.local.name->native;
  const size_t size = native_.local.name->native_size - kUnixNameOffset;
  return {name.sun_path, name.sun_path[0] == '\0' ? size : size - 1};
}

}  // namespace percore
