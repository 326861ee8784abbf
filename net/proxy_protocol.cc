#include "percore/net/proxy_protocol.h"

#include <array>
#include <optional>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "percore/net/internal/proxy_block.h"
#include "percore/net/internal/proxy_line.h"
#include "percore/runtime/error.h"

namespace percore {
namespace {

using internal::BadProxyHeader;

// Enough of the front to read a line, or the fixed part of a block.
using Start = std::array<char, kMaxProxyLine>;

// Whether `start` begins as `expected`, or may when more has arrived.
bool MayBegin(std::string_view start, std::string_view expected) {
  return start.substr(0, expected.size()) == expected.substr(0, start.size());
}

ProxyParseResult Only(ProxyParseResult::Kind kind) {
  return {.kind = kind, .header = {}};
}

absl::StatusOr<ProxyParseResult> Take(Buffer& source, size_t size,
                                      ProxyHeader header) {
  if (source.Drain(size) != size) {
    return absl::FailedPreconditionError(
        "a PROXY header in a Buffer whose front is frozen");
  }
  return ProxyParseResult{.kind = ProxyParseResult::Kind::kHeader,
                          .header = std::move(header)};
}

absl::StatusOr<ProxyParseResult> ParseLine(Buffer& source,
                                           std::string_view start) {
  absl::StatusOr<std::optional<internal::ProxyLine>> line =
      internal::ReadProxyLine(start);
  if (!line.ok()) return line.status();
  if (!line->has_value()) return Only(ProxyParseResult::Kind::kNeedMore);
  ProxyHeader header;
  header.version = ProxyVersion::kV1;
  header.endpoints = std::move((*line)->endpoints);
  return Take(source, (*line)->size, std::move(header));
}

absl::StatusOr<ProxyParseResult> ParseBlock(Buffer& source,
                                            std::string_view start,
                                            size_t max_length) {
  const absl::StatusOr<std::optional<size_t>> size =
      internal::ReadProxyBlockSize(start, max_length);
  if (!size.ok()) return size.status();
  if (!size->has_value() || source.size() < **size) {
    return Only(ProxyParseResult::Kind::kNeedMore);
  }
  absl::StatusOr<ProxyHeader> header =
      internal::ReadProxyBlock(source.Pullup(**size));
  if (!header.ok()) return header.status();
  return Take(source, **size, *std::move(header));
}

// Why no reader would understand `header` as it is meant.
absl::Status CheckMeaning(const ProxyHeader& header) {
  if (header.endpoints.has_value() &&
      header.endpoints->source.family() !=
          header.endpoints->destination.family()) {
    return BadProxyHeader("source and destination are of different families");
  }
  if (header.version == ProxyVersion::kV1 &&
      (header.command == ProxyCommand::kLocal || !header.tlvs.empty() ||
       header.checksum)) {
    return BadProxyHeader(
        "version 1 has neither LOCAL nor TLVs nor a checksum");
  }
  if (header.command == ProxyCommand::kLocal &&
      (header.endpoints.has_value() || !header.tlvs.empty() ||
       header.checksum)) {
    return BadProxyHeader(
        "LOCAL has neither endpoints nor TLVs nor a checksum");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ProxyParseResult> ParseProxyHeader(
    Buffer& source, const ProxyParseOptions& options) {
  Start room;
  const std::string_view start(room.data(), source.CopyOut(room));
  if (MayBegin(start, internal::kProxyLineStart)) {
    return ParseLine(source, start);
  }
  if (MayBegin(start, internal::kProxyBlockStart)) {
    return ParseBlock(source, start, options.max_v2_length);
  }
  return Only(ProxyParseResult::Kind::kNotProxy);
}

absl::Status AppendProxyHeader(const ProxyHeader& header, Buffer& destination) {
  if (absl::Status status = CheckMeaning(header); !status.ok()) return status;
  const absl::StatusOr<std::string> bytes =
      header.version == ProxyVersion::kV1
          ? internal::FormatProxyLine(header.endpoints)
          : internal::FormatProxyBlock(header);
  if (!bytes.ok()) return bytes.status();
  if (!destination.Append(*bytes)) {
    return absl::FailedPreconditionError(
        absl::StrCat("the Buffer does not take a PROXY header of ",
                     bytes->size(), " bytes"));
  }
  return absl::OkStatus();
}

}  // namespace percore
