#include "percore/tests/support/subprocess.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <utility>

namespace percore {
namespace {

using Clock = std::chrono::steady_clock;

struct Pipe {
  UniqueFd read;
  UniqueFd write;
};

Pipe MakePipe() {
  std::array<int, 2> ends;
  if (pipe2(ends.data(), O_CLOEXEC) != 0) {
    ADD_FAILURE() << "pipe2: " << std::strerror(errno);
    return {};
  }
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

// The input as a file in memory: nobody has to feed a pipe.
UniqueFd MakeInput(std::string_view input) {
  UniqueFd fd(memfd_create("stdin", MFD_CLOEXEC));
  if (write(fd.get(), input.data(), input.size()) !=
          static_cast<ssize_t>(input.size()) ||
      lseek(fd.get(), 0, SEEK_SET) != 0) {
    ADD_FAILURE() << "memfd: " << std::strerror(errno);
  }
  return fd;
}

int MillisecondsUntil(Clock::time_point deadline) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
      deadline - Clock::now());
  return left.count() < 0 ? 0 : static_cast<int>(left.count());
}

}  // namespace

Subprocess::Subprocess(std::vector<std::string> command, std::string_view input)
    : name_(command.front()) {
  Pipe output = MakePipe();
  Pipe errors = MakePipe();
  const UniqueFd stdin_file = MakeInput(input);
  std::vector<char*> arguments;
  arguments.reserve(command.size() + 1);
  for (std::string& argument : command) arguments.push_back(argument.data());
  arguments.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, stdin_file.get(), STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, output.write.get(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, errors.write.get(), STDERR_FILENO);
  const int error = posix_spawnp(&pid_, arguments[0], &actions, nullptr,
                                 arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  running_ = error == 0;
  EXPECT_TRUE(running_) << name_ << ": " << std::strerror(error);
  output_.fd = std::move(output.read);
  errors_.fd = std::move(errors.read);
}

Subprocess::~Subprocess() {
  if (!running_) return;
  if (Ended()) {
    // Nobody waited for this: it died, and the test may have seen only that
    // connections were closed.
    EXPECT_EQ(status_, 0) << name_ << " ended by itself\n" << Errors();
    return;
  }
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

std::string Subprocess::WaitForLine(std::string_view prefix) {
  const Clock::time_point deadline = Clock::now() + kDeadline;
  size_t begin = 0;
  do {
    size_t end;
    while ((end = output_.text.find('\n', begin)) != std::string::npos) {
      const std::string line = output_.text.substr(begin, end - begin);
      if (line.starts_with(prefix)) return line.substr(prefix.size());
      begin = end + 1;
    }
  } while (Read(deadline));
  ADD_FAILURE() << name_ << " did not print '" << prefix << "' but\n"
                << output_.text << errors_.text;
  return {};
}

void Subprocess::Signal(int signal) {
  if (running_) kill(pid_, signal);
}

int Subprocess::Wait() {
  if (!running_) return status_;
  const Clock::time_point deadline = Clock::now() + kDeadline;
  while (Read(deadline)) {
  }
  while (!Ended()) {
    if (Clock::now() > deadline) {
      ADD_FAILURE() << name_ << " did not end\n"
                    << output_.text << errors_.text;
      return -1;
    }
    std::this_thread::yield();
  }
  return status_;
}

bool Subprocess::Ended() {
  int status = 0;
  if (running_ && waitpid(pid_, &status, WNOHANG) == pid_) {
    running_ = false;
    status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  return !running_;
}

const std::string& Subprocess::Output() {
  Read(Clock::now());
  return output_.text;
}

const std::string& Subprocess::Errors() {
  Read(Clock::now());
  return errors_.text;
}

bool Subprocess::Read(Clock::time_point deadline) {
  std::array<pollfd, 2> polled = {
      {{output_.fd.get(), POLLIN, 0}, {errors_.fd.get(), POLLIN, 0}}};
  if (!output_.fd.valid() && !errors_.fd.valid()) return false;
  if (poll(polled.data(), polled.size(), MillisecondsUntil(deadline)) <= 0) {
    return false;
  }
  for (Stream* stream : {&output_, &errors_}) {
    const pollfd& result = polled[stream == &output_ ? 0 : 1];
    if (result.revents == 0) continue;
    std::array<char, 65536> bytes;
    const ssize_t size = read(stream->fd.get(), bytes.data(), bytes.size());
    if (size > 0) {
      stream->text.append(bytes.data(), static_cast<size_t>(size));
    } else {
      stream->fd.Reset();
    }
  }
  return true;
}

std::string RunProgram(std::vector<std::string> command,
                       std::string_view input) {
  const std::string name = command.front();
  Subprocess program(std::move(command), input);
  const int status = program.Wait();
  EXPECT_EQ(status, 0) << name << ": " << program.Errors();
  return program.Output();
}

std::string Runfile(std::string_view path) {
  // Bazel runs a test in the root of its runfiles.
  return "./" + std::string(path);
}

}  // namespace percore
