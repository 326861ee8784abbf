// The program that docs/migrating_from_libevent.md shows does what it says.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <cstdint>
#include <fstream>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "percore/tests/support/subprocess.h"

namespace percore {
namespace {

// Whether a process has a handler for a signal.
bool Handles(pid_t pid, int signal) {
  std::ifstream status(absl::StrCat("/proc/", pid, "/status"));
  for (std::string word; status >> word;) {
    uint64_t caught = 0;
    if (word == "SigCgt:" && status >> std::hex >> caught) {
      return (caught >> (signal - 1) & 1) != 0;
    }
  }
  return false;
}

TEST(MigratedProgramTest, SaysHowMuchItReadAndEndsOnSigint) {
  Subprocess program({Runfile("tests/documentation/migrated_program")},
                     "hello");
  while (!Handles(program.pid(), SIGINT)) {
    ASSERT_FALSE(program.Ended());
    std::this_thread::yield();
  }
  program.Signal(SIGINT);
  EXPECT_EQ(program.Wait(), 0);
  EXPECT_THAT(program.Output(), testing::HasSubstr("5 bytes\n"));
}

}  // namespace
}  // namespace percore
