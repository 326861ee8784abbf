// Which Percore this is.
//
// ```cpp
// static_assert(percore::kVersionNumber >= 0x000100);
// std::string_view version = percore::kVersion;
// ```
#ifndef PERCORE_RUNTIME_VERSION_H_
#define PERCORE_RUNTIME_VERSION_H_

#include <cstdint>
#include <string_view>

namespace percore {

// As semver.org has it: before 1.0, a change of the second number may break.
inline constexpr std::string_view kVersion = "0.1.0";
// The same as 0xMMmmpp, for the preprocessor's relatives.
inline constexpr uint32_t kVersionNumber = 0x000100;

}  // namespace percore

#endif  // PERCORE_RUNTIME_VERSION_H_
