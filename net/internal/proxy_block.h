// A PROXY header of version 2, which is binary:
//
//   +-----------+---------+-----------+--------+-----------+------+------+
//   | signature | version | family    | length | source,   | TLV  | TLV  |
//   |           | command | transport | of:    | destin.   |      |      |
//   +-----------+---------+-----------+--------+-----------+------+------+
//        12          1          1         2     0, 12, 36
//                                               or 216
#ifndef PERCORE_NET_INTERNAL_PROXY_BLOCK_H_
#define PERCORE_NET_INTERNAL_PROXY_BLOCK_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "percore/net/proxy_header.h"

namespace percore::internal {

// The signature.
inline constexpr std::string_view kProxyBlockStart("\r\n\r\n\0\r\nQUIT\n", 12);

// How many bytes the header has that `bytes` begin with; they begin with the
// signature, as far as they go. Nothing if that is not yet known. Errors: what
// cannot be the beginning of a header, or of one of at most `max_length` bytes
// behind the length.
absl::StatusOr<std::optional<size_t>> ReadProxyBlockSize(std::string_view bytes,
                                                         size_t max_length);

// Reads a whole header, of which ReadProxyBlockSize() has given the size.
absl::StatusOr<ProxyHeader> ReadProxyBlock(std::string_view bytes);

// The endpoints of `header`, if any, are of the same family, and LOCAL has
// none, and no TLVs.
absl::StatusOr<std::string> FormatProxyBlock(const ProxyHeader& header);

}  // namespace percore::internal

#endif  // PERCORE_NET_INTERNAL_PROXY_BLOCK_H_
