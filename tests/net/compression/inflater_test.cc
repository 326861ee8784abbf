// With PERCORE_TEST_SEED=<seed> in its environment the random test repeats one
// run.
#include "percore/net/compression/inflater.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>

#include "percore/net/compression/deflater.h"

namespace percore {
namespace {

using std::string_literals::operator""s;
using testing::HasSubstr;
using testing::StartsWith;

constexpr std::string_view kHello = "hello, hello, hello";

Inflater Make(const InflaterOptions& options = {}) {
  return *Inflater::Create(options);
}

std::string Deflated(std::string_view text,
                     CompressionFormat format = CompressionFormat::kGzip) {
  Deflater deflater = *Deflater::Create({.format = format});
  Buffer source;
  Buffer destination;
  source.AppendReference(text.data(), text.size(), nullptr, nullptr);
  EXPECT_EQ(*deflater.Step(source, destination, SIZE_MAX, FlushKind::kFinish),
            CompressionStep::kFinished);
  return destination.ToString();
}

// Steps of at most `bound` bytes each, until one says something else than that
// it has reached the bound.
absl::StatusOr<CompressionStep> StepAll(Inflater& inflater, Buffer& source,
                                        Buffer& destination, FlushKind flush,
                                        size_t bound = SIZE_MAX) {
  for (;;) {
    const size_t before = destination.size();
    absl::StatusOr<CompressionStep> step =
        inflater.Step(source, destination, bound, flush);
    EXPECT_LE(destination.size() - before, bound);
    if (!step.ok() || *step != CompressionStep::kOutputFull) return step;
    EXPECT_EQ(destination.size() - before, bound);
  }
}

// What comes of a stream that arrives in parts, and what is left behind it.
struct Inflated {
  absl::StatusOr<CompressionStep> step;
  std::string output;
  std::string left;
};
Inflated Inflate(std::string_view bytes, const InflaterOptions& options = {},
                 size_t part_size = SIZE_MAX, size_t bound = SIZE_MAX,
                 FlushKind last = FlushKind::kFinish) {
  Inflater inflater = Make(options);
  Buffer source;
  Buffer destination;
  absl::StatusOr<CompressionStep> step = CompressionStep::kNeedsInput;
  size_t at = 0;
  do {
    const std::string_view part = bytes.substr(at, part_size);
    source.AppendReference(part.data(), part.size(), nullptr, nullptr);
    at += part.size();
    step = StepAll(inflater, source, destination,
                   at == bytes.size() ? last : FlushKind::kNone, bound);
  } while (step.ok() && at < bytes.size());
  return {.step = step,
          .output = destination.ToString(),
          .left = source.ToString()};
}

TEST(InflaterTest, ReadsEachFormat) {
  struct Case {
    std::string bytes;
    std::optional<CompressionFormat> format;
  };
  // Made by another program.
  const std::string raw = "\xcb\x48\xcd\xc9\xc9\xd7\x51\xc8\x40\xa2\x00"s;
  const std::string zlib =
      "\x78\x9c\xcb\x48\xcd\xc9\xc9\xd7\x51\xc8\x40\xa2\x00\x44\x28\x06\xd5"s;
  const std::string gzip =
      "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xcb\x48\xcd\xc9\xc9\xd7\x51\xc8\x40\xa2\x00\x9f\xa1\xca\x09\x13\x00\x00\x00"s;
  const Case cases[] = {
      {raw, CompressionFormat::kRaw}, {zlib, CompressionFormat::kZlib},
      {zlib, std::nullopt},           {gzip, CompressionFormat::kGzip},
      {gzip, std::nullopt},
  };
  for (const Case& test : cases) {
    for (const size_t part_size : {1, 2, 3, 1000}) {
      for (const size_t bound : {1, 2, 18, 19, 20, 1000}) {
        const Inflated inflated =
            Inflate(test.bytes, {.format = test.format}, part_size, bound);
        ASSERT_TRUE(inflated.step.ok()) << inflated.step.status();
        EXPECT_EQ(*inflated.step, CompressionStep::kFinished);
        EXPECT_EQ(inflated.output, kHello);
        EXPECT_EQ(inflated.left, "");
      }
    }
  }
}

TEST(InflaterTest, LeavesWhatComesBehindTheStream) {
  for (const CompressionFormat format :
       {CompressionFormat::kZlib, CompressionFormat::kGzip,
        CompressionFormat::kRaw}) {
    for (const std::string& behind :
         {"x"s, "GET / HTTP/1.1\r\n\r\n"s, "\0\0"s, "\x1f\x8a"s, "\x1f"s}) {
      const Inflated inflated =
          Inflate(Deflated(kHello, format) + behind, {.format = format}, 1000);
      EXPECT_EQ(*inflated.step, CompressionStep::kFinished);
      EXPECT_EQ(inflated.output, kHello);
      EXPECT_EQ(inflated.left, behind);
    }
  }
}

TEST(InflaterTest, StaysFinishedUntilReset) {
  Inflater inflater = Make();
  Buffer source;
  Buffer destination;
  const std::string stream = Deflated(kHello, CompressionFormat::kZlib);
  source.Append(stream + stream);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(*inflater.Step(source, destination, 100, FlushKind::kNone),
              CompressionStep::kFinished);
    EXPECT_EQ(source.ToString(), stream);
  }
  EXPECT_EQ(*inflater.Step(source, destination, 0, FlushKind::kNone),
            CompressionStep::kFinished);
  EXPECT_EQ(inflater.total_input(), stream.size());
  EXPECT_EQ(inflater.total_output(), kHello.size());
  inflater.Reset();
  EXPECT_EQ(inflater.total_input(), 0u);
  EXPECT_EQ(*inflater.Step(source, destination, 100, FlushKind::kNone),
            CompressionStep::kFinished);
  EXPECT_TRUE(source.empty());
  EXPECT_EQ(destination.ToString(), std::string(kHello) + std::string(kHello));
}

TEST(InflaterTest, GzipMembersAreOneStream) {
  const std::string members =
      Deflated("one, ") + Deflated("") + Deflated("two");
  for (const std::optional<CompressionFormat> format :
       {std::optional<CompressionFormat>(),
        std::optional(CompressionFormat::kGzip)}) {
    for (const size_t part_size : {1, 7, 1000}) {
      for (const size_t bound : {1, 1000}) {
        const Inflated inflated =
            Inflate(members + "x", {.format = format}, part_size, bound);
        ASSERT_TRUE(inflated.step.ok()) << inflated.step.status();
        EXPECT_EQ(*inflated.step, CompressionStep::kFinished);
        EXPECT_EQ(inflated.output, "one, two");
        EXPECT_EQ(inflated.left, "x");
      }
    }
  }
}

TEST(InflaterTest, AfterAMemberOnlyTheEndOfTheInputIsTheEnd) {
  const std::string stream = Deflated(kHello);
  for (const std::string& start : {""s, "\x1f"s}) {
    EXPECT_EQ(*Inflate(stream + start, {}, 1000, 1000, FlushKind::kNone).step,
              CompressionStep::kNeedsInput);
    EXPECT_EQ(*Inflate(stream + start, {}, 1000, 1000, FlushKind::kSync).step,
              CompressionStep::kNeedsInput);
    const Inflated inflated = Inflate(stream + start);
    EXPECT_EQ(*inflated.step, CompressionStep::kFinished);
    EXPECT_EQ(inflated.left, start);
  }
  EXPECT_FALSE(Inflate(stream + "\x1f\x8b").step.ok());
}

TEST(InflaterTest, MayTakeOneMemberOnly) {
  const std::string member = Deflated(kHello);
  const Inflated inflated =
      Inflate(member + member, {.members = GzipMembers::kOne}, 1000, 1000,
              FlushKind::kNone);
  EXPECT_EQ(*inflated.step, CompressionStep::kFinished);
  EXPECT_EQ(inflated.left, member);
}

TEST(InflaterTest, ZlibStreamsAreNotJoined) {
  const std::string stream = Deflated(kHello, CompressionFormat::kZlib);
  EXPECT_EQ(Inflate(stream + Deflated("more")).left, Deflated("more"));
}

TEST(InflaterTest, GivesAllThatWasFlushed) {
  Deflater deflater = *Deflater::Create();
  Inflater inflater = Make();
  Buffer text;
  Buffer stream;
  Buffer output;
  for (const char* part : {"hello", ", ", "world"}) {
    text.Append(part);
    ASSERT_TRUE(deflater.Step(text, stream, SIZE_MAX, FlushKind::kSync).ok());
    EXPECT_EQ(*StepAll(inflater, stream, output, FlushKind::kNone, 1),
              CompressionStep::kNeedsInput);
    EXPECT_TRUE(stream.empty());
    EXPECT_EQ(output.ToString(), part);
    output.Clear();
  }
}

TEST(InflaterTest, SaysWhatIsWrong) {
  struct Case {
    std::string bytes;
    std::optional<CompressionFormat> format;
    const char* message;
  };
  std::string wrong_crc = Deflated(kHello);
  wrong_crc[wrong_crc.size() - 5] ^= 1;
  std::string wrong_size = Deflated(kHello);
  wrong_size.back() ^= 1;
  std::string wrong_adler = Deflated(kHello, CompressionFormat::kZlib);
  wrong_adler.back() ^= 1;
  const Case cases[] = {
      {"hello", std::nullopt,
       "not a zlib or gzip stream: incorrect header check after 2 bytes"},
      {"hello", CompressionFormat::kZlib,
       "not a zlib stream: incorrect header check after 2 bytes"},
      {Deflated(""), CompressionFormat::kZlib,
       "not a zlib stream: incorrect header check after 2 bytes"},
      {Deflated("", CompressionFormat::kZlib), CompressionFormat::kGzip,
       "not a gzip stream: incorrect header check after 2 bytes"},
      {"\x07", CompressionFormat::kRaw,
       "not a deflate stream: invalid block type after 1 bytes"},
      {"\x78\xf9\x00\x00\x00\x01"s, CompressionFormat::kZlib,
       "not a zlib stream: it needs a dictionary after 6 bytes"},
      {"", std::nullopt,
       "not a zlib or gzip stream: it is cut off after 0 bytes"},
  };
  for (const Case& test : cases) {
    const Inflated inflated = Inflate(test.bytes, {.format = test.format});
    EXPECT_EQ(inflated.step.status().code(),
              absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(inflated.step.status().message(), test.message);
  }
  for (const auto& [bytes, reason] :
       {std::pair(wrong_crc, "incorrect data check"),
        std::pair(wrong_size, "incorrect length check"),
        std::pair(wrong_adler, "incorrect data check")}) {
    const Inflated inflated = Inflate(bytes);
    EXPECT_THAT(std::string(inflated.step.status().message()),
                HasSubstr(reason));
    EXPECT_EQ(inflated.output, kHello);
  }
}

TEST(InflaterTest, SeesThatAStreamIsCutOffAnywhere) {
  for (const CompressionFormat format :
       {CompressionFormat::kZlib, CompressionFormat::kGzip,
        CompressionFormat::kRaw}) {
    const std::string stream = Deflated(kHello, format);
    for (size_t size = 0; size < stream.size(); ++size) {
      const std::string_view part = std::string_view(stream).substr(0, size);
      EXPECT_THAT(
          std::string(
              Inflate(part, {.format = format}).step.status().message()),
          HasSubstr("it is cut off"))
          << size;
      EXPECT_EQ(
          *Inflate(part, {.format = format}, 1000, 1000, FlushKind::kNone).step,
          CompressionStep::kNeedsInput);
    }
  }
}

TEST(InflaterTest, AnErrorStaysUntilReset) {
  Inflater inflater = Make();
  Buffer source;
  Buffer destination;
  source.Append("hello");
  const absl::Status status =
      inflater.Step(source, destination, 100, FlushKind::kNone).status();
  source.Clear();
  source.Append(Deflated(kHello));
  EXPECT_EQ(inflater.Step(source, destination, 100, FlushKind::kNone).status(),
            status);
  inflater.Reset();
  EXPECT_TRUE(inflater.Step(source, destination, 100, FlushKind::kNone).ok());
  EXPECT_EQ(destination.ToString(), kHello);
}

TEST(InflaterTest, TheOutputHasALimit) {
  const std::string text(10'000, 'x');
  const std::string stream = Deflated(text);
  for (const size_t bound : {1, 100, 9'999, 10'000, 100'000}) {
    const Inflated enough =
        Inflate(stream, {.max_output = text.size()}, SIZE_MAX, bound);
    EXPECT_TRUE(enough.step.ok()) << enough.step.status();
    EXPECT_EQ(enough.output, text);

    const Inflated too_much =
        Inflate(stream, {.max_output = text.size() - 1}, SIZE_MAX, bound);
    EXPECT_EQ(too_much.step.status().code(),
              absl::StatusCode::kResourceExhausted);
    EXPECT_EQ(too_much.step.status().message(),
              "more than 9999 bytes come out of a compressed stream");
    EXPECT_EQ(too_much.output.size(), text.size() - 1);
  }
  EXPECT_TRUE(Inflate(Deflated(""), {.max_output = 0}).step.ok());
  EXPECT_FALSE(Inflate(Deflated("x"), {.max_output = 0}).step.ok());
}

TEST(InflaterTest, AllMembersCountForTheLimit) {
  const std::string member = Deflated("0123456789");
  EXPECT_TRUE(Inflate(member + member, {.max_output = 20}).step.ok());
  EXPECT_FALSE(Inflate(member + member + member, {.max_output = 20}).step.ok());
}

TEST(InflaterTest, TheRatioHasALimitOnceMuchHasComeOut) {
  // About 1 to 1,000.
  const std::string bomb = Deflated(std::string(3'000'000, '\0'));
  const Inflated by_default = Inflate(bomb, {}, 100);
  EXPECT_EQ(by_default.step.status().code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(by_default.step.status().message()),
              HasSubstr("more than 250 for each"));
  EXPECT_LE(by_default.output.size(), InflaterOptions().ratio_grace);

  EXPECT_TRUE(Inflate(bomb, {.max_ratio = 1032}).step.ok());
  EXPECT_TRUE(Inflate(bomb, {.ratio_grace = 3'000'000}).step.ok());
  EXPECT_FALSE(Inflate(bomb, {.ratio_grace = 2'999'999}).step.ok());
  // What is small may be as dense as it likes.
  EXPECT_TRUE(Inflate(Deflated(std::string(1'000'000, '\0'))).step.ok());
}

TEST(InflaterTest, ASmallWindowRefusesStreamsThatLookBackFurther) {
  std::mt19937_64 random(1);
  std::string text(2000, '\0');
  for (char& byte : text) byte = static_cast<char>(random());
  text += text;
  EXPECT_TRUE(Inflate(Deflated(text), {.window_bits = 15}).step.ok());
  const std::string raw = Deflated(text, CompressionFormat::kRaw);
  // In steps: what is in the output still need not be in the window.
  EXPECT_THAT(
      std::string(Inflate(raw,
                          {.format = CompressionFormat::kRaw, .window_bits = 9},
                          100, 100)
                      .step.status()
                      .message()),
      HasSubstr("invalid distance too far back"));
}

TEST(InflaterTest, WithoutRoomItDoesNothing) {
  Inflater inflater = Make();
  Buffer source;
  Buffer destination;
  source.Append(Deflated(kHello));
  EXPECT_EQ(*inflater.Step(source, destination, 0, FlushKind::kNone),
            CompressionStep::kOutputFull);
  destination.SetSizeLimit(7);
  EXPECT_EQ(*inflater.Step(source, destination, 100, FlushKind::kNone),
            CompressionStep::kOutputFull);
  EXPECT_EQ(destination.ToString(), kHello.substr(0, 7));
}

TEST(InflaterTest, AFrozenEndIsNoEndOfTheStream) {
  Inflater inflater = Make();
  Buffer source;
  Buffer destination;
  source.Append(Deflated(kHello));
  source.Freeze(BufferEnd::kFront);
  EXPECT_EQ(
      inflater.Step(source, destination, 100, FlushKind::kNone).status().code(),
      absl::StatusCode::kFailedPrecondition);
  source.Unfreeze(BufferEnd::kFront);
  EXPECT_TRUE(inflater.Step(source, destination, 100, FlushKind::kNone).ok());
  EXPECT_EQ(destination.ToString(), kHello);
}

TEST(InflaterTest, SaysWhichOptionIsWrong) {
  EXPECT_EQ(Inflater::Create({.window_bits = 8}).status().message(),
            "window_bits is 8, and not 9 to 15");
  EXPECT_EQ(Inflater::Create({.window_bits = 16}).status().message(),
            "window_bits is 16, and not 9 to 15");
  EXPECT_EQ(Inflater::Create({.max_ratio = 0}).status().message(),
            "max_ratio is 0");
}

TEST(InflaterTest, MovesWithItsStream) {
  Inflater first = Make();
  Buffer source;
  Buffer destination;
  const std::string stream = Deflated(kHello);
  source.Append(stream.substr(0, 15));
  ASSERT_TRUE(first.Step(source, destination, 100, FlushKind::kNone).ok());
  Inflater second = std::move(first);
  source.Append(stream.substr(15));
  ASSERT_TRUE(second.Step(source, destination, 100, FlushKind::kNone).ok());
  EXPECT_EQ(destination.ToString(), kHello);
}

TEST(InflaterTest, RandomStreamsComeBackAndCorruptOnesDoNoHarm) {
  const char* const chosen = std::getenv("PERCORE_TEST_SEED");
  const uint64_t seed = chosen != nullptr ? std::strtoull(chosen, nullptr, 10)
                                          : std::random_device()();
  std::cout << "PERCORE_TEST_SEED=" << seed << std::endl;
  std::mt19937_64 random(seed);
  for (int i = 0; i < 200; ++i) {
    // Runs of the same byte.
    std::string text;
    for (size_t runs = random() % 1000; runs > 0; --runs) {
      text.append(random() % 20, static_cast<char>(random()));
    }
    std::string stream = Deflated(text);
    const size_t part_size = 1 + random() % 500;
    const size_t bound = 1 + random() % 500;
    const Inflated inflated = Inflate(stream, {}, part_size, bound);
    ASSERT_TRUE(inflated.step.ok()) << inflated.step.status();
    ASSERT_EQ(inflated.output, text);

    // Not in the header: some of its bytes may be anything.
    constexpr size_t kHeader = 10;
    const size_t at = kHeader + random() % (stream.size() - kHeader);
    stream[at] = static_cast<char>(stream[at] ^ (1 + random() % 255));
    const Inflated corrupt = Inflate(stream, {}, part_size, bound);
    // Some bits fill up the last byte before the trailer, and mean nothing.
    if (corrupt.step.ok()) {
      EXPECT_EQ(*corrupt.step, CompressionStep::kFinished);
      EXPECT_EQ(corrupt.output, text);
    }
  }
}

}  // namespace
}  // namespace percore
