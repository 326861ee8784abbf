#include "percore/net/rate_limit.h"

#include <algorithm>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "percore/net/internal/token_bucket.h"

namespace percore {
namespace {

constexpr Duration kDefaultBurst = std::chrono::milliseconds(100);

absl::string_view Name(RateDirection direction) {
  return direction == RateDirection::kRead ? "read" : "write";
}

int64_t BytesOfATick(const RateBudget& budget, Duration tick) {
  const auto bytes = static_cast<int64_t>(internal::BytesIn(tick, budget.rate));
  return std::max<int64_t>(bytes, 1);
}

RateBudget WithBurst(const RateBudget& budget, Duration tick) {
  if (budget.unlimited() || budget.burst != 0) return budget;
  return {.rate = budget.rate,
          .burst = std::min(
              RateBudget::kMost,
              BytesOfATick(budget, std::max(2 * tick, kDefaultBurst)))};
}

absl::Status Check(RateDirection direction, const RateBudget& budget,
                   Duration tick) {
  if (budget.unlimited()) return absl::OkStatus();
  if (budget.rate < 1) {
    return absl::InvalidArgumentError(absl::StrCat(
        Name(direction), " rate of ", budget.rate,
        " bytes a second: nothing would ever move (a group can be paused)"));
  }
  if (budget.rate > RateBudget::kMost || budget.burst > RateBudget::kMost) {
    return absl::InvalidArgumentError(
        absl::StrCat(Name(direction), " rate of ", budget.rate, " with burst ",
                     budget.burst, ": more than ", RateBudget::kMost,
                     " cannot be measured (leave it unlimited)"));
  }
  const int64_t burst = WithBurst(budget, tick).burst;
  if (const int64_t bytes = BytesOfATick(budget, tick); burst < bytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        Name(direction), " burst of ", burst, " bytes: a tick brings ", bytes,
        " (", budget.rate, " bytes a second), which must fit"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status RateLimit::Check() const {
  if (tick < kShortestTick || tick > kLongestTick) {
    return absl::InvalidArgumentError(
        absl::StrCat("tick of ", tick.count(), " ns: it must be from ",
                     kShortestTick.count(), " to ", kLongestTick.count()));
  }
  absl::Status status = percore::Check(RateDirection::kRead, read, tick);
  status.Update(percore::Check(RateDirection::kWrite, write, tick));
  return status;
}

RateLimit RateLimit::WithBursts() const {
  return {.read = WithBurst(read, tick),
          .write = WithBurst(write, tick),
          .tick = tick};
}

}  // namespace percore
