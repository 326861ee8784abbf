#include "percore/net/compression/inflater.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <span>
#include <string_view>

#include "absl/strings/str_cat.h"

namespace percore {
namespace {

// What a gzip member begins with; no zlib stream begins with the first.
constexpr std::array<char, 2> kGzipMagic = {'\x1f', '\x8b'};

void End(z_stream* stream) {
  inflateEnd(stream);
  delete stream;
}

int WindowBits(const InflaterOptions& options) {
  constexpr int kZlibOrGzip = 32;
  return options.format.has_value()
             ? internal::EncodeWindowBits(*options.format, options.window_bits)
             : options.window_bits + kZlibOrGzip;
}

}  // namespace

absl::StatusOr<Inflater> Inflater::Create(const InflaterOptions& options) {
  const absl::Status status = internal::CheckWindowBits(options.window_bits);
  if (!status.ok()) return status;
  if (options.max_ratio == 0) {
    return absl::InvalidArgumentError("max_ratio is 0");
  }
  internal::ZlibStream stream(new z_stream(), &End);
  const int code = inflateInit2(stream.get(), WindowBits(options));
  if (code != Z_OK) {
    return absl::ResourceExhaustedError(
        absl::StrCat("inflateInit2: ", zError(code)));
  }
  return Inflater(std::move(stream), options);
}

absl::StatusOr<CompressionStep> Inflater::Step(Buffer& source,
                                               Buffer& destination,
                                               size_t max_output,
                                               FlushKind flush) {
  absl::Status status = internal::CheckBuffers(source, destination);
  if (!status.ok()) return status;
  if (!error_.ok()) return error_;
  if (max_output == 0) {
    return state_ == State::kFinished ? CompressionStep::kFinished
                                      : CompressionStep::kOutputFull;
  }
  internal::OutputRoom room(destination, max_output);
  absl::StatusOr<CompressionStep> result = Run(source, room, flush);
  status = room.Commit();
  if (!status.ok()) return status;
  if (!result.ok()) error_ = result.status();
  return result;
}

absl::StatusOr<CompressionStep> Inflater::Run(Buffer& source,
                                              internal::OutputRoom& room,
                                              FlushKind flush) {
  for (;;) {
    if (state_ == State::kBetweenMembers) {
      const std::optional<bool> more = SeesMember(source, flush);
      if (!more.has_value()) return CompressionStep::kNeedsInput;
      state_ = *more ? State::kInside : State::kFinished;
    }
    if (state_ == State::kFinished) return CompressionStep::kFinished;

    std::span<char> output = room.Next();
    if (output.empty()) return CompressionStep::kOutputFull;
    // At the limit one byte more is asked for, to see whether there is one.
    char beyond = 0;
    const uint64_t allowed = options_.max_output - total_output_;
    if (allowed == 0) {
      output = {&beyond, 1};
    } else if (output.size() > allowed) {
      output = output.first(static_cast<size_t>(allowed));
    }
    const std::string_view input = source.Front();
    if (total_input_ == 0 && !input.empty()) {
      is_gzip_ = options_.format.value_or(CompressionFormat::kGzip) ==
                     CompressionFormat::kGzip &&
                 input.front() == kGzipMagic[0];
    }
    const internal::ZlibOutcome outcome =
        internal::CallZlib(*stream_, &inflate, Z_NO_FLUSH, input, output);
    source.Drain(outcome.consumed);
    total_input_ += outcome.consumed;
    if (const absl::Status status = CheckLimits(outcome.produced);
        !status.ok()) {
      return status;
    }
    room.Fill(outcome.produced);
    total_output_ += outcome.produced;
    switch (outcome.code) {
      case Z_STREAM_END:
        inflateReset(stream_.get());
        state_ = is_gzip_ && options_.members == GzipMembers::kAll
                     ? State::kBetweenMembers
                     : State::kFinished;
        continue;
      case Z_OK:
      case Z_BUF_ERROR:  // there was nothing to do
        break;
      case Z_NEED_DICT:
        return Corrupt("it needs a dictionary");
      case Z_MEM_ERROR:
        return absl::ResourceExhaustedError("no memory to decompress with");
      default:
        return Corrupt(stream_->msg != nullptr ? stream_->msg
                                               : zError(outcome.code));
    }
    if (outcome.produced == output.size() || !source.empty()) continue;
    if (flush == FlushKind::kFinish) return Corrupt("it is cut off");
    return CompressionStep::kNeedsInput;
  }
}

std::optional<bool> Inflater::SeesMember(const Buffer& source,
                                         FlushKind flush) {
  std::array<char, kGzipMagic.size()> start;
  const size_t size = source.CopyOut(start);
  if (!std::equal(start.begin(), start.begin() + size, kGzipMagic.begin())) {
    return false;
  }
  if (size == kGzipMagic.size()) return true;
  if (flush == FlushKind::kFinish) return false;
  return std::nullopt;
}

absl::Status Inflater::CheckLimits(size_t produced) const {
  const uint64_t output = total_output_ + produced;
  if (output > options_.max_output) {
    return absl::ResourceExhaustedError(
        absl::StrCat("more than ", options_.max_output,
                     " bytes come out of a compressed stream"));
  }
  if (output > options_.ratio_grace &&
      output / options_.max_ratio > total_input_) {
    return absl::ResourceExhaustedError(
        absl::StrCat(total_input_, " bytes of a compressed stream give ",
                     output, ", more than ", options_.max_ratio, " for each"));
  }
  return absl::OkStatus();
}

absl::Status Inflater::Corrupt(const char* reason) const {
  const char* name = "zlib or gzip";
  if (options_.format.has_value()) {
    switch (*options_.format) {
      case CompressionFormat::kZlib:
        name = "zlib";
        break;
      case CompressionFormat::kGzip:
        name = "gzip";
        break;
      case CompressionFormat::kRaw:
        name = "deflate";
        break;
    }
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "not a ", name, " stream: ", reason, " after ", total_input_, " bytes"));
}

void Inflater::Reset() {
  inflateReset(stream_.get());
  total_input_ = 0;
  total_output_ = 0;
  error_ = absl::OkStatus();
  state_ = State::kInside;
  is_gzip_ = false;
}

}  // namespace percore
