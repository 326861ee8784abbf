// Finds what matters in a script that shows a fault: the few operations, with
// the smallest numbers, that show it too.
#ifndef PERCORE_TESTS_BUFFER_SCRIPT_SHRINKER_H_
#define PERCORE_TESTS_BUFFER_SCRIPT_SHRINKER_H_

#include <cstddef>
#include <functional>

#include "percore/tests/buffer/buffer_script.h"

namespace percore {

// Takes operations out of `script`, which fails, and makes their numbers
// smaller, so long as `fails` says yes to what remains; until nothing more can
// be left out or made smaller, or `fails` has been asked `max_runs` times.
// Returns the last script that failed.
Script Shrink(Script script, const std::function<bool(const Script&)>& fails,
              size_t max_runs = 5000);

}  // namespace percore

#endif  // PERCORE_TESTS_BUFFER_SCRIPT_SHRINKER_H_
