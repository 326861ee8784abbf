// Serves /metrics for Prometheus to scrape.
//
// ```cpp
// auto exporter = percore::Exporter::Start("127.0.0.1:0");
// if (!exporter.ok()) return;
// (*exporter)->collector().AddShard(
//     0, std::make_shared<const percore::LoopStats>(),
//     std::make_shared<const percore::MailboxStats>());
// std::string page = "http://" + (*exporter)->address() + "/metrics";
// ```
//
// The page is served by prometheus-cpp on threads of its own: a scrape costs a
// shard nothing, and a shard that hangs can still be seen.
#ifndef PERCORE_METRICS_EXPORTER_H_
#define PERCORE_METRICS_EXPORTER_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "percore/metrics/collector.h"
#include "prometheus/collectable.h"

namespace prometheus {
class Exposer;
}  // namespace prometheus

namespace percore {

// Thread: Start(), Register() and the destructor: one thread at a time. The
// destructor waits for scrapes that run, and up to two seconds for clients that
// are connected and ask nothing. collector() is thread-safe itself.
class Exporter {
 public:
  // Serves at `address`, "127.0.0.1:9464" or, where prometheus-cpp's HTTP
  // server is built with IPv6 (Debian's is not), "[::1]:9464"; port 0 lets the
  // kernel choose. Starts no thread before it knows that the address is free.
  // Errors: InvalidArgument for a bad address; else the call, the address, and
  // errno in words.
  static absl::StatusOr<std::unique_ptr<Exporter>> Start(
      std::string_view address);
  ~Exporter();

  // Where it serves, with the real port.
  const std::string& address() const { return address_; }
  // What Percore itself counts.
  Collector& collector() { return *collector_; }
  // Adds an application's own families to the page, and keeps them.
  void Register(std::shared_ptr<prometheus::Collectable> collectable);

 private:
  Exporter(std::string address, std::unique_ptr<prometheus::Exposer> exposer);

  const std::string address_;
  const std::shared_ptr<Collector> collector_;
  std::vector<std::shared_ptr<prometheus::Collectable>> others_;
  std::unique_ptr<prometheus::Exposer> exposer_;
};

}  // namespace percore

#endif  // PERCORE_METRICS_EXPORTER_H_
