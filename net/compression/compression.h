// What Deflater and Inflater (deflater.h, inflater.h) have in common.
#ifndef PERCORE_NET_COMPRESSION_COMPRESSION_H_
#define PERCORE_NET_COMPRESSION_COMPRESSION_H_

#include <cstdint>

namespace percore {

// What stands around the compressed bytes, which are the same in all (RFC
// 1951).
enum class CompressionFormat : uint8_t {
  kZlib,  // RFC 1950: 6 bytes more, and an Adler-32. HTTP's "deflate"
  kGzip,  // RFC 1952: 18 bytes more, and a CRC-32. HTTP's "gzip"
  kRaw,   // nothing
};

// What is to become of the bytes that a step is given.
enum class FlushKind : uint8_t {
  // More follows: the codec decides what comes out now.
  kNone,
  // All that was given so far comes out, so that the reader can go on with it.
  kSync,
  // Nothing follows: the stream ends here.
  kFinish,
};

// Why a step ended.
enum class CompressionStep : uint8_t {
  // It has taken all it can, and given all that it can give for that.
  kNeedsInput,
  // The bound of the output was reached. The same step again, once there is
  // room, goes on.
  kOutputFull,
  // The stream has ended.
  kFinished,
};

}  // namespace percore

#endif  // PERCORE_NET_COMPRESSION_COMPRESSION_H_
