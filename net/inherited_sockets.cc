#include "percore/net/inherited_sockets.h"

#include <unistd.h>

#include <climits>
#include <cstdlib>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "percore/net/internal/listening_address.h"
#include "percore/net/socket_options.h"
#include "percore/runtime/error.h"

namespace percore {
namespace {

constexpr char kPid[] = "LISTEN_PID";
constexpr char kCount[] = "LISTEN_FDS";
constexpr char kNames[] = "LISTEN_FDNAMES";

std::string Variable(const char* name) {
  const char* value = getenv(name);
  return value == nullptr ? "" : value;
}

absl::StatusOr<int> ParseNumber(const char* variable, const std::string& text,
                                int most) {
  int number = 0;
  if (!absl::SimpleAtoi(text, &number) || number < 0 || number > most) {
    return absl::InvalidArgumentError(absl::StrCat(
        variable, ": '", text, "' is not a number from 0 to ", most));
  }
  return number;
}

absl::StatusOr<std::vector<std::string>> ParseNames(const std::string& text,
                                                    int count) {
  if (text.empty()) return std::vector<std::string>(count, "unknown");
  std::vector<std::string> names = absl::StrSplit(text, ':');
  if (names.size() == static_cast<size_t>(count)) return names;
  return absl::InvalidArgumentError(absl::StrCat(kNames, ": '", text, "' has ",
                                                 names.size(), " names for ",
                                                 count, " descriptors"));
}

// The status of a call, as part of the start.
absl::Status Explain(const absl::Status& status) {
  return absl::Status(status.code(),
                      absl::StrCat("inherited sockets: ", status.message()));
}

}  // namespace

InheritedEnvironment InheritedEnvironment::OfProcess() {
  return {.pid = Variable(kPid),
          .count = Variable(kCount),
          .names = Variable(kNames)};
}

absl::StatusOr<InheritedSockets> InheritedSockets::TakeOver(Variables variables,
                                                            Kernel& kernel) {
  const InheritedEnvironment environment = InheritedEnvironment::OfProcess();
  if (variables == Variables::kRemove) {
    for (const char* name : {kPid, kCount, kNames}) unsetenv(name);
  }
  return TakeOver(environment, kernel);
}

absl::StatusOr<InheritedSockets> InheritedSockets::TakeOver(
    const InheritedEnvironment& environment, Kernel& kernel) {
  InheritedSockets result;
  if (environment.pid.empty() || environment.count.empty()) return result;
  const absl::StatusOr<int> pid = ParseNumber(kPid, environment.pid, INT_MAX);
  if (!pid.ok()) return pid.status();
  // A shell between the supervisor and us has passed its own on.
  if (*pid != getpid()) return result;
  const int first = environment.first_descriptor;
  const absl::StatusOr<int> count =
      ParseNumber(kCount, environment.count, INT_MAX - first);
  if (!count.ok()) return count.status();

  // The descriptors first: a count that nobody can mean ends at the first that
  // is not open, before there is a name for each.
  for (int fd = first; fd < first + *count; ++fd) {
    absl::StatusOr<SocketAddress> address =
        internal::ServingAddress(fd, kernel);
    if (!address.ok()) return Explain(address.status());
    result.sockets_.push_back(
        {.name = {}, .address = *std::move(address), .fd = {}});
  }
  absl::StatusOr<std::vector<std::string>> names =
      ParseNames(environment.names, *count);
  if (!names.ok()) return names.status();
  for (int i = 0; i < *count; ++i) {
    absl::Status status = SetCloseOnExec(first + i, Switch::kOn, kernel);
    if (!status.ok()) return Explain(status);
    result.sockets_[i].name = std::move((*names)[i]);
  }
  for (int i = 0; i < *count; ++i) result.sockets_[i].fd.Reset(first + i);
  return result;
}

absl::StatusOr<std::vector<UniqueFd>> InheritedSockets::Take(
    std::string_view name) {
  std::vector<UniqueFd> taken;
  std::vector<std::string> names;
  for (Socket& socket : sockets_) {
    names.push_back(socket.name);
    if (socket.name == name) taken.push_back(std::move(socket.fd));
  }
  if (names.empty()) {
    return absl::NotFoundError(absl::StrCat("no inherited socket is named '",
                                            ToAbsl(name), "': there are none"));
  }
  if (taken.empty()) {
    return absl::NotFoundError(absl::StrCat("no inherited socket is named '",
                                            ToAbsl(name), "': there are '",
                                            absl::StrJoin(names, "', '"), "'"));
  }
  std::erase_if(sockets_,
                [](const Socket& socket) { return !socket.fd.valid(); });
  return taken;
}

std::vector<UniqueFd> InheritedSockets::TakeAll() {
  std::vector<UniqueFd> taken;
  for (Socket& socket : std::exchange(sockets_, {})) {
    taken.push_back(std::move(socket.fd));
  }
  return taken;
}

}  // namespace percore
