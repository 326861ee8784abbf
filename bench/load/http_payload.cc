#include "percore/bench/load/http_payload.h"

#include <optional>

#include "absl/strings/match.h"
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

// What an answer's header says. `wrong` is why it cannot be believed; empty if
// it can, or if more of it is needed, and then `size` is 0.
struct Header {
  size_t size = 0;
  size_t body_size = 0;
  std::string_view wrong = {};
};

// Digits only (RFC 9110, 8.6): no sign, no list.
std::optional<size_t> ParseLength(std::string_view text) {
  size_t length = 0;
  if (text.empty()) return std::nullopt;
  for (const char digit : text) {
    if (digit < '0' || digit > '9') return std::nullopt;
    length = 10 * length + static_cast<size_t>(digit - '0');
    if (length > HttpPayload::kMaxBodySize) return std::nullopt;
  }
  return length;
}

// The header's fields, without the status line.
Header ParseFields(std::string_view fields) {
  std::optional<size_t> length;
  while (!fields.empty()) {
    const size_t end = fields.find(kLineEnd);
    const std::string_view line = fields.substr(0, end);
    fields.remove_prefix(end == std::string_view::npos ? fields.size()
                                                       : end + kLineEnd.size());
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) return {.wrong = "a line is no field"};
    const absl::string_view name = ToAbsl(line.substr(0, colon));
    if (absl::EqualsIgnoreCase(name, "transfer-encoding")) {
      return {.wrong = "Transfer-Encoding (chunked) is not supported"};
    }
    if (!absl::EqualsIgnoreCase(name, "content-length")) continue;
    if (length.has_value()) return {.wrong = "two Content-Lengths"};
    length = ParseLength(Trim(line.substr(colon + 1)));
    if (!length.has_value()) {
      return {.wrong = "the Content-Length is no number, or above 1 MiB"};
    }
  }
  if (!length.has_value()) return {.wrong = "there is no Content-Length"};
  return {.body_size = *length};
}

Header ParseHeader(std::string_view received) {
  if (!Agree(received, kOk)) return {.wrong = "it is no HTTP/1.1 200"};
  const std::string_view head = received.substr(0, HttpPayload::kMaxHeaderSize);
  const size_t end = head.find(kHeaderEnd);
  if (end == std::string_view::npos) {
    if (head.size() < HttpPayload::kMaxHeaderSize) return {};
    return {.wrong = "the header is larger than 16 KiB"};
  }
  const size_t status_end = head.find(kLineEnd);
  Header header = ParseFields(
      status_end == end ? std::string_view()
                        : head.substr(status_end + kLineEnd.size(),
                                      end - status_end - kLineEnd.size()));
  header.size = end + kHeaderEnd.size();
  return header;
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
  const Header header = ParseHeader(received);
  if (!header.wrong.empty()) return {Reply::Kind::kWrong, 0};
  const size_t size = header.size + header.body_size;
  if (header.size == 0 || received.size() < size) {
    return {Reply::Kind::kIncomplete, 0};
  }
  return {Reply::Kind::kAnswered, size};
}

std::string_view HttpPayload::Explain(std::string_view received) const {
  return ParseHeader(received).wrong;
}

}  // namespace percore::bench
