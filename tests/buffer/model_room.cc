// Room at the end that is handed out, or seen to.
#include <algorithm>
#include <array>
#include <cstring>
#include <span>
#include <string_view>
#include <utility>

#include "percore/tests/buffer/model_operations.h"

namespace percore::model {
namespace {

void ExpectRefused(Model& model, const absl::Status& status,
                   absl::StatusCode code) {
  model.Expect(static_cast<int>(status.code()), static_cast<int>(code),
               "the status of Commit()");
}

// Reserves room for the operation's Size(), and writes to some of it.
void ReserveAndWrite(Model& model, ModelSubject& subject,
                     const Operation& operation) {
  std::array<iovec, 5> array;
  std::span<iovec> extents = std::span(array).first(
      operation.Flag(0) ? 1 : operation.Number(0, array.size() + 1));
  const size_t min_bytes = operation.Flag(1) && operation.Number(1, 16) == 0
                               ? Buffer::kMaxReservedBytes + 1
                               : operation.Size();
  const size_t needed = std::max<size_t>(min_bytes, 1);
  const size_t room = subject.RoomAt(BufferEnd::kBack);
  const bool is_refused =
      extents.empty() || needed > room || needed > Buffer::kMaxReservedBytes;
  extents = extents.first(subject.buffer->Reserve(min_bytes, extents));
  model.Expect(extents.empty(), is_refused, "whether Reserve() refused");
  if (extents.empty()) return;

  ModelReservation& reservation = subject.reservation.emplace();
  for (const iovec& extent : extents) {
    model.Expect(extent.iov_len == 0, false, "that reserved room is empty");
    reservation.size += extent.iov_len;
    // There is much more room than was asked for as a rule.
    const size_t written = std::min(
        extent.iov_len,
        needed + 64 - std::min(reservation.written.size(), needed + 64));
    const std::string_view bytes = Model::BytesOf(
        operation, static_cast<uint32_t>(reservation.written.size()), written);
    if (written == 0) continue;
    std::memcpy(extent.iov_base, bytes.data(), written);
    reservation.written += bytes;
  }
  model.Expect(reservation.size >= needed && reservation.size <= room, true,
               "that Reserve() hands out what it may");
}

// Commits `n` bytes if a reservation is held, and expects to be refused if not.
void CommitBytes(Model& model, ModelSubject& subject, size_t n) {
  if (!subject.reservation.has_value()) {
    ExpectRefused(model, subject.buffer->Commit(n),
                  absl::StatusCode::kFailedPrecondition);
    return;
  }
  if (n > subject.reservation->size) {
    ExpectRefused(model, subject.buffer->Commit(n),
                  absl::StatusCode::kInvalidArgument);
    return;
  }
  const std::string written = std::move(subject.reservation->written);
  subject.reservation.reset();
  n = std::min(n, written.size());
  model.Expect(subject.buffer->Commit(n).ok(), true,
               "that Commit() of reserved room works");
  subject.Append(std::string_view(written).substr(0, n));
}

}  // namespace

void Reserve(Model& model, ModelSubject& subject, const Operation& operation) {
  ReserveAndWrite(model, subject, operation);
}

void Commit(Model& model, ModelSubject& subject, const Operation& operation) {
  CommitBytes(model, subject, operation.Size());
}

void ReserveAndCommit(Model& model, ModelSubject& subject,
                      const Operation& operation) {
  ReserveAndWrite(model, subject, operation);
  if (subject.reservation.has_value()) {
    const size_t reserved = subject.reservation->size;
    CommitBytes(model, subject, reserved + 1);
    CommitBytes(model, subject,
                operation.Flag(2) ? operation.Number(2, reserved + 1)
                                  : std::min(operation.Size(), reserved));
  }
  CommitBytes(model, subject, operation.Number(3, 2));
}

void ExpandAndAppend(Model& model, ModelSubject& subject,
                     const Operation& operation) {
  if (operation.Flag(0) && operation.Flag(1)) {
    model.Expect(subject.buffer->Expand(Buffer::kMaxReservedBytes + 1), false,
                 "Expand() by too much");
  }
  const size_t n = operation.Size();
  const bool fits = n <= subject.RoomAt(BufferEnd::kBack);
  model.Expect(subject.buffer->Expand(n), fits, "Expand()");
  if (!fits) return;

  if (operation.Flag(2) && subject.size() > 1 && !subject.front_frozen) {
    const size_t drained = 1 + operation.Number(0, subject.size() - 1);
    model.Expect(subject.buffer->Drain(drained), drained, "Drain() of a part");
    subject.position.reset();
    subject.Drain(drained);
  }
  const int64_t segments = model.SegmentsInUse();
  std::string_view bytes = Model::BytesOf(operation);
  while (!bytes.empty()) {
    const size_t size =
        1 + operation.Number(static_cast<uint32_t>(bytes.size()), bytes.size());
    const std::string_view part = bytes.substr(0, size);
    model.Expect(subject.buffer->Append(part), true,
                 "Append() to room that was seen to");
    subject.Append(part);
    bytes.remove_prefix(part.size());
  }
  model.Expect(model.SegmentsInUse(), segments,
               "segments after appending to room that was seen to");
}

}  // namespace percore::model
