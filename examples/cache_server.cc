// A memcached text-protocol cache, sharded over the CPUs.
//
// Every key belongs to one shard, by its hash. A connection is accepted by any
// shard; for keys of others it asks the owners with messages, many at a time,
// and answers in order. See cache/ for the store and the protocol, and
// cache_service/ for what ties them to the runtime.
#include <iostream>
#include <memory>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "percore/examples/cache_service/cache_service.h"
#include "percore/examples/cache_service/cache_stats.h"
#include "percore/examples/server_main.h"

namespace {

void Greet(const std::string& listen, const std::string& metrics) {
  const bool is_unix = listen.starts_with("unix:");
  const size_t colon = listen.rfind(':');
  const std::string server = is_unix ? listen.substr(colon + 1) : listen;
  std::cout << "Try, from another terminal:\n"
            << "  printf 'set greeting 0 0 5\\r\\nhello\\r\\nget "
               "greeting\\r\\nquit\\r\\n' | nc "
            << (is_unix ? "-U" : listen.substr(0, colon)) << ' '
            << listen.substr(colon + 1) << "\n  memcstat --servers=" << server
            << '\n';
  if (!metrics.empty()) {
    std::cout << "  curl http://" << metrics << "/metrics\n";
  }
  std::cout << "Ctrl-C stops the server." << std::endl;
}

}  // namespace

int main(int argc, char** argv) {
  int memory_mb = 64;
  std::optional<percore::cache::CacheCluster> cluster;
  return percore::ServerMain::Run(
      {.name = "cache_server",
       .summary = "cache_server: a memcached text-protocol cache",
       .listen = "127.0.0.1:11211",
       .add_flags =
           [&](percore::FlagSet& flags) {
             flags.Add("memory_mb", "N",
                       "memory for items, over all shards, in MiB (64)",
                       [&](std::string_view value) {
                         return percore::ParseNumberFlag(value, 1, 1 << 20,
                                                         &memory_mb);
                       });
           },
       .prepare =
           [&](percore::Runtime& runtime, percore::Exporter* exporter) {
             cluster.emplace(runtime.shard_count());
             cluster->memory_limit_bytes = uint64_t(memory_mb) << 20;
             if (exporter != nullptr) {
               exporter->Register(
                   std::make_shared<percore::cache::CacheCollector>(
                       cluster->stats));
             }
             return absl::OkStatus();
           },
       .greet = &Greet,
       .make_service = [&](percore::Shard& shard, percore::UniqueFd socket,
                           const percore::TcpServerOptions& options,
                           std::shared_ptr<percore::ListenerStats>* stats)
           -> absl::StatusOr<std::unique_ptr<percore::Service>> {
         absl::StatusOr<std::unique_ptr<percore::cache::CacheService>> service =
             percore::cache::CacheService::Create(shard, std::move(socket),
                                                  *cluster, options);
         if (service.ok()) *stats = (*service)->listener_stats();
         return service;
       },
       .farewell =
           [&] {
             uint64_t stores = 0;
             for (const auto& shard : cluster->stats) {
               stores += shard->stores.Get();
             }
             return absl::StrCat("stores executed: ", stores);
           }},
      argc, argv);
}
