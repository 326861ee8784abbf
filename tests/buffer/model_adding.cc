// Bytes that come from elsewhere.
#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/cord.h"
#include "percore/tests/buffer/model_operations.h"

namespace percore::model {
namespace {

// `result` is what a call said that was to append `bytes`.
void Appended(Model& model, ModelSubject& subject, bool result,
              std::string_view bytes) {
  const bool fits = bytes.size() <= subject.RoomAt(BufferEnd::kBack);
  model.Expect(result, fits, "whether bytes were appended");
  if (fits) subject.Append(bytes);
}

void Prepended(Model& model, ModelSubject& subject, bool result,
               std::string_view bytes) {
  const bool fits = bytes.size() <= subject.RoomAt(BufferEnd::kFront);
  model.Expect(result, fits, "whether bytes were prepended");
  if (fits) subject.Prepend(bytes);
}

// Abseil's library has a view of its own.
absl::string_view AbslView(std::string_view bytes) {
  return {bytes.data(), bytes.size()};
}

// A part of one of the first extents.
std::string_view OwnBytes(const ModelSubject& subject,
                          const Operation& operation) {
  std::string_view view;
  size_t skipped = operation.Number(0, 4);
  for (const std::string_view extent : *subject.buffer) {
    view = extent.substr(operation.Number(1, extent.size()));
    if (skipped-- == 0) break;
  }
  return view.substr(0, operation.Size());
}

}  // namespace

void Append(Model& model, ModelSubject& subject, const Operation& operation) {
  const std::string_view bytes = Model::BytesOf(operation);
  Appended(model, subject, subject.buffer->Append(bytes), bytes);
}

void AppendOwnBytes(Model& model, ModelSubject& subject,
                    const Operation& operation) {
  const std::string_view view = OwnBytes(subject, operation);
  const std::string bytes(view);
  Appended(model, subject, subject.buffer->Append(view), bytes);
}

void AppendExtents(Model& model, ModelSubject& subject,
                   const Operation& operation) {
  std::array<iovec, 4> room;
  std::span<iovec> extents = std::span(room).first(operation.Number(0, 5));
  if (operation.Flag(0)) {
    // Its own.
    const size_t offset = OffsetIn(subject, operation, 1);
    extents = extents.first(subject.buffer->Peek(extents, offset));
  } else {
    uint32_t which = 0;
    for (iovec& extent : extents) {
      ++which;
      const size_t size = operation.Number(which, operation.Size() + 1);
      const std::string_view bytes = Model::BytesOf(operation, which, size);
      extent = {.iov_base = const_cast<char*>(bytes.data()), .iov_len = size};
    }
  }
  std::string bytes;
  for (const iovec& extent : extents) {
    bytes.append(static_cast<const char*>(extent.iov_base), extent.iov_len);
  }
  Appended(model, subject, subject.buffer->AppendExtents(extents), bytes);
}

void AppendFormat(Model& model, ModelSubject& subject,
                  const Operation& operation) {
  const std::string_view text = Model::BytesOf(operation);
  const int number = static_cast<int>(operation.Number(0, 1'000'000));
  if (operation.Flag(0)) {
    const bool result = subject.buffer->AppendFormat("%s", text);
    Appended(model, subject, result, text);
  } else {
    const bool result =
        subject.buffer->AppendFormat("%d: %s\r\n", number, text);
    Appended(model, subject, result,
             absl::StrCat(number, ": ", AbslView(text), "\r\n"));
  }
}

void AppendPrintf(Model& model, ModelSubject& subject,
                  const Operation& operation) {
  if (operation.Flag(0) && operation.Flag(1)) {
    // No character of the C locale.
    model.Expect(subject.buffer->AppendPrintf("a%lc", wint_t{0x20AC}), -1,
                 "AppendPrintf() of a wrong character");
    return;
  }
  std::string text(Model::BytesOf(operation));
  std::ranges::replace(text, '\0', ' ');
  const int number = static_cast<int>(operation.Number(0, 1'000'000));
  std::string expected = text;
  int result = 0;
  if (operation.Flag(0)) {
    result = subject.buffer->AppendPrintf("%s", text.c_str());
  } else {
    result = subject.buffer->AppendPrintf("%d%s\n", number, text.c_str());
    expected = absl::StrCat(number, text, "\n");
  }
  const bool fits = expected.size() <= subject.RoomAt(BufferEnd::kBack);
  model.Expect(result, fits ? static_cast<int>(expected.size()) : -1,
               "AppendPrintf()");
  if (fits) subject.Append(expected);
}

void AppendCord(Model& model, ModelSubject& subject,
                const Operation& operation) {
  absl::Cord cord;
  const size_t pieces = operation.Number(0, 4);
  for (uint32_t piece = 0; piece < pieces; ++piece) {
    const std::string_view bytes = Model::BytesOf(
        operation, piece, operation.Number(piece, operation.Size() + 1));
    if (bytes.empty() || operation.Flag(static_cast<int>(piece))) {
      cord.Append(absl::Cord(AbslView(bytes)));
      continue;
    }
    ModelReference& reference = model.NewReference(bytes);
    cord.Append(absl::MakeCordFromExternal(
        AbslView(reference.bytes),
        [&reference] { ModelReference::Release(&reference); }));
  }
  const std::string bytes(cord);
  Appended(model, subject, subject.buffer->AppendCord(cord), bytes);
}

void AppendReference(Model& model, ModelSubject& subject,
                     const Operation& operation) {
  const std::string_view bytes = Model::BytesOf(operation);
  if (operation.Flag(0) && operation.Flag(1)) {
    const bool result = subject.buffer->AppendReference(
        bytes.data(), bytes.size(), nullptr, nullptr);
    Appended(model, subject, result, bytes);
    return;
  }
  ModelReference& reference = model.NewReference(bytes);
  const bool result = subject.buffer->AppendReference(
      reference.bytes.data(), reference.bytes.size(), &ModelReference::Release,
      &reference);
  if (!result) reference.wanted_releases = 0;
  model.Expect(reference.releases, result && bytes.empty() ? 1 : 0,
               "how often AppendReference() released");
  Appended(model, subject, result, bytes);
}

namespace {

// Appends a range of a file of the kind that the operation names.
void AppendRange(Model& model, ModelSubject& subject,
                 const Operation& operation, size_t kind, size_t offset,
                 size_t size) {
  const ModelFile& file = model.File(kind);
  if (file.segment == nullptr) return;
  if (operation.Flag(3) && operation.Flag(4)) {
    file.segment->Load().IgnoreError();
  }
  if (offset > file.bytes.size() || size > file.bytes.size() - offset) {
    model.Expect(subject.buffer->AppendFile(file.segment, offset, size), false,
                 "AppendFile() of a range beyond the end");
    return;
  }
  const std::string_view bytes = file.bytes.substr(offset, size);
  const bool result =
      operation.code == OperationCode::kAppendFile
          ? subject.buffer->AppendFile(file.segment)
          : subject.buffer->AppendFile(file.segment, offset, size);
  subject.holds_file = true;
  if (operation.Flag(2)) model.GiveUp(kind);
  Appended(model, subject, result, bytes);
}

}  // namespace

void AppendFile(Model& model, ModelSubject& subject,
                const Operation& operation) {
  const size_t kind = operation.value % Model::kFiles;
  AppendRange(model, subject, operation, kind, 0,
              model.File(kind).bytes.size());
}

void AppendFileRange(Model& model, ModelSubject& subject,
                     const Operation& operation) {
  const size_t kind = operation.Number(0, Model::kFiles);
  const size_t in_file = model.File(kind).bytes.size();
  // Mostly, but not always, within the file.
  const size_t size = std::min(operation.Size(), in_file + 1);
  const size_t offset =
      operation.Number(1, in_file - std::min(size, in_file) + 2);
  AppendRange(model, subject, operation, kind, offset, size);
}

void Prepend(Model& model, ModelSubject& subject, const Operation& operation) {
  const std::string_view bytes = Model::BytesOf(operation);
  Prepended(model, subject, subject.buffer->Prepend(bytes), bytes);
}

void PrependOwnBytes(Model& model, ModelSubject& subject,
                     const Operation& operation) {
  const std::string_view view = OwnBytes(subject, operation);
  const std::string bytes(view);
  Prepended(model, subject, subject.buffer->Prepend(view), bytes);
}

}  // namespace percore::model
