// Buffers beside the strings that say what they must contain. The input is the
// list of operations.
#include <fuzzer/FuzzedDataProvider.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include "percore/buffer/buffer.h"

namespace percore {
namespace {

// More would only be slower.
constexpr size_t kMostBytes = 300'000;

void Require(bool holds) {
  if (!holds) std::abort();
}

struct Subject {
  Buffer buffer;
  std::string oracle;
};

// Kept until the buffers have let go of it, and overwritten then: whoever still
// looks at it sees that.
void Release(void* bytes) {
  const std::unique_ptr<std::string> text(static_cast<std::string*>(bytes));
  std::fill(text->begin(), text->end(), '!');
}

class Operations {
 public:
  explicit Operations(FuzzedDataProvider& input) : input_(input) {}

  void Run() {
    while (input_.remaining_bytes() > 0) {
      Subject& subject = AnySubject();
      Change(subject, AnySubject());
      if (subject.oracle.size() > kMostBytes) Drain(subject, SIZE_MAX);
      for (const Subject& each : subjects_) {
        Require(each.buffer.size() == each.oracle.size());
      }
      Require(subject.buffer.ToString() == subject.oracle);
    }
    for (const Subject& each : subjects_) {
      Require(each.buffer.ToString() == each.oracle);
    }
  }

 private:
  Subject& AnySubject() {
    return subjects_[input_.ConsumeIntegralInRange<size_t>(0, 2)];
  }
  // Sizes that matter are small, or around those that the code knows.
  size_t Size() {
    return input_.ConsumeBool()
               ? input_.ConsumeIntegralInRange<size_t>(0, 600)
               : input_.ConsumeIntegralInRange<size_t>(0, 70'000);
  }
  std::string Text() {
    const char fill = input_.ConsumeBool() ? '\n' : 'x';
    std::string text = input_.ConsumeRandomLengthString(16);
    text.append(Size(), fill);
    return text;
  }

  static void Drain(Subject& subject, size_t n) {
    subject.buffer.Drain(n);
    subject.oracle.erase(0, n);
  }
  static void Move(Subject& to, Subject& from, size_t n, bool front) {
    if (&to == &from) return;
    const size_t moved = front ? to.buffer.PrependFrom(from.buffer, n)
                               : to.buffer.MoveFrom(from.buffer, n);
    Require(moved == std::min(n, from.oracle.size()));
    to.oracle.insert(front ? 0 : to.oracle.size(), from.oracle, 0, moved);
    from.oracle.erase(0, moved);
  }

  void Change(Subject& subject, Subject& other) {
    switch (input_.ConsumeIntegralInRange(0, 11)) {
      case 0: {
        const std::string text = Text();
        subject.buffer.Append(text);
        subject.oracle += text;
        return;
      }
      case 1: {
        const std::string text = Text();
        subject.buffer.Prepend(text);
        subject.oracle.insert(0, text);
        return;
      }
      case 2: {
        auto* const text = new std::string(Text());
        subject.oracle += *text;
        subject.buffer.AppendReference(text->data(), text->size(), &Release,
                                       text);
        return;
      }
      case 3:
        return Drain(subject, Size());
      case 4:
        return Move(subject, other, Size(), /*front=*/false);
      case 5:
        return Move(subject, other, Size(), /*front=*/true);
      case 6:
        if (other.oracle.size() > kMostBytes / 2) return;
        subject.buffer.AppendShared(other.buffer);
        subject.oracle += std::string(other.oracle);
        return;
      case 7: {
        const size_t n = Size();
        Require(subject.buffer.Pullup(n) == subject.oracle.substr(0, n));
        return;
      }
      case 8: {
        const size_t from = Size();
        const std::string needle = input_.ConsumeRandomLengthString(8);
        const size_t hit = subject.oracle.find(needle, from);
        Require(subject.buffer.Find(needle, from).value_or(SIZE_MAX) ==
                (hit == std::string::npos ? SIZE_MAX : hit));
        return;
      }
      case 9: {
        const auto line = subject.buffer.ReadLine(EndOfLine::kLf);
        const size_t lf = subject.oracle.find('\n');
        Require(line.has_value() == (lf != std::string::npos));
        if (!line.has_value()) return;
        Require(*line == subject.oracle.substr(0, lf));
        subject.oracle.erase(0, lf + 1);
        return;
      }
      case 10: {
        std::array<iovec, 3> extents;
        const size_t n = Size();
        const size_t count = subject.buffer.Reserve(n, extents);
        std::string text;
        for (const iovec& extent : std::span(extents).first(count)) {
          std::fill_n(static_cast<char*>(extent.iov_base), extent.iov_len, 'r');
          text.append(extent.iov_len, 'r');
        }
        Require(text.size() >= n);
        Require(!subject.buffer.Commit(text.size() + 1).ok());
        Require(subject.buffer.Commit(n).ok());
        subject.oracle.append(n, 'r');
        return;
      }
      case 11:
        return subject.buffer.Unshare();
    }
  }

  FuzzedDataProvider& input_;
  std::array<Subject, 3> subjects_;
};

}  // namespace
}  // namespace percore

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  FuzzedDataProvider input(data, size);
  percore::Operations(input).Run();
  return 0;
}
