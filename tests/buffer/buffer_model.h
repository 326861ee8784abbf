// Runs a script of operations on a few Buffers, and compares what they are with
// what they must be, after each: the test of Buffer that knows no cases.
//
// ```cpp
// const percore::Script script = percore::RandomScript(seed);
// if (auto difference = percore::RunScript(script)) {
//   std::cout << *difference;  // operation 17 (Pullup) subject 2: ...
// }
// ```
//
// To let it run another operation: a code and a weight in buffer_script, a
// function in model_operations.h, a row of the table in buffer_model.cc.
#ifndef PERCORE_TESTS_BUFFER_BUFFER_MODEL_H_
#define PERCORE_TESTS_BUFFER_BUFFER_MODEL_H_

#include <functional>
#include <optional>
#include <span>
#include <string>

#include "percore/tests/buffer/buffer_script.h"

namespace percore {

// Is called after each operation, before the comparison, with what the subject
// must contain, and may spoil it: how a test sees that differences are found.
using ModelSpoiler =
    std::function<void(const Operation& operation, std::string& bytes)>;

// The first difference; none if there is none. Leaves nothing behind: may be
// called again. Aborts where Buffer does.
std::optional<std::string> RunScript(std::span<const Operation> script,
                                     const ModelSpoiler& spoiler = nullptr);

}  // namespace percore

#endif  // PERCORE_TESTS_BUFFER_BUFFER_MODEL_H_
