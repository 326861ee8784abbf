#include "percore/metrics/exporter.h"

#include <sys/socket.h>

#include <atomic>
#include <chrono>
#include <exception>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "percore/net/listen_sockets.h"
#include "percore/net/socket_address.h"
#include "percore/net/unique_fd.h"
#include "percore/runtime/error.h"
#include "prometheus/exposer.h"

namespace percore {
namespace {

// Scrapes are rare, and short, but a client that connects and asks nothing
// holds a thread until the timeout. With civetweb's own (30 s) and 2 threads,
// two such clients kept a scrape waiting for 29.9 s; Prometheus gives up after
// ten. With these it outlives twelve of them, in 6 s.
constexpr char kThreads[] = "4";
constexpr char kRequestTimeoutMs[] = "2000";

constexpr std::chrono::milliseconds kKnockInterval{5};

}  // namespace

absl::StatusOr<std::unique_ptr<Exporter>> Exporter::Start(
    std::string_view address) {
  // The exposer says "possible problem binding to port" and no more. A socket
  // of ours finds out what is wrong, and which port the kernel chooses; another
  // process would have to take the port between the two.
  std::string bound;
  {
    const absl::StatusOr<SocketAddress> parsed = SocketAddress::Parse(address);
    if (!parsed.ok()) return parsed.status();
    if (parsed->is_unix()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "serving metrics at '", ToAbsl(address), "': expected ADDRESS:PORT"));
    }
    const absl::StatusOr<ListenSockets> probe = ListenSockets::Open(*parsed, 1);
    if (!probe.ok()) return probe.status();
    bound = probe->address().ToString();
  }
  try {
    auto exposer =
        std::make_unique<prometheus::Exposer>(std::vector<std::string>{
            "listening_ports", bound, "num_threads", kThreads,
            "request_timeout_ms", kRequestTimeoutMs});
    return std::unique_ptr<Exporter>(
        new Exporter(std::move(bound), std::move(exposer)));
  } catch (const std::exception& error) {
    return absl::UnavailableError(absl::StrCat(
        "serving metrics at ", bound, ": ", error.what(),
        " (the HTTP server in prometheus-cpp may be built without IPv6)"));
  }
}

Exporter::Exporter(std::string address,
                   std::unique_ptr<prometheus::Exposer> exposer)
    : address_(std::move(address)),
      collector_(std::make_shared<Collector>()),
      exposer_(std::move(exposer)) {
  exposer_->RegisterCollectable(collector_);
}

Exporter::~Exporter() {
  // The exposer's thread looks for the end only when a connection comes or two
  // seconds have passed: connections until it has looked.
  std::atomic<bool> stopped{false};
  std::thread knocking([this, &stopped] {
    const absl::StatusOr<SocketAddress> address =
        SocketAddress::Parse(address_);
    while (address.ok() && !stopped.load()) {
      const UniqueFd fd(
          socket(address->family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
      // Whether it is accepted or refused: it was noticed.
      (void)connect(fd.get(), address->native(), address->native_size());
      std::this_thread::sleep_for(kKnockInterval);
    }
  });
  exposer_.reset();
  stopped.store(true);
  knocking.join();
}

void Exporter::Register(std::shared_ptr<prometheus::Collectable> collectable) {
  exposer_->RegisterCollectable(collectable);
  others_.push_back(std::move(collectable));
}

}  // namespace percore
