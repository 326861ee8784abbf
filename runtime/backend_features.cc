#include "percore/runtime/backend_features.h"

#include <array>
#include <string_view>
#include <utility>

#include "percore/runtime/flag_names.h"

namespace percore {

std::string ToString(BackendFeatures features) {
  constexpr std::array<std::pair<BackendFeatures, std::string_view>, 4> kNames =
      {{{BackendFeatures::kEdgeTriggered, "edge-triggered"},
        {BackendFeatures::kConstantTime, "constant time"},
        {BackendFeatures::kAnyDescriptor, "any descriptor"},
        {BackendFeatures::kEarlyClose, "early close"}}};
  return NamesOf(features, kNames);
}

}  // namespace percore
