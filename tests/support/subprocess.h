// A program run by a test: its output is kept, and it never outlives the test.
//
// ```cpp
// percore::Subprocess echo({"/bin/echo", "hello"});
// if (echo.Wait() != 0) return;
// std::string output = echo.Output();  // "hello\n"
// ```
#ifndef PERCORE_TESTS_SUPPORT_SUBPROCESS_H_
#define PERCORE_TESTS_SUPPORT_SUBPROCESS_H_

#include <sys/types.h>

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "percore/net/unique_fd.h"

namespace percore {

// One thread. Waits end with a test failure after `kDeadline`.
class Subprocess {
 public:
  static constexpr std::chrono::seconds kDeadline{120};

  // Starts `command` (a path, or a name looked up in PATH, and its arguments)
  // with `input` as its standard input. Fails the test if there is no such
  // program.
  explicit Subprocess(std::vector<std::string> command,
                      std::string_view input = {});
  Subprocess(const Subprocess&) = delete;
  Subprocess& operator=(const Subprocess&) = delete;
  // Kills it, if it still runs. Fails the test if it has ended with an error
  // that nobody asked for (by Wait() or Ended()): a server that crashed, say.
  ~Subprocess();

  pid_t pid() const { return pid_; }

  // Waits until the output has a whole line that begins with `prefix`; returns
  // what follows in it. Empty, and a test failure, if the output ends before.
  std::string WaitForLine(std::string_view prefix);
  // Sends a signal, if it still runs.
  void Signal(int signal);
  // Whether it has ended; does not wait.
  bool Ended();
  // Waits for the end; returns the exit status, or 128 and the signal's number.
  int Wait();

  // What it wrote to stdout and stderr. All of it once Wait() has returned.
  const std::string& Output();
  const std::string& Errors();

 private:
  // A pipe's reading end, and what came out of it.
  struct Stream {
    UniqueFd fd;
    std::string text;
  };

  // Takes in what there is, waiting for something up to the deadline. False
  // once both streams have ended.
  bool Read(std::chrono::steady_clock::time_point deadline);

  std::string name_;
  pid_t pid_ = -1;
  bool running_ = false;
  int status_ = 0;
  Stream output_;
  Stream errors_;
};

// Runs a program to its end; returns what it wrote to stdout, and fails the
// test, with what it wrote to stderr, if its exit status is not 0.
std::string RunProgram(std::vector<std::string> command,
                       std::string_view input = {});

// The path of a file that the test's `data` names, as "examples/cache_server".
std::string Runfile(std::string_view path);

}  // namespace percore

#endif  // PERCORE_TESTS_SUPPORT_SUBPROCESS_H_
