#include "percore/examples/proxy_service/rate_text.h"

#include <optional>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "percore/runtime/error.h"

namespace percore::proxy {
namespace {

constexpr std::string_view kNone = "none";

struct Suffix {
  char letter;
  int64_t factor;
};
constexpr Suffix kSuffixes[] = {
    {'G', 1'000'000'000}, {'M', 1'000'000}, {'k', 1000}};

// What stands for reading and for writing; the same if there is only one.
struct Pair {
  std::string_view read;
  std::string_view write;
};

Pair Split(std::string_view text) {
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) return {.read = text, .write = text};
  return {.read = text.substr(0, slash), .write = text.substr(slash + 1)};
}

std::optional<int64_t> ParseBytes(std::string_view text) {
  int64_t factor = 1;
  for (const Suffix& suffix : kSuffixes) {
    if (!text.ends_with(suffix.letter)) continue;
    factor = suffix.factor;
    text.remove_suffix(1);
    break;
  }
  // Digits alone: SimpleAtoi() also takes signs and white space.
  if (text.find_first_not_of("0123456789") != std::string_view::npos) {
    return std::nullopt;
  }
  int64_t number = 0;
  int64_t bytes = 0;
  if (!absl::SimpleAtoi(ToAbsl(text), &number) ||
      __builtin_mul_overflow(number, factor, &bytes)) {
    return std::nullopt;
  }
  return bytes;
}

absl::StatusOr<int64_t> ParseBytesOrNone(std::string_view text, int64_t none) {
  if (text == kNone) return none;
  const std::optional<int64_t> bytes = ParseBytes(text);
  if (bytes.has_value()) return *bytes;
  return absl::InvalidArgumentError(
      absl::StrCat("'", ToAbsl(text),
                   "' is no number of bytes: 500, 100k, 10M, 1G or none"));
}

absl::StatusOr<RateBudget> ParseBudget(std::string_view rate,
                                       std::string_view burst) {
  absl::StatusOr<int64_t> bytes =
      ParseBytesOrNone(rate, RateBudget::kUnlimited);
  if (!bytes.ok()) return bytes.status();
  RateBudget budget = {.rate = *bytes};
  if (burst.empty()) return budget;
  bytes = ParseBytesOrNone(burst, 0);
  if (!bytes.ok()) return bytes.status();
  if (!budget.unlimited()) budget.burst = *bytes;
  return budget;
}

std::string Text(int64_t bytes) {
  if (bytes == RateBudget::kUnlimited) return std::string(kNone);
  for (const auto& [letter, factor] : kSuffixes) {
    if (bytes > 0 && bytes % factor == 0) {
      return absl::StrCat(bytes / factor, absl::string_view(&letter, 1));
    }
  }
  return absl::StrCat(bytes);
}

std::string Text(int64_t read, int64_t write) {
  return read == write ? Text(read)
                       : absl::StrCat(Text(read), "/", Text(write));
}

int64_t BurstOf(const RateBudget& budget) {
  return budget.unlimited() ? RateBudget::kUnlimited : budget.burst;
}

}  // namespace

absl::StatusOr<RateLimit> ParseLimit(std::string_view rate,
                                     std::string_view burst) {
  const Pair rates = Split(rate);
  const Pair bursts = Split(burst);
  const absl::StatusOr<RateBudget> read = ParseBudget(rates.read, bursts.read);
  if (!read.ok()) return read.status();
  const absl::StatusOr<RateBudget> write =
      ParseBudget(rates.write, bursts.write);
  if (!write.ok()) return write.status();
  const RateLimit limit = {.read = *read, .write = *write};
  if (absl::Status status = limit.Check(); !status.ok()) return status;
  return limit.WithBursts();
}

std::string RateText(const RateLimit& limit) {
  return Text(limit.read.rate, limit.write.rate);
}

std::string BurstText(const RateLimit& limit) {
  return Text(BurstOf(limit.read), BurstOf(limit.write));
}

}  // namespace percore::proxy
