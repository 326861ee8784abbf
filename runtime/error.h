// An errno as an absl::Status that says what was being done to what.
//
// ```cpp
// absl::Status status = percore::SystemError(EADDRINUSE, "bind",
// "127.0.0.1:80");
// // "bind 127.0.0.1:80: Address already in use"
// ```
#ifndef PERCORE_RUNTIME_ERROR_H_
#define PERCORE_RUNTIME_ERROR_H_

#include <cerrno>
#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace percore {

// `error` is a positive errno, `call` the system call that gave it, `subject`
// the address, file or descriptor it was about. The code is the one Abseil maps
// the errno to. Any thread.
absl::Status SystemError(int error, std::string_view call,
                         std::string_view subject = {});

// The same for what getaddrinfo(3) and getnameinfo(3) return, about `host`:
// "example.org: Name or service not known". NotFound for a name that is not
// there, Unavailable where trying again may help. Called before errno changes,
// which says more of EAI_SYSTEM. Any thread.
absl::Status AddressInfoError(int error, std::string_view host);

// Debian's Abseil has a string_view of its own; this is the one place where
// ours becomes theirs. No copy.
inline absl::string_view ToAbsl(std::string_view text) {
  return absl::string_view(text.data(), text.size());
}

}  // namespace percore

#endif  // PERCORE_RUNTIME_ERROR_H_
