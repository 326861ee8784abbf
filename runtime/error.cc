#include "percore/runtime/error.h"

#include <netdb.h>

#include "absl/strings/str_cat.h"

namespace percore {
namespace {

absl::StatusCode AddressInfoCode(int error) {
  switch (error) {
    case EAI_NONAME:
    case EAI_NODATA:
    case EAI_ADDRFAMILY:
      return absl::StatusCode::kNotFound;
    case EAI_AGAIN:
      return absl::StatusCode::kUnavailable;
    case EAI_MEMORY:
      return absl::StatusCode::kResourceExhausted;
    case EAI_FAIL:
      return absl::StatusCode::kInternal;
    default:
      return absl::StatusCode::kInvalidArgument;
  }
}

}  // namespace

absl::Status SystemError(int error, std::string_view call,
                         std::string_view subject) {
  return absl::ErrnoToStatus(
      error,
      absl::StrCat(ToAbsl(call), subject.empty() ? "" : " ", ToAbsl(subject)));
}

absl::Status AddressInfoError(int error, std::string_view host) {
  if (error == 0) return absl::OkStatus();
  if (error == EAI_SYSTEM) return SystemError(errno, "getaddrinfo", host);
  return absl::Status(AddressInfoCode(error),
                      absl::StrCat(ToAbsl(host), ": ", gai_strerror(error)));
}

}  // namespace percore
