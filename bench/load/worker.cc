#include "percore/bench/load/worker.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "percore/bench/load/clock.h"
#include "percore/bench/load/wrong_answer.h"

namespace percore::bench {
namespace {

// How often a worker that hears nothing looks at the phase.
constexpr int64_t kPhaseCheckNs = 20'000'000;

constexpr size_t kReceiveSize = size_t{256} << 10;

// A larger rest of an answer is not copied to and fro with every receive.
constexpr size_t kMaxCopiedRest = size_t{64} << 10;

Recorder::Attribution AttributionOf(const Run& run,
                                    const Worker::Options& options) {
  if (options.source.requests.has_value()) {
    return Recorder::Attribution::kNumbered;
  }
  return run.options.rate > 0 ? Recorder::Attribution::kWhenDue
                              : Recorder::Attribution::kWhenAnswered;
}

}  // namespace

Worker::Worker(Run& run, const Options& options)
    : run_(run),
      payload_(*run.options.payload),
      connector_(run.options, poller_),
      source_(payload_, options.source),
      schedule_(
          (run.options.rate > 0 ? run.options.rate : 1.0) / run.options.threads,
          run.options.arrivals, options.source.seed),
      recorder_(AttributionOf(run, options)),
      patience_(run.options.patience_ns),
      incoming_(kMaxCopiedRest + kReceiveSize) {
  connections_.reserve(options.connections);
  for (uint32_t i = 0; i < options.connections; ++i) {
    connections_.push_back(
        std::make_unique<Connection>(options.first_connection + i));
    connector_.Add(*connections_.back());
  }
}

absl::Status Worker::Work() {
  if (absl::Status status = poller_.Open(); !status.ok()) return status;
  patience_.Renew(MonotonicNow());
  while (!Done()) {
    if (absl::Status status = Round(); !status.ok()) return status;
  }
  recorder_.End(MonotonicNow(), ReadClock(CLOCK_THREAD_CPUTIME_ID));
  return absl::OkStatus();
}

absl::Status Worker::Round() {
  if (phase_ != Run::Phase::kStop) {
    if (absl::Status status = connector_.Start(); !status.ok()) return status;
  }
  const absl::StatusOr<std::span<const epoll_event>> events =
      poller_.Wait(WaitNs());
  if (!events.ok()) return events.status();
  if (absl::Status status = FollowPhase(); !status.ok()) return status;
  for (const epoll_event& event : *events) {
    // What is due does not wait for all answers to be taken in.
    if (absl::Status status = SendDue(); !status.ok()) return status;
    absl::Status status =
        Handle(*static_cast<Connection*>(event.data.ptr), event.events);
    if (!status.ok()) return status;
  }
  if (absl::Status status = SendDue(); !status.ok()) return status;
  ReportPrepared();
  return CheckPatience();
}

bool Worker::Done() const {
  const bool asked = phase_ == Run::Phase::kStop ||
                     (phase_ == Run::Phase::kMeasure && source_.exhausted());
  return asked && in_flight_ == 0;
}

bool Worker::Asks() const {
  return phase_ == Run::Phase::kWarmUp ||
         (phase_ == Run::Phase::kMeasure && !source_.exhausted());
}

int64_t Worker::WaitNs() const {
  if (!open_loop() || !Asks()) return kPhaseCheckNs;
  return std::clamp<int64_t>(schedule_.next_due_ns() - MonotonicNow(), 0,
                             kPhaseCheckNs);
}

absl::Status Worker::CheckPatience() {
  const int64_t now_ns = MonotonicNow();
  const bool awaits = in_flight_ > 0 || connector_.connecting() > 0;
  if (progressed_ || !awaits) {
    progressed_ = false;
    patience_.Renew(now_ns);
    return absl::OkStatus();
  }
  if (!patience_.IsOver(now_ns)) return absl::OkStatus();
  return absl::DeadlineExceededError(
      absl::StrCat("the server does nothing any more: ", in_flight_,
                   " requests are not answered, ", connector_.connecting(),
                   " connections not established"));
}

absl::Status Worker::FollowPhase() {
  const Run::Phase phase = run_.phase.load(std::memory_order_acquire);
  if (phase == phase_ || phase_ == Run::Phase::kStop) return absl::OkStatus();
  // What was due before belongs to the phase that ends.
  if (absl::Status status = SendDue(); !status.ok()) return status;
  return EnterPhase(phase);
}

absl::Status Worker::EnterPhase(Run::Phase phase) {
  const int64_t now_ns = MonotonicNow();
  const int64_t cpu_ns = ReadClock(CLOCK_THREAD_CPUTIME_ID);
  const bool was_idle = phase_ == Run::Phase::kPrepare;
  if (phase_ == Run::Phase::kMeasure) recorder_.End(now_ns, cpu_ns);
  phase_ = phase;
  if (phase_ == Run::Phase::kMeasure) recorder_.Begin(now_ns, cpu_ns);
  if (!was_idle) return absl::OkStatus();
  schedule_.Start(now_ns);
  return RefillAll();
}

void Worker::ReportPrepared() {
  if (phase_ != Run::Phase::kPrepare || reported_prepared_) return;
  if (open_ < connections_.size() || !source_.preloaded() || in_flight_ > 0) {
    return;
  }
  reported_prepared_ = true;
  run_.preparing.fetch_sub(1);
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
  absl::Status status = connector_.Finish(connection);
  if (!status.ok()) return status;
  ++open_;
  progressed_ = true;
  recorder_.Connected(connection.WasRetried());
  return Refill(connection);
}

absl::Status Worker::Receive(Connection& connection) {
  std::string& rest = connection.rest();
  const size_t kept = rest.size();
  const bool in_place = kept > kMaxCopiedRest;
  if (in_place) {
    rest.resize(kept + kReceiveSize);
  } else {
    std::copy(rest.begin(), rest.end(), incoming_.begin());
  }
  char* const begin = in_place ? rest.data() : incoming_.data();
  const ssize_t received =
      recv(connection.fd(), begin + kept, kReceiveSize, MSG_DONTWAIT);
  if (received <= 0) {
    if (received == 0) return Ended(connection);
    if (errno != EAGAIN && errno != EINTR) return SystemError("recv");
    rest.resize(kept);
    return absl::OkStatus();
  }
  recorder_.Received(static_cast<uint64_t>(received));
  const std::string_view all(begin, kept + static_cast<size_t>(received));
  size_t consumed = 0;
  absl::Status status = ConsumeReplies(connection, all, &consumed);
  if (!status.ok()) return status;
  if (in_place && consumed == 0) {
    rest.resize(all.size());
  } else if (in_place) {
    // Not assigned from itself.
    connection.SetRest(std::string(all.substr(consumed)));
  } else {
    connection.SetRest(all.substr(consumed));
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
  recorder_.Completed();
  progressed_ = true;
  connection.Close();
  --open_;
  connector_.Add(connection);
  return absl::OkStatus();
}

absl::Status Worker::ConsumeReplies(Connection& connection,
                                    std::string_view received,
                                    size_t* consumed) {
  const int64_t now_ns = MonotonicNow();
  std::string_view left = received;
  while (connection.begun() > 0 && !left.empty()) {
    const RequestInFlight oldest = connection.oldest();
    const Reply reply = payload_.ParseReply(left, oldest.id);
    if (reply.kind == Reply::Kind::kIncomplete) break;
    if (reply.kind == Reply::Kind::kWrong) {
      return WrongAnswerError(payload_, oldest.id, left);
    }
    left.remove_prefix(reply.size);
    connection.Pop();
    --in_flight_;
    progressed_ = true;
    recorder_.Answered(reply.kind, oldest, now_ns);
  }
  if (connection.begun() == 0 && !left.empty()) {
    return AnswerToNothingError(left);
  }
  *consumed = received.size() - left.size();
  return absl::OkStatus();
}

absl::Status Worker::Refill(Connection& connection) {
  // The preload is sent in a closed loop always.
  if (open_loop() && phase_ != Run::Phase::kPrepare) return absl::OkStatus();
  const int64_t now_ns = MonotonicNow();
  const size_t before = connection.in_flight();
  while (connection.in_flight() < run_.options.depth &&
         Make(connection, now_ns)) {
  }
  return connection.in_flight() > before ? SendNew(connection)
                                         : absl::OkStatus();
}

absl::Status Worker::RefillAll() {
  for (const auto& connection : connections_) {
    if (connection->state() != Connection::State::kOpen) continue;
    if (absl::Status status = Refill(*connection); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status Worker::SendDue() {
  if (!open_loop()) return absl::OkStatus();
  const int64_t now_ns = MonotonicNow();
  for (; Asks() && schedule_.next_due_ns() <= now_ns; schedule_.Advance()) {
    Connection& connection = *connections_[next_connection_];
    next_connection_ = (next_connection_ + 1) % connections_.size();
    const int64_t due_ns = schedule_.next_due_ns();
    if (!Make(connection, due_ns)) return absl::OkStatus();
    // Anew for each: the sends before it took their time.
    recorder_.Made(due_ns, MonotonicNow());
    if (in_flight_ * static_cast<uint64_t>(run_.options.threads) >
        run_.options.max_queued) {
      return absl::ResourceExhaustedError(absl::StrCat(
          "the server does not keep up with this rate: ", in_flight_,
          " requests are not answered"));
    }
    if (absl::Status status = SendNew(connection); !status.ok()) return status;
  }
  return absl::OkStatus();
}

bool Worker::Make(Connection& connection, int64_t due_ns) {
  const std::optional<RequestId> id = source_.Next(phase_, connection);
  if (!id.has_value()) return false;
  connection.Push(recorder_.Make(*id, due_ns));
  ++in_flight_;
  return true;
}

absl::Status Worker::SendNew(Connection& connection) {
  // Its socket is full, and says when it no longer is.
  if ((connection.watched_events & EPOLLOUT) != 0) return absl::OkStatus();
  return Send(connection);
}

absl::Status Worker::Send(Connection& connection) {
  uint64_t sent = 0;
  absl::Status status = connection.Send(payload_, outgoing_, &sent);
  recorder_.Sent(sent);
  if (!status.ok()) return status;
  return poller_.Watch(connection,
                       connection.has_unsent() ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

}  // namespace percore::bench
