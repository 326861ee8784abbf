#include "percore/net/compression/deflater.h"

#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <span>
#include <string_view>

#include "absl/strings/str_cat.h"

namespace percore {
namespace {

absl::Status CheckRange(std::string_view name, int value, int min, int max) {
  if (value >= min && value <= max) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(absl::string_view(name.data(), name.size()), " is ", value,
                   ", and not ", min, " to ", max));
}

void End(z_stream* stream) {
  deflateEnd(stream);
  delete stream;
}

// What zlib is told with the last of the input. kSync first ends the block,
// which can be repeated until there is room enough; the marker comes then.
int ZlibFlush(FlushKind flush) {
  switch (flush) {
    case FlushKind::kNone:
      return Z_NO_FLUSH;
    case FlushKind::kSync:
      return Z_BLOCK;
    case FlushKind::kFinish:
      return Z_FINISH;
  }
  return Z_NO_FLUSH;
}

}  // namespace

absl::StatusOr<Deflater> Deflater::Create(const DeflaterOptions& options) {
  for (const absl::Status& status :
       {CheckRange("level", options.level, Z_DEFAULT_COMPRESSION,
                   Z_BEST_COMPRESSION),
        CheckRange("memory_level", options.memory_level, 1, MAX_MEM_LEVEL),
        internal::CheckWindowBits(options.window_bits)}) {
    if (!status.ok()) return status;
  }
  internal::ZlibStream stream(new z_stream(), &End);
  const int code = deflateInit2(
      stream.get(), options.level, Z_DEFLATED,
      internal::EncodeWindowBits(options.format, options.window_bits),
      options.memory_level, Z_DEFAULT_STRATEGY);
  if (code != Z_OK) {
    return absl::ResourceExhaustedError(
        absl::StrCat("deflateInit2: ", zError(code)));
  }
  return Deflater(std::move(stream));
}

absl::StatusOr<CompressionStep> Deflater::Step(Buffer& source,
                                               Buffer& destination,
                                               size_t max_output,
                                               FlushKind flush) {
  absl::Status status = internal::CheckBuffers(source, destination);
  if (!status.ok()) return status;
  if (finished_) return CompressionStep::kFinished;
  internal::OutputRoom room(destination, max_output);
  absl::StatusOr<CompressionStep> result = Run(source, room, flush);
  status = room.Commit();
  if (!status.ok()) return status;
  return result;
}

absl::StatusOr<CompressionStep> Deflater::Run(Buffer& source,
                                              internal::OutputRoom& room,
                                              FlushKind flush) {
  for (;;) {
    if (!MoveMarker(room)) return CompressionStep::kOutputFull;
    if (flush == FlushKind::kSync && flushed_ && source.empty()) {
      return CompressionStep::kNeedsInput;
    }
    const std::span<char> output = room.Next();
    if (output.empty()) return CompressionStep::kOutputFull;
    const std::string_view input = source.Front();
    const bool last = input.size() == source.size();
    internal::ZlibOutcome outcome =
        internal::CallZlib(*stream_, &deflate,
                           last ? ZlibFlush(flush) : Z_NO_FLUSH, input, output);
    room.Fill(outcome.produced);
    source.Drain(outcome.consumed);
    if (outcome.consumed != 0) flushed_ = false;
    total_input_ += outcome.consumed;
    total_output_ += outcome.produced;
    if (outcome.code == Z_STREAM_END) {
      finished_ = true;
      return CompressionStep::kFinished;
    }
    // Z_BUF_ERROR: there was nothing to do.
    if (outcome.code != Z_OK && outcome.code != Z_BUF_ERROR) {
      return absl::FailedPreconditionError("the stream was being finished");
    }
    if (outcome.produced == output.size()) continue;
    if (!source.empty()) {
      if (outcome.consumed != 0) continue;
      return absl::FailedPreconditionError("input behind the stream's end");
    }
    if (flush != FlushKind::kSync) return CompressionStep::kNeedsInput;

    outcome = internal::CallZlib(*stream_, &deflate, Z_SYNC_FLUSH, {}, marker_);
    marker_begin_ = 0;
    marker_end_ = outcome.produced;
    flushed_ = true;
  }
}

bool Deflater::MoveMarker(internal::OutputRoom& room) {
  while (marker_begin_ != marker_end_) {
    const std::span<char> output = room.Next();
    if (output.empty()) return false;
    const size_t size = std::min(output.size(), marker_end_ - marker_begin_);
    std::memcpy(output.data(), &marker_[marker_begin_], size);
    room.Fill(size);
    marker_begin_ += size;
    total_output_ += size;
  }
  return true;
}

void Deflater::Reset() {
  deflateReset(stream_.get());
  total_input_ = 0;
  total_output_ = 0;
  marker_begin_ = 0;
  marker_end_ = 0;
  flushed_ = false;
  finished_ = false;
}

}  // namespace percore
