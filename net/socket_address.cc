#include "percore/net/socket_address.h"

#include <arpa/inet.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "percore/runtime/error.h"

namespace percore {
namespace {

absl::Status BadAddress(std::string_view text, std::string_view reason) {
  return absl::InvalidArgumentError(
      absl::StrCat("bad address '", ToAbsl(text), "': ", ToAbsl(reason)));
}

}  // namespace

SocketAddress::SocketAddress() : native_() {
  native_.v4 = {};
  native_.v4.sin_family = AF_INET;
}

absl::StatusOr<SocketAddress> SocketAddress::Parse(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) {
    return BadAddress(text, "expected ADDRESS:PORT");
  }
  std::string_view host = text.substr(0, colon);
  const std::string_view digits = text.substr(colon + 1);
  uint32_t port = 0;
  if (digits.empty() ||
      digits.find_first_not_of("0123456789") != std::string_view::npos ||
      !absl::SimpleAtoi(ToAbsl(digits), &port) || port > UINT16_MAX) {
    return BadAddress(text, "the port must be a number from 0 to 65535");
  }

  SocketAddress address;
  const bool bracketed =
      host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) {
    host = host.substr(1, host.size() - 2);
    address.native_.v6 = {};
    address.native_.v6.sin6_family = AF_INET6;
    if (inet_pton(AF_INET6, std::string(host).c_str(),
                  &address.native_.v6.sin6_addr) != 1) {
      return BadAddress(text, "not an IPv6 address");
    }
  } else if (inet_pton(AF_INET, std::string(host).c_str(),
                       &address.native_.v4.sin_addr) != 1) {
    return BadAddress(text, "not an IPv4 address, nor an IPv6 address in []");
  }
  return address.WithPort(static_cast<uint16_t>(port));
}

absl::StatusOr<SocketAddress> SocketAddress::FromNative(const sockaddr* address,
                                                        socklen_t size) {
  SocketAddress result;
  if (size >= sizeof(sockaddr_in) && address->sa_family == AF_INET) {
    std::memcpy(&result.native_.v4, address, sizeof(sockaddr_in));
  } else if (size >= sizeof(sockaddr_in6) && address->sa_family == AF_INET6) {
    std::memcpy(&result.native_.v6, address, sizeof(sockaddr_in6));
  } else {
    return absl::InvalidArgumentError("neither an IPv4 nor an IPv6 address");
  }
  return result;
}

absl::StatusOr<SocketAddress> SocketAddress::OfSocket(int fd) {
  sockaddr_storage storage;
  socklen_t size = sizeof(storage);
  auto* address = reinterpret_cast<sockaddr*>(&storage);
  if (getsockname(fd, address, &size) < 0) {
    return SystemError(errno, "getsockname", absl::StrCat("fd ", fd));
  }
  return FromNative(address, size);
}

uint16_t SocketAddress::port() const {
  return ntohs(family() == AF_INET ? native_.v4.sin_port
                                   : native_.v6.sin6_port);
}

SocketAddress SocketAddress::WithPort(uint16_t port) const {
  SocketAddress result = *this;
  if (family() == AF_INET) {
    result.native_.v4.sin_port = htons(port);
  } else {
    result.native_.v6.sin6_port = htons(port);
  }
  return result;
}

std::string SocketAddress::ToString() const {
  std::array<char, INET6_ADDRSTRLEN> text;
  if (family() == AF_INET) {
    inet_ntop(AF_INET, &native_.v4.sin_addr, text.data(), text.size());
    return absl::StrCat(text.data(), ":", port());
  }
  inet_ntop(AF_INET6, &native_.v6.sin6_addr, text.data(), text.size());
  return absl::StrCat("[", text.data(), "]:", port());
}

bool operator==(const SocketAddress& a, const SocketAddress& b) {
  return a.family() == b.family() &&
         std::memcmp(&a.native_, &b.native_, a.native_size()) == 0;
}

}  // namespace percore
