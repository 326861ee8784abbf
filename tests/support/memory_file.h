// A regular file that is gone with its descriptor.
//
// ```cpp
// const int fd = percore::MemoryFile("text");
// if (fd >= 0) percore::Kernel::Real().Close(fd);
// ```
#ifndef PERCORE_TESTS_SUPPORT_MEMORY_FILE_H_
#define PERCORE_TESTS_SUPPORT_MEMORY_FILE_H_

#include <string_view>

namespace percore {

// The descriptor of a new file with `text`, the caller's to close; -1 and a
// failure of the test if there is none. Any thread.
int MemoryFile(std::string_view text);

}  // namespace percore

#endif  // PERCORE_TESTS_SUPPORT_MEMORY_FILE_H_
