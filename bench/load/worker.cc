#include "percore/bench/load/worker.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "percore/bench/load/clock.h"

namespace percore::bench {
namespace {

// How often a worker that hears nothing looks at the phase.
constexpr int kPhaseCheckMs = 20;

// Of a wrong answer, and of the request it should have answered.
constexpr size_t kMostShown = 160;

absl::Status SystemError(const char* call) {
  return absl::UnavailableError(absl::StrCat(call, ": ", strerror(errno)));
}

// Debian's Abseil has a string_view of its own, which a std::string turns into.
std::string Escape(std::string_view bytes) {
  return absl::CEscape(std::string(bytes));
}

}  // namespace

Worker::Worker(Run& run, const Options& options)
    : run_(run),
      options_(options),
      random_(options.seed),
      next_preload_(options.first_key) {}

Worker::~Worker() {
  if (epoll_fd_ >= 0) close(epoll_fd_);
}

Worker::Connection::~Connection() {
  if (fd >= 0) close(fd);
}

absl::Status Worker::Work() {
  if (absl::Status status = Connect(); !status.ok()) return status;
  if (absl::Status status = RefillAll(); !status.ok()) return status;
  return Loop();
}

absl::Status Worker::Connect() {
  epoll_fd_ = epoll_create1(EPOLL_CLOEXEC);
  if (epoll_fd_ < 0) return SystemError("epoll_create1");
  for (int i = 0; i < options_.connections; ++i) {
    auto connection = std::make_unique<Connection>();
    connection->sent.resize(run_.depth);
    // All answers that can be under way, so that one receive takes them.
    connection->incoming.resize(
        std::max<size_t>(4096, run_.depth * run_.workload.max_reply_size()));

    const addrinfo& address = *options_.address;
    const int fd = socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return SystemError("socket");
    connection->fd = fd;
    if (connect(fd, address.ai_addr, address.ai_addrlen) != 0) {
      return SystemError("connect");
    }
    const int on = 1;
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0) {
      return SystemError("setsockopt");
    }
    epoll_event event = {};
    event.events = EPOLLIN;
    event.data.ptr = connection.get();
    if (epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &event) != 0) {
      return SystemError("epoll_ctl");
    }
    connections_.push_back(std::move(connection));
  }
  return absl::OkStatus();
}

absl::Status Worker::Loop() {
  std::array<epoll_event, 64> events;
  while (phase_ != Run::Phase::kStop || in_flight_ > 0) {
    const int count =
        epoll_wait(epoll_fd_, events.data(), static_cast<int>(events.size()),
                   kPhaseCheckMs);
    if (count < 0 && errno != EINTR) return SystemError("epoll_wait");
    if (absl::Status status = FollowPhase(); !status.ok()) return status;
    for (int i = 0; i < count; ++i) {
      auto& connection = *static_cast<Connection*>(events[i].data.ptr);
      absl::Status status;
      if ((events[i].events & EPOLLOUT) != 0) status = Send(connection);
      if (status.ok() && (events[i].events & ~EPOLLOUT) != 0) {
        status = HandleReadable(connection);
      }
      if (!status.ok()) return status;
    }
    ReportPreloaded();
  }
  return absl::OkStatus();
}

absl::Status Worker::FollowPhase() {
  const Run::Phase phase = run_.phase.load(std::memory_order_acquire);
  if (phase == phase_ || phase_ == Run::Phase::kStop) return absl::OkStatus();
  const bool was_idle = phase_ == Run::Phase::kPreload;
  if (phase_ == Run::Phase::kMeasure) EndMeasuring();
  phase_ = phase;
  if (phase_ == Run::Phase::kMeasure) BeginMeasuring();
  return was_idle ? RefillAll() : absl::OkStatus();
}

void Worker::ReportPreloaded() {
  const bool done = next_preload_ == options_.end_key && in_flight_ == 0;
  if (phase_ != Run::Phase::kPreload || !done || reported_preloaded_) return;
  reported_preloaded_ = true;
  run_.preloading.fetch_sub(1);
}

void Worker::BeginMeasuring() {
  requests_left_ = options_.requests;
  measured_since_ns_ = MonotonicNow();
  measured_cpu_since_ns_ = ReadClock(CLOCK_THREAD_CPUTIME_ID);
}

void Worker::EndMeasuring() {
  const int64_t cpu_ns =
      ReadClock(CLOCK_THREAD_CPUTIME_ID) - measured_cpu_since_ns_;
  const int64_t passed_ns = MonotonicNow() - measured_since_ns_;
  results_.cpu_share =
      static_cast<double>(cpu_ns) / static_cast<double>(passed_ns);
}

