// A PROXY header of version 1, which is a line of text:
//
//   PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n
#ifndef PERCORE_NET_INTERNAL_PROXY_LINE_H_
#define PERCORE_NET_INTERNAL_PROXY_LINE_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "percore/net/proxy_header.h"

namespace percore::internal {

// What every such line, and nothing else, begins with.
inline constexpr std::string_view kProxyLineStart = "PROXY";

struct ProxyLine {
  std::optional<ProxyEndpoints> endpoints;
  size_t size;  // CR LF too
};

// Reads the line that `bytes` begin with; they begin as kProxyLineStart does,
// as far as they go. Nothing if they could be the beginning of a line;
// InvalidArgument if they could not. Looks at kMaxProxyLine bytes at most.
absl::StatusOr<std::optional<ProxyLine>> ReadProxyLine(std::string_view bytes);

// `endpoints`, if any, are both IPv4, both IPv6 or both UNIX.
std::string FormatProxyLine(const std::optional<ProxyEndpoints>& endpoints);

// A header that is wrong in the way that `reason` says.
absl::Status BadProxyHeader(std::string_view reason);

}  // namespace percore::internal

#endif  // PERCORE_NET_INTERNAL_PROXY_LINE_H_
