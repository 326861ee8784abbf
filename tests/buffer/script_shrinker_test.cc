#include "percore/tests/buffer/script_shrinker.h"

#include <algorithm>

#include "gtest/gtest.h"

namespace percore {
namespace {

constexpr auto HasCode(OperationCode code) {
  return [code](const Operation& operation) { return operation.code == code; };
}

bool DrainsAfterPrepending(const Script& script) {
  const auto prepend =
      std::ranges::find_if(script, HasCode(OperationCode::kPrepend));
  return std::any_of(prepend, script.end(), HasCode(OperationCode::kDrain));
}

bool AppendsMoreThanAThousandBytes(const Script& script) {
  return std::ranges::any_of(script, [](const Operation& operation) {
    return operation.code == OperationCode::kAppend && operation.Size() > 1000;
  });
}

// A random script, about which `holds` is true.
template <typename Predicate>
Script RandomScriptThat(Predicate holds) {
  for (uint64_t seed = 1;; ++seed) {
    Script script = RandomScript(seed);
    if (holds(script)) return script;
  }
}

TEST(ScriptShrinkerTest, LeavesTheTwoOperationsThatMatterInTheirOrder) {
  const Script shrunk =
      Shrink(RandomScriptThat(DrainsAfterPrepending), DrainsAfterPrepending);
  const Operation prepend = {.code = OperationCode::kPrepend};
  const Operation drain = {.code = OperationCode::kDrain};
  EXPECT_EQ(shrunk, (Script{prepend, drain})) << Describe(shrunk);
}

TEST(ScriptShrinkerTest, MakesNumbersAsSmallAsTheyMayBe) {
  const Script shrunk = Shrink(RandomScriptThat(AppendsMoreThanAThousandBytes),
                               AppendsMoreThanAThousandBytes);
  ASSERT_EQ(shrunk.size(), 1u) << Describe(shrunk);
  EXPECT_EQ(shrunk[0].subject, 0);
  EXPECT_EQ(shrunk[0].other, 0);
  EXPECT_EQ(shrunk[0].Size(), 1001u) << Describe(shrunk);
}

TEST(ScriptShrinkerTest, NumbersSubjectsFromTheFirst) {
  const auto fails = [](const Script& script) {
    return script.size() == 2 && script[0].subject == script[1].subject;
  };
  const Script shrunk = Shrink({{.subject = 3}, {.subject = 3}}, fails);
  ASSERT_EQ(shrunk.size(), 2u);
  EXPECT_EQ(shrunk[0].subject, 0);
  EXPECT_EQ(shrunk[1].subject, 0);
}

TEST(ScriptShrinkerTest, EmptiesAScriptThatFailsWhateverIsInIt) {
  EXPECT_TRUE(
      Shrink(RandomScript(1), [](const Script&) { return true; }).empty());
}

TEST(ScriptShrinkerTest, KeepsAScriptOfWhichNothingCanBeLeftOut) {
  const Script script = RandomScript(1);
  EXPECT_EQ(Shrink(script, [](const Script&) { return false; }), script);
}

TEST(ScriptShrinkerTest, AsksNoMoreOftenThanItMay) {
  size_t runs = 0;
  const Script script = RandomScript(1);
  const Script shrunk = Shrink(
      script,
      [&](const Script& candidate) {
        ++runs;
        return candidate.size() > 40;
      },
      /*max_runs=*/10);
  EXPECT_EQ(runs, 10u);
  EXPECT_GT(shrunk.size(), 40u);
}

TEST(BufferScriptTest, IsReadFromAnyBytes) {
  std::vector<uint8_t> bytes(8 * 256 + 7);
  for (size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<uint8_t>(i * 37);
  }
  const Script script = ParseScript(bytes);
  EXPECT_EQ(script.size(), 256u);
  for (const Operation& operation : script) {
    EXPECT_LT(static_cast<size_t>(operation.code), kOperationCodes);
    EXPECT_LT(operation.subject, kSubjects);
    EXPECT_LT(operation.other, kSubjects);
    EXPECT_LE(operation.Size(), 200'000u);
    EXPECT_FALSE(Describe(operation).empty());
  }
}

}  // namespace
}  // namespace percore
