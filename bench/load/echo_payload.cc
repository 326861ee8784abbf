#include "percore/bench/load/echo_payload.h"

#include <algorithm>
#include <cstring>

namespace percore::bench {
namespace {

std::string MakeTail(size_t size) {
  std::string tail(size, '\0');
  // Not of one byte only: bytes that are shifted must not look right.
  for (size_t i = 0; i < size; ++i) tail[i] = static_cast<char>('a' + i % 23);
  return tail;
}

}  // namespace

EchoPayload::EchoPayload(size_t message_size)
    : size_(message_size),
      header_size_(std::min(message_size, sizeof(RequestId))),
      tail_(MakeTail(message_size - header_size_)) {}

RequestId EchoPayload::Next(uint64_t /*random*/, const Place& place) const {
  // The number first: it is what the shortest messages keep.
  return uint64_t{place.connection} << 32 | place.sequence;
}

void EchoPayload::AppendRequest(RequestId request, std::string* out) const {
  out->append(reinterpret_cast<const char*>(&request), header_size_);
  out->append(tail_);
}

Reply EchoPayload::ParseReply(std::string_view received,
                              RequestId request) const {
  // Looked at once it is there: not again with every piece of it.
  if (received.size() < size_) return {Reply::Kind::kIncomplete, 0};
  if (std::memcmp(received.data(), &request, header_size_) != 0 ||
      received.substr(header_size_, tail_.size()) != tail_) {
    return {Reply::Kind::kWrong, 0};
  }
  return {Reply::Kind::kAnswered, size_};
}

}  // namespace percore::bench
