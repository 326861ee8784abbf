#include "percore/examples/cache/reply.h"

#include <gtest/gtest.h>

#include <string>

namespace percore::cache {
namespace {

constexpr uint64_t kLargest = 18446744073709551615u;

TEST(ReplyTest, NamesEveryResultAsMemcachedDoes) {
  EXPECT_EQ(ReplyTo(StoreResult::kStored), "STORED\r\n");
  EXPECT_EQ(ReplyTo(StoreResult::kNotStored), "NOT_STORED\r\n");
  EXPECT_EQ(ReplyTo(StoreResult::kExists), "EXISTS\r\n");
  EXPECT_EQ(ReplyTo(StoreResult::kNotFound), "NOT_FOUND\r\n");
  EXPECT_EQ(ReplyTo(StoreResult::kOutOfMemory),
            "SERVER_ERROR out of memory storing object\r\n");
  EXPECT_EQ(ReplyTo(DeleteResult::kDeleted), "DELETED\r\n");
  EXPECT_EQ(ReplyTo(DeleteResult::kNotFound), "NOT_FOUND\r\n");
  EXPECT_EQ(ReplyTo(TouchResult::kTouched), "TOUCHED\r\n");
  EXPECT_EQ(ReplyTo(TouchResult::kNotFound), "NOT_FOUND\r\n");
}

TEST(ReplyTest, WritesTheLineBeforeAValue) {
  char scratch[kMaxValueLineSize];
  EXPECT_EQ(ValueLine("a", 0, 0, std::nullopt, scratch), "VALUE a 0 0\r\n");
  EXPECT_EQ(ValueLine("key", 7, 5, std::nullopt, scratch), "VALUE key 7 5\r\n");
}

TEST(ReplyTest, WritesTheCasUniqueForGets) {
  char scratch[kMaxValueLineSize];
  EXPECT_EQ(ValueLine("key", 7, 5, 42, scratch), "VALUE key 7 5 42\r\n");
}

TEST(ReplyTest, TheLongestValueLineFits) {
  const std::string key(kMaxKeySize, 'k');
  char scratch[kMaxValueLineSize];
  EXPECT_EQ(ValueLine(key, 4294967295, 1048576, kLargest, scratch),
            "VALUE " + key + " 4294967295 1048576 18446744073709551615\r\n");
}

TEST(ReplyTest, WritesNumbersUpToTheLargest) {
  char scratch[kMaxNumberLineSize];
  EXPECT_EQ(NumberLine(0, scratch), "0\r\n");
  EXPECT_EQ(NumberLine(kLargest, scratch), "18446744073709551615\r\n");
}

}  // namespace
}  // namespace percore::cache
