// Enumerations whose values are bits, and combine: `|`, `&`, `^`, `~`, Any().
//
//   enum class Wish : uint8_t { kNone = 0, kTea = 1, kMilk = 2 };
//   template <>
//   inline constexpr bool percore::kIsBitFlags<Wish> = true;
//
// An enumeration that says so has them; all others stay what they are.
#ifndef PERCORE_RUNTIME_BIT_FLAGS_H_
#define PERCORE_RUNTIME_BIT_FLAGS_H_

#include <type_traits>

namespace percore {

template <typename E>
inline constexpr bool kIsBitFlags = false;

template <typename E>
concept BitFlags = std::is_enum_v<E> && kIsBitFlags<E>;

template <BitFlags E>
constexpr E operator|(E a, E b) {
  using Bits = std::underlying_type_t<E>;
  return static_cast<E>(static_cast<Bits>(a) | static_cast<Bits>(b));
}
template <BitFlags E>
constexpr E operator&(E a, E b) {
  using Bits = std::underlying_type_t<E>;
  return static_cast<E>(static_cast<Bits>(a) & static_cast<Bits>(b));
}
template <BitFlags E>
constexpr E operator^(E a, E b) {
  using Bits = std::underlying_type_t<E>;
  return static_cast<E>(static_cast<Bits>(a) ^ static_cast<Bits>(b));
}
template <BitFlags E>
constexpr E operator~(E a) {
  using Bits = std::underlying_type_t<E>;
  return static_cast<E>(~static_cast<Bits>(a));
}
template <BitFlags E>
constexpr E& operator|=(E& a, E b) {
  return a = a | b;
}
template <BitFlags E>
constexpr E& operator&=(E& a, E b) {
  return a = a & b;
}

// True if at least one bit is set.
template <BitFlags E>
constexpr bool Any(E flags) {
  return flags != E{};
}

}  // namespace percore

#endif  // PERCORE_RUNTIME_BIT_FLAGS_H_
