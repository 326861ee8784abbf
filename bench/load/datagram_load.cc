// Puts a load of datagrams on a UDP echo server, and prints one line of JSON
// that says what came of it. `datagram_load --help` lists the flags.
//
//   datagram_load --host_port=127.0.0.1:7777 --connections=64 --depth=16
//
// A closed loop: on every flow, which is a socket of its own, `depth` datagrams
// are under way always. One thread.
#include <sched.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "percore/bench/load/address.h"
#include "percore/bench/load/clock.h"
#include "percore/bench/load/connection.h"
#include "percore/bench/load/datagram_flow.h"
#include "percore/bench/load/measure.h"
#include "percore/bench/load/result_line.h"

ABSL_FLAG(std::string, host_port, "127.0.0.1:7777", "The server.");
ABSL_FLAG(std::string, payload, "udp_echo", "Nothing else.");
ABSL_FLAG(uint32_t, connections, 64, "Flows: sockets to send from.");
ABSL_FLAG(uint32_t, depth, 1, "Datagrams under way on each flow.");
ABSL_FLAG(uint32_t, message_size, 64, "Bytes in a datagram.");
ABSL_FLAG(bool, offload, false,
          "Gives the kernel many datagrams as one, and takes them so.");
ABSL_FLAG(double, seconds, 5, "How long to measure.");
ABSL_FLAG(uint64_t, requests, 0,
          "Datagrams to send and to measure, instead of --seconds.");
ABSL_FLAG(double, warmup, 1, "Seconds of load that is not counted.");
ABSL_FLAG(int, threads, 1, "One.");
ABSL_FLAG(std::vector<std::string>, cpus, {}, "The CPU to pin the thread to.");
ABSL_FLAG(int, server_pid, 0,
          "A process on this machine whose CPU time to measure as well.");

namespace percore::bench {
namespace {

// After that long an answer is given up: much more than any takes on one
// machine, and little enough for the load to go on.
constexpr int64_t kPatienceNs = 200'000'000;
constexpr int64_t kLookAroundNs = 20'000'000;
// Nothing at all for so long is the end.
constexpr int64_t kGiveUpNs = 10 * kNanosecondsPerSecond;

class DatagramLoad {
 public:
  explicit DatagramLoad(const MeasureOptions& options, bool offload,
                        uint32_t datagram_bytes)
      : options_(options), room_(datagram_bytes, offload) {}
  ~DatagramLoad() {
    if (epoll_fd_ >= 0) close(epoll_fd_);
  }

  absl::StatusOr<Measured> Run() {
    if (absl::Status status = Open(); !status.ok()) return status;
    const bool numbered = options_.requests > 0;
    absl::Status status = RunUntil(InSeconds(options_.warmup), !numbered);
    if (!status.ok()) return status;
    Begin();
    if (numbered) left_ = options_.requests;
    status = RunUntil(numbered ? INT64_MAX : InSeconds(options_.seconds), true);
    if (!status.ok()) return status;
    return End();
  }

  uint64_t lost() const { return lost_; }

 private:
  static int64_t InSeconds(double seconds) {
    return static_cast<int64_t>(seconds * kNanosecondsPerSecond);
  }

  absl::Status Open() {
    epoll_fd_ = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd_ < 0) return SystemError("epoll_create1");
    for (uint32_t i = 0; i < options_.connections; ++i) {
      flows_.push_back(std::make_unique<DatagramFlow>(
          i, static_cast<uint32_t>(options_.run.depth)));
      DatagramFlow& flow = *flows_.back();
      if (absl::Status status = flow.Open(*options_.run.address, room_);
          !status.ok()) {
        return status;
      }
      epoll_event event = {};
      event.events = EPOLLIN;
      event.data.ptr = &flow;
      if (epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, flow.fd(), &event) != 0) {
        return SystemError("epoll_ctl");
      }
    }
    return absl::OkStatus();
  }

