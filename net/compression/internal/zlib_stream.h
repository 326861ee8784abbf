// What Deflater and Inflater need of zlib alike: a stream that is released, and
// steps from a Buffer's first extent into room.
#ifndef PERCORE_NET_COMPRESSION_INTERNAL_ZLIB_STREAM_H_
#define PERCORE_NET_COMPRESSION_INTERNAL_ZLIB_STREAM_H_

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

#include "absl/status/status.h"
#include "percore/buffer/buffer.h"
#include "percore/net/compression/compression.h"

// zlib.h is for the .cc files.
struct z_stream_s;

namespace percore::internal {

// Its address stays: zlib's own state points back to it.
using ZlibStream = std::unique_ptr<z_stream_s, void (*)(z_stream_s*)>;

inline constexpr int kMinWindowBits = 9;
inline constexpr int kMaxWindowBits = 15;

// How zlib is told the format along with the window's size.
int EncodeWindowBits(CompressionFormat format, int window_bits);

absl::Status CheckWindowBits(int window_bits);
// Whether a step may drain `source` and append to `destination`.
absl::Status CheckBuffers(const Buffer& source, const Buffer& destination);

struct ZlibOutcome {
  int code;  // zlib's
  size_t consumed;
  size_t produced;
};

// One call of deflate() or inflate().
ZlibOutcome CallZlib(z_stream_s& stream, int (*call)(z_stream_s*, int),
                     int flush, std::string_view input, std::span<char> output);

}  // namespace percore::internal

#endif  // PERCORE_NET_COMPRESSION_INTERNAL_ZLIB_STREAM_H_
