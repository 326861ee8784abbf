#include "percore/runtime/internal/arena.h"

#include <cstddef>

// jemalloc's control function. Weak: the library does not depend on jemalloc,
// it is the program that chooses its allocator.
extern "C" int mallctl(const char* name, void* old_value, size_t* old_size,
                       void* new_value, size_t new_size) __attribute__((weak));

namespace percore::internal {

void UseArenaOfItsOwn() {
  if (mallctl == nullptr) return;
  unsigned arena = 0;
  size_t size = sizeof(arena);
  if (mallctl("arenas.create", &arena, &size, nullptr, 0) != 0) return;
  mallctl("thread.arena", nullptr, nullptr, &arena, sizeof(arena));
}

}  // namespace percore::internal
