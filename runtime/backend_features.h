// What the back ends of a loop can do, and which of it a program needs.
//
// ```cpp
// auto base = percore::EventBase::Create(
//     {.require = percore::BackendFeatures::kEarlyClose});
// if (base.ok()) std::string name = (*base)->backend_name();
// ```
#ifndef PERCORE_RUNTIME_BACKEND_FEATURES_H_
#define PERCORE_RUNTIME_BACKEND_FEATURES_H_

#include <cstdint>
#include <string>

#include "percore/runtime/bit_flags.h"

namespace percore {

enum class BackendFeatures : uint8_t {
  kNone = 0,
  // Events may be edge-triggered (EventFlags::kEdgeTriggered). Elsewhere that
  // flag is ignored, and events are level-triggered.
  kEdgeTriggered = 0x01,
  // A round costs by the number of descriptors that are ready, not of those
  // that are watched.
  kConstantTime = 0x02,
  // Regular files and directories may be watched, and are always ready.
  kAnyDescriptor = 0x04,
  // EventFlags::kClosed: the peer's end is seen without reading.
  kEarlyClose = 0x08,
};

template <>
inline constexpr bool kIsBitFlags<BackendFeatures> = true;

// In words: "edge-triggered, any descriptor"; "none".
std::string ToString(BackendFeatures features);

}  // namespace percore

#endif  // PERCORE_RUNTIME_BACKEND_FEATURES_H_
