// Bytes that are read from a peer, and written to one.
#include <algorithm>
#include <array>
#include <cerrno>

#include "percore/tests/buffer/model_operations.h"

namespace percore::model {
namespace {

constexpr int kPeer = 3;

// The errors of peers: a pause, and the end.
constexpr std::array kPeerErrors = {EAGAIN, ECONNRESET};

size_t TransferLimit(const Operation& operation) {
  return operation.Flag(1) ? 1 + operation.Number(20, 70'000) : SIZE_MAX;
}

}  // namespace

void ReadFrom(Model& model, ModelSubject& subject, const Operation& operation) {
  ScriptKernel& kernel = model.kernel();
  ScriptKernel::Plan plan = {
      .interruptions = static_cast<int>(operation.Number(21, 3)),
      .transfer_limit = TransferLimit(operation)};
  if (operation.Number(22, 8) == 0) {
    plan.transfer_error = kPeerErrors[operation.Number(23, kPeerErrors.size())];
  }
  kernel.SetPlan(plan);
  const std::string_view input = Model::BytesOf(operation);
  kernel.SetInput(input);
  const size_t max_bytes =
      operation.Flag(0) ? operation.Number(24, 100'000) : SIZE_MAX;

  const ssize_t result = subject.buffer->ReadFrom(kernel, kPeer, max_bytes);
  const size_t allowed =
      std::min({max_bytes, subject.max_read, subject.RoomAt(BufferEnd::kBack)});
  model.Expect(kernel.transfers(), allowed == 0 ? 0 : 1,
               "the number of calls of readv()");
  model.Expect(kernel.asked() <= allowed, true,
               "that no more is read than may be");
  if (allowed == 0) {
    const bool is_expected =
        (max_bytes == 0 && result == -EINVAL) ||
        (subject.back_frozen && result == -EPERM) ||
        (max_bytes != 0 && !subject.back_frozen && result == -ENOBUFS);
    if (!is_expected) model.Fail(absl::StrCat("ReadFrom() returned ", result));
    return;
  }
  if (result < 0) {
    model.Expect(result, -plan.transfer_error, "the error of ReadFrom()");
    return;
  }
  model.Expect(plan.transfer_error, 0, "an error that ReadFrom() hides");
  const auto expected = static_cast<ssize_t>(
      std::min({input.size(), kernel.asked(), plan.transfer_limit}));
  model.Expect(result, expected, "ReadFrom()");
  subject.Append(input.substr(0, static_cast<size_t>(expected)));
}

void WriteTo(Model& model, ModelSubject& subject, const Operation& operation) {
  ScriptKernel& kernel = model.kernel();
  ScriptKernel::Plan plan = {
      .interruptions = static_cast<int>(operation.Number(21, 3)),
      .maps = operation.Number(22, 4) != 0,
      .transfer_limit = TransferLimit(operation),
      .pread_limit = 1000 + operation.Number(23, 100'000)};
  switch (operation.Number(24, 16)) {
    case 0:
    case 1:
      plan.transfer_error =
          kPeerErrors[operation.Number(25, kPeerErrors.size())];
      break;
    case 2:
      plan.send_file_error = EINVAL;
      break;
    case 3:
      plan.send_file_error = ENOSYS;
      break;
    case 4:
      plan.file_is_cut = true;
      break;
    case 5:
      plan.pread_error = EIO;
      break;
    default:
      break;
  }
  kernel.SetPlan(plan);
  const size_t max_bytes = operation.Flag(0) ? operation.Size() : SIZE_MAX;

  const ssize_t result = subject.buffer->WriteTo(kernel, kPeer, max_bytes);
  if (subject.front_frozen) {
    model.Expect(result, -EPERM, "WriteTo() of a frozen buffer");
    model.Expect(kernel.called(), false, "system calls for a frozen buffer");
    return;
  }
  if (subject.bytes.empty() || max_bytes == 0) {
    model.Expect(result, 0, "WriteTo() of nothing");
    model.Expect(kernel.called(), false, "system calls for nothing");
    return;
  }
  if (result <= 0) {
    model.Expect(result, kernel.last_error(), "the error of WriteTo()");
    model.Expect(result == 0, false, "that WriteTo() wrote nothing");
    model.ExpectBytes(kernel.output(), "", "what was written by a failure");
    return;
  }
  const auto written = static_cast<size_t>(result);
  model.Expect(kernel.transfers(), 1, "the number of calls that wrote");
  model.Expect(kernel.asked() <= max_bytes, true,
               "that no more is written than may be");
  model.ExpectBytes(kernel.output(),
                    std::string_view(subject.bytes).substr(0, written),
                    "what was written");
  if (written <= subject.size()) subject.Drain(written);
}

}  // namespace percore::model
