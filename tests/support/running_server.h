// A server of the runtime, running in this process for the length of a test.
//
// ```cpp
// percore::RunningServer server(
//     /*shards=*/2, [](percore::Shard&, percore::UniqueFd)
//     -> absl::StatusOr<std::unique_ptr<percore::Service>> {
//       return absl::UnimplementedError("no service");
//     });
// ```
#ifndef PERCORE_TESTS_SUPPORT_RUNNING_SERVER_H_
#define PERCORE_TESTS_SUPPORT_RUNNING_SERVER_H_

#include <functional>
#include <memory>
#include <thread>

#include "absl/status/statusor.h"
#include "percore/net/listen_sockets.h"
#include "percore/runtime/runtime.h"
#include "percore/tests/support/blocking_client.h"

namespace percore {

// One thread. Listens on a port of 127.0.0.1 from the constructor on; Stop(),
// or the destructor, stops as RequestStop() does.
class RunningServer {
 public:
  using MakeService = std::function<absl::StatusOr<std::unique_ptr<Service>>(
      Shard& shard, UniqueFd socket)>;

  RunningServer(int shards, MakeService make_service,
                RuntimeOptions options = {});
  ~RunningServer() { Stop().IgnoreError(); }

  const SocketAddress& address() const { return sockets_.address(); }
  BlockingClient Connect() const { return BlockingClient(address()); }
  Runtime& runtime() { return *runtime_; }

  // Waits until the runtime has stopped; what Run() returned.
  absl::Status Stop();
  // The same, without asking for it.
  absl::Status Wait();

 private:
  std::unique_ptr<Runtime> runtime_;
  ListenSockets sockets_;
  absl::Status status_;
  std::thread thread_;
};

}  // namespace percore

#endif  // PERCORE_TESTS_SUPPORT_RUNNING_SERVER_H_
