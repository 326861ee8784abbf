// Whether a sanitizer watches the program.
#ifndef PERCORE_TESTS_SUPPORT_SANITIZERS_H_
#define PERCORE_TESTS_SUPPORT_SANITIZERS_H_

namespace percore {

// A random test then runs 5 to 10 times as long, and may do less: all of its
// choices are tried in the plain build.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

// Which sees no descriptor closed that the kernel closes by itself.
#if defined(__SANITIZE_THREAD__)
inline constexpr bool kThreadSanitized = true;
#else
inline constexpr bool kThreadSanitized = false;
#endif

}  // namespace percore

#endif  // PERCORE_TESTS_SUPPORT_SANITIZERS_H_
