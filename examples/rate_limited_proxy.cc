// A TCP proxy that says how fast its clients may be: all together, those of one
// network, and each.
//
// Clients are accepted by every shard, and each has a connection to the
// upstream on its own shard. All shards share the budget of the whole server
// and those of the clients' networks, and each byte has to find room in all
// three. Budgets change while the proxy runs, by commands to --control. See
// proxy_service/ for the pieces.
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "percore/examples/proxy_service/client_network.h"
#include "percore/examples/proxy_service/proxy_service.h"
#include "percore/examples/proxy_service/rate_text.h"
#include "percore/examples/proxy_service/upstream.h"
#include "percore/examples/server_main.h"
#include "percore/net/listen_sockets.h"

namespace percore::proxy {
namespace {

// As they were given.
struct LimitFlags {
  std::string rate = "none";
  std::string burst;
};

struct Settings {
  std::string upstream = "127.0.0.1:7777";
  std::string control;  // empty for none
  LimitFlags server;
  LimitFlags network;
  LimitFlags connection;
  NetworkPrefix network_prefix;
};

void AddText(FlagSet& flags, std::string name, std::string value_name,
             std::string help, std::string& text) {
  flags.Add(std::move(name), std::move(value_name), std::move(help),
            [&text](std::string_view value) {
              text = value;
              return absl::OkStatus();
            });
}

void AddLimit(FlagSet& flags, const std::string& of, const std::string& what,
              LimitFlags& limit) {
  AddText(flags, of + "_rate", "RATE",
          absl::StrCat("bytes a second of ", what,
                       ", as 500k, or 10M/5M to read and write (none)"),
          limit.rate);
  AddText(flags, of + "_burst", "BYTES",
          absl::StrCat("bytes at once of ", what,
                       ", in the same way (a tenth of a second's)"),
          limit.burst);
}

void AddFlags(FlagSet& flags, Settings& settings) {
  AddText(
      flags, "upstream", "HOST:PORT",
      absl::StrCat("where clients are connected to (", settings.upstream, ")"),
      settings.upstream);
  AddLimit(flags, "server", "all clients", settings.server);
  AddLimit(flags, "network", "all clients of a network", settings.network);
  AddLimit(flags, "connection", "each client", settings.connection);
  flags.Add("network_prefix", "BITS[/BITS]",
            "what makes a network of IPv4 and of IPv6 addresses (24/64)",
            [&settings](std::string_view value) {
              absl::StatusOr<NetworkPrefix> prefix = ParseNetworkPrefix(value);
              if (prefix.ok()) settings.network_prefix = *prefix;
              return prefix.status();
            });
  AddText(flags, "control", "ADDR:PORT",
          "address, or unix:PATH, to take commands on, from whoever gets there "
          "(none)",
          settings.control);
}

// `flag` is whose text it is.
absl::Status Parse(const char* flag, const LimitFlags& flags,
                   RateLimit* limit) {
  absl::StatusOr<RateLimit> parsed = ParseLimit(flags.rate, flags.burst);
  if (!parsed.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--", flag, "_rate, --", flag, "_burst: ", parsed.status().message()));
  }
  *limit = *parsed;
  return absl::OkStatus();
}

absl::StatusOr<ProxyCluster::Options> MakeOptions(const Settings& settings) {
  ProxyCluster::Options options = {.network_prefix = settings.network_prefix};
  absl::StatusOr<Upstream> upstream = Upstream::Resolve(settings.upstream);
  if (!upstream.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--upstream: ", upstream.status().message()));
  }
  options.upstream = *std::move(upstream);
  absl::Status status = Parse("server", settings.server, &options.server_limit);
  status.Update(Parse("network", settings.network, &options.network_limit));
  status.Update(
      Parse("connection", settings.connection, &options.connection_limit));
  if (!status.ok()) return status;
  return options;
}

// What the shards share.
class Proxy {
 public:
  absl::Status Prepare(const Settings& settings, Runtime& runtime,
                       Exporter* exporter) {
    absl::StatusOr<ProxyCluster::Options> options = MakeOptions(settings);
    if (!options.ok()) return options.status();
    exporter_ = exporter;
    if (exporter != nullptr) {
      options->on_group =
          [exporter](const std::shared_ptr<RateLimitGroup>& group) {
            exporter->collector().AddRateLimitGroup(group);
          };
    }
    cluster_.emplace(runtime.shard_count(), *std::move(options));
    if (settings.control.empty()) return absl::OkStatus();
    absl::StatusOr<ListenSockets> control =
        ListenSockets::Open(settings.control, 1);
    if (!control.ok()) return control.status();
    control_.emplace(*std::move(control));
    return absl::OkStatus();
  }

