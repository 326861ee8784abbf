// Reports that are wrong because a library came compiled, without TSan's
// instrumentation: it cannot see what orders the accesses inside.

// TSan calls it by this name, before main().
// NOLINTNEXTLINE(bugprone-reserved-identifier)
extern "C" const char* __tsan_default_suppressions() {
  // Abseil's table of errno texts is a static local: built once under the
  // compiler's guard, read-only from then on.
  return "race:absl::*::base_internal::StrError\n";
}
