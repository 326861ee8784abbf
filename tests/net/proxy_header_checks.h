// What the tests of the PROXY protocol do with headers and bytes, failing where
// something holds for no header.
#ifndef PERCORE_TESTS_NET_PROXY_HEADER_CHECKS_H_
#define PERCORE_TESTS_NET_PROXY_HEADER_CHECKS_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "percore/buffer/buffer.h"
#include "percore/net/proxy_protocol.h"

namespace percore {

SocketAddress Address(std::string_view text);
ProxyEndpoints Endpoints(std::string_view source, std::string_view destination,
                         ProxyTransport transport = ProxyTransport::kStream);
// Headers of either version.
ProxyHeader V1(std::optional<ProxyEndpoints> endpoints);
ProxyHeader V2(std::optional<ProxyEndpoints> endpoints);

// A Buffer of `text` in segments of `segment_size` bytes. `text` outlives it.
Buffer InSegments(std::string_view text, size_t segment_size);

// What is wrong with `bytes`, of which nothing is taken; "" if nothing is.
std::string ErrorOf(std::string_view bytes,
                    const ProxyParseOptions& options = {});
// What they are, if nothing is wrong with them.
ProxyParseResult::Kind KindOf(std::string_view bytes);
// The header that `bytes` are, however they arrive.
ProxyHeader Parsed(std::string_view bytes);

std::string Formatted(const ProxyHeader& header);
// Why `header` cannot be written.
std::string RefusalOf(const ProxyHeader& header);

}  // namespace percore

#endif  // PERCORE_TESTS_NET_PROXY_HEADER_CHECKS_H_