  // Empty for none.
  std::string control_address() const {
    return control_.has_value() ? control_->address().ToString() : "";
  }

  absl::StatusOr<std::unique_ptr<Service>> MakeService(
      Shard& shard, UniqueFd socket, const TcpServerOptions& options,
      std::shared_ptr<ListenerStats>* stats) {
    absl::StatusOr<std::unique_ptr<ProxyService>> service =
        ProxyService::Create(shard, std::move(socket), *cluster_, options);
    if (!service.ok()) return service.status();
    *stats = (*service)->listener_stats();
    if (shard.index() == 0 && control_.has_value()) {
      absl::Status status = (*service)->ListenForOperators(control_->Take(0));
      if (!status.ok()) return status;
      if (exporter_ != nullptr) {
        exporter_->collector().AddListener("control", 0,
                                           (*service)->control_stats());
      }
    }
    return *std::move(service);
  }

 private:
  Exporter* exporter_ = nullptr;  // null without --metrics
  std::optional<ProxyCluster> cluster_;
  std::optional<ListenSockets> control_;
};

void Greet(const std::string& listen, const std::string& metrics,
           const std::string& control) {
  if (!control.empty()) std::cout << "control on " << control << '\n';
  const size_t colon = listen.rfind(':');
  std::cout << "Try, from another terminal:\n  nc " << listen.substr(0, colon)
            << ' ' << listen.substr(colon + 1) << '\n';
  if (const size_t end = control.rfind(':');
      !control.empty() && !control.starts_with("unix:")) {
    std::cout << "  printf 'set connection 100k\\nshow\\n' | nc -N "
              << control.substr(0, end) << ' ' << control.substr(end + 1)
              << '\n';
  }
  if (!metrics.empty()) {
    std::cout << "  curl -s http://" << metrics
              << "/metrics | grep percore_ratelimit\n";
  }
  std::cout << "Ctrl-C stops the proxy." << std::endl;
}

}  // namespace
}  // namespace percore::proxy

int main(int argc, char** argv) {
  percore::proxy::Settings settings;
  percore::proxy::Proxy proxy;
  return percore::ServerMain::Run(
      {.name = "rate_limited_proxy",
       .summary = "rate_limited_proxy: a TCP proxy with budgets for all "
                  "clients, for each network, and for each of them",
       .listen = "127.0.0.1:7778",
       .rate_limits = percore::ServerMain::Program::RateLimits::kOwn,
       .add_flags = [&](percore::FlagSet& flags) { AddFlags(flags, settings); },
       .prepare =
           [&](percore::Runtime& runtime, percore::Exporter* exporter) {
             return proxy.Prepare(settings, runtime, exporter);
           },
       .greet =
           [&](const std::string& listen, const std::string& metrics) {
             percore::proxy::Greet(listen, metrics, proxy.control_address());
           },
       .make_service =
           [&](percore::Shard& shard, percore::UniqueFd socket,
               const percore::TcpServerOptions& options,
               std::shared_ptr<percore::ListenerStats>* stats) {
             return proxy.MakeService(shard, std::move(socket), options, stats);
           }},
      argc, argv);
}
