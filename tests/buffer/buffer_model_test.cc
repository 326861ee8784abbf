// Random scripts (buffer_model.h). A script that shows a difference, or
// crashes, is shortened to what matters before it is printed.
//
// PERCORE_TEST_SEED=<seed> replays one script (with Bazel:
// --test_env=PERCORE_TEST_SEED=<seed>), and PERCORE_TEST_STEPS=<operations>
// makes the test longer.
#include "percore/tests/buffer/buffer_model.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <optional>
#include <random>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "percore/tests/buffer/script_shrinker.h"
#include "percore/tests/support/sanitizers.h"

namespace percore {
namespace {

// A few seconds.
constexpr uint64_t kOperations = kSanitized ? 150'000 : 1'000'000;
// A script takes milliseconds: one that runs so long runs for ever.
constexpr unsigned kSecondsPerScript = 60;

std::optional<uint64_t> FromEnvironment(const char* name) {
  const char* const value = std::getenv(name);
  if (value == nullptr) return std::nullopt;
  return std::strtoull(value, nullptr, 10);
}

// Scripts run in a process of their own: one that crashes is then shortened
// like one that shows a difference. What such a process has to say, in memory
// that its parent has too.
class Report {
 public:
  Report()
      : content_(static_cast<Content*>(
            mmap(nullptr, sizeof(Content), PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_ANONYMOUS, -1, 0))) {}
  Report(const Report&) = delete;
  Report& operator=(const Report&) = delete;
  ~Report() { munmap(content_, sizeof(Content)); }

  // The script that runs.
  uint64_t seed() const { return content_->seed; }
  void set_seed(uint64_t seed) { content_->seed = seed; }

  std::string difference() const { return content_->difference; }
  void set_difference(const std::string& difference) {
    const size_t size =
        std::min(difference.size(), sizeof content_->difference - 1);
    std::memcpy(content_->difference, difference.data(), size);
    content_->difference[size] = '\0';
  }

 private:
  struct Content {
    uint64_t seed;
    char difference[4000];
  };

  Content* const content_;
};

enum class Errors { kShow, kHide };

// Calls `function(report)` in a child process, which ends well if that returns
// true. Returns what is wrong, if something is.
template <typename Function>
std::optional<std::string> RunInChild(Report& report, Errors errors,
                                      Function function) {
  report.set_difference("");
  std::cout.flush();
  const pid_t child = fork();
  if (child == 0) {
    if (errors == Errors::kHide) {
      const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
      dup2(nowhere, STDERR_FILENO);
    }
    _exit(function(report) ? 0 : 1);
  }
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child) {
    return "a child process could not be run";
  }
  if (status == 0) return std::nullopt;
  if (!report.difference().empty()) return report.difference();
  return WIFSIGNALED(status)
             ? absl::StrCat("it died of signal ", WTERMSIG(status))
             : absl::StrCat("it exited with ", WEXITSTATUS(status));
}

bool RunAndReport(const Script& script, Report& report) {
  alarm(kSecondsPerScript);
  const std::optional<std::string> difference = RunScript(script);
  if (difference.has_value()) report.set_difference(*difference);
  return !difference.has_value();
}

std::optional<std::string> RunInChild(const Script& script, Report& report,
                                      Errors errors) {
  return RunInChild(report, errors, [&](Report& of_child) {
    return RunAndReport(script, of_child);
  });
}

// What to print of a script that failed with `difference`.
std::string Explain(const Script& script, const std::string& difference,
                    Report& report) {
  const Script shrunk = Shrink(script, [&](const Script& candidate) {
    return RunInChild(candidate, report, Errors::kHide).has_value();
  });
  // Once more, for the stack trace of a crash.
  const auto again = RunInChild(shrunk, report, Errors::kShow);
  return absl::StrCat(
      "a script of ", script.size(), " operations: ", difference,
      "\nshortened: ", again.value_or("passes"), "\n", Describe(shrunk));
}

TEST(BufferModelTest, BuffersAreWhatStringsAre) {
  const std::optional<uint64_t> replayed = FromEnvironment("PERCORE_TEST_SEED");
  const uint64_t wanted =
      FromEnvironment("PERCORE_TEST_STEPS").value_or(kOperations);
  const uint64_t first_seed = replayed.value_or(std::random_device()());
  Report report;
  const auto difference =
      RunInChild(report, Errors::kShow, [&](Report& of_child) {
        uint64_t seed = first_seed;
        for (uint64_t done = 0; done < wanted; ++seed) {
          of_child.set_seed(seed);
          const Script script = RandomScript(seed);
          if (!RunAndReport(script, of_child)) return false;
          done += script.size();
          if (replayed.has_value()) break;
        }
        return true;
      });
  std::cout << "PERCORE_TEST_SEED=" << report.seed() << ", the first was "
            << first_seed << std::endl;
  RecordProperty("seed", std::to_string(first_seed));
  if (!difference.has_value()) return;
  FAIL() << "PERCORE_TEST_SEED=" << report.seed() << "\n"
         << Explain(RandomScript(report.seed()), *difference, report);
}

// The first random script that shows what is wrong with `spoiler`, shortened.
Script ShrunkScriptThatShows(const ModelSpoiler& spoiler) {
  const auto fails = [&](const Script& script) {
    return RunScript(script, spoiler).has_value();
  };
  for (uint64_t seed = 1;; ++seed) {
    const Script script = RandomScript(seed);
    if (fails(script)) return Shrink(script, fails);
  }
}

TEST(BufferModelTest, ShowsThatMovedBytesAreWrongByTwoOperations) {
  const ModelSpoiler spoiler = [](const Operation& operation,
                                  std::string& bytes) {
    if (operation.code != OperationCode::kMoveFrom || bytes.empty()) return;
    bytes.back() ^= 1;
  };
  const Script shrunk = ShrunkScriptThatShows(spoiler);
  EXPECT_LE(shrunk.size(), 2u) << Describe(shrunk);
  EXPECT_EQ(shrunk.back().code, OperationCode::kMoveFrom);
  const std::string difference = RunScript(shrunk, spoiler).value_or("none");
  EXPECT_NE(difference.find("(MoveFrom) subject 0: "), std::string::npos)
      << difference;
}

TEST(BufferModelTest, ShowsThatAByteIsMissingInALargeBufferByTwoOperations) {
  const ModelSpoiler spoiler = [](const Operation& operation,
                                  std::string& bytes) {
    if (operation.code != OperationCode::kDrain || bytes.size() < 1000) return;
    bytes.pop_back();
  };
  const Script shrunk = ShrunkScriptThatShows(spoiler);
  EXPECT_LE(shrunk.size(), 2u) << Describe(shrunk);
  EXPECT_EQ(shrunk.back().code, OperationCode::kDrain);
  const std::string difference = RunScript(shrunk, spoiler).value_or("none");
  EXPECT_NE(difference.find("size() is"), std::string::npos) << difference;
}

}  // namespace
}  // namespace percore
