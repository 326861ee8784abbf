#include "percore/runtime/log.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>

#include "absl/strings/str_cat.h"
#include "percore/runtime/error.h"

namespace percore {
namespace {

struct Destination {
  LogSink sink = nullptr;
  void* argument = nullptr;
};

std::mutex& DestinationMutex() {
  static std::mutex& mutex = *new std::mutex;
  return mutex;
}

Destination destination;  // guarded by the mutex
std::atomic<LogLevel> minimum_level{LogLevel::kInfo};
thread_local bool inside_sink = false;

void WriteToStderr(LogLevel level, std::string_view message) {
  // One call, so that lines of different threads do not mix.
  const std::string line = absl::StrCat("percore: ", ToAbsl(ToString(level)),
                                        ": ", ToAbsl(message), "\n");
  std::fwrite(line.data(), 1, line.size(), stderr);
}

}  // namespace

std::string_view ToString(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kError:
      return "error";
    case LogLevel::kFatal:
      return "fatal";
  }
  return "unknown";
}

void SetLogSink(LogSink sink, void* argument) {
  const std::lock_guard<std::mutex> lock(DestinationMutex());
  destination = {.sink = sink, .argument = argument};
}

void SetMinimumLogLevel(LogLevel level) { minimum_level.store(level); }

void Log(LogLevel level, std::string_view message) {
  if (level < minimum_level.load(std::memory_order_relaxed)) return;
  Destination to;
  if (!inside_sink) {
    const std::lock_guard<std::mutex> lock(DestinationMutex());
    to = destination;
  }
  if (to.sink == nullptr) {
    WriteToStderr(level, message);
    return;
  }
  // Without the lock: the sink may do what it likes.
  inside_sink = true;
  to.sink(level, message, to.argument);
  inside_sink = false;
}

void LogFatal(std::string_view message) {
  Log(LogLevel::kFatal, message);
  std::abort();
}

}  // namespace percore
