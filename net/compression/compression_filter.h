// Compression on a connection, without its user seeing any of it: what is
// written leaves deflated, and what arrives is inflated.
//
//   user <-> BufferEvent <-> compression <-> BufferEvent <-> socket
//             plain bytes                     zlib, gzip or raw
//
// Each direction is one stream (RFC 1950 to 1952), as long as the connection.
//
// ```cpp
// auto base = percore::EventBase::Create({});
// auto filter = percore::MakeCompressionFilter(
//     {.output = {.level = 1}, .input = {.max_output = 1 << 30}});
// if (!base.ok() || !filter.ok()) return;
// auto [client, server] = percore::MakeBufferEventPair(**base);
// auto connection = percore::MakeFilteredBufferEvent(
//     std::move(client), *std::move(filter));
// connection->output().Append("hello");  // leaves as a zlib stream
// ```
//
// Where streams end:
//
// - FlushMode::kFinished ends the stream that leaves, behind the last byte.
//   A connection that is destroyed leaves it cut off.
// - A peer whose end of file comes within its stream has been cut off: the
//   connection's error says so. One that has sent nothing at all has just
//   ended.
// - A peer may end its stream and keep the connection. The end of file is told
//   when the peer's own arrives; CompressionTrailing has what comes between.
//
// What is corrupt, cut off, beyond a limit or behind the end is an error of the
// connection (InvalidArgument, ResourceExhausted); what came before it has
// been received.
#ifndef PERCORE_NET_COMPRESSION_COMPRESSION_FILTER_H_
#define PERCORE_NET_COMPRESSION_COMPRESSION_FILTER_H_

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "percore/net/compression/deflater.h"
#include "percore/net/compression/inflater.h"
#include "percore/net/filter.h"

namespace percore {

// When written bytes leave, however few they are.
enum class CompressionFlush : uint8_t {
  // At the end of the turn that wrote them: once output() is empty. A message
  // arrives without anybody asking for it; each turn costs about 5 bytes.
  kEachTurn,
  // With Flush(EventFlags::kWrite, FlushMode::kFlush), or kFinished. Until then
  // up to some tens of kilobytes are held, which compresses best.
  kWhenAsked,
};

// What to do with bytes behind the end of the peer's stream.
enum class CompressionTrailing : uint8_t { kError, kIgnore };

struct CompressionFilterOptions {
  DeflaterOptions output = {};
  // The limits are for all that arrives while the connection lasts. By default
  // zlib's format and gzip's are told apart; for CompressionFormat::kRaw both
  // `output` and `input` say so.
  InflaterOptions input = {};
  CompressionFlush flush = CompressionFlush::kEachTurn;
  CompressionTrailing trailing = CompressionTrailing::kError;
};

// For MakeFilteredBufferEvent(). Errors: those of Deflater::Create() and
// Inflater::Create().
//
// Memory: that of a Deflater and an Inflater, some 300 KiB a connection with
// the defaults. Bounded work: a turn compresses no more than the connection's
// `max_single_write`.
absl::StatusOr<std::unique_ptr<Filter>> MakeCompressionFilter(
    const CompressionFilterOptions& options = {});

}  // namespace percore

#endif  // PERCORE_NET_COMPRESSION_COMPRESSION_FILTER_H_
