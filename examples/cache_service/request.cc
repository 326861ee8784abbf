#include "percore/examples/cache_service/request.h"

#include <optional>
#include <span>
#include <utility>

#include "percore/examples/cache/store.h"
#include "percore/runtime/shard.h"

namespace percore::cache {
namespace {

void ExecuteGet(Request& request, Store& store, UnixSeconds now) {
  ItemPtr found = store.Get(request.key(), now);
  if (found == nullptr) return;
  std::optional<uint64_t> cas_unique;
  if (request.kind == CommandKind::kGets) cas_unique = found->cas_unique();
  const std::span<char, kMaxValueLineSize> scratch(request.text.data(),
                                                   kMaxValueLineSize);
  request.text_size = ValueLine(request.key().text, found->flags(),
                                found->value().size(), cas_unique, scratch)
                          .size();
  const std::string_view block = found->data_block();
  if (block.size() > kMaxCopiedBlock) {
    request.item = std::move(found);
    return;
  }
  block.copy(request.text.data() + request.text_size, block.size());
  request.text_size += block.size();
}

void ExecuteArithmetic(Request& request, Store& store, UnixSeconds now) {
  const ArithmeticResult result =
      request.kind == CommandKind::kIncr
          ? store.Incr(request.key(), request.number, now)
          : store.Decr(request.key(), request.number, now);
  switch (result.outcome) {
    case ArithmeticResult::Outcome::kDone: {
      const std::span<char, kMaxNumberLineSize> scratch(request.text.data(),
                                                        kMaxNumberLineSize);
      request.text_size = NumberLine(result.value, scratch).size();
      return;
    }
    case ArithmeticResult::Outcome::kNotFound:
      request.fixed_reply = kNotFoundReply;
      return;
    case ArithmeticResult::Outcome::kNotANumber:
      request.fixed_reply = kNotANumberReply;
      return;
    case ArithmeticResult::Outcome::kOutOfMemory:
      request.fixed_reply = kOutOfMemoryCountingReply;
      return;
  }
}

}  // namespace

void ReturnToOwner(ItemPtr item) {
  Shard& here = *Shard::Current();
  const auto owner = static_cast<int>(
      ShardOf(item->key().hash, static_cast<uint32_t>(here.count())));
  if (owner != here.index()) {
    here.peer(owner).Post([item = std::move(item)] {});
  }
}

void Execute(Request& request, Store& store, UnixSeconds now) {
  if (request.discard) {
    store.Discard(request.key());
    return;
  }
  switch (request.kind) {
    case CommandKind::kGet:
    case CommandKind::kGets:
      ExecuteGet(request, store, now);
      return;
    case CommandKind::kSet:
      request.fixed_reply = ReplyTo(store.Set(std::move(request.item), now));
      return;
    case CommandKind::kAdd:
      request.fixed_reply = ReplyTo(store.Add(std::move(request.item), now));
      return;
    case CommandKind::kReplace:
      request.fixed_reply =
          ReplyTo(store.Replace(std::move(request.item), now));
      return;
    case CommandKind::kAppend:
      request.fixed_reply = ReplyTo(store.Append(std::move(request.item), now));
      return;
    case CommandKind::kPrepend:
      request.fixed_reply =
          ReplyTo(store.Prepend(std::move(request.item), now));
      return;
    case CommandKind::kCas:
      request.fixed_reply = ReplyTo(
          store.CompareAndSwap(std::move(request.item), request.number, now));
      return;
    case CommandKind::kDelete:
      request.fixed_reply = ReplyTo(store.Delete(request.key(), now));
      return;
    case CommandKind::kIncr:
    case CommandKind::kDecr:
      ExecuteArithmetic(request, store, now);
      return;
    case CommandKind::kTouch:
      request.fixed_reply =
          ReplyTo(store.Touch(request.key(), request.moment, now));
      return;
    // These ask no single store.
    case CommandKind::kFlushAll:
    case CommandKind::kVersion:
    case CommandKind::kVerbosity:
    case CommandKind::kStats:
    case CommandKind::kQuit:
      return;
  }
}

}  // namespace percore::cache
