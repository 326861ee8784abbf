// Which back ends there are, and which of them a loop gets.
#ifndef PERCORE_RUNTIME_INTERNAL_CHOOSE_BACKEND_H_
#define PERCORE_RUNTIME_INTERNAL_CHOOSE_BACKEND_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "percore/runtime/backend_features.h"
#include "percore/runtime/internal/backend.h"
#include "percore/runtime/kernel.h"

namespace percore::internal {

struct BackendDemands {
  // This one; empty for the best that meets the rest.
  std::string name = {};
  std::vector<std::string> avoid = {};
  BackendFeatures require = BackendFeatures::kNone;
  // As EventBaseOptions::one_thread: io_uring is the best then, if the system
  // has all of it; else it says so, once in a process.
  bool one_thread = false;
  // Whether PERCORE_NOEPOLL, PERCORE_NOIO_URING, PERCORE_NOPOLL and
  // PERCORE_NOSELECT, set to anything, avoid theirs.
  bool environment = true;
};

// All of this build, best first.
const std::vector<std::string>& BackendNames();

// Errors: InvalidArgument for a name that is none, FailedPrecondition when no
// back end meets the demands (the message says of each what is in its way), the
// system's word when it gives no descriptors.
absl::StatusOr<std::unique_ptr<Backend>> ChooseBackend(
    const BackendDemands& demands, Kernel& kernel);

}  // namespace percore::internal

#endif  // PERCORE_RUNTIME_INTERNAL_CHOOSE_BACKEND_H_