absl::Status Worker::HandleReadable(Connection& connection) {
  const ssize_t received =
      recv(connection.fd, connection.incoming.data() + connection.incoming_size,
           connection.incoming.size() - connection.incoming_size, MSG_DONTWAIT);
  if (received == 0) {
    return absl::UnavailableError("the server closed a connection");
  }
  if (received < 0) {
    if (errno == EAGAIN || errno == EINTR) return absl::OkStatus();
    return SystemError("recv");
  }
  connection.incoming_size += static_cast<size_t>(received);
  absl::Status status = ConsumeReplies(connection, MonotonicNow());
  return status.ok() ? Refill(connection) : status;
}

absl::Status Worker::ConsumeReplies(Connection& connection, int64_t now_ns) {
  const std::string_view received(connection.incoming.data(),
                                  connection.incoming_size);
  size_t consumed = 0;
  while (connection.in_flight > 0) {
    const Sent& oldest = connection.sent[connection.oldest];
    const std::string_view rest = received.substr(consumed);
    const Reply reply = run_.workload.ParseReply(rest, oldest.request);
    if (reply.kind == Reply::Kind::kIncomplete) break;
    if (reply.kind == Reply::Kind::kWrong) {
      std::string request;
      run_.workload.AppendRequest(oldest.request, &request);
      return absl::DataLossError(absl::StrCat(
          "a wrong answer to \"", Escape(request.substr(0, kMostShown)),
          "\": \"", Escape(rest.substr(0, kMostShown)), "\""));
    }
    Count(reply.kind, now_ns - oldest.sent_ns);
    consumed += reply.size;
    connection.oldest = (connection.oldest + 1) % run_.depth;
    --connection.in_flight;
    --in_flight_;
  }
  if (connection.in_flight == 0 && consumed < received.size()) {
    return absl::DataLossError(
        absl::StrCat("an answer to nothing: \"",
                     Escape(received.substr(consumed, kMostShown)), "\""));
  }
  connection.incoming_size -= consumed;
  std::memmove(connection.incoming.data(),
               connection.incoming.data() + consumed, connection.incoming_size);
  return absl::OkStatus();
}

void Worker::Count(Reply::Kind kind, int64_t latency_ns) {
  ++results_.total_requests;
  if (phase_ != Run::Phase::kMeasure) return;
  ++results_.requests;
  results_.latency_ns.Record(static_cast<uint64_t>(latency_ns));
  if (kind == Reply::Kind::kHit) ++results_.hits;
  if (kind == Reply::Kind::kMiss) ++results_.misses;
  if (kind == Reply::Kind::kServerError) ++results_.server_errors;
}

absl::Status Worker::Refill(Connection& connection) {
  Request request;
  const size_t had_in_flight = connection.in_flight;
  const int64_t now_ns = MonotonicNow();
  while (connection.in_flight < run_.depth && NextRequest(&request)) {
    run_.workload.AppendRequest(request, &connection.outgoing);
    const size_t slot = (connection.oldest + connection.in_flight) % run_.depth;
    connection.sent[slot] = {request, now_ns};
    ++connection.in_flight;
    ++in_flight_;
  }
  return connection.in_flight > had_in_flight ? Send(connection)
                                              : absl::OkStatus();
}

absl::Status Worker::RefillAll() {
  for (const auto& connection : connections_) {
    if (absl::Status status = Refill(*connection); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status Worker::Send(Connection& connection) {
  const ssize_t sent =
      send(connection.fd, connection.outgoing.data(),
           connection.outgoing.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent < 0 && errno != EAGAIN && errno != EINTR) return SystemError("send");
  connection.outgoing.erase(0, sent < 0 ? 0 : static_cast<size_t>(sent));

  const bool wants_write = !connection.outgoing.empty();
  if (wants_write == connection.wants_write) return absl::OkStatus();
  connection.wants_write = wants_write;
  epoll_event event = {};
  event.events = wants_write ? EPOLLIN | EPOLLOUT : EPOLLIN;
  event.data.ptr = &connection;
  if (epoll_ctl(epoll_fd_, EPOLL_CTL_MOD, connection.fd, &event) != 0) {
    return SystemError("epoll_ctl");
  }
  return absl::OkStatus();
}

bool Worker::NextRequest(Request* request) {
  if (phase_ == Run::Phase::kStop) return false;
  if (phase_ == Run::Phase::kPreload) {
    if (next_preload_ == options_.end_key) return false;
    *request = {Request::Kind::kSet, next_preload_++};
    return true;
  }
  if (phase_ == Run::Phase::kMeasure && options_.requests > 0) {
    if (requests_left_ == 0) {
      EndMeasuring();
      phase_ = Run::Phase::kStop;
      return false;
    }
    --requests_left_;
  }
  *request = RandomRequest();
  return true;
}

Request Worker::RandomRequest() {
  // One draw for both: the upper half says what, the lower half which key.
  const uint64_t draw = random_();
  const double share = static_cast<double>(draw >> 32) / 4294967296.0;
  const uint64_t key = ((draw & 0xffffffff) * run_.keys) >> 32;
  const auto kind =
      share < run_.set_ratio ? Request::Kind::kSet : Request::Kind::kGet;
  return {kind, static_cast<uint32_t>(key)};
}

}  // namespace percore::bench
