// Sends every client as much as it takes, all of them together at a given rate.
#include <array>

#include "percore/bench/rates/source_rate.h"
#include "percore/examples/server_main.h"
#include "percore/net/rate_limit_group.h"
#include "percore/net/tcp_server.h"

namespace percore::bench {
namespace {

constexpr std::array<char, kSourcePiece> kPiece = {};

class Source final : public Connection {
 public:
  explicit Source(Accepted accepted) : Connection(std::move(accepted)) {
    Refill();
  }
  void OnRead() override { io().input().Drain(io().input().size()); }
  void OnWritten() override { Refill(); }

 private:
  void Refill() {
    while (io().output().size() < kPiece.size()) {
      io().output().AppendReference(kPiece.data(), kPiece.size(), nullptr,
                                    nullptr);
    }
  }
};

std::shared_ptr<RateLimitGroup>& Group() {
  static auto& group =
      *new std::shared_ptr<RateLimitGroup>(*RateLimitGroup::Create(
          {.write = {.rate = kSourceRate, .burst = kSourceBurst},
           .tick = kSourceTick}));
  return group;
}

absl::StatusOr<std::unique_ptr<Service>> MakeSourceService(
    Shard& shard, UniqueFd socket, const TcpServerOptions& options,
    std::shared_ptr<ListenerStats>* stats) {
  TcpServerOptions limited = options;
  limited.rate_limit_group = Group();
  limited.write_low = kSourcePiece / 2;
  absl::StatusOr<std::unique_ptr<TcpServer>> server = TcpServer::Create(
      shard, std::move(socket),
      [](Connection::Accepted accepted) {
        return std::make_unique<Source>(std::move(accepted));
      },
      limited);
  if (server.ok()) *stats = (*server)->stats();
  return server;
}

}  // namespace
}  // namespace percore::bench

int main(int argc, char** argv) {
  return percore::ServerMain::Run(
      {.name = "percore_source",
       .summary = "percore_source: sends every client as much as it takes",
       .listen = "127.0.0.1:7779",
       .make_service = &percore::bench::MakeSourceService},
      argc, argv);
}
