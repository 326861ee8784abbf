#include "percore/bench/load/request_source.h"

namespace percore::bench {

std::optional<RequestId> RequestSource::Next(Run::Phase phase,
                                             Connection& connection) {
  if (phase == Run::Phase::kStop) return std::nullopt;
  if (phase == Run::Phase::kPrepare) {
    if (preloaded()) return std::nullopt;
    return payload_.Preload(next_preload_++);
  }
  const bool limited = options_.requests_per_connection > 0;
  if (limited && connection.requests_left == 0) return std::nullopt;
  if (phase == Run::Phase::kMeasure && requests_left_.has_value()) {
    if (*requests_left_ == 0) return std::nullopt;
    --*requests_left_;
  }
  if (limited) --connection.requests_left;
  return payload_.Next(
      random_(),
      connection.NextPlace(limited && connection.requests_left == 0));
}

}  // namespace percore::bench
