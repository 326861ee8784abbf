#include "percore/examples/cache/number.h"

#include <gtest/gtest.h>

#include <limits>

namespace percore::cache {
namespace {

using std::literals::operator""sv;

struct UnsignedCase {
  std::string_view text;
  std::optional<uint64_t> number;
};

// What memcached 1.6.18 makes of these as the value that "incr" works on.
constexpr UnsignedCase kUnsignedCases[] = {
    {"0", 0},
    {"5", 5},
    {"05", 5},
    {"+5", 5},
    {" 5", 5},
    {"\t5", 5},
    {"5 ", 5},
    {"5\t", 5},
    {"  5  ", 5},
    {"5 x", 5},
    {"5\nx", 5},
    {"5\rx", 5},
    {"5\v7", 5},
    {"5\f7", 5},
    {"5\0"sv, 5},
    {"5\0x"sv, 5},
    {"00000000000000000000000000000000001", 1},
    {"18446744073709551615", 18446744073709551615u},
    {"18446744073709551616", std::nullopt},
    {"99999999999999999999", std::nullopt},
    {"", std::nullopt},
    {" ", std::nullopt},
    {"+", std::nullopt},
    {"-", std::nullopt},
    {"x", std::nullopt},
    {"5x", std::nullopt},
    {"0x10", std::nullopt},
    {"1.5", std::nullopt},
    {"-5", std::nullopt},
    {"+-5", std::nullopt},
    {"+ 5", std::nullopt},
    {"--5", std::nullopt},
    {"\0005"sv, std::nullopt},
};

TEST(NumberTest, ReadsUnsignedNumbersAsMemcachedDoes) {
  for (const UnsignedCase& c : kUnsignedCases) {
    EXPECT_EQ(ParseNumber<uint64_t>(c.text), c.number) << "'" << c.text << "'";
  }
}

TEST(NumberTest, RefusesTheMinusSignsThatMemcachedWrapsAround) {
  EXPECT_EQ(ParseNumber<uint64_t>("-0"), std::nullopt);
  EXPECT_EQ(ParseNumber<uint64_t>("-18446744073709551615"), std::nullopt);
}

TEST(NumberTest, ReadsSignedNumbersToTheirLimits) {
  EXPECT_EQ(ParseNumber<int64_t>("-1"), -1);
  EXPECT_EQ(ParseNumber<int64_t>("+1"), 1);
  EXPECT_EQ(ParseNumber<int64_t>("-0"), 0);
  EXPECT_EQ(ParseNumber<int64_t>("9223372036854775807"),
            std::numeric_limits<int64_t>::max());
  EXPECT_EQ(ParseNumber<int64_t>("-9223372036854775808"),
            std::numeric_limits<int64_t>::min());
  EXPECT_EQ(ParseNumber<int64_t>("9223372036854775808"), std::nullopt);
  EXPECT_EQ(ParseNumber<int64_t>("-9223372036854775809"), std::nullopt);
  EXPECT_EQ(ParseNumber<int64_t>("+-1"), std::nullopt);
  EXPECT_EQ(ParseNumber<int64_t>("--1"), std::nullopt);
}

}  // namespace
}  // namespace percore::cache
