// A PROXY header, of either version: it is the same however it arrives, nothing
// behind it is taken, what is waited for can still come, and what was read is
// written so that it is read again.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include "percore/net/proxy_protocol.h"

namespace {

using percore::Buffer;
using percore::ProxyHeader;
using percore::ProxyParseResult;
using Kind = percore::ProxyParseResult::Kind;

constexpr percore::ProxyParseOptions kOptions = {.max_v2_length = 2000};
constexpr percore::ProxyParseOptions kAnyLength = {.max_v2_length = UINT16_MAX};

void Require(bool holds) {
  if (!holds) std::abort();
}

struct Outcome {
  // Nothing: an error.
  std::optional<ProxyParseResult> result;
  size_t left = 0;
};

Outcome Parse(std::string_view bytes, size_t segment_size) {
  Buffer buffer;
  for (size_t at = 0; at < bytes.size(); at += segment_size) {
    const std::string_view part = bytes.substr(at, segment_size);
    buffer.AppendReference(part.data(), part.size(), nullptr, nullptr);
  }
  const absl::StatusOr<ProxyParseResult> result =
      percore::ParseProxyHeader(buffer, kOptions);
  Require(buffer.ToString() == bytes.substr(bytes.size() - buffer.size()));
  Outcome outcome = {.result = std::nullopt, .left = buffer.size()};
  if (result.ok()) outcome.result = *result;
  if (!result.ok() || result->kind != Kind::kHeader) {
    Require(buffer.size() == bytes.size());
  }
  return outcome;
}

bool IsWaiting(const Outcome& outcome) {
  return outcome.result.has_value() && outcome.result->kind == Kind::kNeedMore;
}

// How many bytes there must be until it is known what they are.
size_t SizeUntilKnown(std::string_view bytes) {
  size_t waiting = 0;
  while (waiting < bytes.size() &&
         IsWaiting(Parse(bytes.substr(0, waiting), bytes.size()))) {
    ++waiting;
  }
  return waiting;
}

void RequireThatItCanBeFinished(std::string line) {
  while (IsWaiting(Parse(line, line.size()))) {
    bool found = false;
    for (const char next : std::string_view("\n\r 0:.f4CPTUNKOWRXY")) {
      line.push_back(next);
      found = Parse(line, line.size()).result.has_value();
      if (found) break;
      line.pop_back();
    }
    Require(found);
  }
}

void RequireThatItIsWrittenAsItWasRead(const ProxyHeader& header) {
  Buffer buffer;
  Require(percore::AppendProxyHeader(header, buffer).ok());
  const absl::StatusOr<ProxyParseResult> again =
      percore::ParseProxyHeader(buffer, kAnyLength);
  Require(again.ok() && again->kind == Kind::kHeader);
  Require(again->header == header);
  Require(buffer.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const Outcome whole = Parse(bytes, std::max<size_t>(size, 1));
  for (const size_t segment_size : {1, 3, 16}) {
    const Outcome outcome = Parse(bytes, segment_size);
    Require(outcome.left == whole.left);
    Require(outcome.result.has_value() == whole.result.has_value());
    if (!whole.result.has_value()) continue;
    Require(outcome.result->kind == whole.result->kind);
    Require(outcome.result->header == whole.result->header);
  }
  // What is known once does not change any more.
  const size_t known = SizeUntilKnown(bytes);
  const Outcome first = Parse(bytes.substr(0, known), bytes.size() + 1);
  Require(first.result.has_value() == whole.result.has_value());
  if (!whole.result.has_value()) return 0;
  Require(first.result->kind == whole.result->kind);
  switch (whole.result->kind) {
    case Kind::kHeader:
      Require(known == size - whole.left);
      for (const auto& tlv : whole.result->header.tlvs) {
        percore::ProxyTls::Read(tlv.value);
      }
      RequireThatItIsWrittenAsItWasRead(whole.result->header);
      break;
    case Kind::kNeedMore:
      if (bytes.starts_with('P')) {
        RequireThatItCanBeFinished(std::string(bytes));
      }
      break;
    case Kind::kNotProxy:
      break;
  }
  return 0;
}
