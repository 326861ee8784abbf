#include "percore/bench/micro/micro.h"

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

namespace percore::bench {
namespace {

// Of every case; 0 lets Google Benchmark decide.
int64_t fixed_iterations = 0;

std::optional<int64_t> ParseCount(std::string_view text) {
  int64_t count = 0;
  const char* const end = text.data() + text.size();
  const auto [parsed, error] = std::from_chars(text.data(), end, count);
  if (error != std::errc() || parsed != end || count < 1) return std::nullopt;
  return count;
}

// Takes --iterations=N out of the arguments. False if N is not a count.
bool TakeIterationsFlag(int* argc, char** argv) {
  constexpr std::string_view kFlag = "--iterations=";
  int kept = 1;
  for (int i = 1; i < *argc; ++i) {
    const std::string_view argument = argv[i];
    if (!argument.starts_with(kFlag)) {
      argv[kept++] = argv[i];
      continue;
    }
    const std::optional<int64_t> count =
        ParseCount(argument.substr(kFlag.size()));
    if (!count.has_value()) {
      std::fprintf(stderr, "%s: not a number of iterations\n", argv[i]);
      return false;
    }
    fixed_iterations = *count;
  }
  argv[kept] = nullptr;
  *argc = kept;
  return true;
}

int Main(int argc, char** argv) {
  if (!TakeIterationsFlag(&argc, argv)) return EXIT_FAILURE;
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return EXIT_FAILURE;
  AddCases();
  const size_t matched = benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return matched > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

}  // namespace

void AddCase(const std::string& name,
             std::function<void(benchmark::State&)> function,
             CaseThreads threads) {
  auto run = [function = std::move(function)](benchmark::State& state) {
    function(state);
    const char* const failure = first_failure.exchange(nullptr);
    if (failure != nullptr) state.SkipWithError(failure);
  };
  benchmark::internal::Benchmark* added =
      benchmark::RegisterBenchmark(name.c_str(), std::move(run));
  if (threads == CaseThreads::kSeveral) {
    added->MeasureProcessCPUTime()->UseRealTime();
  }
  if (fixed_iterations > 0) added->Iterations(fixed_iterations);
}

}  // namespace percore::bench

int main(int argc, char** argv) { return percore::bench::Main(argc, argv); }
