#include "percore/net/internal/proxy_tlv.h"

namespace percore::internal {

std::optional<ProxyTlvView> TakeProxyTlv(std::string_view& bytes) {
  constexpr size_t kPrefix = 3;
  if (bytes.size() < kPrefix) return std::nullopt;
  const auto size = ReadBigEndian<uint16_t>(bytes.substr(1));
  if (bytes.size() - kPrefix < size) return std::nullopt;
  const ProxyTlvView tlv = {.type = static_cast<uint8_t>(bytes[0]),
                            .value = bytes.substr(kPrefix, size)};
  bytes.remove_prefix(kPrefix + size);
  return tlv;
}

void AppendProxyTlv(uint8_t type, std::string_view value, std::string& bytes) {
  bytes.push_back(static_cast<char>(type));
  AppendBigEndian(static_cast<uint16_t>(value.size()), bytes);
  bytes.append(value);
}

}  // namespace percore::internal
