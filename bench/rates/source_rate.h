// What the servers of this folder are limited to, all of their clients
// together.
#ifndef PERCORE_BENCH_RATES_SOURCE_RATE_H_
#define PERCORE_BENCH_RATES_SOURCE_RATE_H_

#include <chrono>
#include <cstdint>

namespace percore::bench {

inline constexpr int64_t kSourceRate = 20'000'000;  // bytes a second
inline constexpr int64_t kSourceBurst = kSourceRate / 20;
inline constexpr std::chrono::milliseconds kSourceTick{10};
// What a client is kept supplied with.
inline constexpr int64_t kSourcePiece = 16 * 1024;

}  // namespace percore::bench

#endif  // PERCORE_BENCH_RATES_SOURCE_RATE_H_
