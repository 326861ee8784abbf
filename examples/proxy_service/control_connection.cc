#include "percore/examples/proxy_service/control_connection.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "percore/examples/proxy_service/proxy_service.h"
#include "percore/examples/proxy_service/rate_text.h"
#include "percore/net/rate_limit_group.h"
#include "percore/runtime/error.h"
#include "percore/runtime/shard.h"

namespace percore::proxy {
namespace {

using Verb = ControlCommand::Verb;
using Scope = ControlCommand::Scope;

// Whoever asks and does not read is not answered any more, and what else he
// asks is not read.
constexpr size_t kMostUnreadReplies = size_t{64} * 1024;
constexpr size_t kMostUnreadCommands = size_t{16} * ControlCommand::kMaxLine;

std::string TokensText(const RateLimitGroup::DirectionState& state) {
  return state.budget.unlimited() ? "none" : absl::StrCat(state.tokens);
}

std::string PauseText(const RateLimitGroup& group) {
  const bool read = group.paused(RateDirection::kRead);
  const bool write = group.paused(RateDirection::kWrite);
  if (read && write) return "both";
  return read ? "read" : write ? "write" : "none";
}

std::string LimitText(const RateLimit& limit) {
  return absl::StrCat("rate ", RateText(limit), " burst ", BurstText(limit));
}

std::string Show(ProxyService& service) {
  const ProxyCluster& cluster = service.cluster();
  const RateLimitGroup& server = *cluster.server;
  const RateLimitGroup::State state = server.state();
  return absl::StrCat(
      "server ", LimitText(server.limit()), " tokens ", TokensText(state.read),
      "/", TokensText(state.write), " bytes ", state.read.bytes, "/",
      state.write.bytes, " connections ", state.members, " waiting ",
      state.read.suspended, "/", state.write.suspended, " paused ",
      PauseText(server), "\nnetwork ", LimitText(cluster.networks.limit()),
      " networks ", cluster.networks.size(), "\nconnection ",
      LimitText(service.connection_limit()), "\nEND\n");
}

}  // namespace

ControlConnection::ControlConnection(Accepted accepted, ProxyService& service)
    : Connection(std::move(accepted)), service_(service) {
  io().SetWatermarks(EventFlags::kRead, 0, kMostUnreadCommands);
}

ControlConnection::~ControlConnection() {
  if (request_ != nullptr) request_->connection = nullptr;
}

void ControlConnection::OnEndOfFile() {
  input_ended_ = true;
  Process();
}

void ControlConnection::Process() {
  while (request_ == nullptr && !quit_ &&
         io().output().size() <= kMostUnreadReplies) {
    const std::optional<std::string> line = NextLine();
    if (line.has_value()) {
      Run(*line);
      continue;
    }
    if (LineIsTooLong()) {
      Reply(absl::InvalidArgumentError(absl::StrCat(
          "line of more than ", ControlCommand::kMaxLine, " bytes")));
      return Finish(CloseReason::kLocal);
    }
    if (input_ended_) return Finish(CloseReason::kEndOfFile);
    return;
  }
  if (quit_) Finish(CloseReason::kLocal);
}

std::optional<std::string> ControlConnection::NextLine() {
  Buffer& input = io().input();
  const std::optional<LineEnd> end = input.FindLineEnd(EndOfLine::kCrlf);
  // The last line may do without its end.
  if (!end.has_value() && (!input_ended_ || input.empty())) return std::nullopt;
  const size_t size = end.has_value() ? end->offset : input.size();
  if (size > ControlCommand::kMaxLine) return std::nullopt;
  std::string line(input.Pullup(size).substr(0, size));
  input.Drain(size + (end.has_value() ? end->size : 0));
  return line;
}

bool ControlConnection::LineIsTooLong() {
  return io().input().size() > ControlCommand::kMaxLine;
}

void ControlConnection::Run(std::string_view line) {
  const absl::StatusOr<ControlCommand> command = ParseControlCommand(line);
  if (!command.ok()) return Reply(command.status());
  RateLimitGroup& server = *service_.cluster().server;
  switch (command->verb) {
    case Verb::kSet:
      return Set(*command);
    case Verb::kPause:
      server.Pause(command->which);
      return Reply(absl::OkStatus());
    case Verb::kResume:
      server.Resume(command->which);
      return Reply(absl::OkStatus());
    case Verb::kShow:
      io().output().Append(Show(service_));
      return;
    case Verb::kHelp:
      io().output().Append(ControlCommand::kHelp);
      io().output().Append("END\n");
      return;
    case Verb::kQuit:
      quit_ = true;
      return;
  }
}

void ControlConnection::Set(const ControlCommand& command) {
  switch (command.scope) {
    case Scope::kServer:
      return Reply(service_.cluster().server->SetLimit(command.limit));
    case Scope::kNetwork:
      return Reply(service_.cluster().networks.SetLimit(command.limit));
    case Scope::kConnection:
      return SetOnAllShards(command.limit);
  }
}

void ControlConnection::SetOnAllShards(const RateLimit& limit) {
  ProxyCluster& cluster = service_.cluster();
  request_ = std::make_shared<Request>(
      Request{.connection = this, .missing = shard().count()});
  for (int index = 0; index < shard().count(); ++index) {
    shard().peer(index).Submit(
        [&cluster, index, limit] {
          cluster.services[static_cast<size_t>(index)]->SetConnectionLimit(
              limit);
        },
        [request = request_] {
          if (--request->missing > 0 || request->connection == nullptr) return;
          ControlConnection& self = *request->connection;
          self.request_ = nullptr;
          self.Reply(absl::OkStatus());
          self.Process();
        });
  }
}

void ControlConnection::Reply(const absl::Status& status) {
  if (status.ok()) {
    io().output().Append("OK\n");
  } else {
    io().output().Append(absl::StrCat("ERROR ", status.message(), "\n"));
  }
}

}  // namespace percore::proxy
