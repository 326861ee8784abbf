#include "percore/net/compression/internal/zlib_stream.h"

#include <zlib.h>

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace percore::internal {

int EncodeWindowBits(CompressionFormat format, int window_bits) {
  constexpr int kGzip = 16;
  switch (format) {
    case CompressionFormat::kZlib:
      return window_bits;
    case CompressionFormat::kGzip:
      return window_bits + kGzip;
    case CompressionFormat::kRaw:
      return -window_bits;
  }
  return 0;
}

absl::Status CheckWindowBits(int window_bits) {
  if (window_bits >= kMinWindowBits && window_bits <= kMaxWindowBits) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat("window_bits is ", window_bits,
                                                 ", and not ", kMinWindowBits,
                                                 " to ", kMaxWindowBits));
}

absl::Status CheckBuffers(const Buffer& source, const Buffer& destination) {
  if (&source == &destination) {
    return absl::InvalidArgumentError("source and destination are the same");
  }
  if (source.frozen(BufferEnd::kFront)) {
    return absl::FailedPreconditionError("the front of the source is frozen");
  }
  if (destination.frozen(BufferEnd::kBack)) {
    return absl::FailedPreconditionError(
        "the back of the destination is frozen");
  }
  return absl::OkStatus();
}

ZlibOutcome CallZlib(z_stream_s& stream, int (*call)(z_stream_s*, int),
                     int flush, std::string_view input,
                     std::span<char> output) {
  // zlib counts with 32 bits.
  constexpr size_t kMaxBytes = size_t{1} << 30;
  const size_t input_size = std::min(input.size(), kMaxBytes);
  const size_t output_size = std::min(output.size(), kMaxBytes);
  // Not const only because zlib.h is older than that.
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(input.data()));
  stream.avail_in = static_cast<uInt>(input_size);
  stream.next_out = reinterpret_cast<Bytef*>(output.data());
  stream.avail_out = static_cast<uInt>(output_size);
  const int code = call(&stream, flush);
  return {.code = code,
          .consumed = input_size - stream.avail_in,
          .produced = output_size - stream.avail_out};
}

}  // namespace percore::internal
