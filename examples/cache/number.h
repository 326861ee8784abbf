// Reading a number as memcached reads it.
//
// The numbers of a command, and the values that "incr" works on, come from
// clients. std::from_chars knows overflow, but neither the plus sign nor the
// white space around a number that memcached lets pass; absl::SimpleAtoi does
// not stop at white space, which in a value may be followed by anything.
//
// ```cpp
// std::optional<uint64_t> delta = cache::ParseNumber<uint64_t>("+17 apples");
// if (delta != 17) return;
// ```
#ifndef PERCORE_EXAMPLES_CACHE_NUMBER_H_
#define PERCORE_EXAMPLES_CACHE_NUMBER_H_

#include <charconv>
#include <concepts>
#include <cstdint>
#include <optional>
#include <string_view>
#include <system_error>

namespace percore::cache {

// The white space of the C locale.
constexpr bool IsSpace(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// The decimal number at the start of `text`, which may follow white space and a
// sign, and must end with the text, at white space or at a zero byte. Nothing
// if there is none or if it does not fit.
//
// An unsigned number has no minus sign. (memcached 1.6.18 takes "-0", and
// numbers so far below zero that they wrap around to small ones.)
template <std::integral Number>
std::optional<Number> ParseNumber(std::string_view text) {
  const char* next = text.data();
  const char* const end = next + text.size();
  while (next != end && IsSpace(*next)) ++next;
  if (next != end && *next == '+') {
    ++next;
    if (next != end && *next == '-') return std::nullopt;
  }
  Number number;
  const auto [stop, error] = std::from_chars(next, end, number);
  if (error != std::errc()) return std::nullopt;
  if (stop != end && *stop != '\0' && !IsSpace(*stop)) return std::nullopt;
  return number;
}

}  // namespace percore::cache

#endif  // PERCORE_EXAMPLES_CACHE_NUMBER_H_
