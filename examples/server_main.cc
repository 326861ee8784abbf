#include "percore/examples/server_main.h"

#include <sys/resource.h>

#include <chrono>
#include <climits>
#include <iostream>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "percore/buffer/segment_pool.h"
#include "percore/net/connection_limit.h"
#include "percore/net/datagram_sockets.h"
#include "percore/net/inherited_sockets.h"
#include "percore/net/rate_limit_group.h"
#include "percore/net/socket_address.h"

namespace percore {
namespace {

constexpr int kBadUsage = 2;
constexpr int kFailed = 1;

struct Settings {
  std::string listen;
  std::string metrics;      // empty for none
  int max_connections = 0;  // 0 for any number
  int rate_limit = 0;       // 0 for none
  RuntimeOptions runtime;
};

constexpr char kInherited[] = "inherited";

void AddCommonFlags(FlagSet& flags, Settings& settings,
                    const ServerMain::Program& program) {
  flags.Add(
      "listen", "ADDR:PORT",
      absl::StrCat("address to serve on, or unix:PATH, or inherited[:NAME] (",
                   settings.listen, ")"),
      [&settings](std::string_view value) {
        settings.listen = value;
        return absl::OkStatus();
      });
  flags.Add("metrics", "ADDR:PORT",
            "address to serve /metrics on for Prometheus (none)",
            [&settings](std::string_view value) {
              settings.metrics = value;
              return absl::OkStatus();
            });
  flags.Add("shards", "N", "number of shards (one for each CPU)",
            [&settings](std::string_view value) {
              return ParseNumberFlag(value, 1, 1024, &settings.runtime.shards);
            });
  flags.Add("cpus", "LIST", "CPUs to run on, as 0,2-3 (all)",
            [&settings](std::string_view value) {
              absl::StatusOr<CpuList> cpus = ParseCpuList(value);
              if (!cpus.ok()) return cpus.status();
              settings.runtime.cpus = *std::move(cpus);
              return absl::OkStatus();
            });
  flags.Add("backend", "NAME", "back end of the loops (the best there is)",
            [&settings](std::string_view value) {
              settings.runtime.base.backend = value;
              return absl::OkStatus();
            });
  if (program.sockets == ServerMain::Sockets::kListening) {
    flags.Add("max_connections", "N",
              "connections at once, on all shards; others wait (any number)",
              [&settings](std::string_view value) {
                return ParseNumberFlag(value, 1, INT_MAX,
                                       &settings.max_connections);
              });
  }
  if (program.rate_limits == ServerMain::Program::RateLimits::kCommon) {
    flags.Add("rate_limit", "N",
              "bytes a second that all may send, and as many receive (any)",
              [&settings](std::string_view value) {
                return ParseNumberFlag(value, 1, INT_MAX, &settings.rate_limit);
              });
  }
  flags.Add("drain_seconds", "N",
            "how long connections may take to finish when stopping (10)",
            [&settings](std::string_view value) {
              int seconds = 0;
              absl::Status status = ParseNumberFlag(value, 0, 86400, &seconds);
              settings.runtime.drain_deadline = std::chrono::seconds(seconds);
              return status;
            });
}

int Complain(const ServerMain::Program& program, const absl::Status& status,
             int exit_status) {
  std::cerr << program.name << ": " << status.message() << std::endl;
  return exit_status;
}

// What a supervisor gave of the name that --listen has; nothing if it has none,
// but an address.
absl::StatusOr<std::optional<std::vector<UniqueFd>>> TakeInherited(
    std::string_view listen) {
  const bool all = listen == kInherited;
  if (!all && !listen.starts_with(absl::StrCat(kInherited, ":"))) {
    return std::nullopt;
  }
  absl::StatusOr<InheritedSockets> inherited = InheritedSockets::TakeOver();
  if (!inherited.ok()) return inherited.status();
  if (all) return inherited->TakeAll();
  absl::StatusOr<std::vector<UniqueFd>> named =
      inherited->Take(listen.substr(std::string_view(kInherited).size() + 1));
  if (!named.ok()) return named.status();
  return *std::move(named);
}

// ListenSockets, or DatagramSockets.
struct ServerSockets {
  template <typename Sockets>
  explicit ServerSockets(Sockets sockets)
      : address(sockets.address().ToString()),
        take([sockets = std::make_shared<Sockets>(std::move(sockets))](
                 int shard) { return sockets->Take(shard); }) {}

