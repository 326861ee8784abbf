#include "percore/net/host_connector.h"

#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "percore/net/socket_transport.h"
#include "percore/runtime/error.h"

namespace percore {
namespace {

using Families = HostConnectorOptions::Families;

// What goes into logs stays short: names and answers come from outside, and a
// name may have a hundred addresses.
constexpr size_t kMaxHostInWords = 255;
constexpr size_t kMaxFailureInWords = 200;
constexpr size_t kMaxFailuresInWords = 1000;

// Marks a status; the payload is the host.
constexpr char kUnresolvedHost[] = "percore/unresolved-host";

constexpr std::string_view FamilyInWords(int family) {
  return family == AF_INET6 ? "IPv6" : "IPv4";
}

}  // namespace

bool IsResolutionError(const absl::Status& status) {
  return status.GetPayload(kUnresolvedHost).has_value();
}

// A transport that is to be connected, and its user until then.
class HostConnector::Attempt final : public TransportUser {
 public:
  Attempt(HostConnector& connector, TransportPtr transport,
          const SocketAddress& address)
      : connector_(connector),
        transport_(std::move(transport)),
        address_(address) {
    transport_->Attach(*this);
  }

  absl::Status Connect() { return transport_->Connect(address_); }
  const SocketAddress& address() const { return address_; }
  HostConnection Take() {
    return {.transport = std::move(transport_), .address = address_};
  }

 private:
  size_t ReceiveRoom() override { return 0; }
  size_t SendRoom() override { return 0; }
  bool WantsToSend() const override { return false; }
  size_t ReceiveCapacity(size_t /*room*/) const override { return 0; }
  void CountReceived(size_t /*bytes*/) override {}
  bool AwaitsSent() const override { return false; }
  bool OnConnected() override {
    connector_.OnAttemptConnected(*this);
    return false;
  }
  bool OnError(ConnectionEvent /*direction*/,
               const absl::Status& status) override {
    connector_.OnAttemptFailed(*this, status);
    return false;
  }
  // Nobody has asked for bytes.
  bool OnReceived() override { return true; }
  bool OnEndOfFile() override { return true; }
  void CountSent(size_t /*bytes*/) override {}
  bool OnSent() override { return true; }
  bool OnTimeout(ConnectionEvent /*direction*/) override { return true; }

