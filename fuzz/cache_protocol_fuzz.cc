// A line of memcached's text protocol: whatever it says, it is parsed within
// its bounds, and what comes out keeps the promises of the header.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <variant>

#include "percore/examples/cache/item.h"
#include "percore/examples/cache/protocol.h"

namespace {

void Require(bool holds) {
  if (!holds) std::abort();
}

bool Within(std::string_view part, std::string_view whole) {
  return part.empty() ||
         (part.data() >= whole.data() &&
          part.data() + part.size() <= whole.data() + whole.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace cache = percore::cache;
  const std::string_view line(reinterpret_cast<const char*>(data), size);
  const cache::ParseResult result = cache::ParseCommand(line);
  if (const auto* command = std::get_if<cache::Command>(&result)) {
    Require(Within(command->key, line));
    Require(command->key.size() <= cache::kMaxKeySize);
    Require(command->value_size <= cache::kMaxValueSize);
    for (const std::string_view key : command->keys) {
      Require(Within(key, line));
      Require(key.size() <= cache::kMaxKeySize);
    }
  }
  cache::CheckUnfinishedLine(line.substr(0, cache::kLineBeginningSize), size);
  return 0;
}
