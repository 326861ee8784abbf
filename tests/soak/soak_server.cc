#include "percore/tests/soak/soak_server.h"

#include <unistd.h>

#include <latch>
#include <utility>

#include "absl/strings/str_cat.h"
#include "percore/net/tcp_server.h"

namespace percore {
namespace {

class SoakConnection final : public Connection {
 public:
  using Connection::Connection;

  void OnRead() override {
    Buffer& input = io().input();
    if (received_ == 0) {
      // A filter on the client's side may have flipped the top bit.
      mode_ = static_cast<SoakMode>(input.Pullup(1)[0] & 0x7f);
      if (mode_ == SoakMode::kTimeout) {
        io().SetTimeouts(kSoakTimeout, kSoakTimeout);
      }
    }
    received_ += input.size();
    io().output().Append(std::move(input));
    if (received_ < kSoakEnough) return;
    if (mode_ == SoakMode::kClose) return Close(CloseReason::kLocal);
    if (mode_ == SoakMode::kFinish) return Finish(CloseReason::kLocal);
  }

 private:
  SoakMode mode_ = SoakMode::kEcho;
  size_t received_ = 0;
};

// A shard's two servers.
class SoakService final : public Service {
 public:
  SoakService(std::unique_ptr<TcpServer> tcp, std::unique_ptr<TcpServer> local)
      : tcp_(std::move(tcp)), local_(std::move(local)) {}
  void Drain() override {
    tcp_->Drain();
    local_->Drain();
  }

 private:
  const std::unique_ptr<TcpServer> tcp_;
  const std::unique_ptr<TcpServer> local_;
};

absl::StatusOr<std::unique_ptr<TcpServer>> MakeServer(Shard& shard,
                                                      UniqueFd socket) {
  return TcpServer::Create(
      shard, std::move(socket),
      [](Connection::Accepted accepted) {
        return std::make_unique<SoakConnection>(std::move(accepted));
      },
      {.write_high = kSoakWriteHigh});
}

}  // namespace

SoakServer::SoakServer(int shards)
    : unix_sockets_(*ListenSockets::Open(
          absl::StrCat("unix:@percore-soak-", getpid()), shards)) {
  std::latch started(shards);
  server_ = std::make_unique<RunningServer>(
      shards, [this, &started](Shard& shard, UniqueFd socket) {
        auto service = MakeService(shard, std::move(socket));
        started.count_down();
        return service;
      });
  started.wait();
}

absl::StatusOr<std::unique_ptr<Service>> SoakServer::MakeService(
    Shard& shard, UniqueFd tcp_socket) {
  auto tcp = MakeServer(shard, std::move(tcp_socket));
  if (!tcp.ok()) return tcp.status();
  auto local = MakeServer(shard, unix_sockets_.Take(shard.index()));
  if (!local.ok()) return local.status();
  const std::lock_guard<std::mutex> lock(mutex_);
  stats_.push_back((*tcp)->stats());
  stats_.push_back((*local)->stats());
  memory_.push_back(BufferMemoryStats::OfThisThread());
  return std::make_unique<SoakService>(*std::move(tcp), *std::move(local));
}

uint64_t SoakServer::accepted() const {
  return Sum([](const ListenerStats& stats) { return stats.accepted.Get(); });
}

uint64_t SoakServer::aborted() const {
  return Sum([](const ListenerStats& stats) {
    return stats.accept_errors[static_cast<size_t>(AcceptError::kAborted)]
        .Get();
  });
}

uint64_t SoakServer::closed(CloseReason reason) const {
  return Sum([reason](const ListenerStats& stats) {
    return stats.closed[static_cast<size_t>(reason)].Get();
  });
}

int64_t SoakServer::open() const {
  return Sum(
      [](const ListenerStats& stats) { return stats.connections_open(); });
}

uint64_t SoakServer::received_bytes() const {
  return Sum(
      [](const ListenerStats& stats) { return stats.received_bytes.Get(); });
}

uint64_t SoakServer::sent_bytes() const {
  return Sum([](const ListenerStats& stats) { return stats.sent_bytes.Get(); });
}

int64_t SoakServer::buffer_bytes() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  int64_t sum = 0;
  for (const auto& memory : memory_) sum += memory->bytes_in_use.Get();
  return sum;
}

int64_t SoakServer::buffer_segments() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  int64_t sum = 0;
  for (const auto& memory : memory_) sum += memory->segments_in_use.Get();
  return sum;
}

template <typename Count>
int64_t SoakServer::Sum(Count count) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  int64_t sum = 0;
  for (const auto& stats : stats_) sum += static_cast<int64_t>(count(*stats));
  return sum;
}

}  // namespace percore
