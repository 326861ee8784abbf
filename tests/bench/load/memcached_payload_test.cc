#include "percore/bench/load/memcached_payload.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <string>
#include <string_view>

namespace percore::bench {
namespace {

constexpr RequestId kGet7 = MemcachedPayload::Get(7);
constexpr RequestId kSet7 = MemcachedPayload::Set(7);

MemcachedPayload::Options WithValues(size_t size) {
  return {.keys = 100, .set_ratio = 0.25, .value_size = size};
}

std::string Wire(size_t value_size, RequestId request) {
  std::string bytes;
  MemcachedPayload(WithValues(value_size)).AppendRequest(request, &bytes);
  return bytes;
}

TEST(MemcachedPayloadTest, WritesRequestsInTheTextProtocol) {
  EXPECT_EQ(Wire(15, kGet7), "get key:00000007\r\n");
  EXPECT_EQ(Wire(15, kSet7), "set key:00000007 0 0 15\r\nkey:00000007xxx\r\n");
}

TEST(MemcachedPayloadTest, CutsTheKeyForValuesShorterThanIt) {
  EXPECT_EQ(Wire(3, kSet7), "set key:00000007 0 0 3\r\nkey\r\n");
  EXPECT_EQ(Wire(0, kSet7), "set key:00000007 0 0 0\r\n\r\n");
}

struct Case {
  RequestId request;
  std::string_view received;
  Reply::Kind kind;
  size_t size;
};

TEST(MemcachedPayloadTest, JudgesReplies) {
  const MemcachedPayload payload(WithValues(14));
  constexpr std::string_view kHit =
      "VALUE key:00000007 0 14\r\nkey:00000007xx\r\nEND\r\n";
  const Case cases[] = {
      {kGet7, kHit, Reply::Kind::kHit, kHit.size()},
      {kGet7, "END\r\n", Reply::Kind::kMiss, 5},
      {kGet7, "END\r\nVALUE", Reply::Kind::kMiss, 5},
      {kSet7, "STORED\r\n", Reply::Kind::kAnswered, 8},
      {kSet7, "STORED\r\nEND\r\n", Reply::Kind::kAnswered, 8},
      {kSet7, "SERVER_ERROR out of memory\r\nSTORED\r\n",
       Reply::Kind::kServerError, 28},
      {kGet7, "SERVER_ERROR busy\r\n", Reply::Kind::kServerError, 19},
      {kSet7, "SERVER_ERROR out of m", Reply::Kind::kIncomplete, 0},
      {kGet7, "", Reply::Kind::kIncomplete, 0},
      // Another key, another length, another value, the wrong kind, garbage.
      {kGet7, "VALUE key:00000008 0 14\r\n", Reply::Kind::kWrong, 0},
      {kGet7, "VALUE key:00000007 0 15\r\n", Reply::Kind::kWrong, 0},
      {kGet7, "VALUE key:00000007 0 14\r\nkey:00000008", Reply::Kind::kWrong,
       0},
      {kGet7, "STORED\r\n", Reply::Kind::kWrong, 0},
      {kSet7, "NOT_STORED\r\n", Reply::Kind::kWrong, 0},
      {kSet7, kHit, Reply::Kind::kWrong, 0},
      {kGet7, "ERROR\r\n", Reply::Kind::kWrong, 0},
  };
  for (const Case& test : cases) {
    const Reply reply = payload.ParseReply(test.received, test.request);
    EXPECT_EQ(reply.kind, test.kind) << test.received;
    EXPECT_EQ(reply.size, test.size) << test.received;
  }
}

TEST(MemcachedPayloadTest, WaitsForEveryByteOfAReply) {
  const MemcachedPayload payload(WithValues(14));
  const struct {
    RequestId request;
    std::string_view reply;
  } cases[] = {
      {kGet7, "VALUE key:00000007 0 14\r\nkey:00000007xx\r\nEND\r\n"},
      {kGet7, "END\r\n"},
      {kSet7, "STORED\r\n"},
  };
  for (const auto& test : cases) {
    for (size_t size = 0; size < test.reply.size(); ++size) {
      const Reply reply =
          payload.ParseReply(test.reply.substr(0, size), test.request);
      EXPECT_EQ(reply.kind, Reply::Kind::kIncomplete)
          << test.reply << ' ' << size;
    }
  }
}

TEST(MemcachedPayloadTest, AnEndlessErrorIsWrong) {
  const MemcachedPayload payload(WithValues(14));
  const std::string error = "SERVER_ERROR " + std::string(5000, 'x');
  EXPECT_EQ(payload.ParseReply(error, kGet7).kind, Reply::Kind::kWrong);
}

TEST(MemcachedPayloadTest, SetsEveryKeyFirstAndThenDrawsAmongAll) {
  const MemcachedPayload payload(WithValues(14));
  ASSERT_EQ(payload.preload_count(), 100u);
  EXPECT_EQ(payload.Preload(7), kSet7);
  const Payload::Place place = {.connection = 0, .sequence = 0, .last = false};
  // The upper half of the random bits says what, the lower half which key.
  EXPECT_EQ(payload.Next(0x3fffffff'00000000, place), MemcachedPayload::Set(0));
  EXPECT_EQ(payload.Next(0x40000000'ffffffff, place),
            MemcachedPayload::Get(99));
}

}  // namespace
}  // namespace percore::bench
