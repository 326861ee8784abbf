// Connections at random for a minute, or as long as one likes: `./dev soak`.
// Usage: connection_soak [--seconds=N] [--seed=N] [--connections=N]
//
// The same seed makes the same choices; what the kernel and the other threads
// do meanwhile is theirs.
#include <cstdint>
#include <iostream>
#include <limits>
#include <random>

#include "absl/strings/str_format.h"
#include "percore/examples/flag_set.h"
#include "percore/net/listener_stats.h"
#include "percore/tests/soak/connection_soak.h"

namespace {

void Print(const percore::SoakReport& report) {
  const percore::SoakTally& tally = report.tally;
  std::cout << absl::StrFormat(
      "%d connections (%d connected, %d without a port to be had, %d accepted) "
      "and %d pairs\n"
      "ended: %d finished, %d closed, %d reset, %d timed out, %d by the "
      "server\n"
      "%d MiB sent, %d MiB came back\n"
      "buffers held %.1f MiB at most (they may %.1f MiB)\n"
      "resident: %.1f MiB after the first check, %.1f MiB after the last\n",
      tally.connects, tally.connected, tally.failed_connects, report.accepted,
      tally.pairs, tally.finished, tally.left, tally.reset, tally.timed_out,
      tally.server_left, tally.sent_bytes >> 20, tally.received_bytes >> 20,
      static_cast<double>(report.peak_buffer_bytes) / (1 << 20),
      static_cast<double>(report.bound_of_buffer_bytes) / (1 << 20),
      static_cast<double>(report.first_resident_bytes) / (1 << 20),
      static_cast<double>(report.last_resident_bytes) / (1 << 20));
  for (const std::string& failure : report.failures) {
    std::cout << "FAILED: " << failure << '\n';
  }
}

}  // namespace

int main(int argc, char** argv) {
  constexpr int kMost = std::numeric_limits<int>::max();
  int seconds = 60;
  int seed = static_cast<int>(std::random_device()() >> 1);
  int connections = 300;
  percore::FlagSet flags(
      "connection_soak: connections that come and go at random");
  flags.Add("seconds", "N", "how long (60)", [&](std::string_view value) {
    return percore::ParseNumberFlag(value, 1, kMost, &seconds);
  });
  flags.Add("seed", "N", "of the random numbers; printed",
            [&](std::string_view value) {
              return percore::ParseNumberFlag(value, 0, kMost, &seed);
            });
  flags.Add("connections", "N", "at once (300)", [&](std::string_view value) {
    return percore::ParseNumberFlag(value, 1, 10'000, &connections);
  });
  if (const absl::Status status = flags.Parse(argc, argv); !status.ok()) {
    std::cerr << "connection_soak: " << status.message() << '\n';
    return 2;
  }
  if (flags.help_requested()) {
    std::cout << flags.Help();
    return 0;
  }
  std::cout << "seed " << seed << std::endl;
  const percore::SoakReport report =
      percore::RunConnectionSoak({.seed = static_cast<uint64_t>(seed),
                                  .connections = connections,
                                  .seconds = seconds},
                                 &std::cout);
  Print(report);
  return report.failures.empty() ? 0 : 1;
}
