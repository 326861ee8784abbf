// Random operations on several buffers that share segments with each other,
// each beside a std::string that says what it must contain.
//
// Prints its seed; PERCORE_TEST_SEED=<seed> replays it (with Bazel:
// --test_env=PERCORE_TEST_SEED=<seed>), and PERCORE_TEST_STEPS=<steps> makes it
// longer.
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "percore/buffer/buffer.h"

namespace percore {
namespace {

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* const value = std::getenv(name);
  return value == nullptr ? otherwise : std::strtoull(value, nullptr, 10);
}

class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}

  // 0 to `limit` - 1.
  size_t Below(size_t limit) {
    return std::uniform_int_distribution<size_t>(0, limit - 1)(engine_);
  }
  bool OneIn(size_t n) { return Below(n) == 0; }

  // Mostly small, sometimes around the borders that the code knows, sometimes
  // many segments.
  size_t Size() {
    switch (Below(8)) {
      case 0:
        return 0;
      case 1:
        return 440 + Below(20);
      case 2:
        return 250 + Below(12);
      case 3:
        return Below(5000);
      case 4:
        return OneIn(8) ? 65'460 + Below(30) : Below(2000);
      case 5:
        return OneIn(8) ? Below(200'000) : Below(1000);
      default:
        return Below(60);
    }
  }

  // Few different bytes, so that searches find something.
  std::string Bytes(size_t size) {
    std::string bytes(size, ' ');
    for (char& byte : bytes) byte = "ab\r\nc"[Below(5)];
    return bytes;
  }

 private:
  std::mt19937_64 engine_;
};

// Reads from `input`, writes to `output`; short, interrupted and failing at
// random.
class RandomKernel : public Kernel {
 public:
  explicit RandomKernel(Random& random) : random_(random) {}

  std::string input;
  std::string output;

  ssize_t Read(int fd, void* data, size_t size) override {
    const iovec extent = {.iov_base = data, .iov_len = size};
    return Readv(fd, &extent, 1);
  }
  ssize_t Readv(int, const iovec* extents, int count) override {
    if (random_.OneIn(8)) return -EINTR;
    if (random_.OneIn(8)) return -EAGAIN;
    size_t left = std::min(input.size(), Limit());
    size_t done = 0;
    for (const iovec& extent : std::span(extents, count)) {
      const size_t part = std::min(left, extent.iov_len);
      if (part != 0) std::memcpy(extent.iov_base, input.data() + done, part);
      done += part;
      left -= part;
    }
    input.erase(0, done);
    return static_cast<ssize_t>(done);
  }
  ssize_t Writev(int, const iovec* extents, int count) override {
    if (random_.OneIn(8)) return -EINTR;
    if (random_.OneIn(8)) return -ECONNRESET;
    size_t left = Limit();
    size_t done = 0;
    for (const iovec& extent : std::span(extents, count)) {
      const size_t part = std::min(left, extent.iov_len);
      output.append(static_cast<const char*>(extent.iov_base), part);
      done += part;
      left -= part;
    }
    return static_cast<ssize_t>(done);
  }

 private:
  size_t Limit() { return random_.OneIn(3) ? 1 + random_.Size() : SIZE_MAX; }

  Random& random_;
};

// A buffer, what it must contain, and the size that its observer knows.
struct Subject {
  Subject() { buffer.SetObserver(&Subject::OnChange, this); }

  static void OnChange(Buffer& buffer, size_t added, size_t drained,
                       void* argument) {
    auto* const self = static_cast<Subject*>(argument);
    EXPECT_EQ(&buffer, &self->buffer);
    EXPECT_NE(added + drained, 0u);
    self->observed_size += added - drained;
    EXPECT_EQ(self->observed_size, buffer.size());
  }

  Buffer buffer;
  std::string oracle;
  size_t observed_size = 0;
};

class Model {
 public:
  explicit Model(uint64_t seed) : random_(seed), kernel_(random_) {}

  void Run(uint64_t steps) {
    for (uint64_t i = 0; i < steps && !testing::Test::HasFailure(); ++i) {
      Subject& subject = AnySubject();
      const size_t operation = random_.Below(std::size(kOperations));
      (this->*kOperations[operation])(subject);
      ASSERT_NO_FATAL_FAILURE(Check(subject))
          << "step " << i << " operation " << operation;
      if (subject.oracle.size() > 2'000'000) Drain(subject);
      if (i % 64 == 0) {
        for (Subject& each : subjects_) Check(each);
      }
    }
    for (Subject& subject : subjects_) subject.buffer.Clear();
    EXPECT_EQ(references_, 0) << "references that were not released";
  }

