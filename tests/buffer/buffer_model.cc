#include "percore/tests/buffer/buffer_model.h"

#include <iterator>

#include "absl/strings/str_cat.h"
#include "percore/tests/buffer/model_operations.h"
#include "percore/tests/buffer/model_state.h"

namespace percore {
namespace {

using Code = OperationCode;

// What an operation does to the reservation, and to the positions, of a Buffer.
enum class Effect {
  kNone,             // it is const, or tells of its effect itself
  kEndsReservation,  // not const, but appends bytes at most
  kEndsAll,
};

struct CodeRow {
  Code code;
  model::Function* function;
  Effect on_subject;
  Effect on_other = Effect::kNone;
};

constexpr CodeRow kRows[] = {
    {Code::kAppend, &model::Append, Effect::kEndsReservation},
    {Code::kAppendOwnBytes, &model::AppendOwnBytes, Effect::kEndsReservation},
    {Code::kAppendExtents, &model::AppendExtents, Effect::kEndsReservation},
    {Code::kAppendFormat, &model::AppendFormat, Effect::kEndsReservation},
    {Code::kAppendPrintf, &model::AppendPrintf, Effect::kEndsReservation},
    {Code::kAppendCord, &model::AppendCord, Effect::kEndsReservation},
    {Code::kAppendReference, &model::AppendReference, Effect::kEndsReservation},
    {Code::kAppendFile, &model::AppendFile, Effect::kEndsReservation},
    {Code::kAppendFileRange, &model::AppendFileRange, Effect::kEndsReservation},
    {Code::kPrepend, &model::Prepend, Effect::kEndsAll},
    {Code::kPrependOwnBytes, &model::PrependOwnBytes, Effect::kEndsAll},
    {Code::kReserve, &model::Reserve, Effect::kEndsReservation},
    {Code::kCommit, &model::Commit, Effect::kNone},
    {Code::kReserveAndCommit, &model::ReserveAndCommit,
     Effect::kEndsReservation},
    {Code::kExpandAndAppend, &model::ExpandAndAppend, Effect::kEndsReservation},
    {Code::kReadFrom, &model::ReadFrom, Effect::kEndsReservation},
    {Code::kAppendShared, &model::AppendShared, Effect::kEndsReservation,
     Effect::kEndsReservation},
    {Code::kAppendBuffer, &model::AppendBuffer, Effect::kEndsReservation,
     Effect::kEndsAll},
    {Code::kPrependBuffer, &model::PrependBuffer, Effect::kEndsAll,
     Effect::kEndsAll},
    {Code::kMoveFrom, &model::MoveFrom, Effect::kEndsReservation,
     Effect::kEndsAll},
    {Code::kPrependFrom, &model::PrependFrom, Effect::kEndsAll,
     Effect::kEndsAll},
    {Code::kMoveAssign, &model::MoveAssign, Effect::kEndsAll, Effect::kEndsAll},
    {Code::kMoveConstruct, &model::MoveConstruct, Effect::kEndsAll,
     Effect::kEndsAll},
    {Code::kDrain, &model::Drain, Effect::kEndsAll},
    {Code::kClear, &model::Clear, Effect::kEndsAll},
    {Code::kRemove, &model::Remove, Effect::kEndsAll},
    {Code::kReadLine, &model::ReadLine, Effect::kEndsAll},
    {Code::kWriteTo, &model::WriteTo, Effect::kEndsAll},
    {Code::kPullup, &model::Pullup, Effect::kEndsAll},
    {Code::kUnshare, &model::Unshare, Effect::kEndsAll},
    {Code::kReplace, &model::Replace, Effect::kEndsAll},
    {Code::kCopyOut, &model::CopyOut, Effect::kNone},
    {Code::kPeek, &model::Peek, Effect::kNone},
    {Code::kToString, &model::ToString, Effect::kNone},
    {Code::kToCord, &model::ToCord, Effect::kNone},
    {Code::kFind, &model::Find, Effect::kNone},
    {Code::kFindLineEnd, &model::FindLineEnd, Effect::kNone},
    {Code::kSetPosition, &model::SetPosition, Effect::kNone},
    {Code::kAdvancePosition, &model::AdvancePosition, Effect::kNone},
    {Code::kLookFromPosition, &model::LookFromPosition, Effect::kNone},
    {Code::kFindFromPosition, &model::FindFromPosition, Effect::kNone},
    {Code::kFindLineEndFromPosition, &model::FindLineEndFromPosition,
     Effect::kNone},
    {Code::kFreeze, &model::Freeze, Effect::kEndsReservation},
    {Code::kUnfreeze, &model::Unfreeze, Effect::kEndsReservation},
    {Code::kSetSizeLimit, &model::SetSizeLimit, Effect::kEndsReservation},
    {Code::kSetMaxRead, &model::SetMaxRead, Effect::kEndsReservation},
    {Code::kAddObserver, &model::AddObserver, Effect::kEndsReservation},
    {Code::kRemoveObserver, &model::RemoveObserver, Effect::kEndsReservation},
    {Code::kSwitchObserver, &model::SwitchObserver, Effect::kNone},
};
static_assert(std::size(kRows) == kOperationCodes);

constexpr bool IsInOrder() {
  for (size_t i = 0; i < kOperationCodes; ++i) {
    if (static_cast<size_t>(kRows[i].code) != i) return false;
  }
  return true;
}
static_assert(IsInOrder());

void Affect(ModelSubject& subject, Effect effect) {
  if (effect == Effect::kNone) return;
  subject.reservation.reset();
  if (effect == Effect::kEndsAll) subject.position.reset();
}

// So that a script stays fast: a Buffer that has grown much gives up most of
// it.
void DrainIfLarge(Model& model, ModelSubject& subject,
                  const Operation& operation) {
  if (subject.size() <= Model::kMostBytes) return;
  subject.buffer->Unfreeze(BufferEnd::kFront);
  subject.front_frozen = false;
  const size_t drained = subject.size() - operation.Number(0, 10'000);
  model.Expect(subject.buffer->Drain(drained), drained, "Drain() of much");
  subject.bytes.erase(0, drained);
  Affect(subject, Effect::kEndsAll);
}

void RunOperation(Model& model, const Operation& operation,
                  const ModelSpoiler& spoiler) {
  ModelSubject& subject = model.subject(operation.subject);
  ModelSubject& other = model.subject(operation.other);
  DrainIfLarge(model, subject, operation);
  model.Begin(operation);
  const CodeRow& row = kRows[static_cast<size_t>(operation.code)];
  Affect(other, row.on_other);
  Affect(subject, row.on_subject);
  row.function(model, subject, operation);
  if (spoiler != nullptr) spoiler(operation, subject.bytes);
  model.Check(operation);
}

}  // namespace

std::optional<std::string> RunScript(std::span<const Operation> script,
                                     const ModelSpoiler& spoiler) {
  Model model;
  for (size_t i = 0; i < script.size(); ++i) {
    RunOperation(model, script[i], spoiler);
    if (!model.difference().empty()) {
      return absl::StrCat("operation ", i, " (", NameOf(script[i].code), ") ",
                          model.difference());
    }
  }
  model.Finish();
  if (model.difference().empty()) return std::nullopt;
  return absl::StrCat("at the end: ", model.difference());
}

}  // namespace percore