  void Begin() {
    measuring_ = true;
    begin_ns_ = MonotonicNow();
    begin_cpu_ns_ = ReadClock(CLOCK_THREAD_CPUTIME_ID);
    begin_server_ns_ = ReadClock(options_.server_clock);
  }

  Measured End() {
    measuring_ = false;
    const int64_t passed_ns = MonotonicNow() - begin_ns_;
    const double seconds =
        static_cast<double>(passed_ns) / kNanosecondsPerSecond;
    results_.measured_ns = passed_ns;
    results_.cpu_share =
        static_cast<double>(ReadClock(CLOCK_THREAD_CPUTIME_ID) -
                            begin_cpu_ns_) /
        static_cast<double>(passed_ns);
    results_.bytes_sent = results_.requests * room_.datagram_bytes();
    results_.bytes_received = results_.bytes_sent;
    results_.total_requests = total_;
    return {.results = results_,
            .seconds = seconds,
            .server_cpu_seconds =
                static_cast<double>(ReadClock(options_.server_clock) -
                                    begin_server_ns_) /
                kNanosecondsPerSecond};
  }

  // Until that much time has passed, or what is left to be made is answered.
  absl::Status RunUntil(int64_t duration_ns, bool sends) {
    const int64_t start_ns = MonotonicNow();
    if (!sends) return absl::OkStatus();
    int64_t looked_ns = start_ns;
    answered_ns_ = start_ns;
    if (absl::Status status = FillAll(); !status.ok()) return status;
    std::array<epoll_event, 256> events;
    while (true) {
      const int64_t now_ns = MonotonicNow();
      if (now_ns - start_ns >= duration_ns) return absl::OkStatus();
      if (left_ == 0 && in_flight() == 0) return absl::OkStatus();
      if (now_ns - answered_ns_ > kGiveUpNs) {
        return absl::DeadlineExceededError("the server does not answer");
      }
      if (now_ns - looked_ns >= kLookAroundNs) {
        looked_ns = now_ns;
        for (const auto& flow : flows_) {
          lost_ += flow->GiveUp(now_ns, kPatienceNs);
        }
        if (absl::Status status = FillAll(); !status.ok()) return status;
      }
      const int count =
          epoll_wait(epoll_fd_, events.data(), static_cast<int>(events.size()),
                     static_cast<int>(kLookAroundNs / 1'000'000));
      if (count < 0 && errno != EINTR) return SystemError("epoll_wait");
      for (int i = 0; i < count; ++i) {
        absl::Status status =
            Serve(*static_cast<DatagramFlow*>(events[i].data.ptr));
        if (!status.ok()) return status;
      }
    }
  }

  absl::Status Serve(DatagramFlow& flow) {
    const int64_t now_ns = MonotonicNow();
    answered_ns_ = now_ns;
    absl::Status status = flow.Receive(room_, [&](int64_t made_ns) {
      ++total_;
      if (!measuring_) return;
      ++results_.requests;
      results_.latency_ns.Record(static_cast<uint64_t>(now_ns - made_ns));
    });
    return status.ok() ? Fill(flow) : status;
  }

  absl::Status Fill(DatagramFlow& flow) {
    uint64_t made = 0;
    absl::Status status = flow.Fill(room_, left_, &made);
    if (left_ != kNoEnd) left_ -= made;
    return status;
  }

