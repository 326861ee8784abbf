#include "percore/bench/load/worker.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "percore/bench/load/clock.h"

namespace percore::bench {
namespace {

// How often a worker that hears nothing looks at the phase.
constexpr int64_t kPhaseCheckNs = 20'000'000;

constexpr size_t kMaxEvents = 256;

// Well below any server's backlog: a full one makes the kernel wait a second.
constexpr size_t kMaxConnecting = 256;

constexpr size_t kReceiveSize = size_t{256} << 10;

// Connections that come and go are spread over that many addresses.
constexpr uint32_t kFirstSource = 0x7f000002;  // 127.0.0.2
constexpr uint32_t kSources = 250;

// Of a wrong answer, and of the request it should have answered.
constexpr size_t kMostShown = 160;

// Debian's Abseil has a string_view of its own, which a std::string turns into.
std::string Escape(std::string_view bytes) {
  return absl::CEscape(std::string(bytes.substr(0, kMostShown)));
}

bool IsLoopback(const addrinfo& address) {
  if (address.ai_family != AF_INET) return false;
  sockaddr_in in = {};
  std::memcpy(&in, address.ai_addr, sizeof(in));
  return ntohl(in.sin_addr.s_addr) >> 24 == 127;
}

}  // namespace

Worker::Worker(Run& run, const Options& options)
    : run_(run),
      options_(options),
      incoming_(run.options.payload->max_reply_size() + kReceiveSize),
      random_(options.seed),
      schedule_(std::max(run.options.rate, 1.0) / run.options.threads,
                run.options.arrivals, options.seed),
      next_preload_(options.first_preload) {
  connections_.reserve(options.connections);
  for (uint32_t i = 0; i < options.connections; ++i) {
    connections_.push_back(
        std::make_unique<Connection>(options.first_connection + i));
    to_open_.push_back(connections_.back().get());
  }
}

Worker::~Worker() {
  if (epoll_fd_ >= 0) close(epoll_fd_);
}

absl::Status Worker::Work() {
  // Sleeps of the open loop are to end when the next request is due, and not
  // 50 microseconds later.
  if (prctl(PR_SET_TIMERSLACK, 1) != 0) return SystemError("prctl");
  epoll_fd_ = epoll_create1(EPOLL_CLOEXEC);
  if (epoll_fd_ < 0) return SystemError("epoll_create1");
  return Loop();
}

absl::Status Worker::Loop() {
  std::vector<epoll_event> events(kMaxEvents);
  last_event_ns_ = MonotonicNow();
  while (!Done()) {
    int count = 0;
    absl::Status status = OpenConnections();
    if (status.ok()) status = Wait(events, &count);
    if (status.ok()) status = FollowPhase();
    for (int i = 0; i < count && status.ok(); ++i) {
      status = Handle(*static_cast<Connection*>(events[i].data.ptr),
                      events[i].events);
    }
    if (status.ok() && open_loop()) status = SendDue();
    if (status.ok()) status = CheckPatience(count);
    if (!status.ok()) return status;
    ReportPrepared();
  }
  return absl::OkStatus();
}

bool Worker::Done() const {
  return phase_ == Run::Phase::kStop && in_flight_ == 0;
}

absl::Status Worker::Wait(std::vector<epoll_event>& events, int* count) const {
  int64_t wait_ns = kPhaseCheckNs;
  if (open_loop() &&
      (phase_ == Run::Phase::kWarmUp || phase_ == Run::Phase::kMeasure)) {
    wait_ns = std::clamp<int64_t>(schedule_.next_due_ns() - MonotonicNow(), 0,
                                  kPhaseCheckNs);
  }
  const timespec timeout = {.tv_sec = 0, .tv_nsec = wait_ns};
  *count = epoll_pwait2(epoll_fd_, events.data(),
                        static_cast<int>(events.size()), &timeout, nullptr);
  if (*count < 0) {
    if (errno != EINTR) return SystemError("epoll_pwait2");
    *count = 0;
  }
  return absl::OkStatus();
}

absl::Status Worker::CheckPatience(int events) {
  if (events > 0) {
    last_event_ns_ = MonotonicNow();
    return absl::OkStatus();
  }
  const bool awaits = in_flight_ > 0 || connecting_ > 0;
  if (awaits && MonotonicNow() - last_event_ns_ > run_.options.patience_ns) {
    return absl::DeadlineExceededError(
        absl::StrCat("the server does nothing any more: ", in_flight_,
                     " requests are not answered, ", connecting_,
                     " connections not established"));
  }
  return absl::OkStatus();
}

absl::Status Worker::FollowPhase() {
  const Run::Phase phase = run_.phase.load(std::memory_order_acquire);
  if (phase == phase_ || phase_ == Run::Phase::kStop) return absl::OkStatus();
  const bool was_idle = phase_ == Run::Phase::kPrepare;
  if (phase_ == Run::Phase::kMeasure) EndMeasuring();
  phase_ = phase;
  if (phase_ == Run::Phase::kMeasure) BeginMeasuring();
  if (!was_idle) return absl::OkStatus();
  last_event_ns_ = MonotonicNow();
  schedule_.Start(last_event_ns_);
  return RefillAll();
}

void Worker::ReportPrepared() {
  if (phase_ != Run::Phase::kPrepare || reported_prepared_) return;
  const bool done = open_ == connections_.size() &&
                    next_preload_ == options_.end_preload && in_flight_ == 0;
  if (!done) return;
  reported_prepared_ = true;
  run_.preparing.fetch_sub(1);
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
  results_.cpu_share = static_cast<double>(cpu_ns) /
                       static_cast<double>(std::max<int64_t>(passed_ns, 1));
}

absl::Status Worker::OpenConnections() {
  while (!to_open_.empty() && connecting_ < kMaxConnecting &&
         phase_ != Run::Phase::kStop) {
    Connection& connection = *to_open_.back();
    to_open_.pop_back();
    if (absl::Status status = OpenOne(connection); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status Worker::OpenOne(Connection& connection) {
  const addrinfo& address = *run_.options.address;
  const bool spread =
      run_.options.requests_per_connection > 0 && IsLoopback(address);
  const uint32_t source =
      spread ? kFirstSource + static_cast<uint32_t>(opened_ % kSources) : 0;
  ++opened_;
  if (absl::Status status = connection.Open(address, source); !status.ok()) {
    return status;
  }
  connection.requests_left = run_.options.requests_per_connection;
  ++connecting_;
  return Watch(connection, EPOLLOUT);
}

absl::Status Worker::Watch(Connection& connection, uint32_t events) const {
  if (connection.watched_events == events) return absl::OkStatus();
  epoll_event event = {};
  event.events = events;
  event.data.ptr = &connection;
  const int change =
      connection.watched_events == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
  connection.watched_events = events;
  if (epoll_ctl(epoll_fd_, change, connection.fd(), &event) != 0) {
    return SystemError("epoll_ctl");
  }
  return absl::OkStatus();
}

absl::Status Worker::Handle(Connection& connection, uint32_t events) {
  if (connection.state() == Connection::State::kConnecting) {
    return Connected(connection);
  }
  if ((events & EPOLLOUT) != 0) {
    if (absl::Status status = Send(connection); !status.ok()) return status;
  }
  return (events & ~uint32_t{EPOLLOUT}) != 0 ? Receive(connection)
                                             : absl::OkStatus();
}

absl::Status Worker::Connected(Connection& connection) {
  if (absl::Status status = connection.FinishConnecting(); !status.ok()) {
    return status;
  }
  --connecting_;
  ++open_;
  if (phase_ == Run::Phase::kMeasure) ++results_.connections_opened;
  if (absl::Status status = Watch(connection, EPOLLIN); !status.ok()) {
    return status;
  }
  return Refill(connection);
}

absl::Status Worker::Receive(Connection& connection) {
  std::string& rest = connection.rest();
  std::copy(rest.begin(), rest.end(), incoming_.begin());
  const ssize_t received = recv(connection.fd(), incoming_.data() + rest.size(),
                                incoming_.size() - rest.size(), MSG_DONTWAIT);
  if (received < 0) {
    if (errno == EAGAIN || errno == EINTR) return absl::OkStatus();
    return SystemError("recv");
  }
  if (received == 0) return Ended(connection);
  if (phase_ == Run::Phase::kMeasure) {
    results_.bytes_received += static_cast<uint64_t>(received);
  }
  const size_t size = rest.size() + static_cast<size_t>(received);
  if (absl::Status status = ConsumeReplies(connection, size, MonotonicNow());
      !status.ok()) {
    return status;
  }
  if (run_.options.requests_per_connection > 0 &&
      connection.requests_left == 0 && connection.in_flight() == 0) {
    return connection.FinishSending();
  }
  return Refill(connection);
}

absl::Status Worker::Ended(Connection& connection) {
  if (connection.state() != Connection::State::kFinishing) {
    return absl::DataLossError(
        absl::StrCat("the server closed a connection, with ",
                     connection.in_flight(), " requests not answered"));
  }
  if (phase_ == Run::Phase::kMeasure) ++results_.connections_completed;
  connection.Close();
  --open_;
  to_open_.push_back(&connection);
  return absl::OkStatus();
}

absl::Status Worker::ConsumeReplies(Connection& connection, size_t size,
                                    int64_t now_ns) {
  std::string_view received(incoming_.data(), size);
  while (connection.in_flight() > 0 && !received.empty()) {
    const RequestInFlight oldest = connection.oldest();
    const Reply reply = run_.options.payload->ParseReply(received, oldest.id);
    if (reply.kind == Reply::Kind::kIncomplete) break;
    if (reply.kind == Reply::Kind::kWrong) {
      std::string request;
      run_.options.payload->AppendRequest(oldest.id, &request);
      return absl::DataLossError(absl::StrCat("a wrong answer to \"",
                                              Escape(request), "\": \"",
                                              Escape(received), "\""));
    }
    received.remove_prefix(reply.size);
    connection.Pop();
    --in_flight_;
    Count(reply.kind, oldest, now_ns);
  }
  if (connection.in_flight() == 0 && !received.empty()) {
    return absl::DataLossError(
        absl::StrCat("an answer to nothing: \"", Escape(received), "\""));
  }
  connection.rest().assign(received);
  return absl::OkStatus();
}

void Worker::Count(Reply::Kind kind, const RequestInFlight& request,
                   int64_t now_ns) {
  ++results_.total_requests;
  const bool in_time = phase_ == Run::Phase::kMeasure;
  if (open_loop() ? request.measured : in_time) {
    results_.latency_ns.Record(static_cast<uint64_t>(now_ns - request.due_ns));
  }
  if (!in_time) return;
  ++results_.requests;
  if (kind == Reply::Kind::kHit) ++results_.hits;
  if (kind == Reply::Kind::kMiss) ++results_.misses;
  if (kind == Reply::Kind::kServerError) ++results_.server_errors;
}

absl::Status Worker::Refill(Connection& connection) {
  // The preload is sent in a closed loop always.
  if (open_loop() && phase_ != Run::Phase::kPrepare) return absl::OkStatus();
  const int64_t now_ns = MonotonicNow();
  const size_t before = connection.in_flight();
  while (connection.in_flight() < run_.options.depth &&
         Make(connection, now_ns)) {
  }
  return connection.in_flight() > before ? Send(connection) : absl::OkStatus();
}

absl::Status Worker::RefillAll() {
  for (const auto& connection : connections_) {
    if (connection->state() != Connection::State::kOpen) continue;
    if (absl::Status status = Refill(*connection); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status Worker::SendDue() {
  if (phase_ != Run::Phase::kWarmUp && phase_ != Run::Phase::kMeasure) {
    return absl::OkStatus();
  }
  const int64_t now_ns = MonotonicNow();
  for (; schedule_.next_due_ns() <= now_ns; schedule_.Advance()) {
    Connection& connection = *connections_[next_connection_];
    next_connection_ = (next_connection_ + 1) % connections_.size();
    const int64_t due_ns = schedule_.next_due_ns();
    if (!Make(connection, due_ns)) break;
    if (phase_ == Run::Phase::kMeasure) {
      results_.send_lag_ns.Record(static_cast<uint64_t>(now_ns - due_ns));
    }
    if (absl::Status status = Send(connection); !status.ok()) return status;
  }
  if (in_flight_ * run_.options.threads > run_.options.max_queued) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the server does not keep up with this rate: ", in_flight_,
                     " requests are not answered"));
  }
  return absl::OkStatus();
}

bool Worker::Make(Connection& connection, int64_t due_ns) {
  RequestId request = 0;
  if (!NextRequest(connection, &request)) return false;
  connection.Push({.id = request,
                   .due_ns = due_ns,
                   .measured = phase_ == Run::Phase::kMeasure});
  ++in_flight_;
  return true;
}

bool Worker::NextRequest(Connection& connection, RequestId* request) {
  const Payload& payload = *run_.options.payload;
  if (phase_ == Run::Phase::kStop) return false;
  if (phase_ == Run::Phase::kPrepare) {
    if (next_preload_ == options_.end_preload) return false;
    *request = payload.Preload(next_preload_++);
    return true;
  }
  const bool limited = run_.options.requests_per_connection > 0;
  if (limited && connection.requests_left == 0) return false;
  if (phase_ == Run::Phase::kMeasure && options_.requests > 0) {
    if (requests_left_ == 0) {
      EndMeasuring();
      phase_ = Run::Phase::kStop;
      return false;
    }
    --requests_left_;
  }
  if (limited) --connection.requests_left;
  *request = payload.Next(
      random_(),
      connection.NextPlace(limited && connection.requests_left == 0));
  return true;
}

absl::Status Worker::Send(Connection& connection) {
  uint64_t sent = 0;
  absl::Status status = connection.Send(*run_.options.payload, &sent);
  if (phase_ == Run::Phase::kMeasure) results_.bytes_sent += sent;
  if (!status.ok()) return status;
  return Watch(connection,
               connection.has_unsent() ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

}  // namespace percore::bench
