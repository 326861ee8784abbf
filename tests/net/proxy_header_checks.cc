#include "percore/tests/net/proxy_header_checks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

#include "absl/strings/escaping.h"
#include "percore/runtime/error.h"

namespace percore {
namespace {

using Kind = ProxyParseResult::Kind;
using testing::StartsWith;

// What follows a header here.
constexpr std::string_view kBehind = "GET / HTTP/1.1\r\n\r\n";

}  // namespace

SocketAddress Address(std::string_view text) {
  return *SocketAddress::Parse(text);
}

ProxyEndpoints Endpoints(std::string_view source, std::string_view destination,
                         ProxyTransport transport) {
  return {.source = Address(source),
          .destination = Address(destination),
          .transport = transport};
}

Buffer InSegments(std::string_view text, size_t segment_size) {
  Buffer buffer;
  for (size_t at = 0; at < text.size(); at += segment_size) {
    const std::string_view part = text.substr(at, segment_size);
    buffer.AppendReference(part.data(), part.size(), nullptr, nullptr);
  }
  return buffer;
}

std::string ErrorOf(std::string_view bytes, const ProxyParseOptions& options) {
  Buffer buffer = InSegments(bytes, 7);
  const absl::StatusOr<ProxyParseResult> result =
      ParseProxyHeader(buffer, options);
  if (result.ok()) return "";
  EXPECT_EQ(result.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(buffer.ToString(), bytes);
  const std::string message(result.status().message());
  EXPECT_THAT(message, StartsWith("bad PROXY header: "));
  return message.substr(std::string_view("bad PROXY header: ").size());
}

ProxyParseResult::Kind KindOf(std::string_view bytes) {
  Buffer buffer = InSegments(bytes, 5);
  const absl::StatusOr<ProxyParseResult> result = ParseProxyHeader(buffer);
  EXPECT_TRUE(result.ok()) << result.status() << ": "
                           << absl::CEscape(ToAbsl(bytes));
  if (!result.ok()) return Kind::kNotProxy;
  if (result->kind != Kind::kHeader) {
    EXPECT_EQ(buffer.ToString(), bytes);
  }
  return result->kind;
}

ProxyHeader Parsed(std::string_view bytes) {
  const std::string all = std::string(bytes).append(kBehind);
  ProxyHeader header;
  for (const size_t segment_size : {1, 2, 3, 7, 16, 1000}) {
    Buffer buffer = InSegments(all, segment_size);
    const absl::StatusOr<ProxyParseResult> result = ParseProxyHeader(buffer);
    EXPECT_TRUE(result.ok()) << result.status();
    if (!result.ok()) return {};
    EXPECT_EQ(result->kind, Kind::kHeader);
    EXPECT_EQ(buffer.ToString(), kBehind);
    if (segment_size == 1) header = result->header;
    EXPECT_EQ(result->header, header);
  }
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_EQ(KindOf(bytes.substr(0, size)), Kind::kNeedMore)
        << absl::CEscape(ToAbsl(bytes.substr(0, size)));
  }
  return header;
}

std::string Formatted(const ProxyHeader& header) {
  Buffer buffer;
  buffer.Append("x");
  const absl::Status status = AppendProxyHeader(header, buffer);
  EXPECT_TRUE(status.ok()) << status;
  return buffer.ToString().substr(1);
}

std::string RefusalOf(const ProxyHeader& header) {
  Buffer buffer;
  const absl::Status status = AppendProxyHeader(header, buffer);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(buffer.empty());
  return std::string(status.message());
}

ProxyHeader V1(std::optional<ProxyEndpoints> endpoints) {
  ProxyHeader header;
  header.version = ProxyVersion::kV1;
  header.endpoints = std::move(endpoints);
  return header;
}

ProxyHeader V2(std::optional<ProxyEndpoints> endpoints) {
  ProxyHeader header;
  header.endpoints = std::move(endpoints);
  return header;
}

}  // namespace percore
