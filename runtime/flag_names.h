// A set of flags in words, for messages and logs.
//
// ```cpp
// using percore::EventFlags;
// constexpr std::array<std::pair<EventFlags, std::string_view>, 2> kNames = {
//     {{EventFlags::kRead, "read"}, {EventFlags::kWrite, "write"}}};
// std::string text = percore::NamesOf(EventFlags::kRead, kNames);  // "read"
// ```
#ifndef PERCORE_RUNTIME_FLAG_NAMES_H_
#define PERCORE_RUNTIME_FLAG_NAMES_H_

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "percore/runtime/bit_flags.h"

namespace percore {

// The names of the flags that are set, in the order of the table; "none".
template <BitFlags Flags, size_t N>
std::string NamesOf(
    Flags flags,
    const std::array<std::pair<Flags, std::string_view>, N>& table) {
  std::string text;
  for (const auto& [flag, name] : table) {
    if (!Any(flags & flag)) continue;
    if (!text.empty()) text.append(", ");
    text.append(name);
  }
  return text.empty() ? "none" : text;
}

}  // namespace percore

#endif  // PERCORE_RUNTIME_FLAG_NAMES_H_
