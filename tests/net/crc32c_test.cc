#include "percore/net/internal/crc32c.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <string>
#include <string_view>

namespace percore::internal {
namespace {

TEST(Crc32cTest, IsWhatTheRfcSays) {
  struct Case {
    std::string bytes;
    uint32_t crc;
  };
  std::string counting(32, '\0');
  for (size_t i = 0; i < counting.size(); ++i) {
    counting[i] = static_cast<char>(i);
  }
  // RFC 3720, appendix B.4, and the usual check value.
  const Case cases[] = {
      {"", 0},
      {"123456789", 0xe3069283},
      {std::string(32, '\0'), 0x8a9136aa},
      {std::string(32, '\xff'), 0x62a8ab43},
      {counting, 0x46dd794e},
      {std::string(counting.rbegin(), counting.rend()), 0x113fdb5c},
  };
  for (const Case& test : cases) {
    EXPECT_EQ(ExtendCrc32c(0, test.bytes), test.crc);
  }
}

TEST(Crc32cTest, GoesOnWhereItWasLeft) {
  const std::string_view bytes = "123456789";
  for (size_t at = 0; at <= bytes.size(); ++at) {
    const uint32_t before = ExtendCrc32c(0, bytes.substr(0, at));
    EXPECT_EQ(ExtendCrc32c(before, bytes.substr(at)), 0xe3069283);
  }
}

}  // namespace
}  // namespace percore::internal
