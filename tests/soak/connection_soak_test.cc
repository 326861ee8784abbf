#include "percore/tests/soak/connection_soak.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

namespace percore {
namespace {

// To replay a run: --test_env=PERCORE_SOAK_SEED=the number it printed.
uint64_t Seed() {
  const char* const given = std::getenv("PERCORE_SOAK_SEED");
  return given == nullptr ? std::random_device()()
                          : std::strtoull(given, nullptr, 10);
}

TEST(ConnectionSoakTest, NothingIsLostLeakedOrLeftBehind) {
  const uint64_t seed = Seed();
  SCOPED_TRACE(seed);
  const SoakReport report = RunConnectionSoak(
      {.seed = seed, .connections = 100, .operations = 20'000}, nullptr);
  EXPECT_THAT(report.failures, testing::IsEmpty());
  // It did all that it is for.
  EXPECT_GT(report.tally.finished, 0u);
  EXPECT_GT(report.tally.left, 0u);
  EXPECT_GT(report.tally.reset, 0u);
  EXPECT_GT(report.tally.timed_out, 0u);
  EXPECT_GT(report.tally.server_left, 0u);
}

}  // namespace
}  // namespace percore
