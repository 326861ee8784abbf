#include "percore/net/proxy_header.h"

#include <algorithm>
#include <array>

#include "percore/net/internal/proxy_tlv.h"

namespace percore {
namespace {

// The bits of the first byte.
constexpr unsigned kEncrypted = 1;
constexpr unsigned kCertificateOnConnection = 2;
constexpr unsigned kCertificateInSession = 4;

// The records in a TLS record.
struct TlsText {
  uint8_t type;
  std::optional<std::string_view> ProxyTls::*text;
};
constexpr std::array<TlsText, 5> kTlsTexts = {{
    {0x21, &ProxyTls::version},
    {0x22, &ProxyTls::common_name},
    {0x23, &ProxyTls::cipher},
    {0x24, &ProxyTls::signature_algorithm},
    {0x25, &ProxyTls::key_algorithm},
}};

}  // namespace

std::optional<ProxyTls> ProxyTls::Read(std::string_view value) {
  constexpr size_t kFixedBytes = 1 + sizeof(uint32_t);
  if (value.size() < kFixedBytes) return std::nullopt;
  const auto bits = static_cast<uint8_t>(value[0]);
  ProxyTls tls = {
      .encrypted = (bits & kEncrypted) != 0,
      .certificate_on_connection = (bits & kCertificateOnConnection) != 0,
      .certificate_in_session = (bits & kCertificateInSession) != 0,
      .verify_error = internal::ReadBigEndian<uint32_t>(value.substr(1))};
  value.remove_prefix(kFixedBytes);
  while (!value.empty()) {
    const std::optional<internal::ProxyTlvView> tlv =
        internal::TakeProxyTlv(value);
    if (!tlv.has_value()) return std::nullopt;
    for (const TlsText& known : kTlsTexts) {
      if (tlv->type == known.type) tls.*known.text = tlv->value;
    }
  }
  return tls;
}

std::string ProxyTls::ToValue() const {
  std::string value(
      1, static_cast<char>(
             (encrypted ? kEncrypted : 0) |
             (certificate_on_connection ? kCertificateOnConnection : 0) |
             (certificate_in_session ? kCertificateInSession : 0)));
  internal::AppendBigEndian(verify_error, value);
  for (const TlsText& known : kTlsTexts) {
    const std::optional<std::string_view>& text = this->*known.text;
    if (text.has_value()) internal::AppendProxyTlv(known.type, *text, value);
  }
  return value;
}

std::optional<std::string_view> ProxyHeader::Find(uint8_t type) const {
  const auto found = std::ranges::find(tlvs, type, &ProxyTlv::type);
  if (found == tlvs.end()) return std::nullopt;
  return found->value;
}

std::optional<ProxyTls> ProxyHeader::tls() const {
  const std::optional<std::string_view> value = Find(ProxyTlv::kTls);
  return value.has_value() ? ProxyTls::Read(*value) : std::nullopt;
}

}  // namespace percore
