#include "percore/bench/load/workload.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <string>
#include <string_view>

namespace percore::bench {
namespace {

constexpr Request kGet7 = {Request::Kind::kGet, 7};
constexpr Request kSet7 = {Request::Kind::kSet, 7};

std::string Wire(const Workload& workload, Request request) {
  std::string bytes;
  workload.AppendRequest(request, &bytes);
  return bytes;
}

TEST(WorkloadTest, WritesRequestsInTheTextProtocol) {
  const Workload workload(15);
  EXPECT_EQ(Wire(workload, kGet7), "get key:00000007\r\n");
  EXPECT_EQ(Wire(workload, kSet7),
            "set key:00000007 0 0 15\r\nkey:00000007xxx\r\n");
}

TEST(WorkloadTest, CutsTheKeyForValuesShorterThanIt) {
  EXPECT_EQ(Wire(Workload(3), kSet7), "set key:00000007 0 0 3\r\nkey\r\n");
  EXPECT_EQ(Wire(Workload(0), kSet7), "set key:00000007 0 0 0\r\n\r\n");
}

struct Case {
  Request request;
  std::string_view received;
  Reply::Kind kind;
  size_t size;
};

TEST(WorkloadTest, JudgesReplies) {
  const Workload workload(14);
  constexpr std::string_view kHit =
      "VALUE key:00000007 0 14\r\nkey:00000007xx\r\nEND\r\n";
  EXPECT_EQ(workload.max_reply_size(), kHit.size());
  const Case cases[] = {
      {kGet7, kHit, Reply::Kind::kHit, kHit.size()},
      {kGet7, "END\r\n", Reply::Kind::kMiss, 5},
      {kGet7, "END\r\nVALUE", Reply::Kind::kMiss, 5},
      {kSet7, "STORED\r\n", Reply::Kind::kStored, 8},
      {kSet7, "STORED\r\nEND\r\n", Reply::Kind::kStored, 8},
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
    const Reply reply = workload.ParseReply(test.received, test.request);
    EXPECT_EQ(reply.kind, test.kind) << test.received;
    EXPECT_EQ(reply.size, test.size) << test.received;
  }
}

TEST(WorkloadTest, WaitsForEveryByteOfAReply) {
  const Workload workload(14);
  const struct {
    Request request;
    std::string_view reply;
  } cases[] = {
      {kGet7, "VALUE key:00000007 0 14\r\nkey:00000007xx\r\nEND\r\n"},
      {kGet7, "END\r\n"},
      {kSet7, "STORED\r\n"},
  };
  for (const auto& test : cases) {
    for (size_t size = 0; size < test.reply.size(); ++size) {
      const Reply reply =
          workload.ParseReply(test.reply.substr(0, size), test.request);
      EXPECT_EQ(reply.kind, Reply::Kind::kIncomplete)
          << test.reply << ' ' << size;
    }
  }
}

}  // namespace
}  // namespace percore::bench
