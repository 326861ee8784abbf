#include "percore/examples/proxy_service/rate_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace percore::proxy {
namespace {

using testing::HasSubstr;

TEST(RateTextTest, ReadsNumbersWithTheirSuffixes) {
  struct Case {
    std::string_view text;
    int64_t bytes;
  };
  constexpr Case kCases[] = {
      {"1", 1},
      {"500", 500},
      {"100k", 100'000},
      {"10M", 10'000'000},
      {"137G", 137'000'000'000},
      {"none", RateBudget::kUnlimited},
      {"007", 7},
  };
  for (const Case& test : kCases) {
    const auto limit = ParseLimit(test.text);
    ASSERT_TRUE(limit.ok()) << test.text << ": " << limit.status();
    EXPECT_EQ(limit->read.rate, test.bytes) << test.text;
    EXPECT_EQ(limit->write.rate, test.bytes) << test.text;
  }
}

TEST(RateTextTest, ReadingAndWritingMayDiffer) {
  const auto limit = ParseLimit("10M/5M", "3M/2M");
  ASSERT_TRUE(limit.ok());
  EXPECT_EQ(limit->read, (RateBudget{.rate = 10'000'000, .burst = 3'000'000}));
  EXPECT_EQ(limit->write, (RateBudget{.rate = 5'000'000, .burst = 2'000'000}));
}

TEST(RateTextTest, OneDirectionMayHaveNoLimit) {
  const auto limit = ParseLimit("none/5M", "2M");
  ASSERT_TRUE(limit.ok());
  EXPECT_TRUE(limit->read.unlimited());
  EXPECT_EQ(limit->read.burst, 0);
  EXPECT_EQ(limit->write, (RateBudget{.rate = 5'000'000, .burst = 2'000'000}));
}

TEST(RateTextTest, WithoutABurstItIsThatOfATenthOfASecond) {
  for (const std::string_view burst : {"", "none"}) {
    EXPECT_EQ(ParseLimit("10M", burst)->read.burst, 1'000'000) << burst;
  }
}

TEST(RateTextTest, RefusesWhatIsNoNumberOfBytes) {
  for (const std::string_view text : {"",
                                      "k",
                                      "M",
                                      "10m",
                                      "10K",
                                      "10kk",
                                      "-1",
                                      "+1",
                                      " 1",
                                      "1 ",
                                      "1.5M",
                                      "0x10",
                                      "1e6",
                                      "/",
                                      "1/",
                                      "/1",
                                      "1/2/3",
                                      "None",
                                      "10MB",
                                      "9223372036854775808",
                                      "9223372036854775807k"}) {
    const auto limit = ParseLimit(text);
    ASSERT_FALSE(limit.ok()) << text;
    EXPECT_THAT(std::string(limit.status().message()),
                HasSubstr("is no number of bytes"))
        << text;
  }
}

TEST(RateTextTest, RefusesWhatNoBucketCanBe) {
  EXPECT_FALSE(ParseLimit("0").ok());
  EXPECT_FALSE(ParseLimit("138G").ok());
  // A tick brings 100,000 bytes.
  EXPECT_FALSE(ParseLimit("10M", "99999").ok());
  EXPECT_TRUE(ParseLimit("10M", "100k").ok());
}

TEST(RateTextTest, WritesWhatItReads) {
  for (const std::string text : {"1", "1500", "100k", "10M", "1G", "none",
                                 "10M/5M", "none/5M", "10M/none"}) {
    EXPECT_EQ(RateText(*ParseLimit(text)), text);
  }
  for (const std::string text : {"1M", "2M/3M"}) {
    EXPECT_EQ(BurstText(*ParseLimit("10M", text)), text);
  }
  EXPECT_EQ(BurstText(*ParseLimit("10M/none", "1M")), "1M/none");
  EXPECT_EQ(BurstText(*ParseLimit("none")), "none");
}

}  // namespace
}  // namespace percore::proxy
