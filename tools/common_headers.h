#ifndef PERCORE_TOOLS_COMMON_HEADERS_H_
#define PERCORE_TOOLS_COMMON_HEADERS_H_

// What sources begin with, so that it is compiled once: of the headers of
// others that many include, those that take long to read (see
// tools/percore.bzl). A source includes what it uses nevertheless: it must
// compile without this.

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

#endif  // PERCORE_TOOLS_COMMON_HEADERS_H_
