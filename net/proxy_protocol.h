// The PROXY protocol on the wire, versions 1 and 2: takes a ProxyHeader off the
// front of a Buffer, and appends one to a Buffer. (The specification is
// HAProxy's: doc/proxy-protocol.txt in its sources.)
//
// A server that accepts connections from proxies of its own:
//
// ```cpp
// percore::Buffer input;
// input.Append("PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\nGET /");
// auto result = percore::ParseProxyHeader(input);
// if (!result.ok()) return;  // close the connection
// if (result->kind == percore::ProxyParseResult::Kind::kHeader) {
//   // What is left in `input` is the client's: "GET /".
//   auto client = result->header.endpoints->source;  // 192.0.2.1:56324
// }
// ```
//
// And the proxy:
//
// ```cpp
// percore::ProxyHeader header;
// header.endpoints = percore::ProxyEndpoints{
//     .source = *percore::SocketAddress::Parse("192.0.2.1:56324"),
//     .destination = *percore::SocketAddress::Parse("192.0.2.2:443")};
// header.checksum = true;
// percore::Buffer output;
// absl::Status status = percore::AppendProxyHeader(header, output);
// ```
//
// Any thread that the Buffers belong to. No system calls.
#ifndef PERCORE_NET_PROXY_PROTOCOL_H_
#define PERCORE_NET_PROXY_PROTOCOL_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "percore/buffer/buffer.h"
#include "percore/net/proxy_header.h"

namespace percore {

// The longest header of version 1: all of its line, CR LF too.
inline constexpr size_t kMaxProxyLine = 107;

struct ProxyParseOptions {
  // The most that a header of version 2 may say that it has behind its first 16
  // bytes; the format could say 65,535. Addresses take at most 216, the rest
  // is TLVs: what proxies tell of TLS takes hundreds of bytes, not thousands.
  uint16_t max_v2_length = 4096;
};

struct ProxyParseResult {
  enum class Kind : uint8_t {
    // `header` has been taken off the Buffer.
    kHeader,
    // All bytes there are could be the beginning of a header.
    kNeedMore,
    // The bytes do not begin as a header of either version does. The
    // specification has a server that expects a header close the connection: a
    // client must not get by with none.
    kNotProxy,
  };
  Kind kind = Kind::kNeedMore;
  ProxyHeader header = {};
};

// Takes a header off the front of `source`, which loses nothing else. As long
// as the header is not complete, not well-formed, or none at all, nothing
// changes: whoever gets kNeedMore calls again when more has arrived.
//
// InvalidArgument, as soon as the bytes cannot become a header any more, says
// what is wrong with them; in version 2 that is after at most 16 bytes or when
// the header is complete. FailedPrecondition if the front of `source` is
// frozen.
//
// What is accepted:
//   * version 1: exactly what the specification says, but IPv6 addresses that
//     end like IPv4 ones too (::ffff:192.0.2.1), since HAProxy sends them.
//     UNKNOWN, with whatever stands behind it in the line, has no endpoints.
//   * LOCAL: with any family and any bytes, which are all ignored.
//   * an unspecified family: without endpoints, and all bytes are TLVs.
//   * a family, but an unspecified transport: nothing says how long the
//     addresses are. No endpoints, and all bytes are ignored.
//   * UNIX addresses: paths of up to 107 bytes. Of an abstract name, NULs at
//     the end are not part; nothing but NULs is an unnamed address.
//   * TLVs that fill the header exactly. One CRC32C at most, and it must be
//     right. A TLS record must be well-formed, and a unique id not be longer
//     than 128 bytes.
//
// Cost: looks at 107 bytes at most until the header is complete, and copies no
// more than the header.
absl::StatusOr<ProxyParseResult> ParseProxyHeader(
    Buffer& source, const ProxyParseOptions& options = {});

// Appends a header, of the version that it names, all of it or nothing. Network
// interfaces of IPv6 addresses are left out: they mean nothing elsewhere.
//
// In version 1, UNIX addresses and datagrams become UNKNOWN: the specification
// wants that for what its line cannot say.
//
// Errors, and nothing is appended. InvalidArgument:
//   * endpoints of different families;
//   * version 1: LOCAL, TLVs, a checksum: there is no way to say them;
//   * LOCAL with endpoints or TLVs: whoever reads it would ignore them;
//   * an abstract UNIX name that is empty or ends with a NUL: it would be read
//     as another;
//   * a TLV of type CRC32C (set `checksum`), and what ParseProxyHeader() would
//     not take;
//   * more than 65,535 bytes. More than 4,096 may be refused by the reader.
// FailedPrecondition: `destination` takes no more bytes.
absl::Status AppendProxyHeader(const ProxyHeader& header, Buffer& destination);

}  // namespace percore

#endif  // PERCORE_NET_PROXY_PROTOCOL_H_
