// Looking at the bytes, and for some of them.
#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "percore/tests/buffer/model_operations.h"

namespace percore::model {
namespace {

constexpr std::array kStyles = {EndOfLine::kLf, EndOfLine::kCrlf,
                                EndOfLine::kCrlfStrict, EndOfLine::kAny,
                                EndOfLine::kNul};

EndOfLine StyleOf(const Operation& operation) {
  return kStyles[operation.Number(10, kStyles.size())];
}

// memmem(3): std::string::find() takes quadratic time.
size_t FindInString(std::string_view text, std::string_view needle,
                    size_t from) {
  if (from > text.size()) return std::string_view::npos;
  const void* const hit = memmem(text.data() + from, text.size() - from,
                                 needle.data(), needle.size());
  if (hit == nullptr) return std::string_view::npos;
  return static_cast<size_t>(static_cast<const char*>(hit) - text.data());
}

// The first end of line whose LF is at or behind `from`, and whose CR is not in
// front of `first`.
std::optional<LineEnd> FindLineEndInString(std::string_view text,
                                           EndOfLine style, size_t from,
                                           size_t first) {
  constexpr size_t kNone = std::string_view::npos;
  switch (style) {
    case EndOfLine::kLf:
    case EndOfLine::kNul: {
      const char wanted = style == EndOfLine::kLf ? '\n' : '\0';
      const size_t hit = text.find(wanted, from);
      if (hit == kNone) return std::nullopt;
      return LineEnd{.offset = hit, .size = 1};
    }
    case EndOfLine::kCrlf:
    case EndOfLine::kCrlfStrict:
      for (size_t lf = text.find('\n', from); lf != kNone;
           lf = text.find('\n', lf + 1)) {
        const bool has_cr = lf > first && text[lf - 1] == '\r';
        if (has_cr) return LineEnd{.offset = lf - 1, .size = 2};
        if (style == EndOfLine::kCrlf) return LineEnd{.offset = lf, .size = 1};
      }
      return std::nullopt;
    case EndOfLine::kAny: {
      const size_t begin = text.find_first_of("\r\n", from);
      if (begin == kNone) return std::nullopt;
      const size_t end =
          std::min(text.find_first_not_of("\r\n", begin), text.size());
      return LineEnd{.offset = begin, .size = end - begin};
    }
  }
  return std::nullopt;
}

// Optional results in one word each, so that they can be compared and printed.
size_t OrNone(std::optional<size_t> hit) {
  return hit.value_or(std::string_view::npos);
}

void ExpectLineEnd(Model& model, std::optional<LineEnd> actual,
                   std::optional<LineEnd> expected) {
  model.Expect(actual.has_value(), expected.has_value(),
               "whether an end of line was found");
  if (!actual.has_value() || !expected.has_value()) return;
  model.Expect(actual->offset, expected->offset, "where a line ends");
  model.Expect(actual->size, expected->size, "the size of an end of line");
}

// What to look for: something that may be there, or is.
std::string NeedleOf(const ModelSubject& subject, const Operation& operation) {
  const size_t size = operation.Number(11, 12);
  if (!operation.Flag(0)) {
    return std::string(Model::BytesOf(operation, 0, size));
  }
  return subject.bytes.substr(operation.Number(12, subject.size() + 1),
                              operation.Flag(1) ? size : operation.Size());
}

// Sometimes none of the values that are there.
char CharOf(const Operation& operation) {
  return "abcd\r\n\0z"[operation.Number(13, 8)];
}

size_t ExpectedInRange(const ModelSubject& subject, std::string_view needle,
                       size_t from, size_t end) {
  return FindInString(std::string_view(subject.bytes).substr(0, end), needle,
                      from);
}

void ExpectPeeked(Model& model, const ModelSubject& subject,
                  std::span<const iovec> extents, size_t room, size_t offset) {
  size_t at = offset;
  for (const iovec& extent : extents) {
    model.Expect(extent.iov_len == 0, false, "that Peek() gave nothing");
    if (at > subject.size()) break;
    model.ExpectBytes(
        {static_cast<const char*>(extent.iov_base), extent.iov_len},
        std::string_view(subject.bytes).substr(at, extent.iov_len), "Peek()");
    at += extent.iov_len;
  }
  if (extents.size() < room) {
    model.Expect(at, std::max(offset, subject.size()),
                 "where the extents of Peek() end");
  }
}

void ExpectCopied(Model& model, const ModelSubject& subject,
                  std::span<const char> destination, size_t copied,
                  size_t offset) {
  const std::string_view bytes = subject.bytes;
  const std::string_view expected =
      bytes.substr(std::min(offset, bytes.size()), destination.size());
  model.ExpectBytes({destination.data(), copied}, expected, "CopyOut()");
}

// The subject's position; a new one if it has none that is valid.
Buffer::Position& PositionOf(Model& model, ModelSubject& subject,
                             const Operation& operation) {
  if (!subject.position.has_value()) {
    const size_t offset = operation.Number(14, subject.size() + 1);
    subject.position = subject.buffer->PositionAt(offset);
    if (!subject.position.has_value()) {
      model.Fail("PositionAt() found no place within the bytes");
      subject.position.emplace();
    }
  }
  return *subject.position;
}

}  // namespace

void ReadLine(Model& model, ModelSubject& subject, const Operation& operation) {
  const EndOfLine style = StyleOf(operation);
  const std::optional<std::string> line = subject.buffer->ReadLine(style);
  std::optional<LineEnd> end = FindLineEndInString(subject.bytes, style, 0, 0);
  if (subject.front_frozen) end.reset();
  model.Expect(line.has_value(), end.has_value(), "whether a line was read");
  if (!line.has_value() || !end.has_value()) return;
  model.ExpectBytes(
      *line, std::string_view(subject.bytes).substr(0, end->offset), "a line");
  subject.Drain(end->offset + end->size);
}

void CopyOut(Model& model, ModelSubject& subject, const Operation& operation) {
  std::vector<char> destination(operation.Size());
  const size_t offset = OffsetIn(subject, operation, 0);
  const size_t copied = subject.buffer->CopyOut(destination, offset);
  ExpectCopied(model, subject, destination, copied, offset);
}

void Peek(Model& model, ModelSubject& subject, const Operation& operation) {
  std::array<iovec, 5> room;
  const size_t count = operation.Number(0, room.size() + 1);
  const size_t offset = OffsetIn(subject, operation, 1);
  const size_t peeked =
      subject.buffer->Peek(std::span(room).first(count), offset);
  model.Expect(peeked <= count, true, "that Peek() has room");
  if (peeked > count) return;
  ExpectPeeked(model, subject, std::span(room).first(peeked), count, offset);

  const std::string_view front = subject.buffer->Front();
  model.Expect(front.empty(), subject.bytes.empty(),
               "whether Front() is empty");
  model.ExpectBytes(front,
                    std::string_view(subject.bytes).substr(0, front.size()),
                    "Front()");
}

void ToString(Model& model, ModelSubject& subject, const Operation&) {
  model.ExpectBytes(subject.buffer->ToString(), subject.bytes, "ToString()");
}

void ToCord(Model& model, ModelSubject& subject, const Operation&) {
  model.ExpectBytes(std::string(subject.buffer->ToCord()), subject.bytes,
                    "ToCord()");
}

void Find(Model& model, ModelSubject& subject, const Operation& operation) {
  const std::string needle = NeedleOf(subject, operation);
  const size_t from = OffsetIn(subject, operation, 0);
  const size_t end = OffsetIn(subject, operation, 1);
  const Buffer& buffer = *subject.buffer;
  model.Expect(OrNone(buffer.Find(needle, from)),
               FindInString(subject.bytes, needle, from), "Find()");
  model.Expect(OrNone(buffer.FindInRange(needle, from, end)),
               ExpectedInRange(subject, needle, from, end), "FindInRange()");
  const char wanted = CharOf(operation);
  model.Expect(OrNone(buffer.FindChar(wanted, from)),
               subject.bytes.find(wanted, from), "FindChar()");
}

void FindLineEnd(Model& model, ModelSubject& subject,
                 const Operation& operation) {
  const size_t from =
      operation.Flag(0) ? operation.Size() : OffsetIn(subject, operation, 0);
  const EndOfLine style = StyleOf(operation);
  ExpectLineEnd(model, subject.buffer->FindLineEnd(style, from),
                FindLineEndInString(subject.bytes, style, from, 0));
}

void SetPosition(Model& model, ModelSubject& subject,
                 const Operation& operation) {
  // At the end more often than by chance.
  const size_t offset =
      operation.Flag(0) ? subject.size() : OffsetIn(subject, operation, 0);
  const auto position = subject.buffer->PositionAt(offset);
  model.Expect(position.has_value(), offset <= subject.size(),
               "whether there is a position");
  if (!position.has_value()) return;
  model.Expect(position->offset(), offset, "the offset of a position");
  subject.position = position;
}

void AdvancePosition(Model& model, ModelSubject& subject,
                     const Operation& operation) {
  Buffer::Position& position = PositionOf(model, subject, operation);
  const size_t before = position.offset();
  const size_t left = subject.size() - before;
  size_t n = operation.Size();
  if (operation.Flag(0)) n = operation.Number(0, left + 3);
  if (operation.Flag(0) && operation.Flag(1)) n = left;
  const bool fits = n <= left;
  model.Expect(subject.buffer->Advance(position, n), fits, "Advance()");
  model.Expect(position.offset(), fits ? before + n : before,
               "the offset of a position that was advanced");
}

void LookFromPosition(Model& model, ModelSubject& subject,
                      const Operation& operation) {
  const Buffer::Position& position = PositionOf(model, subject, operation);
  std::vector<char> destination(operation.Size());
  const size_t copied = subject.buffer->CopyOut(destination, position);
  ExpectCopied(model, subject, destination, copied, position.offset());

  std::array<iovec, 3> room;
  const size_t peeked = subject.buffer->Peek(room, position);
  ExpectPeeked(model, subject, std::span(room).first(peeked), room.size(),
               position.offset());
}

void FindFromPosition(Model& model, ModelSubject& subject,
                      const Operation& operation) {
  const Buffer::Position& position = PositionOf(model, subject, operation);
  const size_t from = position.offset();
  const std::string needle = NeedleOf(subject, operation);
  const size_t end = OffsetIn(subject, operation, 1);
  const Buffer& buffer = *subject.buffer;
  model.Expect(OrNone(buffer.Find(needle, position)),
               FindInString(subject.bytes, needle, from),
               "Find() from a position");
  model.Expect(OrNone(buffer.FindInRange(needle, position, end)),
               ExpectedInRange(subject, needle, from, end),
               "FindInRange() from a position");
  const char wanted = CharOf(operation);
  model.Expect(OrNone(buffer.FindChar(wanted, position)),
               subject.bytes.find(wanted, from), "FindChar() from a position");
}

void FindLineEndFromPosition(Model& model, ModelSubject& subject,
                             const Operation& operation) {
  const Buffer::Position& position = PositionOf(model, subject, operation);
  const EndOfLine style = StyleOf(operation);
  const size_t from = position.offset();
  ExpectLineEnd(model, subject.buffer->FindLineEnd(style, position),
                FindLineEndInString(subject.bytes, style, from, from));
}

}  // namespace percore::model
