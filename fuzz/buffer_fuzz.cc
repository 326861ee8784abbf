// Buffers beside the strings that say what they must contain. The input is a
// script of operations, eight bytes each (tests/buffer/buffer_model.h).
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <string>

#include "percore/tests/buffer/buffer_model.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const percore::Script script = percore::ParseScript({data, size});
  const std::optional<std::string> difference = percore::RunScript(script);
  if (!difference.has_value()) return 0;
  std::cerr << *difference << "\n" << percore::Describe(script) << std::endl;
  std::abort();
}
