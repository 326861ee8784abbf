// What an operator may tell the proxy while it runs, one line each:
//
//   set server|network|connection RATE [BURST]    as in rate_text.h
//   pause server [read|write]                     nothing moves ...
//   resume server [read|write]                    ... until then
//   show                                          limits, and what goes on
//   help
//   quit
//
// ```cpp
// auto command = percore::proxy::ParseControlCommand("set server 10M/5M");
// if (!command.ok()) return;  // "unknown command 'sett': help lists ..."
// int64_t rate = command->limit.read.rate;  // 10'000'000
// ```
#ifndef PERCORE_EXAMPLES_PROXY_SERVICE_CONTROL_COMMAND_H_
#define PERCORE_EXAMPLES_PROXY_SERVICE_CONTROL_COMMAND_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "absl/status/statusor.h"
#include "percore/net/rate_limit.h"
#include "percore/runtime/event_flags.h"

namespace percore::proxy {

struct ControlCommand {
  enum class Verb : uint8_t { kSet, kPause, kResume, kShow, kHelp, kQuit };
  enum class Scope : uint8_t { kServer, kNetwork, kConnection };

  // Bytes of a line, without its end.
  static constexpr size_t kMaxLine = 256;
  static constexpr std::string_view kHelp =
      "set server|network|connection RATE [BURST]\n"
      "pause server [read|write]\n"
      "resume server [read|write]\n"
      "show\n"
      "help\n"
      "quit\n";

  Verb verb = Verb::kShow;
  Scope scope = Scope::kServer;                               // of kSet
  RateLimit limit = {};                                       // of kSet
  EventFlags which = EventFlags::kRead | EventFlags::kWrite;  // of pauses
};

// Words are separated by blanks. InvalidArgument says what is wrong, in a line
// of printable ASCII that is not much longer than the command.
absl::StatusOr<ControlCommand> ParseControlCommand(std::string_view line);

}  // namespace percore::proxy

#endif  // PERCORE_EXAMPLES_PROXY_SERVICE_CONTROL_COMMAND_H_
