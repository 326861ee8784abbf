#include "percore/runtime/error.h"

#include "absl/strings/str_cat.h"

namespace percore {

absl::Status SystemError(int error, std::string_view call,
                         std::string_view subject) {
  return absl::ErrnoToStatus(
      error,
      absl::StrCat(ToAbsl(call), subject.empty() ? "" : " ", ToAbsl(subject)));
}

}  // namespace percore
