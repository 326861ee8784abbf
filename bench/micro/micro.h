// The frame of the micro-benchmarks: the same cases, in one program for each
// library, so that a harness can run them by turns.
//
// A program defines AddCases(), the frame has main(). Its flags are Google
// Benchmark's, and --iterations=N: every case that is selected makes exactly N
// iterations, once. Two such runs under an instruction counter, subtracted, are
// what an iteration costs without what comes before and after.
//
// ```cpp
// void percore::bench::AddCases() {
//   AddCase("append/64", [](benchmark::State& state) {
//     std::string text;
//     Measure(state, 100, [&text] {
//       for (int i = 0; i < 100; ++i) text.append(64, 'x');
//       text.clear();
//     });
//   });
// }
// ```
#ifndef PERCORE_BENCH_MICRO_MICRO_H_
#define PERCORE_BENCH_MICRO_MICRO_H_

#include <benchmark/benchmark.h>

#include <atomic>
#include <functional>
#include <string>

namespace percore::bench {

enum class CaseThreads {
  // All the work is done by the thread that iterates.
  kOne,
  // Others work as well: the CPU time is the process', and how long it takes is
  // by the wall clock.
  kSeveral,
};

// Of the program: calls AddCase() for each of its cases.
void AddCases();

// `function` calls Measure() once; what is before that is set-up.
void AddCase(const std::string& name,
             std::function<void(benchmark::State&)> function,
             CaseThreads threads = CaseThreads::kOne);

// What went wrong first in this case, null if nothing did.
inline std::atomic<const char*> first_failure{nullptr};

// Any thread. Returns `ok`. If it is false, the case ends after this iteration
// and is reported as failed; `what` must be a literal.
inline bool Check(bool ok, const char* what) {
  if (!ok) [[unlikely]] {
    const char* nothing = nullptr;
    first_failure.compare_exchange_strong(nothing, what);
  }
  return ok;
}

inline bool Failed() {
  return first_failure.load(std::memory_order_relaxed) != nullptr;
}

// Calls `iteration` as often as `state` asks for. Each call makes `operations`
// of what the case is about: the harness divides by it.
template <typename Iteration>
void Measure(benchmark::State& state, int operations, Iteration iteration) {
  if (Failed()) return;  // The set-up did.
  for ([[maybe_unused]] auto unused : state) {
    iteration();
    if (Failed()) break;
  }
  state.counters["operations"] = operations;
}

// As above, with something before each call that is not measured. An
// instruction counter sees it all the same: such cases are measured by time
// alone.
template <typename Before, typename Iteration>
void MeasureAfter(benchmark::State& state, int operations, Before before,
                  Iteration iteration) {
  Measure(state, operations, [&] {
    state.PauseTiming();
    before();
    state.ResumeTiming();
    iteration();
  });
}

}  // namespace percore::bench

#endif  // PERCORE_BENCH_MICRO_MICRO_H_
