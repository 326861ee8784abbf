#include "percore/bench/load/workload.h"

#include <algorithm>
#include <array>

#include "absl/strings/str_cat.h"

namespace percore::bench {
namespace {

constexpr std::string_view kGet = "get ";
constexpr std::string_view kSet = "set ";
constexpr std::string_view kValue = "VALUE ";
constexpr std::string_view kLineEnd = "\r\n";
constexpr std::string_view kEnd = "END\r\n";
constexpr std::string_view kStored = "STORED\r\n";
constexpr std::string_view kServerError = "SERVER_ERROR ";

constexpr size_t kKeySize = 12;

// "key:" and eight digits.
std::array<char, kKeySize> KeyName(uint32_t key) {
  std::array<char, kKeySize> name = {'k', 'e', 'y', ':'};
  for (size_t i = kKeySize; i-- > 4; key /= 10) {
    name[i] = static_cast<char>('0' + key % 10);
  }
  return name;
}

// `received` is `expected`, as far as both go.
bool Agree(std::string_view received, std::string_view expected) {
  const size_t size = std::min(received.size(), expected.size());
  return received.substr(0, size) == expected.substr(0, size);
}

Reply ParseFixed(std::string_view received, std::string_view expected,
                 Reply::Kind kind) {
  if (!Agree(received, expected)) return {Reply::Kind::kWrong, 0};
  if (received.size() < expected.size()) return {Reply::Kind::kIncomplete, 0};
  return {kind, expected.size()};
}

}  // namespace

Workload::Workload(size_t value_size)
    : value_size_(value_size),
      set_tail_(absl::StrCat(" 0 0 ", value_size, "\r\n")),
      hit_tail_(absl::StrCat(" 0 ", value_size, "\r\n")),
      value_tail_(value_size - std::min(value_size, kKeySize), 'x') {
  value_tail_.append(kLineEnd);
  hit_size_ = kValue.size() + kKeySize + hit_tail_.size() +
              std::min(value_size_, kKeySize) + value_tail_.size() +
              kEnd.size();
}

void Workload::AppendRequest(Request request, std::string* out) const {
  const std::array<char, kKeySize> name = KeyName(request.key);
  const std::string_view key(name.data(), name.size());
  if (request.kind == Request::Kind::kGet) {
    out->append(kGet).append(key).append(kLineEnd);
    return;
  }
  out->append(kSet).append(key).append(set_tail_);
  out->append(key.substr(0, value_size_)).append(value_tail_);
}

Reply Workload::ParseReply(std::string_view received, Request request) const {
  if (received.empty()) return {Reply::Kind::kIncomplete, 0};
  if (received[0] == 'S' && Agree(received, kServerError)) {
    const size_t end = received.find('\n');
    if (end == std::string_view::npos) return {Reply::Kind::kIncomplete, 0};
    return {Reply::Kind::kServerError, end + 1};
  }
  if (request.kind == Request::Kind::kSet) {
    return ParseFixed(received, kStored, Reply::Kind::kStored);
  }
  if (received[0] == 'E') {
    return ParseFixed(received, kEnd, Reply::Kind::kMiss);
  }
  if (!IsPrefixOfHit(received, request.key)) return {Reply::Kind::kWrong, 0};
  if (received.size() < hit_size_) return {Reply::Kind::kIncomplete, 0};
  return {Reply::Kind::kHit, hit_size_};
}

bool Workload::IsPrefixOfHit(std::string_view received, uint32_t key) const {
  const std::array<char, kKeySize> name = KeyName(key);
  const std::string_view key_name(name.data(), name.size());
  for (std::string_view expected :
       {kValue, key_name, std::string_view(hit_tail_),
        key_name.substr(0, value_size_), std::string_view(value_tail_), kEnd}) {
    if (!Agree(received, expected)) return false;
    received.remove_prefix(std::min(received.size(), expected.size()));
  }
  return true;
}

}  // namespace percore::bench
