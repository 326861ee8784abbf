// What the example servers have in common: flags, metrics, and a life from
// start to stop.
//
//   --listen=ADDR:PORT   --metrics=ADDR:PORT   --shards=N   --cpus=LIST
//   --backend=NAME       --drain_seconds=N     --max_connections=N
//   --rate_limit=N       --help
//
// --listen=inherited serves on the sockets that systemd, or whoever started the
// program, has opened; --listen=inherited:NAME on those of that name.
//
// Whatever is wrong with the flags, the addresses or the CPUs is one line on
// stderr and exit status 2, before any thread starts. A server that was stopped
// by SIGTERM or SIGINT exits with 0, one that failed later with 1.
#ifndef PERCORE_EXAMPLES_SERVER_MAIN_H_
#define PERCORE_EXAMPLES_SERVER_MAIN_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "percore/examples/flag_set.h"
#include "percore/metrics/exporter.h"
#include "percore/net/listen_sockets.h"
#include "percore/net/listener_stats.h"
#include "percore/net/tcp_server.h"
#include "percore/runtime/runtime.h"
#include "percore/runtime/service.h"
#include "percore/runtime/shard.h"

namespace percore {

class ServerMain {
 public:
  // What a server serves on: a socket that listens on each shard, or a UDP one.
  enum class Sockets { kListening, kDatagrams };

  // What a program brings. The functions are called in this order.
  struct Program {
    std::string name;     // of the listener, in the metrics
    std::string summary;  // the first line of --help
    std::string listen;   // the default of --listen
    // With kDatagrams there is no --max_connections.
    Sockets sockets = Sockets::kListening;
    // One that limits rates in ways of its own has no --rate_limit.
    enum class RateLimits { kCommon, kOwn };
    RateLimits rate_limits = RateLimits::kCommon;
    // Adds flags of its own. May be null.
    std::function<void(FlagSet& flags)> add_flags = {};
    // Before the shards start: prepares what they share, or says what is wrong
    // with the flags. Exporter is null without --metrics. May be null.
    std::function<absl::Status(Runtime& runtime, Exporter* exporter)> prepare =
        {};
    // Prints what a user could do next. May be null.
    std::function<void(const std::string& listen, const std::string& metrics)>
        greet = {};
    // On each shard: makes its service, and says where its listener counts, if
    // it has one.
    std::function<absl::StatusOr<std::unique_ptr<Service>>(
        Shard& shard, UniqueFd socket, const TcpServerOptions& options,
        std::shared_ptr<ListenerStats>* stats)>
        make_service = {};
    // After a clean stop: a last line for the log. May be null.
    std::function<std::string()> farewell = {};
  };

  // Of each UDP socket: room for a burst of some thousand small datagrams,
  // where net.core.rmem_max allows that.
  static constexpr size_t kDatagramReceiveBuffer = size_t{4} * 1024 * 1024;

  // Runs the program; the result is main()'s.
  static int Run(const Program& program, int argc, char** argv);
};

}  // namespace percore

#endif  // PERCORE_EXAMPLES_SERVER_MAIN_H_
