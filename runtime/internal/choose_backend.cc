#include "percore/runtime/internal/choose_backend.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "percore/runtime/internal/epoll_backend.h"
#include "percore/runtime/internal/io_uring_backend.h"
#include "percore/runtime/internal/poll_backend.h"
#include "percore/runtime/internal/select_backend.h"
#include "percore/runtime/log.h"
#include "percore/runtime/ring.h"

namespace percore::internal {
namespace {

using Made = absl::StatusOr<std::unique_ptr<Backend>>;

struct Entry {
  const char* name;
  Made (*make)(Kernel& kernel, bool one_thread);
};

// Best first, for a loop of which nothing is known.
constexpr size_t kIoUring = 1;
constexpr std::array<Entry, 4> kEntries = {{
    {"epoll",
     [](Kernel& kernel, bool) -> Made { return EpollBackend::Create(kernel); }},
    {"io_uring",
     [](Kernel& kernel, bool one_thread) -> Made {
       return IoUringBackend::Create(kernel, one_thread);
     }},
    {"poll",
     [](Kernel& kernel, bool) -> Made {
       return std::make_unique<PollBackend>(kernel);
     }},
    {"select",
     [](Kernel& kernel, bool) -> Made {
       return std::make_unique<SelectBackend>(kernel);
     }},
}};

std::string VariableOf(const char* name) {
  return absl::StrCat("PERCORE_NO", absl::AsciiStrToUpper(name));
}

// What speaks against a back end before it is made; empty if nothing does.
std::string ObstacleTo(const Entry& entry, const BackendDemands& demands) {
  if (std::find(demands.avoid.begin(), demands.avoid.end(), entry.name) !=
      demands.avoid.end()) {
    return "is to be avoided";
  }
  // By its name it is asked for whatever the environment says.
  if (demands.environment && demands.name.empty()) {
    const std::string variable = VariableOf(entry.name);
    if (std::getenv(variable.c_str()) != nullptr) {
      return absl::StrCat("is switched off by ", variable);
    }
  }
  return "";
}

// The system has no such thing, whatever else is tried.
bool IsNotThere(const absl::Status& status) {
  return absl::IsUnimplemented(status) || absl::IsPermissionDenied(status);
}

// Null, and nobody has failed, where it is not for this loop.
std::unique_ptr<Backend> TryIoUring(const BackendDemands& demands,
                                    Kernel& kernel) {
  if (!ObstacleTo(kEntries[kIoUring], demands).empty()) return nullptr;
  absl::StatusOr<std::unique_ptr<IoUringBackend>> made =
      IoUringBackend::Create(kernel, /*one_thread=*/true);
  absl::Status status = made.status();
  if (made.ok()) {
    if (Any(demands.require & ~(*made)->features())) return nullptr;
    if ((*made)->ring()->can_receive()) return *std::move(made);
    // Its connections would make more system calls than those on epoll.
    status = absl::UnimplementedError("io_uring: before Linux 6.1");
  }
  static std::atomic<bool> said{false};
  if (!said.exchange(true)) {
    Log(LogLevel::kInfo,
        absl::StrCat("falling back to epoll: ", status.message()));
  }
  return nullptr;
}

absl::Status CheckNames(const BackendDemands& demands) {
  std::vector<std::string> asked = demands.avoid;
  if (!demands.name.empty()) asked.push_back(demands.name);
  for (const std::string& name : asked) {
    const std::vector<std::string>& known = BackendNames();
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat("unknown back end '", name, "': this build has ",
                       absl::StrJoin(known, ", ")));
    }
  }
  return absl::OkStatus();
}

}  // namespace

const std::vector<std::string>& BackendNames() {
  static const auto& names = *[] {
    auto* const made = new std::vector<std::string>;
    for (const Entry& entry : kEntries) made->emplace_back(entry.name);
    return made;
  }();
  return names;
}

Made ChooseBackend(const BackendDemands& demands, Kernel& kernel) {
  if (absl::Status status = CheckNames(demands); !status.ok()) return status;
  if (demands.one_thread && demands.name.empty()) {
    if (std::unique_ptr<Backend> made = TryIoUring(demands, kernel)) {
      return made;
    }
  }
  std::vector<std::string> obstacles;
  for (const Entry& entry : kEntries) {
    if (!demands.name.empty() && demands.name != entry.name) continue;
    std::string obstacle = ObstacleTo(entry, demands);
    if (obstacle.empty()) {
      Made made = entry.make(kernel, demands.one_thread);
      if (made.ok()) {
        const BackendFeatures missing = demands.require & ~(*made)->features();
        if (!Any(missing)) return made;
        obstacle = absl::StrCat("lacks ", ToString(missing));
      } else if (demands.name.empty() && IsNotThere(made.status())) {
        obstacle = absl::StrCat("is not there (", made.status().message(), ")");
      } else {
        // A system out of descriptors is not helped by a slower back end.
        return made;
      }
    }
    obstacles.push_back(absl::StrCat(entry.name, " ", obstacle));
  }
  return absl::FailedPreconditionError(absl::StrCat(
      "no back end meets the demands: ", absl::StrJoin(obstacles, "; ")));
}

}  // namespace percore::internal
