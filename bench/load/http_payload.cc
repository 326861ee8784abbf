#include "percore/bench/load/http_payload.h"

#include <cstdint>
#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace percore::bench {
namespace {

constexpr std::string_view kHeaderEnd = "\r\n\r\n";
constexpr std::string_view kLineEnd = "\r\n";
constexpr std::string_view kOk = "HTTP/1.1 200 ";

// The two requests that there are.
constexpr RequestId kKeepAlive = 0;
constexpr RequestId kLast = 1;

// Debian's Abseil has a string_view of its own.
absl::string_view ToAbsl(std::string_view text) {
  return {text.data(), text.size()};
}

std::string_view Trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t";
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) + 1 - begin);
}

// Of the header's fields, without the status line; nothing if there is not
// exactly one length that can be believed.
std::optional<size_t> ContentLength(std::string_view fields) {
  std::optional<size_t> length;
  while (!fields.empty()) {
    const size_t end = fields.find(kLineEnd);
    const std::string_view line = fields.substr(0, end);
    fields.remove_prefix(end == std::string_view::npos ? fields.size()
                                                       : end + kLineEnd.size());
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) return std::nullopt;
    const std::string_view name = line.substr(0, colon);
    if (absl::EqualsIgnoreCase(ToAbsl(name), "transfer-encoding")) {
      return std::nullopt;
    }
    if (!absl::EqualsIgnoreCase(ToAbsl(name), "content-length")) continue;
    uint64_t value = 0;
    if (length.has_value() ||
        !absl::SimpleAtoi(ToAbsl(Trim(line.substr(colon + 1))), &value) ||
        value > HttpPayload::kMaxBodySize) {
      return std::nullopt;
    }
    length = static_cast<size_t>(value);
  }
  return length;
}

}  // namespace

HttpPayload::HttpPayload(std::string_view host, std::string_view path)
    : request_(absl::StrCat("GET ", ToAbsl(path),
                            " HTTP/1.1\r\nHost: ", ToAbsl(host), "\r\n")),
      last_request_(absl::StrCat(request_, "Connection: close\r\n\r\n")) {
  request_.append(kLineEnd);
}

RequestId HttpPayload::Next(uint64_t /*random*/, const Place& place) const {
  return place.last ? kLast : kKeepAlive;
}

void HttpPayload::AppendRequest(RequestId request, std::string* out) const {
  out->append(request == kLast ? last_request_ : request_);
}

Reply HttpPayload::ParseReply(std::string_view received,
                              RequestId /*request*/) const {
  constexpr Reply kWrong = {Reply::Kind::kWrong, 0};
  constexpr Reply kIncomplete = {Reply::Kind::kIncomplete, 0};
  if (!Agree(received, kOk)) return kWrong;
  const std::string_view head = received.substr(0, kMaxHeaderSize);
  const size_t header_end = head.find(kHeaderEnd);
  if (header_end == std::string_view::npos) {
    return head.size() == kMaxHeaderSize ? kWrong : kIncomplete;
  }
  const std::string_view header = head.substr(0, header_end);
  const size_t status_end = header.find(kLineEnd);
  if (status_end == std::string_view::npos) return kWrong;  // No field at all.
  const std::optional<size_t> length =
      ContentLength(header.substr(status_end + kLineEnd.size()));
  if (!length.has_value()) return kWrong;
  const size_t size = header_end + kHeaderEnd.size() + *length;
  if (received.size() < size) return kIncomplete;
  return {Reply::Kind::kAnswered, size};
}

}  // namespace percore::bench
