#include "percore/bench/load/memcached_payload.h"

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

constexpr RequestId kSetBit = MemcachedPayload::Set(0);

// A SERVER_ERROR that does not end is no answer.
constexpr size_t kMaxErrorSize = 4096;

// "key:" and eight digits.
std::array<char, kKeySize> KeyName(uint32_t key) {
  std::array<char, kKeySize> name = {'k', 'e', 'y', ':'};
  for (size_t i = kKeySize; i-- > 4; key /= 10) {
    name[i] = static_cast<char>('0' + key % 10);
  }
  return name;
}

Reply ParseFixed(std::string_view received, std::string_view expected,
                 Reply::Kind kind) {
  if (!Agree(received, expected)) return {Reply::Kind::kWrong, 0};
  if (received.size() < expected.size()) return {Reply::Kind::kIncomplete, 0};
  return {kind, expected.size()};
}

}  // namespace

MemcachedPayload::MemcachedPayload(const Options& options)
    : options_(options),
      set_tail_(absl::StrCat(" 0 0 ", options.value_size, "\r\n")),
      hit_tail_(absl::StrCat(" 0 ", options.value_size, "\r\n")),
      value_tail_(options.value_size - std::min(options.value_size, kKeySize),
                  'x') {
  value_tail_.append(kLineEnd);
  hit_size_ = kValue.size() + kKeySize + hit_tail_.size() +
              std::min(options.value_size, kKeySize) + value_tail_.size() +
              kEnd.size();
}

RequestId MemcachedPayload::Next(uint64_t random,
                                 const Place& /*place*/) const {
  // One draw for both: the upper half says what, the lower half which key.
  const double share = static_cast<double>(random >> 32) / 4294967296.0;
  const auto key =
      static_cast<uint32_t>(((random & 0xffffffff) * options_.keys) >> 32);
  return share < options_.set_ratio ? Set(key) : Get(key);
}

void MemcachedPayload::AppendRequest(RequestId request,
                                     std::string* out) const {
  const std::array<char, kKeySize> name =
      KeyName(static_cast<uint32_t>(request));
  const std::string_view key(name.data(), name.size());
  if ((request & kSetBit) == 0) {
    out->append(kGet).append(key).append(kLineEnd);
    return;
  }
  out->append(kSet).append(key).append(set_tail_);
  out->append(key.substr(0, options_.value_size)).append(value_tail_);
}

Reply MemcachedPayload::ParseReply(std::string_view received,
                                   RequestId request) const {
  if (received.empty()) return {Reply::Kind::kIncomplete, 0};
  if (received[0] == 'S' && Agree(received, kServerError)) {
    const size_t end = received.find('\n');
    if (end == std::string_view::npos) {
      return {received.size() < kMaxErrorSize ? Reply::Kind::kIncomplete
                                              : Reply::Kind::kWrong,
              0};
    }
    return {Reply::Kind::kServerError, end + 1};
  }
  if ((request & kSetBit) != 0) {
    return ParseFixed(received, kStored, Reply::Kind::kAnswered);
  }
  if (received[0] == 'E') {
    return ParseFixed(received, kEnd, Reply::Kind::kMiss);
  }
  if (!IsPrefixOfHit(received, static_cast<uint32_t>(request))) {
    return {Reply::Kind::kWrong, 0};
  }
  if (received.size() < hit_size_) return {Reply::Kind::kIncomplete, 0};
  return {Reply::Kind::kHit, hit_size_};
}

bool MemcachedPayload::IsPrefixOfHit(std::string_view received,
                                     uint32_t key) const {
  const std::array<char, kKeySize> name = KeyName(key);
  const std::string_view key_name(name.data(), name.size());
  for (std::string_view expected :
       {kValue, key_name, std::string_view(hit_tail_),
        key_name.substr(0, options_.value_size), std::string_view(value_tail_),
        kEnd}) {
    if (!Agree(received, expected)) return false;
    received.remove_prefix(std::min(received.size(), expected.size()));
  }
  return true;
}

}  // namespace percore::bench
