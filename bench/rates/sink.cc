// Takes what a source sends over many connections, and prints one line of JSON
// that says how even it was: for windows of several lengths, how far the sum of
// all was from the rate, and how fairly it was shared (Jain's index).
//
//   sink --host_port=127.0.0.1:7779 --connections=1000 --rate=20000000
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "percore/bench/load/address.h"
#include "percore/bench/load/clock.h"

ABSL_FLAG(std::string, host_port, "127.0.0.1:7779", "The source.");
ABSL_FLAG(int, connections, 1000, "Connections.");
ABSL_FLAG(double, rate, 20e6, "Bytes a second that are to come.");
ABSL_FLAG(double, seconds, 10, "How long to measure.");
ABSL_FLAG(double, warmup, 2, "Seconds before that are not counted.");

namespace percore::bench {
namespace {

// The shortest window, and how many of it make the others.
constexpr int64_t kWindowNs = 10'000'000;
constexpr std::array<size_t, 4> kScales = {1, 10, 100, 1000};

class Sink {
 public:
  Sink(size_t connections, size_t windows)
      : connections_(connections), bytes_(connections * windows) {}

  absl::Status Connect(const addrinfo& address) {
    epoll_ = epoll_create1(EPOLL_CLOEXEC);
    for (size_t i = 0; i < connections_; ++i) {
      const int fd = socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
      if (fd < 0 || connect(fd, address.ai_addr, address.ai_addrlen) != 0) {
        return absl::UnavailableError(
            absl::StrCat("connection ", i, ": errno ", errno));
      }
      epoll_event event = {.events = EPOLLIN, .data = {.u64 = i}};
      epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
      fds_.push_back(fd);
    }
    return absl::OkStatus();
  }

  // From `start` on what comes is counted.
  absl::Status Run(int64_t start) {
    std::array<epoll_event, 256> events;
    const auto windows = static_cast<int64_t>(bytes_.size() / connections_);
    while (true) {
      const int count = epoll_wait(epoll_, events.data(), events.size(), 100);
      const int64_t now = MonotonicNow();
      const int64_t window = (now - start) / kWindowNs;
      if (now >= start && window >= windows) return absl::OkStatus();
      for (int i = 0; i < count; ++i) {
        const size_t connection = events[i].data.u64;
        const ssize_t received =
            recv(fds_[connection], room_.data(), room_.size(), MSG_DONTWAIT);
        if (received == 0) return absl::UnavailableError("the source hung up");
        if (received < 0 || now < start) continue;
        bytes_[static_cast<size_t>(window) * connections_ + connection] +=
            static_cast<uint32_t>(received);
      }
    }
  }

  // Of windows of `scale` times 10 ms, as a part of a JSON object.
  std::string Result(size_t scale, double rate) const {
    const size_t windows = bytes_.size() / connections_ / scale;
    if (windows == 0) return "";
    const double expected = rate * kWindowNs * static_cast<double>(scale) / 1e9;
    double worst = 0;
    double off = 0;
    double fairness = 0;
    double unfairest = 1;
    for (size_t window = 0; window < windows; ++window) {
      double sum = 0;
      double squares = 0;
      for (size_t connection = 0; connection < connections_; ++connection) {
        double bytes = 0;
        for (size_t i = 0; i < scale; ++i) {
          bytes += bytes_[(window * scale + i) * connections_ + connection];
        }
        sum += bytes;
        squares += bytes * bytes;
      }
      const double deviation = std::abs(sum / expected - 1);
      worst = std::max(worst, deviation);
      off += deviation;
      const double index =
          squares == 0 ? 0 : sum * sum / (squares * connections_);
      fairness += index;
      unfairest = std::min(unfairest, index);
    }
    return absl::StrCat("\"", scale * kWindowNs / 1'000'000,
                        "\": {\"deviation\": ", off / windows,
                        ", \"worst_deviation\": ", worst,
                        ", \"jain\": ", fairness / windows,
                        ", \"worst_jain\": ", unfairest, "}");
  }

 private:
  const size_t connections_;
  int epoll_ = -1;
  std::vector<int> fds_;
  std::vector<uint32_t> bytes_;  // by window, then by connection
  std::array<char, 256 * 1024> room_;
};

absl::Status Main() {
  absl::StatusOr<AddressPtr> address = Resolve(absl::GetFlag(FLAGS_host_port));
  if (!address.ok()) return address.status();
  const double seconds = absl::GetFlag(FLAGS_seconds);
  static Sink& sink =
      *new Sink(static_cast<size_t>(absl::GetFlag(FLAGS_connections)),
                static_cast<size_t>(seconds * 1e9 / kWindowNs));
  if (absl::Status status = sink.Connect(**address); !status.ok()) {
    return status;
  }
  const int64_t start =
      MonotonicNow() + static_cast<int64_t>(absl::GetFlag(FLAGS_warmup) * 1e9);
  if (absl::Status status = sink.Run(start); !status.ok()) return status;
  std::vector<std::string> results;
  for (const size_t scale : kScales) {
    std::string result = sink.Result(scale, absl::GetFlag(FLAGS_rate));
    if (!result.empty()) results.push_back(std::move(result));
  }
  std::printf("{\"windows_ms\": {%s}}\n", absl::StrJoin(results, ", ").c_str());
  return absl::OkStatus();
}

}  // namespace
}  // namespace percore::bench

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("Measures how evenly a source sends.");
  absl::ParseCommandLine(argc, argv);
  if (absl::Status status = percore::bench::Main(); !status.ok()) {
    std::fprintf(stderr, "sink: %s\n", std::string(status.message()).c_str());
    return 1;
  }
}
