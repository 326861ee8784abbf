// With PERCORE_TEST_SEED=<seed> in its environment the random test repeats one
// run.
#include "percore/net/compression/deflater.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace percore {
namespace {

using std::string_literals::operator""s;
using testing::HasSubstr;

Deflater Make(const DeflaterOptions& options = {}) {
  return *Deflater::Create(options);
}

// Steps of at most `bound` bytes each, until one says something else than that
// it has reached the bound.
CompressionStep StepAll(Deflater& deflater, Buffer& source, Buffer& destination,
                        FlushKind flush, size_t bound = SIZE_MAX) {
  for (;;) {
    const size_t before = destination.size();
    const absl::StatusOr<CompressionStep> step =
        deflater.Step(source, destination, bound, flush);
    EXPECT_TRUE(step.ok()) << step.status();
    EXPECT_LE(destination.size() - before, bound);
    if (!step.ok()) return CompressionStep::kNeedsInput;
    if (*step != CompressionStep::kOutputFull) return *step;
    EXPECT_EQ(destination.size() - before, bound);
  }
}

std::string Deflated(std::string_view text, Deflater deflater,
                     size_t bound = SIZE_MAX) {
  Buffer source;
  Buffer destination;
  source.Append(text);
  EXPECT_EQ(StepAll(deflater, source, destination, FlushKind::kFinish, bound),
            CompressionStep::kFinished);
  EXPECT_TRUE(source.empty());
  EXPECT_EQ(deflater.total_input(), text.size());
  EXPECT_EQ(deflater.total_output(), destination.size());
  return destination.ToString();
}

// What zlib itself makes of the beginning of a stream.
std::string Inflated(std::string_view bytes, int window_bits = 15 + 32) {
  z_stream stream = {};
  EXPECT_EQ(inflateInit2(&stream, window_bits), Z_OK);
  std::string input(bytes);
  std::string output(1'000'000, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(input.data());
  stream.avail_in = static_cast<uInt>(input.size());
  stream.next_out = reinterpret_cast<Bytef*>(output.data());
  stream.avail_out = static_cast<uInt>(output.size());
  const int code = inflate(&stream, Z_SYNC_FLUSH);
  EXPECT_TRUE(code == Z_STREAM_END || code == Z_OK || code == Z_BUF_ERROR)
      << code;
  EXPECT_EQ(stream.avail_in, 0u);
  output.resize(output.size() - stream.avail_out);
  inflateEnd(&stream);
  return output;
}

// Text that compresses, in a random way.
std::string RandomText(std::mt19937_64& random, size_t size) {
  std::string text;
  while (text.size() < size) {
    if (text.size() > 100 && random() % 2 == 0) {
      text.append(text.substr(random() % (text.size() - 50), random() % 50));
    } else {
      text.push_back(static_cast<char>(random()));
    }
  }
  text.resize(size);
  return text;
}

TEST(DeflaterTest, WritesEachFormat) {
  EXPECT_EQ(Deflated("", Make()), "\x78\x9c\x03\x00\x00\x00\x00\x01"s);
  EXPECT_EQ(Deflated("", Make({.format = CompressionFormat::kRaw})),
            "\x03\x00"s);
  EXPECT_EQ(
      Deflated("", Make({.format = CompressionFormat::kGzip})),
      "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\x03\x00"s.append(8, '\0'));
  EXPECT_EQ(Deflated("aaaaaaaaaa", Make({.format = CompressionFormat::kRaw})),
            "\x4b\x4c\x84\x01\x00"s);
  EXPECT_EQ(Inflated(Deflated("abc", Make())), "abc");
  EXPECT_EQ(
      Inflated(Deflated("abc", Make({.format = CompressionFormat::kGzip}))),
      "abc");
  EXPECT_EQ(
      Inflated(Deflated("abc", Make({.format = CompressionFormat::kRaw})), -15),
      "abc");
}

TEST(DeflaterTest, TakesExtentsOfEverySizeAndKeepsEveryBound) {
  std::mt19937_64 random(1);
  const std::string text = RandomText(random, 20'000);
  for (const size_t extent : {1, 100, 20'000}) {
    for (const size_t bound : {1, 2, 7, 100, 5000}) {
      Buffer source;
      for (size_t at = 0; at < text.size(); at += extent) {
        const auto part = std::string_view(text).substr(at, extent);
        source.AppendReference(part.data(), part.size(), nullptr, nullptr);
      }
      Deflater deflater = Make();
      Buffer destination;
      ASSERT_EQ(
          StepAll(deflater, source, destination, FlushKind::kFinish, bound),
          CompressionStep::kFinished);
      EXPECT_EQ(Inflated(destination.ToString()), text);
    }
  }
}

TEST(DeflaterTest, KeepsTheSizeLimitOfTheDestination) {
  Deflater deflater = Make({.level = 0});
  Buffer source;
  Buffer destination;
  source.Append(std::string(5000, 'x'));
  destination.SetSizeLimit(100);
  EXPECT_EQ(*deflater.Step(source, destination, SIZE_MAX, FlushKind::kFinish),
            CompressionStep::kOutputFull);
  EXPECT_EQ(destination.size(), 100u);
  EXPECT_EQ(*deflater.Step(source, destination, SIZE_MAX, FlushKind::kFinish),
            CompressionStep::kOutputFull);
  destination.SetSizeLimit(SIZE_MAX);
  EXPECT_EQ(*deflater.Step(source, destination, SIZE_MAX, FlushKind::kFinish),
            CompressionStep::kFinished);
  EXPECT_EQ(Inflated(destination.ToString()), std::string(5000, 'x'));
}

TEST(DeflaterTest, WithoutRoomItDoesNothing) {
  Deflater deflater = Make();
  Buffer source;
  Buffer destination;
  source.Append("abc");
  EXPECT_EQ(*deflater.Step(source, destination, 0, FlushKind::kFinish),
            CompressionStep::kOutputFull);
  EXPECT_EQ(source.size(), 3u);
  EXPECT_TRUE(destination.empty());
}

TEST(DeflaterTest, AFlushGivesAllThatCameIn) {
  for (const int level : {0, 1, 6, 9}) {
    for (const size_t bound : {1, 2, 3, 5, 6, 7, 1000}) {
      Deflater deflater = Make({.level = level});
      Buffer source;
      Buffer destination;
      std::string all;
      for (const char* part : {"hello", ", ", "world, world, world"}) {
        source.Append(part);
        all += part;
        EXPECT_EQ(
            StepAll(deflater, source, destination, FlushKind::kNone, bound),
            CompressionStep::kNeedsInput);
        EXPECT_EQ(
            StepAll(deflater, source, destination, FlushKind::kSync, bound),
            CompressionStep::kNeedsInput);
        EXPECT_EQ(Inflated(destination.ToString()), all);
      }
    }
  }
}

TEST(DeflaterTest, AFlushIsMarkedOnceHoweverSmallTheBound) {
  const std::string marker("\0\0\xff\xff", 4);
  for (size_t bound = 1; bound < 40; ++bound) {
    Deflater deflater = Make();
    Buffer source;
    Buffer destination;
    source.Append("hello, world");
    StepAll(deflater, source, destination, FlushKind::kSync, bound);
    const std::string once = destination.ToString();
    EXPECT_TRUE(once.ends_with(marker));
    EXPECT_EQ(once.find(marker), once.size() - marker.size());
    // Nothing came in since.
    for (const FlushKind flush : {FlushKind::kSync, FlushKind::kNone}) {
      StepAll(deflater, source, destination, flush, bound);
      EXPECT_EQ(destination.ToString(), once);
    }
  }
}

TEST(DeflaterTest, StaysFinishedUntilReset) {
  Deflater deflater = Make();
  Buffer source;
  Buffer destination;
  StepAll(deflater, source, destination, FlushKind::kFinish);
  const std::string stream = destination.ToString();
  source.Append("more");
  for (const FlushKind flush :
       {FlushKind::kNone, FlushKind::kSync, FlushKind::kFinish}) {
    EXPECT_EQ(*deflater.Step(source, destination, 100, flush),
              CompressionStep::kFinished);
  }
  EXPECT_EQ(source.size(), 4u);
  EXPECT_EQ(destination.ToString(), stream);

  deflater.Reset();
  EXPECT_EQ(deflater.total_output(), 0u);
  destination.Clear();
  StepAll(deflater, source, destination, FlushKind::kFinish);
  EXPECT_EQ(Inflated(destination.ToString()), "more");
}

TEST(DeflaterTest, ResetForgetsWhatHadStillToCome) {
  Deflater deflater = Make();
  Buffer source;
  Buffer destination;
  source.Append("never to be seen");
  EXPECT_EQ(*deflater.Step(source, destination, 19, FlushKind::kSync),
            CompressionStep::kOutputFull);
  deflater.Reset();
  destination.Clear();
  source.Clear();
  source.Append("abc");
  StepAll(deflater, source, destination, FlushKind::kFinish);
  EXPECT_EQ(Inflated(destination.ToString()), "abc");
}

TEST(DeflaterTest, RefusesInputBehindTheEnd) {
  Deflater deflater = Make();
  Buffer source;
  Buffer destination;
  source.Append("abc");
  EXPECT_EQ(*deflater.Step(source, destination, 1, FlushKind::kFinish),
            CompressionStep::kOutputFull);
  ASSERT_EQ(*deflater.Step(source, destination, 3, FlushKind::kFinish),
            CompressionStep::kOutputFull);
  ASSERT_TRUE(source.empty());
  source.Append("d");
  EXPECT_EQ(deflater.Step(source, destination, 100, FlushKind::kFinish)
                .status()
                .code(),
            absl::StatusCode::kFailedPrecondition);
  source.Clear();
  EXPECT_EQ(
      deflater.Step(source, destination, 100, FlushKind::kNone).status().code(),
      absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(*deflater.Step(source, destination, 100, FlushKind::kFinish),
            CompressionStep::kFinished);
  EXPECT_EQ(Inflated(destination.ToString()), "abc");
}

TEST(DeflaterTest, RefusesFrozenEndsAndTheSameBuffer) {
  Deflater deflater = Make();
  Buffer source;
  Buffer destination;
  source.Append("abc");
  source.Freeze(BufferEnd::kFront);
  EXPECT_EQ(deflater.Step(source, destination, 100, FlushKind::kFinish)
                .status()
                .message(),
            "the front of the source is frozen");
  source.Unfreeze(BufferEnd::kFront);
  destination.Freeze(BufferEnd::kBack);
  EXPECT_EQ(deflater.Step(source, destination, 100, FlushKind::kFinish)
                .status()
                .message(),
            "the back of the destination is frozen");
  EXPECT_EQ(
      deflater.Step(source, source, 100, FlushKind::kFinish).status().message(),
      "source and destination are the same");
  EXPECT_EQ(source.ToString(), "abc");
  destination.Unfreeze(BufferEnd::kBack);
  StepAll(deflater, source, destination, FlushKind::kFinish);
  EXPECT_EQ(Inflated(destination.ToString()), "abc");
}

TEST(DeflaterTest, SaysWhichOptionIsWrong) {
  struct Case {
    DeflaterOptions options;
    const char* message;
  };
  const Case cases[] = {
      {{.level = -2}, "level is -2, and not -1 to 9"},
      {{.level = 10}, "level is 10, and not -1 to 9"},
      {{.window_bits = 8}, "window_bits is 8, and not 9 to 15"},
      {{.window_bits = 16}, "window_bits is 16, and not 9 to 15"},
      {{.memory_level = 0}, "memory_level is 0, and not 1 to 9"},
      {{.memory_level = 10}, "memory_level is 10, and not 1 to 9"},
  };
  for (const Case& test : cases) {
    const absl::Status status = Deflater::Create(test.options).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(status.message(), test.message);
  }
}

TEST(DeflaterTest, RandomStreamsComeBack) {
  const char* const chosen = std::getenv("PERCORE_TEST_SEED");
  const uint64_t seed = chosen != nullptr ? std::strtoull(chosen, nullptr, 10)
                                          : std::random_device()();
  std::cout << "PERCORE_TEST_SEED=" << seed << std::endl;
  std::mt19937_64 random(seed);
  for (int i = 0; i < 100; ++i) {
    const DeflaterOptions options = {
        .format = random() % 2 == 0 ? CompressionFormat::kZlib
                                    : CompressionFormat::kGzip,
        .level = static_cast<int>(random() % 11) - 1,
        .window_bits = 9 + static_cast<int>(random() % 7),
        .memory_level = 1 + static_cast<int>(random() % 9)};
    Deflater deflater = Make(options);
    Buffer source;
    Buffer destination;
    std::string all;
    for (size_t parts = random() % 6; parts > 0; --parts) {
      const std::string text = RandomText(random, random() % 20'000);
      source.Append(text);
      all += text;
      StepAll(deflater, source, destination,
              random() % 2 == 0 ? FlushKind::kNone : FlushKind::kSync,
              1 + random() % 1000);
    }
    StepAll(deflater, source, destination, FlushKind::kFinish,
            1 + random() % 1000);
    ASSERT_EQ(Inflated(destination.ToString()), all);
  }
}

}  // namespace
}  // namespace percore
