// A histogram of latencies that neither samples nor guesses a range.
//
// A load generator records millions of values a second, from hundreds of
// nanoseconds to seconds, and is asked for the 99.9th percentile. Keeping every
// value costs too much; equal buckets are too coarse at one end or too many at
// the other. Here each power of two is cut into 128 equal buckets, so every
// value is known within 1/128 of itself, over the whole range of 64 bits, at a
// handful of instructions a value (the idea of HdrHistogram).
//
// ```cpp
// percore::bench::Histogram latencies;
// latencies.Record(1250);
// uint64_t p99 = latencies.ValueAtPercentile(99);
// ```
#ifndef PERCORE_BENCH_LOAD_HISTOGRAM_H_
#define PERCORE_BENCH_LOAD_HISTOGRAM_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace percore::bench {

// Not thread-safe: one for each thread, merged in the end. Allocates 58 KiB
// when it is made, and never again.
class Histogram {
 public:
  Histogram();

  void Record(uint64_t value);

  // Adds everything that `other` has recorded.
  void Merge(const Histogram& other);

  // Forgets everything.
  void Clear();

  uint64_t count() const { return count_; }

  // Exact. 0 if nothing was recorded.
  uint64_t max() const { return max_; }
  double mean() const {
    return count_ == 0 ? 0 : sum_ / static_cast<double>(count_);
  }

  // The smallest value that `percentile` percent of the recorded values do not
  // exceed, rounded up to the end of its bucket, and never above max().
  // 0 if nothing was recorded. `percentile` is in 0..100.
  uint64_t ValueAtPercentile(double percentile) const;

 private:
  static size_t BucketOf(uint64_t value);
  static uint64_t HighestValueIn(size_t bucket);

  std::vector<uint64_t> counts_;
  uint64_t count_ = 0;
  uint64_t max_ = 0;
  double sum_ = 0;
};

}  // namespace percore::bench

#endif  // PERCORE_BENCH_LOAD_HISTOGRAM_H_
