#include "percore/tests/support/running_server.h"

#include <utility>

namespace percore {

RunningServer::RunningServer(int shards, MakeService make_service,
                             RuntimeOptions options) {
  options.shards = shards;
  options.stop_signals.clear();
  ListenOptions listen;
  listen.kernel = options.base.kernel;
  runtime_ = *Runtime::Create(std::move(options));
  sockets_ = *ListenSockets::Open("127.0.0.1:0", shards, listen);
  thread_ = std::thread([this, make_service = std::move(make_service)] {
    status_ = runtime_->Run([&](Shard& shard) {
      return make_service(shard, sockets_.Take(shard.index()));
    });
  });
}

absl::Status RunningServer::Stop() {
  runtime_->RequestStop();
  return Wait();
}

absl::Status RunningServer::Wait() {
  if (thread_.joinable()) thread_.join();
  return status_;
}

}  // namespace percore
