#include "percore/tests/buffer/model_state.h"

#include <algorithm>
#include <random>
#include <utility>

#include "absl/strings/escaping.h"

namespace percore {
namespace {

// All bytes that are ever in a Buffer, and in a file.
constexpr size_t kAllBytes = 1 << 19;
constexpr size_t kFileBytes = 300'000;

std::string_view AllBytes() {
  static const std::string bytes = [] {
    // Text, more or less, with all kinds of ends of lines.
    constexpr char kValues[] = "aaabbbcd\r\n\r\n\n\0";
    std::minstd_rand engine;
    std::string text(kAllBytes, ' ');
    for (char& byte : text) {
      byte = kValues[engine() / 16 % (sizeof kValues - 1)];
    }
    return text;
  }();
  return bytes;
}

struct FileKind {
  uint64_t offset;
  size_t size;
  FileSegmentOptions::Access access;
  FileSegmentOptions::Transmission transmission;
  FileSegmentOptions::Descriptor descriptor;
};

using Access = FileSegmentOptions::Access;
using Transmission = FileSegmentOptions::Transmission;
using Descriptor = FileSegmentOptions::Descriptor;

// Large ones are mapped, small ones are read; at the border between them one
// byte decides. Offsets are at the beginning of a page and within one.
constexpr std::array<FileKind, Model::kFiles> kFileKinds = {{
    {0, 200'000, Access::kMap, Transmission::kSendFile, Descriptor::kClose},
    {4096, 300, Access::kMap, Transmission::kSendFile, Descriptor::kKeep},
    {5001, 60'000, Access::kRead, Transmission::kSendFile, Descriptor::kClose},
    {8191, 70'000, Access::kMap, Transmission::kWrite, Descriptor::kKeep},
    {3 * 4096 + 7, FileSegment::kMaxReadBytes + 1, Access::kMap,
     Transmission::kSendFile, Descriptor::kClose},
    {20'000, FileSegment::kMaxReadBytes, Access::kMap, Transmission::kSendFile,
     Descriptor::kClose},
    {kFileBytes - 20'000, FileSegmentOptions::kToEndOfFile, Access::kRead,
     Transmission::kWrite, Descriptor::kClose},
}};

}  // namespace

ModelObserver::ModelObserver(Model& owner)
    : model(owner), observer(&Model::OnChange, this) {}

void ModelSubject::Append(std::string_view added) {
  changes.push_back(
      {.original_size = size(), .added = added.size(), .drained = 0});
  bytes += added;
}

void ModelSubject::Prepend(std::string_view added) {
  changes.push_back(
      {.original_size = size(), .added = added.size(), .drained = 0});
  bytes.insert(0, added);
}

void ModelSubject::Drain(size_t n) {
  changes.push_back({.original_size = size(), .added = 0, .drained = n});
  bytes.erase(0, n);
}

void ModelSubject::Assign(std::string_view replacement) {
  changes.push_back({.original_size = size(),
                     .added = replacement.size(),
                     .drained = size()});
  bytes = replacement;
}

size_t ModelSubject::RoomAt(BufferEnd end) const {
  if (end == BufferEnd::kFront ? front_frozen : back_frozen) return 0;
  return size_limit - std::min(size_limit, size());
}

void ModelReference::Release(void* reference) {
  auto* const self = static_cast<ModelReference*>(reference);
  ++self->releases;
  std::ranges::fill(self->bytes, '!');
}

void ModelFile::Release(void* file) {
  ++static_cast<ModelFile*>(file)->releases;
}

Model::Model()
    : stats_(BufferMemoryStats::OfThisThread()),
      segments_before_(stats_->segments_in_use.Get()),
      bytes_before_(stats_->bytes_in_use.Get()),
      kernel_(AllBytes().substr(0, kFileBytes)) {
  for (auto& observer : observers_) {
    observer = std::make_unique<ModelObserver>(*this);
  }
  // Whether anybody observes makes a difference: the last one has nobody.
  for (size_t i = 0; i + 1 < kSubjects; ++i) {
    subjects_[i].buffer->AddObserver(observers_[i]->observer);
    subjects_[i].observers.push_back(observers_[i].get());
  }
}

std::string_view Model::BytesOf(const Operation& operation) {
  return BytesOf(operation, 0, operation.Size());
}

std::string_view Model::BytesOf(const Operation& operation, uint32_t which,
                                size_t size) {
  return AllBytes().substr(operation.Number(1000 + which, kAllBytes - size),
                           size);
}

ModelReference& Model::NewReference(std::string_view bytes) {
  ModelReference& reference = references_.emplace_back();
  reference.bytes = bytes;
  return reference;
}

ModelFile& Model::File(size_t kind) {
  if (current_files_[kind] != nullptr) return *current_files_[kind];
  const FileKind& wanted = kFileKinds[kind];
  ModelFile& file = files_.emplace_back();
  file.fd = kernel_.Open(wanted.transmission == Transmission::kSendFile
                             ? ScriptKernel::Sending::kSendFile
                             : ScriptKernel::Sending::kWriteOnly);
  file.is_closed_at_end = wanted.descriptor == Descriptor::kClose;
  auto created = FileSegment::Create(kernel_, file.fd,
                                     {.offset = wanted.offset,
                                      .size = wanted.size,
                                      .descriptor = wanted.descriptor,
                                      .access = wanted.access,
                                      .transmission = wanted.transmission,
                                      .release = &ModelFile::Release,
                                      .argument = &file});
  if (created.ok()) {
    file.segment = *std::move(created);
  } else {
    Fail(created.status().ToString());
  }
  file.bytes = AllBytes().substr(0, kFileBytes);
  file.bytes = file.bytes.substr(wanted.offset, wanted.size);
  current_files_[kind] = &file;
  return file;
}

void Model::GiveUp(size_t kind) {
  current_files_[kind]->segment.reset();
  current_files_[kind] = nullptr;
}

void Model::Fail(std::string difference) {
  if (difference_.empty()) difference_ = std::move(difference);
}

void Model::ExpectBytes(std::string_view actual, std::string_view expected,
                        const char* what) {
  if (actual == expected) return;
  const auto [first, same] = std::mismatch(actual.begin(), actual.end(),
                                           expected.begin(), expected.end());
  const auto at = static_cast<size_t>(first - actual.begin());
  const auto shown = [at](std::string_view bytes) {
    return absl::CEscape(std::string(bytes.substr(at, 20)));
  };
  Fail(absl::StrCat(what, " has ", actual.size(), " bytes instead of ",
                    expected.size(), ", from byte ", at, " on \"",
                    shown(actual), "\" instead of \"", shown(expected), "\""));
}

void Model::OnChange(Buffer& buffer, const BufferChange& change,
                     void* argument) {
  const auto* const self = static_cast<ModelObserver*>(argument);
  Model& model = self->model;
  model.notices_.push_back({self, &buffer, change});
  model.Expect(change.original_size + change.added - change.drained,
               buffer.size(), "what an observer was told of the size");
  model.Expect(self->observer.buffer() == &buffer, true,
               "that an observer observes what it is told of");
}

void Model::Begin(const Operation& operation) {
  notices_.clear();
  for (ModelSubject& subject : subjects_) subject.changes.clear();
  kernel_.SetPlan({.interruptions = static_cast<int>(operation.Number(1, 3)),
                   .maps = operation.Number(2, 4) != 0,
                   .pread_limit = 1000 + operation.Number(3, 100'000)});
}

void Model::Check(const Operation& operation) {
  if (!difference_.empty()) {
    difference_ =
        absl::StrCat("subject ", operation.subject, ": ", difference_);
    return;
  }
  // What failed for the operation's sake does not for ours.
  kernel_.SetPlan({});
  // The bytes of a file are let be more often than not.
  const bool looks_at_files = operation.Number(4, 16) == 0;
  for (size_t i = 0; i < kSubjects; ++i) {
    ModelSubject& subject = subjects_[i];
    if (subject.bytes.empty()) subject.holds_file = false;
    if (i != operation.subject && i != operation.other) continue;
    CheckSettings(subject);
    if (!subject.holds_file || looks_at_files) CheckBytes(subject);
    if (!difference_.empty()) {
      difference_ = absl::StrCat("subject ", i, ": ", difference_);
      return;
    }
  }
  CheckNotices();
  CheckReferencesOfEmptyBuffers();
  if (!kernel_.misuse().empty()) Fail(kernel_.misuse());
}

void Model::CheckSettings(const ModelSubject& subject) {
  const Buffer& buffer = *subject.buffer;
  Expect(buffer.size(), subject.size(), "size()");
  Expect(buffer.empty(), subject.bytes.empty(), "empty()");
  Expect(buffer.frozen(BufferEnd::kFront), subject.front_frozen,
         "frozen(kFront)");
  Expect(buffer.frozen(BufferEnd::kBack), subject.back_frozen, "frozen(kBack)");
  Expect(buffer.size_limit(), subject.size_limit, "size_limit()");
  Expect(buffer.max_read(), subject.max_read, "max_read()");
}

void Model::CheckBytes(const ModelSubject& subject) {
  const std::string_view expected = subject.bytes;
  size_t at = 0;
  for (const std::string_view extent : *subject.buffer) {
    if (extent.empty()) return Fail("an extent is empty");
    const std::string_view part = expected.substr(at, extent.size());
    if (extent != part) {
      return ExpectBytes(extent, part,
                         absl::StrCat("the extent at ", at).c_str());
    }
    at += extent.size();
  }
  Expect(at, expected.size(), "the size of all extents");
}

void Model::CheckNotices() {
  size_t expected = 0;
  for (size_t i = 0; i < kSubjects; ++i) {
    const ModelSubject& subject = subjects_[i];
    auto notice = notices_.begin();
    for (const BufferChange& change : subject.changes) {
      if (change.added == 0 && change.drained == 0) continue;
      for (const ModelObserver* const observer : subject.observers) {
        if (!observer->enabled) continue;
        ++expected;
        while (notice != notices_.end() && notice->buffer != &*subject.buffer) {
          ++notice;
        }
        if (notice == notices_.end()) {
          return Fail(
              absl::StrCat("an observer of subject ", i, " was not told"));
        }
        Expect(notice->observer == observer, true,
               "that the latest observer is told first");
        Expect(notice->change.original_size, change.original_size,
               "original_size as told");
        Expect(notice->change.added, change.added, "added as told");
        Expect(notice->change.drained, change.drained, "drained as told");
        ++notice;
      }
    }
  }
  Expect(notices_.size(), expected, "the number of notifications");
}

void Model::CheckReferencesOfEmptyBuffers() {
  if (references_.empty()) return;
  for (const ModelSubject& subject : subjects_) {
    if (!subject.bytes.empty()) return;
  }
  for (const ModelReference& reference : references_) {
    Expect(reference.releases, reference.wanted_releases,
           "how often a reference was released");
  }
  references_.clear();
}

void Model::Finish() {
  for (size_t i = 0; i < kSubjects; ++i) {
    ModelSubject& subject = subjects_[i];
    CheckSettings(subject);
    CheckBytes(subject);
    if (!difference_.empty()) {
      difference_ = absl::StrCat("subject ", i, ": ", difference_);
      return;
    }
    subject.bytes.clear();
    subject.buffer.reset();
  }
  CheckReferencesOfEmptyBuffers();
  for (size_t kind = 0; kind < kFiles; ++kind) {
    if (current_files_[kind] != nullptr) GiveUp(kind);
  }
  for (const ModelFile& file : files_) {
    Expect(file.releases, 1, "how often a file was released");
    Expect(kernel_.IsOpen(file.fd), !file.is_closed_at_end,
           "whether a released file is open");
  }
  Expect(kernel_.mappings(), size_t{0}, "the number of mappings left");
  Expect(SegmentsInUse(), segments_before_, "the number of segments left");
  Expect(stats_->bytes_in_use.Get(), bytes_before_, "bytes_in_use");
  if (!kernel_.misuse().empty()) Fail(kernel_.misuse());
}

}  // namespace percore
