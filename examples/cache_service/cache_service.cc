#include "percore/examples/cache_service/cache_service.h"

#include <chrono>
#include <utility>

#include "percore/examples/cache_service/cache_connection.h"
#include "percore/examples/cache_service/stats_reply.h"

namespace percore::cache {
namespace {

UnixSeconds WallClock() {
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

absl::StatusOr<std::unique_ptr<CacheService>> CacheService::Create(
    Shard& shard, UniqueFd socket, CacheCluster& cluster,
    const TcpServerOptions& options) {
  std::unique_ptr<CacheService> service(new CacheService(shard, cluster));
  absl::StatusOr<std::unique_ptr<TcpServer>> server = TcpServer::Create(
      shard, std::move(socket),
      [service = service.get()](
          Connection::Accepted accepted) -> std::unique_ptr<Connection> {
        return std::make_unique<CacheConnection>(std::move(accepted), *service);
      },
      options);
  if (!server.ok()) return server.status();
  service->server_ = *std::move(server);
  return service;
}

CacheService::CacheService(Shard& shard, CacheCluster& cluster)
    : shard_(shard),
      cluster_(cluster),
      started_(WallClock()),
      started_at_(shard.base().Now()),
      store_({.limit_bytes = cluster.memory_limit_bytes /
                             static_cast<uint64_t>(shard.count())}),
      publish_(
          shard.base(),
          [](void* service) {
            static_cast<CacheService*>(service)->PublishStatistics();
          },
          this) {
  cluster_.services[shard.index()] = this;
  PublishStatistics();
}

CacheService::~CacheService() {
  PublishStatistics();
  server_.reset();  // its connections give their requests back
  // Others were under way when the runtime stopped without waiting for them.
  for (const std::unique_ptr<Request>& request : requests_) {
    if (request->item != nullptr) ReturnToOwner(std::move(request->item));
  }
}

void CacheService::Drain() { server_->Drain(); }

// Counted by the monotonic clock, so that no step of the wall clock expires
// items early or keeps them for ever.
UnixSeconds CacheService::Now() const {
  return started_ + std::chrono::duration_cast<std::chrono::seconds>(
                        shard_.base().Now() - started_at_)
                        .count();
}

Request* CacheService::NewRequest(CacheConnection* connection) {
  if (free_requests_.empty()) {
    requests_.push_back(std::make_unique<Request>());
    free_requests_.push_back(requests_.back().get());
  }
  Request* request = free_requests_.back();
  free_requests_.pop_back();
  request->home = this;
  request->connection = connection;
  return request;
}

void CacheService::FreeRequest(Request* request) {
  request->noreply = false;
  request->discard = false;
  request->last_key = false;
  request->done = false;
  if (request->item != nullptr) ReturnToOwner(std::move(request->item));
  request->fixed_reply = {};
  request->text_size = 0;
  request->long_text.clear();
  free_requests_.push_back(request);
}

void CacheService::Send(Request* request) {
  if (Owns(request->owner)) {
    Execute(*request, store_, Now());
    NoteActivity();
    Answered(request);
    return;
  }
  shard_.peer(static_cast<int>(request->owner)).Post([request] {
    CacheService& owner = *request->home->cluster_.services[request->owner];
    Execute(*request, owner.store_, owner.Now());
    owner.NoteActivity();
    request->home->shard_.Post([request] { request->home->Answered(request); });
  });
}

template <typename Function>
void CacheService::AskAll(Request* request, Function function) {
  request->answers_missing = shard_.count();
  for (int index = 0; index < shard_.count(); ++index) {
    if (Owns(static_cast<uint32_t>(index))) continue;
    shard_.peer(index).Post([request, function, index] {
      CacheService& asked = *request->home->cluster_.services[index];
      function(request, asked);
      request->home->shard_.Post(
          [request] { request->home->OneAnswered(request); });
    });
  }
  function(request, *this);
  OneAnswered(request);
}

void CacheService::OneAnswered(Request* request) {
  if (--request->answers_missing == 0) Answered(request);
}

void CacheService::SendFlush(Request* request) {
  AskAll(request, [](const Request* request, CacheService& asked) {
    asked.store_.FlushAll(request->moment, asked.Now());
    asked.NoteActivity();
  });
}

void CacheService::SendReset(Request* request) {
  AskAll(request, [](const Request* /*request*/, CacheService& asked) {
    asked.ResetStatistics();
  });
}

void CacheService::SendStats(Request* request) {
  request->answers_missing = shard_.count();
  auto sum = std::make_shared<Report>();
  for (int index = 0; index < shard_.count(); ++index) {
    shard_.peer(index).Submit(
        [this, index] { return cluster_.services[index]->MakeReport(); },
        [this, request, sum](const Report& report) {
          sum->statistics += report.statistics;
          sum->open_connections += report.open_connections;
          sum->total_connections += report.total_connections;
          sum->bytes_read += report.bytes_read;
          sum->bytes_written += report.bytes_written;
          if (--request->answers_missing > 0) return;
          request->long_text = GeneralStats(*sum, {.now = Now(),
                                                   .uptime = Now() - started_,
                                                   .shards = shard_.count()});
          Answered(request);
        });
  }
}

void CacheService::Answered(Request* request) {
  request->done = true;
  if (request->connection == nullptr) {
    FreeRequest(request);
  } else {
    request->connection->OnAnswer();
  }
}

CacheService::Report CacheService::MakeReport() const {
  const ListenerStats& connections = *server_->stats();
  Report report;
  report.statistics = store_.statistics();
  report.statistics += own_statistics_;
  report.open_connections = connections.connections_open();
  report.total_connections = connections.accepted.Get();
  report.bytes_read = connections.received_bytes.Get();
  report.bytes_written = connections.sent_bytes.Get();
  return report;
}

void CacheService::PublishStatistics() {
  Statistics now = store_.statistics();
  now += own_statistics_;
  cluster_.stats[shard_.index()]->Publish(published_, now);
  published_ = now;
}

void CacheService::ResetStatistics() {
  PublishStatistics();
  store_.ResetStatistics();
  own_statistics_.Reset();
  published_ = store_.statistics();
}

}  // namespace percore::cache
