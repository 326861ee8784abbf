// When the requests of an open loop are due.
//
// A closed loop asks again when it has been answered: a server that stops for a
// second is asked less, and the second shows in one latency only (coordinated
// omission). In an open loop requests are due at their time, whatever the
// server does, and what a request waited counts from then.
#ifndef PERCORE_BENCH_LOAD_SCHEDULE_H_
#define PERCORE_BENCH_LOAD_SCHEDULE_H_

#include <cstdint>
#include <random>

namespace percore::bench {

enum class Arrivals {
  kEven,     // at equal distances
  kPoisson,  // independent of each other, as many users are
};

// One thread. `rate` is in requests a second, and more than 0.
class Schedule {
 public:
  Schedule(double rate, Arrivals arrivals, uint64_t seed);

  // The first request is due one (mean) distance after `now_ns`.
  void Start(int64_t now_ns);

  // When the next request is due, in nanoseconds of the clock of Start().
  int64_t next_due_ns() const;

  // The next request has been taken care of.
  void Advance();

 private:
  double Distance();

  const double mean_distance_ns_;
  const Arrivals arrivals_;
  std::mt19937_64 random_;
  std::exponential_distribution<double> distance_;
  int64_t start_ns_ = 0;
  // Since the start. A double is exact to a nanosecond for a hundred days, and
  // keeps fractions, so that the rate is met.
  double next_due_ = 0;
};

}  // namespace percore::bench

#endif  // PERCORE_BENCH_LOAD_SCHEDULE_H_
