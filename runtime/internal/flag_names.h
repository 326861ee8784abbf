// Flags in words.
#ifndef PERCORE_RUNTIME_INTERNAL_FLAG_NAMES_H_
#define PERCORE_RUNTIME_INTERNAL_FLAG_NAMES_H_

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace percore::internal {

// The names of the flags that are set, in the order of the table; "none".
template <typename Flags, size_t N>
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

}  // namespace percore::internal

#endif  // PERCORE_RUNTIME_INTERNAL_FLAG_NAMES_H_