 private:
  using Operation = void (Model::*)(Subject&);

  struct Reference {
    Model* model;
    std::string bytes;
  };

  static void ReleaseReference(void* argument) {
    const std::unique_ptr<Reference> reference(
        static_cast<Reference*>(argument));
    --reference->model->references_;
    // Whoever still looks at these bytes sees it.
    std::fill(reference->bytes.begin(), reference->bytes.end(), '!');
  }

  Subject& AnySubject() { return subjects_[random_.Below(subjects_.size())]; }

  // Any offset, sometimes beyond the end.
  size_t AnyOffset(const Subject& subject) {
    return random_.Below(subject.oracle.size() + 3);
  }

  void Check(const Subject& subject) {
    ASSERT_EQ(subject.buffer.size(), subject.oracle.size());
    ASSERT_EQ(subject.observed_size, subject.oracle.size());
    ASSERT_EQ(subject.buffer.empty(), subject.oracle.empty());
    size_t at = 0;
    for (std::string_view extent : subject.buffer) {
      ASSERT_FALSE(extent.empty());
      ASSERT_TRUE(subject.oracle.compare(at, extent.size(), extent) == 0)
          << "in the extent at " << at;
      at += extent.size();
    }
    ASSERT_EQ(at, subject.oracle.size());
  }

  void Append(Subject& subject) {
    const std::string bytes = random_.Bytes(random_.Size());
    subject.buffer.Append(bytes);
    subject.oracle += bytes;
  }

  void AppendOwnFront(Subject& subject) {
    const std::string_view front = subject.buffer.Front().substr(0, 1000);
    subject.oracle += std::string(front);
    subject.buffer.Append(front);
  }

  void AppendReference(Subject& subject) {
    auto* const reference =
        new Reference{.model = this, .bytes = random_.Bytes(random_.Size())};
    subject.oracle += reference->bytes;
    ++references_;
    subject.buffer.AppendReference(reference->bytes.data(),
                                   reference->bytes.size(), ReleaseReference,
                                   reference);
  }

  void Prepend(Subject& subject) {
    const std::string bytes = random_.Bytes(random_.Size());
    subject.buffer.Prepend(bytes);
    subject.oracle.insert(0, bytes);
  }

  void AppendBuffer(Subject& subject) {
    Subject& source = AnySubject();
    subject.buffer.Append(std::move(source.buffer));
    if (&source != &subject) {
      subject.oracle += std::exchange(source.oracle, {});
    }
    Check(source);
  }

  void MoveFrom(Subject& subject) {
    Subject& source = AnySubject();
    const size_t n = random_.OneIn(4) ? AnyOffset(source) : random_.Size();
    const size_t moved = subject.buffer.MoveFrom(source.buffer, n);
    if (&source == &subject) {
      EXPECT_EQ(moved, 0u);
      return;
    }
    EXPECT_EQ(moved, std::min(n, source.oracle.size()));
    subject.oracle += source.oracle.substr(0, moved);
    source.oracle.erase(0, moved);
    Check(source);
  }

  void PrependFrom(Subject& subject) {
    Subject& source = AnySubject();
    const size_t n = random_.OneIn(4) ? AnyOffset(source) : random_.Size();
    const size_t moved = subject.buffer.PrependFrom(source.buffer, n);
    if (&source == &subject) {
      EXPECT_EQ(moved, 0u);
      return;
    }
    EXPECT_EQ(moved, std::min(n, source.oracle.size()));
    subject.oracle.insert(0, source.oracle, 0, moved);
    source.oracle.erase(0, moved);
    Check(source);
  }

  void AppendShared(Subject& subject) {
    Subject& source = AnySubject();
    if (subject.oracle.size() + source.oracle.size() > 1'000'000) return;
    subject.buffer.AppendShared(source.buffer);
    subject.oracle += std::string(source.oracle);
    Check(source);
  }

  void AppendPrintf(Subject& subject) {
    const std::string bytes = random_.Bytes(random_.Size());
    EXPECT_EQ(subject.buffer.AppendPrintf("%s", bytes.c_str()),
              static_cast<int>(bytes.size()));
    subject.oracle += bytes;
  }

