#include "percore/examples/cache_service/request.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "percore/examples/cache/store.h"

namespace percore::cache {
namespace {

constexpr UnixSeconds kNow = 1'700'000'000;

class RequestTest : public testing::Test {
 protected:
  std::string Answer(const Request& request) {
    if (!request.fixed_reply.empty()) return std::string(request.fixed_reply);
    return {request.text.data(), request.text_size};
  }

  std::string Store(CommandKind kind, std::string_view key,
                    std::string_view value, uint64_t cas_unique = 0) {
    Request request;
    request.kind = kind;
    request.number = cas_unique;
    request.item =
        Item::Create(HashedKey::Of(key), 7, kNeverExpires, value.size());
    value.copy(request.item->mutable_value().data(), value.size());
    Execute(request, store_, kNow);
    EXPECT_EQ(request.item, nullptr);
    return Answer(request);
  }

  std::string Run(CommandKind kind, std::string_view key, uint64_t number = 0) {
    Request request;
    request.kind = kind;
    request.SetKey(HashedKey::Of(key));
    request.number = number;
    request.moment = kNeverExpires;
    Execute(request, store_, kNow);
    return Answer(request);
  }

  cache::Store store_{{.limit_bytes = 16 << 20}};
};

TEST_F(RequestTest, AnswersStorageCommands) {
  EXPECT_EQ(Store(CommandKind::kReplace, "a", "1"), kNotStoredReply);
  EXPECT_EQ(Store(CommandKind::kAdd, "a", "1"), kStoredReply);
  EXPECT_EQ(Store(CommandKind::kSet, "a", "2"), kStoredReply);
  EXPECT_EQ(Store(CommandKind::kAppend, "a", "3"), kStoredReply);
  EXPECT_EQ(Store(CommandKind::kPrepend, "a", "1"), kStoredReply);
  EXPECT_EQ(Store(CommandKind::kCas, "a", "x", 12345), kExistsReply);
  EXPECT_EQ(Store(CommandKind::kCas, "b", "x", 1), kNotFoundReply);
  EXPECT_EQ(Run(CommandKind::kGet, "a"), "VALUE a 7 3\r\n123\r\n");
}

TEST_F(RequestTest, AnswersWithTheCasUniqueOnlyWhenAsked) {
  Store(CommandKind::kSet, "a", "1");
  EXPECT_EQ(Run(CommandKind::kGet, "a"), "VALUE a 7 1\r\n1\r\n");
  EXPECT_EQ(Run(CommandKind::kGets, "a"), "VALUE a 7 1 1\r\n1\r\n");
}

TEST_F(RequestTest, AnswersArithmetic) {
  Store(CommandKind::kSet, "n", "10");
  Store(CommandKind::kSet, "x", "ten");
  EXPECT_EQ(Run(CommandKind::kIncr, "n", 5), "15\r\n");
  EXPECT_EQ(Run(CommandKind::kDecr, "n", 6), "9\r\n");
  EXPECT_EQ(Run(CommandKind::kIncr, "x", 1), kNotANumberReply);
  EXPECT_EQ(Run(CommandKind::kIncr, "missing", 1), kNotFoundReply);
}

TEST_F(RequestTest, AnswersDeleteAndTouch) {
  Store(CommandKind::kSet, "a", "1");
  EXPECT_EQ(Run(CommandKind::kTouch, "a"), kTouchedReply);
  EXPECT_EQ(Run(CommandKind::kDelete, "a"), kDeletedReply);
  EXPECT_EQ(Run(CommandKind::kDelete, "a"), kNotFoundReply);
  EXPECT_EQ(Run(CommandKind::kTouch, "a"), kNotFoundReply);
  EXPECT_EQ(Run(CommandKind::kGet, "a"), "");
}

TEST_F(RequestTest, ADiscardIsNotCounted) {
  Store(CommandKind::kSet, "a", "1");
  Request request;
  request.discard = true;
  request.SetKey(HashedKey::Of("a"));
  Execute(request, store_, kNow);
  EXPECT_EQ(Answer(request), "");
  EXPECT_EQ(store_.statistics().delete_hits, 0u);
  EXPECT_EQ(store_.statistics().curr_items, 0u);
}

TEST_F(RequestTest, CopiesASmallValueAndRefersToALargeOne) {
  // The data block is the value and two bytes.
  const std::string small(kMaxCopiedBlock - 2, 's');
  const std::string large(kMaxCopiedBlock - 1, 'l');
  Store(CommandKind::kSet, "small", small);
  Store(CommandKind::kSet, "large", large);

  EXPECT_EQ(Run(CommandKind::kGet, "small"),
            "VALUE small 7 510\r\n" + small + "\r\n");
  Request request;
  request.SetKey(HashedKey::Of("large"));
  Execute(request, store_, kNow);
  EXPECT_EQ(Answer(request), "VALUE large 7 511\r\n");
  ASSERT_NE(request.item, nullptr);
  EXPECT_EQ(request.item->value(), large);
}

TEST_F(RequestTest, TheLongestKeyAndValueThatAreCopiedFit) {
  const std::string key(kMaxKeySize, 'k');
  const std::string value(kMaxCopiedBlock - 2, 'v');
  Store(CommandKind::kSet, key, value);
  EXPECT_EQ(Run(CommandKind::kGets, key),
            "VALUE " + key + " 7 510 1\r\n" + value + "\r\n");
}

TEST_F(RequestTest, CommandsThatAskNoSingleStoreChangeNothing) {
  for (const CommandKind kind :
       {CommandKind::kFlushAll, CommandKind::kVersion, CommandKind::kVerbosity,
        CommandKind::kStats, CommandKind::kQuit}) {
    EXPECT_EQ(Run(kind, "a"), "");
  }
}

}  // namespace
}  // namespace percore::cache
