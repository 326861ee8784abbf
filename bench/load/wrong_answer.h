// What is said of a server that answers wrongly.
#ifndef PERCORE_BENCH_LOAD_WRONG_ANSWER_H_
#define PERCORE_BENCH_LOAD_WRONG_ANSWER_H_

#include <string_view>

#include "absl/status/status.h"
#include "percore/bench/load/payload.h"

namespace percore::bench {

// Shows the beginnings of both, as C would write them.
absl::Status WrongAnswerError(const Payload& payload, RequestId request,
                              std::string_view received);

// Bytes came that no request has asked for.
absl::Status AnswerToNothingError(std::string_view received);

}  // namespace percore::bench

#endif  // PERCORE_BENCH_LOAD_WRONG_ANSWER_H_