  std::string address;
  std::function<UniqueFd(int shard)> take;
};

template <typename Sockets>
absl::StatusOr<ServerSockets> Wrap(absl::StatusOr<Sockets> sockets) {
  if (!sockets.ok()) return sockets.status();
  return ServerSockets(*std::move(sockets));
}

// The sockets for --listen, one for each of `shards`.
absl::StatusOr<ServerSockets> OpenSockets(ServerMain::Sockets sockets,
                                          std::string_view listen, int shards) {
  absl::StatusOr<std::optional<std::vector<UniqueFd>>> inherited =
      TakeInherited(listen);
  if (!inherited.ok()) return inherited.status();
  if (sockets == ServerMain::Sockets::kListening) {
    return Wrap(inherited->has_value()
                    ? ListenSockets::Adopt(**std::move(inherited), shards)
                    : ListenSockets::Open(listen, shards));
  }
  return Wrap(
      inherited->has_value()
          ? DatagramSockets::Adopt(**std::move(inherited), shards)
          : DatagramSockets::Open(
                listen, shards,
                {.receive_buffer_bytes = ServerMain::kDatagramReceiveBuffer}));
}

absl::StatusOr<std::shared_ptr<RateLimitGroup>> MakeRateLimitGroup(
    const std::string& name, int rate) {
  return RateLimitGroup::Create(
      {.read = {.rate = rate}, .write = {.rate = rate}}, {.name = name});
}

absl::StatusOr<TcpServerOptions> MakeServerOptions(const std::string& name,
                                                   const Settings& settings) {
  TcpServerOptions options;
  if (settings.rate_limit > 0) {
    absl::StatusOr<std::shared_ptr<RateLimitGroup>> group =
        MakeRateLimitGroup(name, settings.rate_limit);
    if (!group.ok()) return group.status();
    options.rate_limit_group = *std::move(group);
  }
  if (settings.max_connections > 0) {
    options.listener.limit =
        std::make_shared<ConnectionLimit>(settings.max_connections);
  }
  return options;
}

// A server's clients are limited by descriptors: the soft limit is for programs
// that use select(), the hard one is what the administrator grants.
void RaiseDescriptorLimit() {
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

int ServerMain::Run(const Program& program, int argc, char** argv) {
  Settings settings;
  settings.listen = program.listen;
  FlagSet flags(program.summary);
  AddCommonFlags(flags, settings, program);
  if (program.add_flags) program.add_flags(flags);
  if (absl::Status status = flags.Parse(argc, argv); !status.ok()) {
    return Complain(program, status, kBadUsage);
  }
  if (flags.help_requested()) {
    std::cout << flags.Help();
    return 0;
  }

  const absl::StatusOr<TcpServerOptions> options =
      MakeServerOptions(program.name, settings);
  if (!options.ok()) return Complain(program, options.status(), kBadUsage);
  RaiseDescriptorLimit();
  absl::StatusOr<std::unique_ptr<Runtime>> runtime =
      Runtime::Create(settings.runtime);
  if (!runtime.ok()) return Complain(program, runtime.status(), kBadUsage);
  absl::StatusOr<ServerSockets> sockets =
      OpenSockets(program.sockets, settings.listen, (*runtime)->shard_count());
  if (!sockets.ok()) return Complain(program, sockets.status(), kBadUsage);

  std::unique_ptr<Exporter> exporter;
  std::string metrics_address;
  if (!settings.metrics.empty()) {
    absl::StatusOr<std::unique_ptr<Exporter>> started =
        Exporter::Start(settings.metrics);
    if (!started.ok()) return Complain(program, started.status(), kBadUsage);
    exporter = *std::move(started);
    if (options->rate_limit_group != nullptr) {
      exporter->collector().AddRateLimitGroup(options->rate_limit_group);
    }
    metrics_address = exporter->address();
  }
  if (program.prepare) {
    const absl::Status prepared = program.prepare(**runtime, exporter.get());
    if (!prepared.ok()) return Complain(program, prepared, kBadUsage);
  }

  const std::string& listen = sockets->address;
  std::cout << "listening on " << listen << std::endl;
  if (exporter != nullptr) {
    std::cout << "metrics on http://" << metrics_address << "/metrics"
              << std::endl;
  }
  if (program.greet) program.greet(listen, metrics_address);

  const absl::Status status = (*runtime)->Run(
      [&](Shard& shard) -> absl::StatusOr<std::unique_ptr<Service>> {
        std::shared_ptr<ListenerStats> stats;
        absl::StatusOr<std::unique_ptr<Service>> service = program.make_service(
            shard, sockets->take(shard.index()), *options, &stats);
        if (service.ok() && exporter != nullptr) {
          Collector& collector = exporter->collector();
          collector.AddShard(shard.index(), shard.loop_stats(),
                             shard.mailbox_stats());
          collector.AddListener(program.name, shard.index(), stats);
          collector.AddBufferMemory(shard.index(),
                                    SegmentPool::ThisThread().stats());
        }
        return service;
      });
  if (!status.ok()) return Complain(program, status, kFailed);
  std::cout << "stopped: " << (*runtime)->cut_off() << " connections cut off"
            << std::endl;
  if (program.farewell) std::cout << program.farewell() << std::endl;
  return 0;
}

}  // namespace percore
