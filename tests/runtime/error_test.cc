#include "percore/runtime/error.h"

#include <gtest/gtest.h>
#include <netdb.h>

#include <cerrno>

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

TEST(ErrorTest, SaysWhyAHostHasNoAddress) {
  struct Case {
    int error;
    absl::StatusCode code;
    const char* message;
  };
  const Case cases[] = {
      {0, absl::StatusCode::kOk, ""},
      {EAI_NONAME, absl::StatusCode::kNotFound,
       "a.test: Name or service not known"},
      {EAI_NODATA, absl::StatusCode::kNotFound,
       "a.test: No address associated with hostname"},
      {EAI_AGAIN, absl::StatusCode::kUnavailable,
       "a.test: Temporary failure in name resolution"},
      {EAI_MEMORY, absl::StatusCode::kResourceExhausted,
       "a.test: Memory allocation failure"},
      {EAI_FAIL, absl::StatusCode::kInternal,
       "a.test: Non-recoverable failure in name resolution"},
      {EAI_FAMILY, absl::StatusCode::kInvalidArgument,
       "a.test: ai_family not supported"},
  };
  for (const Case& test : cases) {
    const absl::Status status = AddressInfoError(test.error, "a.test");
    EXPECT_EQ(status.code(), test.code);
    EXPECT_EQ(status.message(), test.message);
  }
  errno = EMFILE;
  EXPECT_EQ(AddressInfoError(EAI_SYSTEM, "a.test").message(),
            "getaddrinfo a.test: Too many open files");
}

TEST(ErrorTest, ToAbslKeepsNulBytesAndEmptyTexts) {
  EXPECT_EQ(ToAbsl(std::string_view("a\0b", 3)).size(), 3u);
  EXPECT_TRUE(ToAbsl({}).empty());
}

}  // namespace
}  // namespace percore
