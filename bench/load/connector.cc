#include "percore/bench/load/connector.h"

#include <sys/epoll.h>

namespace percore::bench {
namespace {

// Below any server's backlog: a full one makes the kernel wait a second.
constexpr size_t kMaxConnecting = 64;

// Connections are spread over that many addresses, if they are.
constexpr uint32_t kFirstSource = 0x7f000002;  // 127.0.0.2
constexpr uint32_t kSources = 249;             // to 127.0.0.250

}  // namespace

absl::Status Connector::Start() {
  while (!queue_.empty() && connecting_ < kMaxConnecting) {
    Connection& connection = *queue_.back();
    queue_.pop_back();
    const uint32_t source =
        run_.spread_sources
            ? kFirstSource + static_cast<uint32_t>(started_ % kSources)
            : 0;
    ++started_;
    absl::Status status = connection.Open(*run_.address, source);
    if (!status.ok()) return status;
    connection.requests_left = run_.requests_per_connection;
    ++connecting_;
    status = poller_.Watch(connection, EPOLLOUT);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status Connector::Finish(Connection& connection) {
  --connecting_;
  absl::Status status = connection.FinishConnecting();
  if (!status.ok()) return status;
  return poller_.Watch(connection, EPOLLIN);
}

}  // namespace percore::bench
