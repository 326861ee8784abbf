#include "percore/runtime/error.h"

#include <gtest/gtest.h>

namespace percore {
namespace {

TEST(ErrorTest, SaysCallSubjectAndReason) {
  const absl::Status status = SystemError(EADDRINUSE, "bind", "127.0.0.1:80");
  EXPECT_EQ(status.message(), "bind 127.0.0.1:80: Address already in use");
}

TEST(ErrorTest, LeavesOutASubjectThatIsNotThere) {
  const absl::Status status = SystemError(EMFILE, "eventfd");
  EXPECT_EQ(status.message(), "eventfd: Too many open files");
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
}

TEST(ErrorTest, ToAbslKeepsNulBytesAndEmptyTexts) {
  EXPECT_EQ(ToAbsl(std::string_view("a\0b", 3)).size(), 3u);
  EXPECT_TRUE(ToAbsl({}).empty());
}

}  // namespace
}  // namespace percore
