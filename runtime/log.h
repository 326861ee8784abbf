// What the library has to say to people, and where it says it.
//
// Percore reports what it can do nothing about to whoever called, as a status;
// what has no caller to tell (a mistake found in debug mode, say) is logged.
// It goes to stderr unless the program has a place of its own for it.
//
// ```cpp
// percore::SetLogSink(
//     [](percore::LogLevel level, std::string_view message, void*) {
//       if (level >= percore::LogLevel::kWarning) {
//         std::fwrite(message.data(), 1, message.size(), stderr);
//       }
//     },
//     nullptr);
// percore::Log(percore::LogLevel::kInfo, "ready");
// percore::SetLogSink(nullptr, nullptr);
// ```
#ifndef PERCORE_RUNTIME_LOG_H_
#define PERCORE_RUNTIME_LOG_H_

#include <cstdint>
#include <string_view>

namespace percore {

enum class LogLevel : uint8_t { kDebug, kInfo, kWarning, kError, kFatal };

// "debug", "info", "warning", "error", "fatal".
std::string_view ToString(LogLevel level);

// Is called in the thread that has something to say. It may call the library,
// destroy objects of it, and replace the sink. What the library logs meanwhile,
// in that thread, goes to stderr: a sink is never called inside itself.
using LogSink = void (*)(LogLevel level, std::string_view message,
                         void* argument);

// Any thread. Null stands for stderr. A sink that is being replaced may still
// be running in other threads.
void SetLogSink(LogSink sink, void* argument);

// Any thread. What is less important is dropped. At the beginning: kInfo.
void SetMinimumLogLevel(LogLevel level);

// Any thread, but no signal handler. `message` is one line without its end.
void Log(LogLevel level, std::string_view message);

// Logs at kFatal and aborts the process, unless the sink ends it in a way of
// its own. For what cannot go on: lists that are broken, a loop that two
// threads use.
[[noreturn]] void LogFatal(std::string_view message);

}  // namespace percore

#endif  // PERCORE_RUNTIME_LOG_H_