  void AppendCord(Subject& subject) {
    absl::Cord cord;
    for (size_t parts = random_.Below(4); parts != 0; --parts) {
      cord.Append(absl::Cord(random_.Bytes(random_.Size())));
    }
    subject.buffer.AppendCord(cord);
    subject.oracle += std::string(cord);
  }

  void ReadLine(Subject& subject) {
    const auto line = subject.buffer.ReadLine(EndOfLine::kLf);
    const size_t lf = subject.oracle.find('\n');
    ASSERT_EQ(line.has_value(), lf != std::string::npos);
    if (!line.has_value()) return;
    EXPECT_EQ(*line, subject.oracle.substr(0, lf));
    subject.oracle.erase(0, lf + 1);
  }

  void MoveAssign(Subject& subject) {
    Subject& source = AnySubject();
    Buffer constructed(std::move(source.buffer));
    EXPECT_TRUE(source.buffer.empty());
    const std::string moved = std::exchange(source.oracle, {});
    subject.buffer = std::move(constructed);
    subject.oracle = moved;
    Check(source);
  }

  void Drain(Subject& subject) {
    const size_t n = random_.OneIn(2) ? AnyOffset(subject) : random_.Size();
    subject.buffer.Drain(n);
    subject.oracle.erase(0, n);
  }

  void Clear(Subject& subject) {
    if (!random_.OneIn(4)) return;
    subject.buffer.Clear();
    subject.oracle.clear();
  }

  void CopyOut(Subject& subject) {
    const size_t offset = AnyOffset(subject);
    std::string bytes(random_.Size(), ' ');
    bytes.resize(subject.buffer.CopyOut(bytes, offset));
    EXPECT_EQ(bytes, offset > subject.oracle.size()
                         ? ""
                         : subject.oracle.substr(offset, bytes.size()));
  }

  void Remove(Subject& subject) {
    std::string bytes(random_.Size(), ' ');
    const size_t wanted = std::min(bytes.size(), subject.oracle.size());
    bytes.resize(subject.buffer.Remove(bytes));
    EXPECT_EQ(bytes, subject.oracle.substr(0, wanted));
    subject.oracle.erase(0, wanted);
  }

  void Pullup(Subject& subject) {
    const size_t n = random_.OneIn(8) ? AnyOffset(subject) : random_.Size();
    EXPECT_EQ(subject.buffer.Pullup(n), subject.oracle.substr(0, n));
  }

  void Peek(Subject& subject) {
    const size_t offset = AnyOffset(subject);
    std::vector<iovec> extents(random_.Below(6));
    extents.resize(subject.buffer.Peek(extents, offset));
    std::string bytes;
    for (const iovec& extent : extents) {
      bytes.append(static_cast<const char*>(extent.iov_base), extent.iov_len);
    }
    EXPECT_EQ(bytes,
              bytes.empty() ? "" : subject.oracle.substr(offset, bytes.size()));
  }

  void ReserveAndCommit(Subject& subject) {
    std::vector<iovec> extents(1 + random_.Below(4));
    const size_t n = random_.Size();
    extents.resize(subject.buffer.Reserve(n, extents));
    if (random_.OneIn(4)) return;  // the next change ends it
    std::string bytes;
    for (const iovec& extent : extents) {
      const std::string part = random_.Bytes(extent.iov_len);
      std::memcpy(extent.iov_base, part.data(), part.size());
      bytes += part;
    }
    EXPECT_GE(bytes.size(), n);
    EXPECT_FALSE(subject.buffer.Commit(bytes.size() + 1).ok());
    const size_t committed =
        random_.OneIn(4) ? random_.Below(bytes.size() + 1) : n;
    EXPECT_TRUE(subject.buffer.Commit(committed).ok());
    EXPECT_FALSE(subject.buffer.Commit(0).ok());
    subject.oracle += bytes.substr(0, committed);
  }

