// The program that docs/migrating_from_libevent.md shows does what it says.
#include <gtest/gtest.h>
#include <signal.h>

#include <string>

#include "percore/tests/support/subprocess.h"

namespace percore {
namespace {

TEST(MigratedProgramTest, SaysHowMuchItReadAndEndsOnSigint) {
  // Lines as they are written, not at the end.
  Subprocess program(
      {"stdbuf", "-oL", Runfile("tests/documentation/migrated_program")},
      "hello");
  EXPECT_EQ(program.WaitForLine("5 bytes"), "");
  program.Signal(SIGINT);
  EXPECT_EQ(program.Wait(), 0);
}

}  // namespace
}  // namespace percore