  absl::Status FillAll() {
    for (const auto& flow : flows_) {
      if (absl::Status status = Fill(*flow); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

  size_t in_flight() const {
    size_t sum = 0;
    for (const auto& flow : flows_) sum += flow->in_flight();
    return sum;
  }

  static constexpr uint64_t kNoEnd = UINT64_MAX;

  const MeasureOptions& options_;
  DatagramRoom room_;
  int epoll_fd_ = -1;
  std::vector<std::unique_ptr<DatagramFlow>> flows_;
  Results results_;
  uint64_t left_ = kNoEnd;  // to be made
  uint64_t total_ = 0;
  uint64_t lost_ = 0;
  bool measuring_ = false;
  int64_t begin_ns_ = 0;
  int64_t begin_cpu_ns_ = 0;
  int64_t begin_server_ns_ = 0;
  int64_t answered_ns_ = 0;
};

absl::Status CheckFlags() {
  const auto within = [](const char* name, double value, double least,
                         double most) {
    if (value >= least && value <= most) return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrCat("--", name, " must be ", least, " to ", most));
  };
  absl::Status status =
      within("connections", absl::GetFlag(FLAGS_connections), 1, 10000);
  status.Update(within("depth", absl::GetFlag(FLAGS_depth), 1, 1000));
  status.Update(within("message_size", absl::GetFlag(FLAGS_message_size),
                       DatagramFlow::kMinBytes, 65000));
  status.Update(within("seconds", absl::GetFlag(FLAGS_seconds), 0.01, 3600));
  status.Update(within("warmup", absl::GetFlag(FLAGS_warmup), 0, 3600));
  status.Update(within("threads", absl::GetFlag(FLAGS_threads), 1, 1));
  if (absl::GetFlag(FLAGS_payload) != "udp_echo") {
    status.Update(absl::InvalidArgumentError("--payload must be udp_echo"));
  }
  return status;
}

absl::Status Pin() {
  const std::vector<std::string> cpus = absl::GetFlag(FLAGS_cpus);
  if (cpus.empty()) return absl::OkStatus();
  int cpu = 0;
  cpu_set_t set;
  CPU_ZERO(&set);
  if (!absl::SimpleAtoi(cpus[0], &cpu) || cpu < 0 || cpu >= CPU_SETSIZE) {
    return absl::InvalidArgumentError("--cpus: not a CPU");
  }
  CPU_SET(cpu, &set);
  return sched_setaffinity(0, sizeof(set), &set) == 0
             ? absl::OkStatus()
             : SystemError("sched_setaffinity");
}

absl::Status MeasureByFlags() {
  absl::Status status = CheckFlags();
  if (status.ok()) status = Pin();
  if (!status.ok()) return status;
  const absl::StatusOr<AddressPtr> address =
      Resolve(absl::GetFlag(FLAGS_host_port));
  if (!address.ok()) return address.status();
  MeasureOptions options;
  options.run.address = address->get();
  options.run.depth = absl::GetFlag(FLAGS_depth);
  options.connections = absl::GetFlag(FLAGS_connections);
  options.seconds = absl::GetFlag(FLAGS_seconds);
  options.requests = absl::GetFlag(FLAGS_requests);
  options.warmup = absl::GetFlag(FLAGS_warmup);
  const int pid = absl::GetFlag(FLAGS_server_pid);
  if (pid != 0 && clock_getcpuclockid(pid, &options.server_clock) != 0) {
    return absl::InvalidArgumentError(absl::StrCat("no process ", pid));
  }
  DatagramLoad load(options, absl::GetFlag(FLAGS_offload),
                    absl::GetFlag(FLAGS_message_size));
  const absl::StatusOr<Measured> measured = load.Run();
  if (!measured.ok()) return measured.status();
  std::string line = ResultLine(
      *measured, options,
      {.payload = absl::GetFlag(FLAGS_payload), .server_cpu = pid != 0});
  // One more, in front of the brace that ends it.
  line.insert(line.rfind('}'), absl::StrCat(", \"lost\": ", load.lost()));
  absl::PrintF("%s", line);
  return absl::OkStatus();
}

}  // namespace
}  // namespace percore::bench

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage(
      "Puts a load of datagrams on a UDP echo server, and prints what came of "
      "it.");
  const std::vector<char*> left = absl::ParseCommandLine(argc, argv);
  if (left.size() > 1) {
    absl::FPrintF(stderr, "datagram_load: \"%s\" is no flag\n", left[1]);
    return 1;
  }
  if (const absl::Status status = percore::bench::MeasureByFlags();
      !status.ok()) {
    absl::FPrintF(stderr, "datagram_load: %s\n", status.message());
    return 1;
  }
  return 0;
}
