#include "percore/examples/proxy_service/control_command.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "percore/examples/proxy_service/rate_text.h"
#include "percore/runtime/error.h"

namespace percore::proxy {
namespace {

using Verb = ControlCommand::Verb;
using Scope = ControlCommand::Scope;
using Words = std::vector<absl::string_view>;

struct VerbName {
  absl::string_view name;
  Verb verb;
};
constexpr VerbName kVerbs[] = {
    {"set", Verb::kSet},   {"pause", Verb::kPause}, {"resume", Verb::kResume},
    {"show", Verb::kShow}, {"help", Verb::kHelp},   {"quit", Verb::kQuit},
};

struct ScopeName {
  absl::string_view name;
  Scope scope;
};
constexpr ScopeName kScopes[] = {
    {"server", Scope::kServer},
    {"network", Scope::kNetwork},
    {"connection", Scope::kConnection},
};

std::string_view ToStd(absl::string_view text) {
  return {text.data(), text.size()};
}

absl::Status Wrong(std::string what) {
  for (char& byte : what) {
    if (byte < ' ' || byte > '~') byte = '?';
  }
  return absl::InvalidArgumentError(what);
}

absl::Status ParseSet(const Words& words, ControlCommand& command) {
  constexpr char kUsage[] = "set server|network|connection RATE [BURST]";
  if (words.size() < 3 || words.size() > 4) {
    return Wrong(absl::StrCat("it is: ", kUsage));
  }
  const ScopeName* scope = nullptr;
  for (const ScopeName& known : kScopes) {
    if (known.name == words[1]) scope = &known;
  }
  if (scope == nullptr) {
    return Wrong(absl::StrCat("there is no '", words[1], "': ", kUsage));
  }
  command.scope = scope->scope;
  const absl::StatusOr<RateLimit> limit = ParseLimit(
      ToStd(words[2]), words.size() > 3 ? ToStd(words[3]) : std::string_view());
  if (!limit.ok()) return Wrong(std::string(limit.status().message()));
  command.limit = *limit;
  return absl::OkStatus();
}

absl::Status ParsePause(const Words& words, ControlCommand& command) {
  const bool right =
      (words.size() == 2 || words.size() == 3) && words[1] == "server" &&
      (words.size() == 2 || words[2] == "read" || words[2] == "write");
  if (!right) {
    return Wrong(absl::StrCat("it is: ", words[0], " server [read|write]"));
  }
  if (words.size() == 3) {
    command.which = words[2] == "read" ? EventFlags::kRead : EventFlags::kWrite;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ControlCommand> ParseControlCommand(std::string_view line) {
  const Words words =
      absl::StrSplit(ToAbsl(line), absl::ByAnyChar(" \t"), absl::SkipEmpty());
  if (words.empty()) return Wrong("no command: help lists those there are");
  const VerbName* verb = nullptr;
  for (const VerbName& known : kVerbs) {
    if (known.name == words[0]) verb = &known;
  }
  if (verb == nullptr) {
    return Wrong(absl::StrCat("unknown command '", words[0],
                              "': help lists those there are"));
  }
  ControlCommand command = {.verb = verb->verb};
  absl::Status status;
  if (verb->verb == Verb::kSet) {
    status = ParseSet(words, command);
  } else if (verb->verb == Verb::kPause || verb->verb == Verb::kResume) {
    status = ParsePause(words, command);
  } else if (words.size() > 1) {
    status = Wrong(absl::StrCat("'", words[0], "' stands alone"));
  }
  if (!status.ok()) return status;
  return command;
}

}  // namespace percore::proxy
