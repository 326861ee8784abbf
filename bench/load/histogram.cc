#include "percore/bench/load/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace percore::bench {
namespace {

// Values below 2 * kSteps have a bucket each. Above, a value is shifted right
// until it is in [kSteps, 2 * kSteps), and the number of shifts picks the row.
constexpr int kStepBits = 7;
constexpr uint64_t kSteps = uint64_t{1} << kStepBits;
constexpr size_t kRows = 64 - kStepBits;
constexpr size_t kBuckets = (kRows + 1) * kSteps;

}  // namespace

Histogram::Histogram() : counts_(kBuckets) {}

void Histogram::Record(uint64_t value) {
  ++counts_[BucketOf(value)];
  ++count_;
  max_ = std::max(max_, value);
  sum_ += static_cast<double>(value);
}

void Histogram::Merge(const Histogram& other) {
  for (size_t bucket = 0; bucket < counts_.size(); ++bucket) {
    counts_[bucket] += other.counts_[bucket];
  }
  count_ += other.count_;
  max_ = std::max(max_, other.max_);
  sum_ += other.sum_;
}

void Histogram::Clear() {
  std::fill(counts_.begin(), counts_.end(), 0);
  count_ = 0;
  max_ = 0;
  sum_ = 0;
}

uint64_t Histogram::ValueAtPercentile(double percentile) const {
  const auto wanted = static_cast<uint64_t>(
      std::ceil(static_cast<double>(count_) * percentile / 100));
  uint64_t seen = 0;
  for (size_t bucket = 0; bucket < counts_.size(); ++bucket) {
    seen += counts_[bucket];
    if (seen > 0 && seen >= wanted) {
      return std::min(HighestValueIn(bucket), max_);
    }
  }
  return max_;
}

size_t Histogram::BucketOf(uint64_t value) {
  const int bits = static_cast<int>(std::bit_width(value));
  const int shift = std::max(0, bits - (kStepBits + 1));
  return static_cast<size_t>(shift) * kSteps + (value >> shift);
}

uint64_t Histogram::HighestValueIn(size_t bucket) {
  if (bucket < 2 * kSteps) return bucket;
  const size_t shift = bucket / kSteps - 1;
  const uint64_t step = bucket - shift * kSteps;
  return ((step + 1) << shift) - 1;
}

}  // namespace percore::bench
