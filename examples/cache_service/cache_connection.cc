#include "percore/examples/cache_service/cache_connection.h"

#include <algorithm>
#include <array>
#include <span>
#include <utility>
#include <variant>

#include "percore/examples/cache/expiry.h"
#include "percore/examples/cache/key_hash.h"
#include "percore/examples/cache/reply.h"
#include "percore/examples/cache/store.h"
#include "percore/examples/cache_service/cache_service.h"
#include "percore/examples/cache_service/stats_reply.h"

namespace percore::cache {
namespace {

// A reply that referred to an item has been sent.
void ReleaseItem(void* argument) {
  ReturnToOwner(ItemPtr::Adopt(static_cast<Item*>(argument)));
}

}  // namespace

CacheConnection::CacheConnection(Accepted accepted, CacheService& service)
    : Connection(std::move(accepted)), service_(service) {}

CacheConnection::~CacheConnection() {
  if (storing_ != nullptr) service_.FreeRequest(storing_);
  while (!in_flight_.empty()) {
    Request* request = in_flight_.PopFront();
    // One that is still under way is freed when it comes back.
    request->connection = nullptr;
    if (request->done) service_.FreeRequest(request);
  }
}

void CacheConnection::OnEndOfFile() {
  input_ended_ = true;
  Process();
}

void CacheConnection::OnDrain() {
  StopReading(CloseReason::kDrained);
  FinishIfAnswered();
}

void CacheConnection::OnAnswer() {
  AppendAnswers();
  if (!processing_) Process();
}

void CacheConnection::Process() {
  processing_ = true;
  bool progress = true;
  while (progress && HasRoom()) {
    switch (state_) {
      case State::kLine:
        progress = ProcessLine();
        break;
      case State::kGetKeys:
        progress = ProcessGetKeys();
        break;
      case State::kData:
        progress = ProcessData();
        break;
      case State::kSkip:
        progress = ProcessSkip();
        break;
      case State::kLast:
        io().input().Clear();
        progress = false;
        break;
    }
  }
  processing_ = false;
  if (!progress && input_ended_) StopReading(CloseReason::kEndOfFile);
  // What there is no room to ask for stays in the client's socket.
  if (progress) {
    io().Disable(EventFlags::kRead);
  } else if (!io().read_enabled()) {
    // The socket is watched already: this cannot fail.
    io().Enable(EventFlags::kRead).IgnoreError();
  }
  FinishIfAnswered();
}

bool CacheConnection::ProcessLine() {
  Buffer& input = io().input();
  const std::optional<LineEnd> end =
      input.FindLineEnd(EndOfLine::kCrlf, searched_);
  if (!end) {
    searched_ = input.size();
    const std::string_view beginning = input.Pullup(kLineBeginningSize);
    if (CheckUnfinishedLine(beginning, input.size()) ==
        UnfinishedLine::kTooLong) {
      StopReading(CloseReason::kError);
    }
    return false;
  }
  searched_ = 0;
  const size_t line_size = end->offset + end->size;
  const ParseResult result =
      ParseCommand(input.Pullup(line_size).substr(0, end->offset));
  if (const auto* error = std::get_if<CommandError>(&result)) {
    if (error->skip > 0) ++service_.own_statistics().store_too_large;
    Refuse(*error);
  } else {
    Run(std::get<Command>(result), line_size);
  }
  // The keys of a get are read from where they lie.
  if (state_ != State::kGetKeys) input.Drain(line_size);
  return true;
}

void CacheConnection::Run(const Command& command, size_t line_size) {
  switch (command.kind) {
    case CommandKind::kGet:
    case CommandKind::kGets: {
      const char* line = io().input().Front().data();
      const WordList::Iterator first = command.keys.begin();
      state_ = State::kGetKeys;
      get_kind_ = command.kind;
      line_size_ = line_size;
      key_offset_ = static_cast<size_t>((*first).data() - line);
      keys_end_ =
          static_cast<size_t>(first.rest().data() - line) + first.rest().size();
      return;
    }
    case CommandKind::kSet:
    case CommandKind::kAdd:
    case CommandKind::kReplace:
    case CommandKind::kAppend:
    case CommandKind::kPrepend:
    case CommandKind::kCas:
      RunStorage(command);
      return;
    case CommandKind::kDelete:
    case CommandKind::kIncr:
    case CommandKind::kDecr:
    case CommandKind::kTouch: {
      Request* request = NewRequest(command.kind, command.noreply);
      request->number = command.delta;
      request->moment = ExpiryOf(command.exptime, service_.Now());
      SendToOwner(request, HashedKey::Of(command.key));
      return;
    }
    case CommandKind::kFlushAll: {
      ++service_.own_statistics().cmd_flush;
      Request* request = NewRequest(command.kind, command.noreply);
      request->moment = FlushMomentOf(command.exptime, service_.Now());
      request->fixed_reply = kOkReply;
      service_.SendFlush(request);
      return;
    }
    case CommandKind::kVersion:
      Reply(kVersionReply);
      return;
    case CommandKind::kVerbosity:
      // There is no log whose verbosity a client could change.
      if (!command.noreply) Reply(kOkReply);
      return;
    case CommandKind::kStats:
      RunStats(command);
      return;
    case CommandKind::kQuit:
      StopReading(CloseReason::kLocal);
      return;
  }
}

void CacheConnection::RunStats(const Command& command) {
  const WordList::Iterator argument = command.arguments.begin();
  if (argument == std::default_sentinel) {
    service_.SendStats(NewRequest(command.kind, /*noreply=*/false));
  } else if (*argument == "reset") {
    Request* request = NewRequest(command.kind, /*noreply=*/false);
    request->fixed_reply = kResetReply;
    service_.SendReset(request);
  } else if (*argument == "settings") {
    Request* request = NewRequest(command.kind, /*noreply=*/false);
    request->long_text =
        SettingsStats(service_.memory_limit_bytes(), shard().count());
    request->done = true;
    AppendAnswers();
  } else if (*argument == "items" || *argument == "slabs" ||
             *argument == "sizes" || *argument == "conns") {
    // Nothing is divided into slab classes here.
    Reply(kEndReply);
  } else {
    Reply(kErrorReply);
  }
}

void CacheConnection::RunStorage(const Command& command) {
  const HashedKey key = HashedKey::Of(command.key);
  ItemPtr item = Item::Create(key, command.flags,
                              ExpiryOf(command.exptime, service_.Now()),
                              command.value_size);
  if (item == nullptr) {
    ++service_.own_statistics().store_no_memory;
    Refuse({.reply = command.noreply ? std::string_view() : kOutOfMemoryReply,
            .skip = command.value_size + kLineEnd.size(),
            .stale_key = command.kind == CommandKind::kSet
                             ? command.key
                             : std::string_view()});
    return;
  }
  storing_ = service_.NewRequest(this);
  storing_->kind = command.kind;
  storing_->noreply = command.noreply;
  storing_->number = command.cas_unique;
  storing_->owner = service_.OwnerOf(key.hash);
  storing_->item = std::move(item);
  received_ = 0;
  state_ = State::kData;
}

void CacheConnection::Refuse(const CommandError& error) {
  if (!error.stale_key.empty()) {
    Request* request = NewRequest(CommandKind::kDelete, /*noreply=*/true);
    request->discard = true;
    SendToOwner(request, HashedKey::Of(error.stale_key));
  }
  if (error.skip == 0) {
    Reply(error.reply);
    return;
  }
  skip_ = error.skip;
  reply_after_skip_ = error.reply;
  state_ = State::kSkip;
}

bool CacheConnection::ProcessSkip() {
  const size_t skipped = std::min(skip_, io().input().size());
  io().input().Drain(skipped);
  skip_ -= skipped;
  if (skip_ > 0) return false;
  state_ = State::kLine;
  Reply(reply_after_skip_);
  return true;
}

bool CacheConnection::ProcessData() {
  const std::span<char> block = storing_->item->mutable_data_block();
  received_ += io().input().Remove(block.subspan(received_));
  if (received_ < block.size()) return false;
  state_ = State::kLine;
  FinishStorage();
  return true;
}

void CacheConnection::FinishStorage() {
  Request* request = std::exchange(storing_, nullptr);
  if (!request->item->HasLineEnd()) {
    ++service_.own_statistics().cmd_set;
    const bool noreply = request->noreply;
    service_.FreeRequest(request);
    if (!noreply) Reply(kBadDataChunkReply);
    return;
  }
  in_flight_.PushBack(request);
  ++in_flight_count_;
  service_.Send(request);
}

bool CacheConnection::ProcessGetKeys() {
  const std::string_view keys =
      io().input()
          .Pullup(line_size_)
          .substr(key_offset_, keys_end_ - key_offset_);
  WordList::Iterator key(keys);
  while (key != std::default_sentinel) {
    if (!HasRoom()) {
      key_offset_ += static_cast<size_t>((*key).data() - keys.data());
      return true;
    }
    const std::string_view text = *key;
    ++key;
    SendGet(text, /*last=*/key == std::default_sentinel);
  }
  io().input().Drain(line_size_);
  state_ = State::kLine;
  return true;
}

void CacheConnection::SendGet(std::string_view text, bool last) {
  const HashedKey key = HashedKey::Of(text);
  if (in_flight_.empty() && service_.Owns(service_.OwnerOf(key.hash))) {
    AnswerGetNow(key, last);
    return;
  }
  Request* request = NewRequest(get_kind_, /*noreply=*/false);
  request->last_key = last;
  SendToOwner(request, key);
}

// Nothing is waited for: from the store straight into the output.
void CacheConnection::AnswerGetNow(const HashedKey& key, bool last) {
  ItemPtr item = service_.store().Get(key, service_.Now());
  service_.NoteActivity();
  if (item != nullptr) {
    std::optional<uint64_t> cas_unique;
    if (get_kind_ == CommandKind::kGets) cas_unique = item->cas_unique();
    std::array<char, kMaxValueLineSize> scratch;
    io().output().Append(ValueLine(key.text, item->flags(),
                                   item->value().size(), cas_unique, scratch));
    AppendItem(std::move(item));
  }
  if (last) io().output().Append(kEndReply);
}

bool CacheConnection::HasRoom() const {
  return in_flight_count_ < kMaxInFlight &&
         io().output().size() <= server().options().write_high;
}

Request* CacheConnection::NewRequest(CommandKind kind, bool noreply) {
  Request* request = service_.NewRequest(this);
  request->kind = kind;
  request->noreply = noreply;
  in_flight_.PushBack(request);
  ++in_flight_count_;
  return request;
}

void CacheConnection::SendToOwner(Request* request, const HashedKey& key) {
  request->SetKey(key);
  request->owner = service_.OwnerOf(key.hash);
  service_.Send(request);
}

void CacheConnection::Reply(std::string_view fixed_reply) {
  if (fixed_reply.empty()) return;
  if (in_flight_.empty()) {
    io().output().Append(fixed_reply);
    return;
  }
  Request* request = NewRequest(CommandKind::kVersion, /*noreply=*/false);
  request->fixed_reply = fixed_reply;
  request->done = true;
}

void CacheConnection::AppendAnswers() {
  while (!in_flight_.empty() && in_flight_.first()->done) {
    Request* request = in_flight_.PopFront();
    --in_flight_count_;
    AppendAnswer(*request);
    service_.FreeRequest(request);
  }
}

void CacheConnection::AppendAnswer(Request& request) {
  if (request.noreply) return;
  Buffer& output = io().output();
  if (!request.fixed_reply.empty()) output.Append(request.fixed_reply);
  if (request.text_size > 0) {
    output.Append({request.text.data(), request.text_size});
  }
  if (request.item != nullptr) AppendItem(std::move(request.item));
  if (!request.long_text.empty()) output.Append(request.long_text);
  if (request.last_key) output.Append(kEndReply);
}

void CacheConnection::AppendItem(ItemPtr item) {
  const std::string_view block = item->data_block();
  if (block.size() <= kMaxCopiedBlock) {
    io().output().Append(block);
    return;
  }
  io().output().AppendReference(block.data(), block.size(), &ReleaseItem,
                                item.Release());
}

void CacheConnection::StopReading(CloseReason reason) {
  if (state_ == State::kLast) return;
  state_ = State::kLast;
  close_reason_ = reason;
}

void CacheConnection::FinishIfAnswered() {
  if (state_ == State::kLast && in_flight_.empty()) Finish(close_reason_);
}

}  // namespace percore::cache
