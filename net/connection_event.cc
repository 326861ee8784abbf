#include "percore/net/connection_event.h"

#include <array>
#include <string_view>
#include <utility>

#include "percore/runtime/flag_names.h"

namespace percore {

std::string ToString(ConnectionEvent events) {
  constexpr std::array<std::pair<ConnectionEvent, std::string_view>, 6> kNames =
      {{{ConnectionEvent::kReading, "reading"},
        {ConnectionEvent::kWriting, "writing"},
        {ConnectionEvent::kEndOfFile, "end of file"},
        {ConnectionEvent::kError, "error"},
        {ConnectionEvent::kTimeout, "timeout"},
        {ConnectionEvent::kConnected, "connected"}}};
  return NamesOf(events, kNames);
}

}  // namespace percore