  void Search(Subject& subject) {
    const size_t from = AnyOffset(subject);
    const auto optional = [](size_t hit) {
      return hit == std::string::npos ? std::nullopt : std::optional(hit);
    };
    std::string needle = random_.Bytes(random_.Below(12));
    if (random_.OneIn(4) && !subject.oracle.empty()) {
      needle = subject.oracle.substr(random_.Below(subject.oracle.size()),
                                     random_.Size());
    }
    EXPECT_EQ(subject.buffer.Find(needle, from),
              optional(subject.oracle.find(needle, from)));
    EXPECT_EQ(subject.buffer.FindChar('c', from),
              optional(subject.oracle.find('c', from)));
    const size_t end_of_range = AnyOffset(subject);
    if (from <= end_of_range) {
      EXPECT_EQ(subject.buffer.FindInRange(needle, from, end_of_range),
                optional(std::string_view(subject.oracle)
                             .substr(0, end_of_range)
                             .find(needle, from)));
    }
    const auto any = subject.buffer.FindLineEnd(EndOfLine::kAny, from);
    const size_t first = subject.oracle.find_first_of("\r\n", from);
    ASSERT_EQ(any.has_value(), first != std::string::npos);
    if (any.has_value()) {
      const size_t past = subject.oracle.find_first_not_of("\r\n", first);
      EXPECT_EQ(any->offset, first);
      EXPECT_EQ(any->size, std::min(past, subject.oracle.size()) - first);
    }
    const auto end = subject.buffer.FindLineEnd(EndOfLine::kCrlf, from);
    const size_t lf = subject.oracle.find('\n', from);
    ASSERT_EQ(end.has_value(), lf != std::string::npos);
    if (!end.has_value()) return;
    const bool has_cr = lf != 0 && subject.oracle[lf - 1] == '\r';
    EXPECT_EQ(end->offset, has_cr ? lf - 1 : lf);
    EXPECT_EQ(end->size, has_cr ? 2u : 1u);
  }

  void Unshare(Subject& subject) { subject.buffer.Unshare(); }

  void ReadFrom(Subject& subject) {
    const std::string input = random_.Bytes(random_.Size());
    kernel_.input = input;
    const size_t max_bytes = 1 + random_.Size();
    const ssize_t result = subject.buffer.ReadFrom(kernel_, 0, max_bytes);
    if (result < 0) {
      EXPECT_EQ(result, -EAGAIN);
      return;
    }
    EXPECT_LE(static_cast<size_t>(result), max_bytes);
    subject.oracle += input.substr(0, static_cast<size_t>(result));
  }

  void WriteTo(Subject& subject) {
    kernel_.output.clear();
    const size_t max_bytes = random_.OneIn(2) ? random_.Size() : SIZE_MAX;
    const ssize_t result = subject.buffer.WriteTo(kernel_, 0, max_bytes);
    if (result < 0) {
      EXPECT_EQ(result, -ECONNRESET);
      return;
    }
    const auto written = static_cast<size_t>(result);
    EXPECT_LE(written, max_bytes);
    EXPECT_EQ(kernel_.output, subject.oracle.substr(0, written));
    subject.oracle.erase(0, written);
  }

  static constexpr Operation kOperations[] = {
      &Model::Append,
      &Model::AppendOwnFront,
      &Model::AppendReference,
      &Model::Prepend,
      &Model::AppendBuffer,
      &Model::MoveFrom,
      &Model::MoveFrom,
      &Model::MoveFrom,
      &Model::PrependFrom,
      &Model::AppendShared,
      &Model::AppendPrintf,
      &Model::AppendCord,
      &Model::ReadLine,
      &Model::MoveAssign,
      &Model::Drain,
      &Model::Drain,
      &Model::Clear,
      &Model::CopyOut,
      &Model::Remove,
      &Model::Pullup,
      &Model::Peek,
      &Model::ReserveAndCommit,
      &Model::Search,
      &Model::Unshare,
      &Model::ReadFrom,
      &Model::WriteTo,
  };

  Random random_;
  RandomKernel kernel_;
  int references_ = 0;
  std::array<Subject, 4> subjects_;
};

TEST(BufferModelTest, BuffersContainWhatStringsDo) {
  const uint64_t seed =
      FromEnvironment("PERCORE_TEST_SEED", std::random_device()());
  const uint64_t steps = FromEnvironment("PERCORE_TEST_STEPS", 20'000);
  std::cout << "PERCORE_TEST_SEED=" << seed << std::endl;
  RecordProperty("seed", std::to_string(seed));
  const auto stats = BufferMemoryStats::OfThisThread();
  const int64_t bytes = stats->bytes_in_use.Get();
  const int64_t segments = stats->segments_in_use.Get();
  Model(seed).Run(steps);
  EXPECT_EQ(stats->bytes_in_use.Get(), bytes);
  EXPECT_EQ(stats->segments_in_use.Get(), segments);
}

}  // namespace
}  // namespace percore
