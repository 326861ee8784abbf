// Any bytes as a compressed stream: what comes out is the same however they
// arrive and however small the steps are, and never beyond its limit. And what
// is compressed comes back.
//
// The first three bytes say how.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include "percore/net/compression/deflater.h"
#include "percore/net/compression/inflater.h"

namespace {

using percore::Buffer;
using percore::CompressionFormat;
using percore::CompressionStep;
using percore::Deflater;
using percore::FlushKind;
using percore::Inflater;
using percore::InflaterOptions;

constexpr size_t kMaxOutput = 20'000;

void Require(bool holds) {
  if (!holds) std::abort();
}

// How the bytes arrive, and how much may come out at once.
struct Manner {
  size_t part_size;
  size_t bound;
};

template <typename Codec>
absl::StatusOr<CompressionStep> StepAll(Codec& codec, Buffer& source,
                                        Buffer& destination, size_t bound,
                                        FlushKind flush) {
  for (;;) {
    const size_t before = destination.size();
    absl::StatusOr<CompressionStep> step =
        codec.Step(source, destination, bound, flush);
    Require(destination.size() - before <= bound);
    if (!step.ok() || *step != CompressionStep::kOutputFull) return step;
    Require(destination.size() - before == bound);
  }
}

struct Outcome {
  std::optional<CompressionStep> step;
  absl::StatusCode code;
  std::string output;
  std::string left;

  friend bool operator==(const Outcome& a, const Outcome& b) = default;
};

template <typename Codec>
Outcome Run(Codec codec, std::string_view bytes, const Manner& manner,
            FlushKind last) {
  Buffer source;
  Buffer destination;
  absl::StatusOr<CompressionStep> step = CompressionStep::kNeedsInput;
  size_t at = 0;
  do {
    const std::string_view part = bytes.substr(at, manner.part_size);
    source.AppendReference(part.data(), part.size(), nullptr, nullptr);
    at += part.size();
    step = StepAll(codec, source, destination, manner.bound,
                   at == bytes.size() ? last : FlushKind::kNone);
  } while (step.ok() && at < bytes.size());
  Outcome outcome = {.step = std::nullopt,
                     .code = step.status().code(),
                     .output = destination.ToString(),
                     .left = ""};
  if (step.ok()) {
    outcome.step = *step;
    outcome.left = source.ToString();
    Require(bytes.ends_with(outcome.left));
  }
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr size_t kSettings = 3;
  if (size < kSettings) return 0;
  const unsigned how = data[0];
  const Manner whole = {.part_size = SIZE_MAX, .bound = SIZE_MAX};
  const Manner pieces = {.part_size = 1U + data[1], .bound = 1U + data[2]};
  const std::string_view bytes(reinterpret_cast<const char*>(data) + kSettings,
                               size - kSettings);

  InflaterOptions options = {.max_output = kMaxOutput,
                             .ratio_grace = UINT64_MAX};
  constexpr unsigned kDetect = 3;
  if (how % 4 != kDetect) {
    options.format = static_cast<CompressionFormat>(how % 4);
  }
  if ((how & 4U) != 0) options.members = percore::GzipMembers::kOne;
  const FlushKind last =
      (how & 8U) != 0 ? FlushKind::kFinish : FlushKind::kNone;
  const Outcome at_once = Run(*Inflater::Create(options), bytes, whole, last);
  Require(at_once.output.size() <= kMaxOutput);
  Require(Run(*Inflater::Create(options), bytes, pieces, last) == at_once);

  const CompressionFormat format =
      options.format.value_or(CompressionFormat::kGzip);
  const Outcome deflated =
      Run(*Deflater::Create({.format = format,
                             .level = static_cast<int>((how >> 4U) % 10),
                             .window_bits = 9,
                             .memory_level = 1}),
          bytes, pieces, FlushKind::kFinish);
  Require(deflated.step == CompressionStep::kFinished);
  const Outcome back = Run(*Inflater::Create({.format = format}),
                           deflated.output, pieces, FlushKind::kFinish);
  Require(back.step == CompressionStep::kFinished);
  Require(back.output == bytes);
  return 0;
}
