// Bytes that move to another Buffer, go, or stay where they are.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "percore/tests/buffer/model_operations.h"

namespace percore::model {
namespace {

// The bytes at the front of `source`, which loses them.
std::string Take(ModelSubject& source, size_t n) {
  std::string bytes = source.bytes.substr(0, n);
  source.Drain(n);
  return bytes;
}

size_t SizeToMove(const ModelSubject& source, const Operation& operation) {
  return operation.Flag(0) ? OffsetIn(source, operation, 0) : operation.Size();
}

size_t MovableSize(const ModelSubject& subject, const ModelSubject& source,
                   BufferEnd end, size_t n) {
  if (&source == &subject || source.front_frozen) return 0;
  return std::min({n, source.size(), subject.RoomAt(end)});
}

void Moved(ModelSubject& subject, ModelSubject& source, BufferEnd end,
           size_t n) {
  if (n == 0) return;
  subject.holds_file = subject.holds_file || source.holds_file;
  const std::string bytes = Take(source, n);
  if (end == BufferEnd::kFront) {
    subject.Prepend(bytes);
  } else {
    subject.Append(bytes);
  }
}

// Whether all of `source` moves, and what a call that moves all then says.
bool MovesAll(const ModelSubject& subject, const ModelSubject& source,
              BufferEnd end) {
  return MovableSize(subject, source, end, SIZE_MAX) == source.size();
}

void ExpectMovedAll(Model& model, ModelSubject& subject, ModelSubject& source,
                    BufferEnd end, bool result) {
  const bool moves = MovesAll(subject, source, end);
  model.Expect(result, moves || &subject == &source || source.bytes.empty(),
               "whether all of a buffer was moved");
  if (moves) Moved(subject, source, end, source.size());
}

// What assigning bytes of `source` does; it has already happened.
bool IsAssignable(const ModelSubject& subject, size_t size) {
  if (subject.IsFrontHeld()) return false;
  return size <= (subject.back_frozen ? 0 : subject.size_limit);
}

}  // namespace

void AppendShared(Model& model, ModelSubject& subject,
                  const Operation& operation) {
  ModelSubject& source = model.subject(operation.other);
  const bool fits = source.size() <= subject.RoomAt(BufferEnd::kBack);
  model.Expect(subject.buffer->AppendShared(*source.buffer), fits,
               "AppendShared()");
  if (!fits) return;
  subject.holds_file = subject.holds_file || source.holds_file;
  subject.Append(std::string(source.bytes));
}

void AppendBuffer(Model& model, ModelSubject& subject,
                  const Operation& operation) {
  ModelSubject& source = model.subject(operation.other);
  const bool result = subject.buffer->Append(std::move(*source.buffer));
  ExpectMovedAll(model, subject, source, BufferEnd::kBack, result);
}

void PrependBuffer(Model& model, ModelSubject& subject,
                   const Operation& operation) {
  ModelSubject& source = model.subject(operation.other);
  const bool result = subject.buffer->Prepend(std::move(*source.buffer));
  ExpectMovedAll(model, subject, source, BufferEnd::kFront, result);
}

void MoveFrom(Model& model, ModelSubject& subject, const Operation& operation) {
  ModelSubject& source = model.subject(operation.other);
  const size_t n = SizeToMove(source, operation);
  const size_t expected = MovableSize(subject, source, BufferEnd::kBack, n);
  model.Expect(subject.buffer->MoveFrom(*source.buffer, n), expected,
               "MoveFrom()");
  Moved(subject, source, BufferEnd::kBack, expected);
}

void PrependFrom(Model& model, ModelSubject& subject,
                 const Operation& operation) {
  ModelSubject& source = model.subject(operation.other);
  const size_t n = SizeToMove(source, operation);
  const size_t expected = MovableSize(subject, source, BufferEnd::kFront, n);
  model.Expect(subject.buffer->PrependFrom(*source.buffer, n), expected,
               "PrependFrom()");
  Moved(subject, source, BufferEnd::kFront, expected);
}

void MoveAssign(Model& model, ModelSubject& subject,
                const Operation& operation) {
  ModelSubject& source = model.subject(operation.other);
  *subject.buffer = std::move(*source.buffer);
  if (&subject == &source || source.IsFrontHeld()) return;
  if (!IsAssignable(subject, source.size())) return;
  subject.holds_file = source.holds_file;
  subject.Assign(Take(source, source.size()));
}

void MoveConstruct(Model& model, ModelSubject& subject,
                   const Operation& operation) {
  ModelSubject& source = model.subject(operation.other);
  Buffer constructed(std::move(*source.buffer));
  const bool moves = !source.front_frozen;
  const bool holds_file = source.holds_file;
  const std::string bytes = moves ? Take(source, source.size()) : "";
  model.Expect(source.buffer->size(), source.size(),
               "the size of what was moved from");
  model.Expect(constructed.size(), bytes.size(), "the size of what was moved");
  model.Expect(constructed.size_limit(), SIZE_MAX, "the limit of a new buffer");

  *subject.buffer = std::move(constructed);
  if (!IsAssignable(subject, bytes.size())) {
    // NOLINTNEXTLINE(bugprone-use-after-move): it was not moved.
    model.ExpectBytes(constructed.ToString(), bytes,
                      "a buffer that could not be moved");
    return;
  }
  subject.holds_file = holds_file;
  subject.Assign(bytes);
}

void Drain(Model& model, ModelSubject& subject, const Operation& operation) {
  const size_t n =
      operation.Flag(0) ? OffsetIn(subject, operation, 0) : operation.Size();
  const size_t expected =
      subject.front_frozen ? 0 : std::min(n, subject.size());
  model.Expect(subject.buffer->Drain(n), expected, "Drain()");
  subject.Drain(expected);
}

void Clear(Model& model, ModelSubject& subject, const Operation&) {
  const size_t expected = subject.front_frozen ? 0 : subject.size();
  model.Expect(subject.buffer->Clear(), expected, "Clear()");
  subject.Drain(expected);
}

void Remove(Model& model, ModelSubject& subject, const Operation& operation) {
  std::vector<char> destination(operation.Size());
  const size_t removed = subject.buffer->Remove(destination);
  const size_t expected =
      subject.front_frozen ? 0 : std::min(destination.size(), subject.size());
  model.Expect(removed, expected, "Remove()");
  if (removed != expected) return;
  model.ExpectBytes({destination.data(), removed}, Take(subject, expected),
                    "what Remove() copied");
}

void Pullup(Model& model, ModelSubject& subject, const Operation& operation) {
  const size_t n = operation.Flag(0) && operation.Flag(1)
                       ? OffsetIn(subject, operation, 0)
                       : operation.Size();
  model.ExpectBytes(subject.buffer->Pullup(n),
                    std::string_view(subject.bytes).substr(0, n), "Pullup()");
}

void Unshare(Model&, ModelSubject& subject, const Operation&) {
  subject.buffer->Unshare();
}

void Replace(Model& model, ModelSubject& subject, const Operation&) {
  subject.buffer.reset();
  for (const ModelObserver* const observer : subject.observers) {
    model.Expect(observer->observer.buffer() == nullptr, true,
                 "that nobody observes what is gone");
  }
  subject = {};
}

}  // namespace percore::model