  HostConnector& connector_;
  TransportPtr transport_;
  const SocketAddress address_;
};

HostConnector::HostConnector(EventBase& base, Resolver& resolver,
                             std::string_view host, uint16_t port,
                             Callback callback, void* argument,
                             const Options& options)
    : base_(base),
      callback_(callback),
      argument_(argument),
      options_(options),
      host_(absl::CHexEscape(ToAbsl(host.substr(0, kMaxHostInWords)))),
      port_(port),
      timer_(Event::Timer(
          base,
          [](int, EventFlags, void* connector) {
            static_cast<HostConnector*>(connector)->Proceed();
          },
          this)),
      first_step_(
          base,
          [](void* connector) {
            static_cast<HostConnector*>(connector)->Proceed();
          },
          this) {
  const absl::StatusOr<SocketAddress> literal = SocketAddress::Parse(host, 0);
  // No name has a colon.
  if (literal.ok() || host.find(':') != std::string_view::npos) {
    UseLiteral(literal);
  } else {
    Ask(resolver, host);
  }
}

HostConnector::~HostConnector() = default;

void HostConnector::UseLiteral(const absl::StatusOr<SocketAddress>& address) {
  if (!address.ok()) {
    NoteLookupFailure("", address.status());
  } else if (address->port() != 0) {
    NoteLookupFailure(
        "", absl::InvalidArgumentError("a host has no port of its own"));
  } else {
    queries_[0].addresses.push_back(*address);
  }
  first_step_.Schedule();
}

void HostConnector::Ask(Resolver& resolver, std::string_view host) {
  const bool ipv4_first = options_.families == Families::kIpv4First ||
                          options_.families == Families::kIpv4Only;
  const bool both = options_.families == Families::kIpv6First ||
                    options_.families == Families::kIpv4First;
  queries_[0].family = ipv4_first ? AF_INET : AF_INET6;
  queries_[1].family = ipv4_first ? AF_INET6 : AF_INET;
  for (Query& query : queries_) {
    if (&query != &queries_[0] && !both) break;
    query.connector = this;
    query.answered = false;
    query.request = resolver.Lookup(host, query.family, &OnAnswer, &query);
  }
}

// RFC 8305, section 3. The first family to have addresses need not be the one
// that is to go first, which is given a little time more. That ends with its
// answer, whatever it is.
void HostConnector::OnAnswer(
    absl::StatusOr<std::vector<SocketAddress>> addresses,
    void* query_argument) {
  Query& query = *static_cast<Query*>(query_argument);
  HostConnector& connector = *query.connector;
  query.answered = true;
  query.request = nullptr;
  if (addresses.ok() && addresses->empty()) {
    addresses = absl::NotFoundError("no address");
  }
  if (addresses.ok()) {
    query.addresses = *std::move(addresses);
  } else {
    connector.NoteLookupFailure(FamilyInWords(query.family),
                                addresses.status());
  }
  if (!connector.tried_) {
    if (connector.queries_[0].answered) {
      connector.timer_.Del();
    } else if (!query.addresses.empty()) {
      connector.Wait(connector.options_.resolution_delay);
    }
  }
  connector.Proceed();
}

void HostConnector::Proceed() {
  while (!WaitsForTime()) {
    const SocketAddress* next = NextAddress();
    if (next == nullptr) break;
    const SocketAddress address = next->WithPort(port_);
    if (absl::Status status = Try(address); status.ok()) {
      Wait(std::max(options_.attempt_delay, Options::kMinAttemptDelay));
    } else {
      NoteAttemptFailure(address, status);
    }
  }
  // What is left to be tried would wait for its time, and after an attempt
  // there is no wait for anything but the next one.
  if (attempts_.empty() && AllAnswered() && !WaitsForTime()) Finish(Failure());
}

void HostConnector::Finish(absl::StatusOr<HostConnection> result) {
  for (Query& query : queries_) query.request = nullptr;
  attempts_.clear();
  timer_.Del();
  first_step_.Cancel();
  callback_(std::move(result), argument_);
}

void HostConnector::OnAttemptFailed(const Attempt& attempt,
                                    const absl::Status& status) {
  NoteAttemptFailure(attempt.address(), status);
  std::erase_if(attempts_, [&](const std::unique_ptr<Attempt>& other) {
    return other.get() == &attempt;
  });
  timer_.Del();
  Proceed();
}

void HostConnector::OnAttemptConnected(Attempt& attempt) {
  Finish(attempt.Take());
}

bool HostConnector::AllAnswered() const {
  return queries_[0].answered && queries_[1].answered;
}

bool HostConnector::WaitsForTime() const {
  return Any(timer_.Pending(EventFlags::kTimeout));
}

void HostConnector::Wait(Duration delay) {
  // A pure timer: there is nothing that Add() could refuse.
  (void)timer_.Add(delay);
}

// The families take turns (a First Address Family Count of 1): as soon as one
// is broken altogether, the other has its chance.
const SocketAddress* HostConnector::NextAddress() {
  for (const size_t family : {1 - last_family_, last_family_}) {
    Query& query = queries_[family];
    if (query.tried < query.addresses.size()) {
      last_family_ = family;
      return &query.addresses[query.tried++];
    }
  }
  return nullptr;
}

absl::Status HostConnector::Try(const SocketAddress& address) {
  tried_ = true;
  absl::StatusOr<TransportPtr> transport =
      options_.make_transport == nullptr
          ? OpenSocketTransport(base_, address)
          : options_.make_transport(base_, address,
                                    options_.transport_argument);
  if (!transport.ok()) return transport.status();
  auto attempt =
      std::make_unique<Attempt>(*this, *std::move(transport), address);
  absl::Status status = attempt->Connect();
  if (status.ok()) attempts_.push_back(std::move(attempt));
  return status;
}

void HostConnector::NoteAttemptFailure(const SocketAddress& address,
                                       const absl::Status& status) {
  failure_code_ = status.code();
  Tell(address.ToString(), status);
}

// That a name does not exist says less than that nobody could tell, and both
// say less than what came of an attempt.
void HostConnector::NoteLookupFailure(std::string_view family,
                                      const absl::Status& status) {
  if (!tried_ && !absl::IsNotFound(status)) failure_code_ = status.code();
  Tell(family, status);
}

void HostConnector::Tell(std::string_view what, const absl::Status& status) {
  const std::string failure = absl::StrCat(
      failures_.empty() ? "" : "; ", ToAbsl(what), what.empty() ? "" : ": ",
      status.message().substr(0, kMaxFailureInWords));
  if (failures_.size() + failure.size() > kMaxFailuresInWords) {
    ++failures_untold_;
  } else {
    failures_ += failure;
  }
}

absl::Status HostConnector::Failure() const {
  std::string words =
      absl::StrCat("cannot connect to ", host_, ": ", failures_);
  if (failures_untold_ > 0) {
    absl::StrAppend(&words, "; and ", failures_untold_, " more");
  }
  absl::Status status(failure_code_, words);
  if (!tried_) status.SetPayload(kUnresolvedHost, absl::Cord(host_));
  return status;
}

}  // namespace percore
