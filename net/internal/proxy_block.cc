#include "percore/net/internal/proxy_block.h"

#include <netinet/in.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "percore/net/internal/crc32c.h"
#include "percore/net/internal/proxy_line.h"
#include "percore/net/internal/proxy_tlv.h"
#include "percore/net/socket_address.h"
#include "percore/runtime/error.h"

namespace percore::internal {
namespace {

constexpr size_t kSignatureBytes = kProxyBlockStart.size();
constexpr size_t kFixedBytes = kSignatureBytes + 4;
constexpr size_t kMaxLength = UINT16_MAX;
constexpr unsigned kVersion = 2;
constexpr unsigned kStream = 1;
constexpr unsigned kDatagram = 2;
constexpr unsigned kLocal = 0;
constexpr unsigned kProxy = 1;

// What the header says before the length.
struct Kind {
  unsigned version = 0;
  unsigned command = 0;
  unsigned family = 0;
  unsigned transport = 0;
};

// A place in a native address, and how many bytes of it go into the header.
struct Part {
  size_t offset;
  size_t size;
};

// How a family is written: the parts of both addresses, one after the other.
struct Family {
  sa_family_t native;
  socklen_t native_size;
  Part address;
  Part port;

  size_t size() const { return 2 * (address.size + port.size); }
};

// By the number that the header has for them; 0 is unspecified.
constexpr std::array<Family, 4> kFamilies = {{
    {.native = AF_UNSPEC, .native_size = 0, .address = {}, .port = {}},
    {.native = AF_INET,
     .native_size = sizeof(sockaddr_in),
     .address = {offsetof(sockaddr_in, sin_addr), sizeof(in_addr)},
     .port = {offsetof(sockaddr_in, sin_port), sizeof(in_port_t)}},
    {.native = AF_INET6,
     .native_size = sizeof(sockaddr_in6),
     .address = {offsetof(sockaddr_in6, sin6_addr), sizeof(in6_addr)},
     .port = {offsetof(sockaddr_in6, sin6_port), sizeof(in_port_t)}},
    {.native = AF_UNIX,
     .native_size = sizeof(sockaddr_un),
     .address = {offsetof(sockaddr_un, sun_path),
                 sizeof(sockaddr_un::sun_path)},
     .port = {}},
}};

// Of a header of more than kSignatureBytes + 1 bytes.
Kind ReadKind(std::string_view bytes) {
  const unsigned first = static_cast<uint8_t>(bytes[kSignatureBytes]);
  const unsigned second = static_cast<uint8_t>(bytes[kSignatureBytes + 1]);
  return {.version = first >> 4U,
          .command = first & 0xfU,
          .family = second >> 4U,
          .transport = second & 0xfU};
}

// Whether nothing behind the length means anything.
bool IsOpaque(const Kind& kind) {
  return kind.command == kLocal || (kind.family != 0 && kind.transport == 0);
}

absl::Status CheckKind(const Kind& kind) {
  if (kind.version != kVersion) {
    return BadProxyHeader(absl::StrCat("unknown version ", kind.version));
  }
  if (kind.command > kProxy) {
    return BadProxyHeader(absl::StrCat("unknown command ", kind.command));
  }
  if (kind.command == kLocal) return absl::OkStatus();
  if (kind.family >= kFamilies.size()) {
    return BadProxyHeader(absl::StrCat("unknown family ", kind.family));
  }
  if (kind.transport > kDatagram) {
    return BadProxyHeader(absl::StrCat("unknown transport ", kind.transport));
  }
  return absl::OkStatus();
}

// One of the header's two addresses, first or second.
absl::StatusOr<SocketAddress> ReadAddress(const Family& family,
                                          std::string_view bytes,
                                          size_t index) {
  sockaddr_storage native = {};
  auto* const raw = reinterpret_cast<char*>(&native);
  native.ss_family = family.native;
  const Part& address = family.address;
  const Part& port = family.port;
  std::memcpy(raw + address.offset, bytes.data() + index * address.size,
              address.size);
  if (port.size != 0) {
    std::memcpy(raw + port.offset,
                bytes.data() + 2 * address.size + index * port.size, port.size);
  }
  socklen_t size = family.native_size;
  if (family.native == AF_UNIX && raw[address.offset] == '\0') {
    // Abstract names are padded with NULs as paths are. If that is all, there
    // is no name.
    while (size > address.offset && raw[size - 1] == '\0') --size;
  }
  absl::StatusOr<SocketAddress> result = SocketAddress::FromNative(
      reinterpret_cast<const sockaddr*>(&native), size);
  if (!result.ok()) {
    return BadProxyHeader(
        {result.status().message().data(), result.status().message().size()});
  }
  return result;
}

// Unless it is what the header should have had.
absl::Status CheckCrc(std::string_view bytes, std::string_view value) {
  if (value.size() != sizeof(uint32_t)) {
    return BadProxyHeader("a CRC32C has 4 bytes");
  }
  // That of the header with zeros in place of the CRC.
  constexpr std::string_view kZeros("\0\0\0\0", sizeof(uint32_t));
  const auto before = static_cast<size_t>(value.data() - bytes.data());
  uint32_t crc = ExtendCrc32c(0, bytes.substr(0, before));
  crc = ExtendCrc32c(crc, kZeros);
  crc = ExtendCrc32c(crc, bytes.substr(before + value.size()));
  return ReadBigEndian<uint32_t>(value) == crc
             ? absl::OkStatus()
             : BadProxyHeader("the CRC32C is wrong");
}

// What a TLV must be for those who read and those who write.
absl::Status CheckTlv(uint8_t type, std::string_view value) {
  if (type == ProxyTlv::kUniqueId && value.size() > ProxyHeader::kMaxUniqueId) {
    return BadProxyHeader(absl::StrCat("a unique id has at most ",
                                       ProxyHeader::kMaxUniqueId, " bytes"));
  }
  if (type == ProxyTlv::kTls && !ProxyTls::Read(value).has_value()) {
    return BadProxyHeader("the TLS record is cut off");
  }
  return absl::OkStatus();
}

// `rest` is the end of the whole header, `bytes`.
absl::Status ReadTlvs(std::string_view bytes, std::string_view rest,
                      ProxyHeader& header) {
  while (!rest.empty()) {
    const std::optional<ProxyTlvView> tlv = TakeProxyTlv(rest);
    if (!tlv.has_value()) return BadProxyHeader("a TLV is cut off");
    absl::Status status = CheckTlv(tlv->type, tlv->value);
    if (tlv->type == ProxyTlv::kCrc32c) {
      status = header.checksum ? BadProxyHeader("more than one CRC32C")
                               : CheckCrc(bytes, tlv->value);
      header.checksum = true;
    } else if (tlv->type != ProxyTlv::kNoop) {
      header.tlvs.push_back(
          {.type = tlv->type, .value = std::string(tlv->value)});
    }
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

// Appends the parts of both addresses.
void AppendEndpoints(const Family& family, const ProxyEndpoints& endpoints,
                     std::string& bytes) {
  for (const Part& part : {family.address, family.port}) {
    for (const SocketAddress* address :
         {&endpoints.source, &endpoints.destination}) {
      const std::string_view native(
          reinterpret_cast<const char*>(address->native()),
          address->native_size());
      const std::string_view found =
          native.substr(std::min(part.offset, native.size()), part.size);
      bytes.append(found).append(part.size - found.size(), '\0');
    }
  }
}

// Whether `address` is one that ends with NULs of its own.
bool EndsLikePadding(const SocketAddress& address) {
  if (!address.is_unix() || !address.unix_path().empty()) return false;
  const auto* const raw = reinterpret_cast<const char*>(address.native());
  const size_t size = address.native_size();
  return size > offsetof(sockaddr_un, sun_path) && raw[size - 1] == '\0';
}

}  // namespace

absl::StatusOr<std::optional<size_t>> ReadProxyBlockSize(std::string_view bytes,
                                                         size_t max_length) {
  if (bytes.size() <= kSignatureBytes) return std::nullopt;
  // What has not arrived yet can still be right.
  std::string fixed(bytes.substr(0, kFixedBytes));
  fixed.resize(kFixedBytes);
  const Kind kind = ReadKind(fixed);
  if (absl::Status status = CheckKind(kind); !status.ok()) return status;
  const size_t length =
      ReadBigEndian<uint16_t>(std::string_view(fixed).substr(kFixedBytes - 2));
  if (length > max_length) {
    return BadProxyHeader(absl::StrCat(length, " bytes, more than the ",
                                       max_length, " that are accepted"));
  }
  if (bytes.size() < kFixedBytes) return std::nullopt;
  if (!IsOpaque(kind) && length < kFamilies[kind.family].size()) {
    return BadProxyHeader(absl::StrCat(length, " bytes, and its addresses are ",
                                       kFamilies[kind.family].size()));
  }
  return kFixedBytes + length;
}

absl::StatusOr<ProxyHeader> ReadProxyBlock(std::string_view bytes) {
  const Kind kind = ReadKind(bytes);
  ProxyHeader header;
  header.command =
      kind.command == kLocal ? ProxyCommand::kLocal : ProxyCommand::kProxy;
  if (IsOpaque(kind)) return header;

  const Family& family = kFamilies[kind.family];
  const std::string_view block = bytes.substr(kFixedBytes);
  if (kind.family != 0) {
    absl::StatusOr<SocketAddress> source = ReadAddress(family, block, 0);
    if (!source.ok()) return source.status();
    absl::StatusOr<SocketAddress> destination = ReadAddress(family, block, 1);
    if (!destination.ok()) return destination.status();
    header.endpoints = ProxyEndpoints{
        .source = *std::move(source),
        .destination = *std::move(destination),
        .transport = kind.transport == kStream ? ProxyTransport::kStream
                                               : ProxyTransport::kDatagram};
  }
  if (absl::Status status =
          ReadTlvs(bytes, block.substr(family.size()), header);
      !status.ok()) {
    return status;
  }
  return header;
}

absl::StatusOr<std::string> FormatProxyBlock(const ProxyHeader& header) {
  const auto* const family = std::ranges::find(
      kFamilies,
      header.endpoints.has_value() ? header.endpoints->source.family()
                                   : AF_UNSPEC,
      &Family::native);
  std::string block;
  unsigned transport = 0;
  if (header.endpoints.has_value()) {
    if (EndsLikePadding(header.endpoints->source) ||
        EndsLikePadding(header.endpoints->destination)) {
      return BadProxyHeader(
          "an abstract name that is empty or ends with a NUL");
    }
    transport = header.endpoints->transport == ProxyTransport::kStream
                    ? kStream
                    : kDatagram;
    AppendEndpoints(*family, *header.endpoints, block);
  }
  for (const ProxyTlv& tlv : header.tlvs) {
    if (tlv.type == ProxyTlv::kCrc32c) {
      return BadProxyHeader("a CRC32C is asked for by `checksum`");
    }
    if (absl::Status status = CheckTlv(tlv.type, tlv.value); !status.ok()) {
      return status;
    }
    // Too long for a TLV, and so for the header.
    AppendProxyTlv(tlv.type, tlv.value, block);
  }
  if (header.checksum) {
    AppendProxyTlv(ProxyTlv::kCrc32c, std::string(sizeof(uint32_t), '\0'),
                   block);
  }
  if (block.size() > kMaxLength) {
    return BadProxyHeader(absl::StrCat(block.size(), " bytes, more than the ",
                                       kMaxLength, " that it can have"));
  }

  std::string bytes(kProxyBlockStart);
  const unsigned command =
      header.command == ProxyCommand::kLocal ? kLocal : kProxy;
  bytes.push_back(static_cast<char>(kVersion << 4U | command));
  bytes.push_back(static_cast<char>(
      static_cast<unsigned>(family - kFamilies.begin()) << 4U | transport));
  AppendBigEndian(static_cast<uint16_t>(block.size()), bytes);
  bytes.append(block);
  if (header.checksum) {
    const uint32_t crc = ExtendCrc32c(0, bytes);
    bytes.resize(bytes.size() - sizeof(crc));
    AppendBigEndian(crc, bytes);
  }
  return bytes;
}

}  // namespace percore::internal
