#include "percore/net/secure_random.h"

// The one way to make RAND_bytes() fail is deprecated.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <numeric>
#include <random>
#include <string>
#include <vector>

namespace percore {
namespace {

using testing::StartsWith;

// While it lives, OpenSSL has no random bytes to give.
class NoRandomBytes {
 public:
  NoRandomBytes() {
    static constexpr RAND_METHOD kFailing = {
        .seed = nullptr,
        .bytes =
            [](unsigned char*, int) {
              ERR_raise(ERR_LIB_RAND, RAND_R_ERROR_RETRIEVING_ENTROPY);
              return 0;
            },
        .cleanup = nullptr,
        .add = nullptr,
        .pseudorand = nullptr,
        .status = nullptr};
    RAND_set_rand_method(&kFailing);
  }
  NoRandomBytes(const NoRandomBytes&) = delete;
  NoRandomBytes& operator=(const NoRandomBytes&) = delete;
  ~NoRandomBytes() { RAND_set_rand_method(nullptr); }
};

TEST(SecureRandomTest, FillsWhatItIsGivenAndNothingElse) {
  std::vector<std::byte> bytes(1002);
  ASSERT_TRUE(
      SecureRandomBytes(std::span(bytes).subspan(1, bytes.size() - 2)).ok());
  EXPECT_EQ(bytes.front(), std::byte{0});
  EXPECT_EQ(bytes.back(), std::byte{0});
  // A thousand bytes with more than a hundred zeros: never.
  EXPECT_LT(std::count(bytes.begin(), bytes.end(), std::byte{0}), 100);
}

TEST(SecureRandomTest, MayBeAskedForNothing) {
  EXPECT_TRUE(SecureRandomBytes({}).ok());
}

TEST(SecureRandomTest, NumbersDiffer) {
  EXPECT_NE(*SecureRandomUint64(), *SecureRandomUint64());
}

TEST(SecureRandomTest, AChildOfForkHasNumbersOfItsOwn) {
  SecureRandomGenerator generator;
  generator();  // seeds it
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const uint64_t number = generator();
    const bool written =
        write(ends[1], &number, sizeof(number)) == sizeof(number);
    _exit(written ? 0 : 1);
  }
  const uint64_t mine = generator();
  uint64_t theirs = mine;
  EXPECT_EQ(read(ends[0], &theirs, sizeof(theirs)),
            static_cast<ssize_t>(sizeof(theirs)));
  EXPECT_NE(mine, theirs);
  EXPECT_EQ(waitpid(child, nullptr, 0), child);
  close(ends[0]);
  close(ends[1]);
}

TEST(SecureRandomTest, ServesTheStandardsAlgorithms) {
  static_assert(std::uniform_random_bit_generator<SecureRandomGenerator>);
  SecureRandomGenerator generator;
  std::vector<int> numbers(100);
  std::iota(numbers.begin(), numbers.end(), 0);
  const std::vector<int> before = numbers;
  std::shuffle(numbers.begin(), numbers.end(), generator);
  EXPECT_NE(numbers, before);
  EXPECT_TRUE(
      std::is_permutation(numbers.begin(), numbers.end(), before.begin()));
  EXPECT_LE(std::uniform_int_distribution<>(1, 6)(generator), 6);
}

TEST(SecureRandomTest, SaysWhatOpensslSays) {
  const NoRandomBytes none;
  std::array<std::byte, 4> bytes;
  const absl::Status status = SecureRandomBytes(bytes);
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()),
              AllOf(StartsWith("RAND_bytes: "),
                    testing::HasSubstr("error retrieving entropy")));
  EXPECT_FALSE(SecureRandomUint64().ok());
}

TEST(SecureRandomTest, LeavesOpensslsErrorsOfOthersAsTheyWere) {
  const NoRandomBytes none;
  ERR_clear_error();
  ERR_raise(ERR_LIB_USER, ERR_R_INTERNAL_ERROR);
  const unsigned long before = ERR_peek_last_error();
  EXPECT_FALSE(SecureRandomUint64().ok());
  EXPECT_EQ(ERR_get_error(), before);
  EXPECT_EQ(ERR_get_error(), 0u);
}

TEST(SecureRandomDeathTest, AGeneratorWithoutRandomnessEndsTheProcess) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        const NoRandomBytes none;
        SecureRandomGenerator generator;
        generator();
      },
      "RAND_bytes: ");
}

}  // namespace
}  // namespace percore
