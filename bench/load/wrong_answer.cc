#include "percore/bench/load/wrong_answer.h"

#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace percore::bench {
namespace {

constexpr size_t kMostShown = 160;

// Debian's Abseil has a string_view of its own, which a std::string turns into.
std::string Escape(std::string_view bytes) {
  return absl::CEscape(std::string(bytes.substr(0, kMostShown)));
}

}  // namespace

absl::Status WrongAnswerError(const Payload& payload, RequestId request,
                              std::string_view received) {
  std::string asked;
  payload.AppendRequest(request, &asked);
  const std::string why(payload.Explain(received));
  return absl::DataLossError(absl::StrCat("a wrong answer to \"", Escape(asked),
                                          "\": \"", Escape(received), "\"",
                                          why.empty() ? "" : ": ", why));
}

absl::Status AnswerToNothingError(std::string_view received) {
  return absl::DataLossError(
      absl::StrCat("an answer to nothing: \"", Escape(received), "\""));
}

}  // namespace percore::bench
