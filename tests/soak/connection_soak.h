// Connections that open, talk, stop reading, close and are reset at random, for
// as long as one likes: what a server goes through in weeks, in a minute.
//
// ```cpp
// percore::SoakReport report = percore::RunConnectionSoak(
//     {.seed = 1, .connections = 10, .operations = 1000}, nullptr);
// bool good = report.failures.empty();
// ```
//
// A TcpServer echoes on two shards, over TCP and UNIX sockets; the clients,
// each a BufferEvent on one more thread, connect to it directly or through a
// filter, or to one another as pairs. Now and then all of them end, and the
// process must be what it was before: the same descriptors, no byte in any
// buffer, no growth. In between, what comes back is what was sent, and what
// buffers hold is bounded.
#ifndef PERCORE_TESTS_SOAK_CONNECTION_SOAK_H_
#define PERCORE_TESTS_SOAK_CONNECTION_SOAK_H_

#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

#include "percore/tests/soak/soak_client.h"

namespace percore {

struct SoakOptions {
  uint64_t seed = 1;
  // At once.
  int connections = 300;
  // How long, if not zero; else so many operations.
  int seconds = 0;
  uint64_t operations = 20'000;
  // How often everything ends and is checked: every so many seconds, or, where
  // operations count, so many times.
  int seconds_between_checks = 5;
  int checks = 2;
};

struct SoakReport {
  SoakTally tally;
  uint64_t accepted = 0;
  // The most that buffers held at any time, and could hold.
  int64_t peak_buffer_bytes = 0;
  int64_t bound_of_buffer_bytes = 0;
  // After the first check, when all is warm, and after the last.
  int64_t first_resident_bytes = 0;
  int64_t last_resident_bytes = 0;
  // In words; none if all went well.
  std::vector<std::string> failures;
};

// Writes a line for each check to `log`, which may be null.
SoakReport RunConnectionSoak(const SoakOptions& options, std::ostream* log);

}  // namespace percore

#endif  // PERCORE_TESTS_SOAK_CONNECTION_SOAK_H_
