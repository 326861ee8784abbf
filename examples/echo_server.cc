// Sends every client back what it sent: the smallest whole server.
#include "percore/examples/server_main.h"
#include "percore/net/tcp_server.h"

namespace {

class EchoConnection final : public percore::Connection {
 public:
  using Connection::Connection;
  void OnRead() override { io().output().Append(std::move(io().input())); }
};

absl::StatusOr<std::unique_ptr<percore::Service>> MakeEchoService(
    percore::Shard& shard, percore::UniqueFd socket,
    const percore::TcpServerOptions& options,
    std::shared_ptr<percore::ListenerStats>* stats) {
  absl::StatusOr<std::unique_ptr<percore::TcpServer>> server =
      percore::TcpServer::Create(
          shard, std::move(socket),
          [](percore::Connection::Accepted accepted) {
            return std::make_unique<EchoConnection>(std::move(accepted));
          },
          options);
  if (server.ok()) *stats = (*server)->stats();
  return server;
}

}  // namespace

int main(int argc, char** argv) {
  return percore::ServerMain::Run(
      {.name = "echo_server",
       .summary = "echo_server: sends every client back what it sent",
       .listen = "127.0.0.1:7777",
       .make_service = &MakeEchoService},
      argc, argv);
}
