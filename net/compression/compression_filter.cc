#include "percore/net/compression/compression_filter.h"

#include <cstddef>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace percore {
namespace {

class CompressionFilter final : public Filter {
 public:
  CompressionFilter(Deflater deflater, Inflater inflater,
                    const CompressionFilterOptions& options)
      : deflater_(std::move(deflater)),
        inflater_(std::move(inflater)),
        flush_each_turn_(options.flush == CompressionFlush::kEachTurn),
        trailing_(options.trailing) {}

  absl::StatusOr<FilterResult> FilterInput(Buffer& source, Buffer& destination,
                                           size_t limit,
                                           FlushMode mode) override;
  absl::StatusOr<FilterResult> FilterOutput(Buffer& source, Buffer& destination,
                                            size_t limit,
                                            FlushMode mode) override;

 private:
  // What is to follow all that was written until now.
  FlushKind FlushAtEnd(FlushMode mode) const;

  Deflater deflater_;
  Inflater inflater_;
  const bool flush_each_turn_;
  const CompressionTrailing trailing_;
  // A step of the Deflater takes all it is given, whatever becomes of it; so it
  // is given a bounded amount.
  Buffer taken_;
  FlushKind flush_ = FlushKind::kNone;  // of the step with taken_
  bool step_goes_on_ = false;
};

absl::StatusOr<FilterResult> CompressionFilter::FilterInput(Buffer& source,
                                                            Buffer& destination,
                                                            size_t limit,
                                                            FlushMode mode) {
  // To the Inflater no stream at all would be one that is cut off.
  if (source.empty() && inflater_.total_input() == 0) {
    return FilterResult::kNeedMore;
  }
  const absl::StatusOr<CompressionStep> step = inflater_.Step(
      source, destination, limit,
      mode == FlushMode::kFinished ? FlushKind::kFinish : FlushKind::kNone);
  if (!step.ok()) return step.status();
  if (*step == CompressionStep::kOutputFull) return FilterResult::kOk;
  if (*step == CompressionStep::kNeedsInput || source.empty()) {
    return FilterResult::kNeedMore;
  }
  if (trailing_ == CompressionTrailing::kError) {
    return absl::InvalidArgumentError(
        absl::StrCat("more bytes behind the end of the compressed stream of ",
                     inflater_.total_input(), " bytes"));
  }
  source.Clear();
  return FilterResult::kNeedMore;
}

absl::StatusOr<FilterResult> CompressionFilter::FilterOutput(
    Buffer& source, Buffer& destination, size_t limit, FlushMode mode) {
  const size_t end = destination.size() + limit;
  for (;;) {
    if (!step_goes_on_) {
      taken_.MoveFrom(source, limit);
      flush_ = source.empty() ? FlushAtEnd(mode) : FlushKind::kNone;
      // A flush of nothing would send a header ahead of it.
      if (taken_.empty() && deflater_.total_input() == 0 &&
          flush_ != FlushKind::kFinish) {
        return FilterResult::kNeedMore;
      }
    }
    const absl::StatusOr<CompressionStep> step =
        deflater_.Step(taken_, destination, end - destination.size(), flush_);
    if (!step.ok()) return step.status();
    step_goes_on_ = *step == CompressionStep::kOutputFull;
    if (step_goes_on_) return FilterResult::kOk;
    if (*step == CompressionStep::kFinished) return FilterResult::kNeedMore;
    if (!source.empty()) return FilterResult::kOk;
    // The step may have begun before more was asked for.
    if (flush_ >= FlushAtEnd(mode)) return FilterResult::kNeedMore;
  }
}

FlushKind CompressionFilter::FlushAtEnd(FlushMode mode) const {
  switch (mode) {
    case FlushMode::kNormal:
      return flush_each_turn_ ? FlushKind::kSync : FlushKind::kNone;
    case FlushMode::kFlush:
      return FlushKind::kSync;
    case FlushMode::kFinished:
      return FlushKind::kFinish;
  }
  return FlushKind::kNone;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Filter>> MakeCompressionFilter(
    const CompressionFilterOptions& options) {
  absl::StatusOr<Deflater> deflater = Deflater::Create(options.output);
  if (!deflater.ok()) return deflater.status();
  absl::StatusOr<Inflater> inflater = Inflater::Create(options.input);
  if (!inflater.ok()) return inflater.status();
  return std::make_unique<CompressionFilter>(*std::move(deflater),
                                             *std::move(inflater), options);
}

}  // namespace percore
