#include "percore/runtime/event_flags.h"

#include <array>
#include <string_view>
#include <utility>

#include "percore/runtime/flag_names.h"

namespace percore {

std::string ToString(EventFlags flags) {
  constexpr std::array<std::pair<EventFlags, std::string_view>, 7> kNames = {
      {{EventFlags::kRead, "read"},
       {EventFlags::kWrite, "write"},
       {EventFlags::kClosed, "closed"},
       {EventFlags::kSignal, "signal"},
       {EventFlags::kTimeout, "timeout"},
       {EventFlags::kPersist, "persist"},
       {EventFlags::kEdgeTriggered, "edge-triggered"}}};
  return NamesOf(flags, kNames);
}

}  // namespace percore
