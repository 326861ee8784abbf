// The records of a PROXY header of version 2: a byte for the type, two for the
// length, and as many bytes of value, one record behind the other.
#ifndef PERCORE_NET_INTERNAL_PROXY_TLV_H_
#define PERCORE_NET_INTERNAL_PROXY_TLV_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace percore::internal {

inline constexpr size_t kMaxProxyTlvValue = UINT16_MAX;

// A number of `T`'s size in network byte order, at the front of `bytes`, which
// has as many.
template <typename T>
T ReadBigEndian(std::string_view bytes) {
  T number = 0;
  for (size_t i = 0; i < sizeof(T); ++i) {
    number = static_cast<T>((number << 8) | static_cast<uint8_t>(bytes[i]));
  }
  return number;
}

template <typename T>
void AppendBigEndian(T number, std::string& bytes) {
  for (size_t i = sizeof(T); i-- > 0;) {
    bytes.push_back(static_cast<char>(number >> (8 * i)));
  }
}

struct ProxyTlvView {
  uint8_t type;
  std::string_view value;
};

// Takes the first record off `bytes`. Nothing, and `bytes` stays, if it is cut
// off.
std::optional<ProxyTlvView> TakeProxyTlv(std::string_view& bytes);

// Of a `value` longer than kMaxProxyTlvValue the length is wrong: the caller
// sees to it that it goes nowhere.
void AppendProxyTlv(uint8_t type, std::string_view value, std::string& bytes);

}  // namespace percore::internal

#endif  // PERCORE_NET_INTERNAL_PROXY_TLV_H_
