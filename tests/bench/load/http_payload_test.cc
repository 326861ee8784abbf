#include "percore/bench/load/http_payload.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <string>
#include <string_view>

namespace percore::bench {
namespace {

constexpr Payload::Place kMiddle = {
    .connection = 0, .sequence = 0, .last = false};
constexpr Payload::Place kEnd = {.connection = 0, .sequence = 0, .last = true};

Reply Parse(std::string_view received) {
  return HttpPayload("host", "/").ParseReply(received, 0);
}

TEST(HttpPayloadTest, AsksForThePath) {
  const HttpPayload payload("127.0.0.1:80", "/a?b");
  std::string bytes;
  payload.AppendRequest(payload.Next(0, kMiddle), &bytes);
  EXPECT_EQ(bytes, "GET /a?b HTTP/1.1\r\nHost: 127.0.0.1:80\r\n\r\n");
}

TEST(HttpPayloadTest, TheLastRequestOfAConnectionSaysSo) {
  const HttpPayload payload("h", "/");
  std::string bytes;
  payload.AppendRequest(payload.Next(0, kEnd), &bytes);
  EXPECT_EQ(bytes, "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
}

TEST(HttpPayloadTest, AcceptsAWholeAnswerAndNoLess) {
  constexpr std::string_view kAnswer =
      "HTTP/1.1 200 OK\r\nServer: x\r\ncontent-LENGTH: \t5 \r\n\r\nhello";
  for (size_t size = 0; size < kAnswer.size(); ++size) {
    EXPECT_EQ(Parse(kAnswer.substr(0, size)).kind, Reply::Kind::kIncomplete)
        << size;
  }
  const Reply reply = Parse(std::string(kAnswer) + "HTTP/1.1 200");
  EXPECT_EQ(reply.kind, Reply::Kind::kAnswered);
  EXPECT_EQ(reply.size, kAnswer.size());
}

TEST(HttpPayloadTest, RefusesWhatItCannotBelieve) {
  for (const std::string_view answer : {
           "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
           "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
           "hello",
           "HTTP/1.1 200 OK\r\n\r\n",
           "HTTP/1.1 200 OK\r\nServer: x\r\n\r\n",
           "HTTP/1.1 200 OK\r\nContent-Length: 5x\r\n\r\nhello",
           "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello",
           "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n",
           "HTTP/1.1 200 OK\r\nContent-Length: 1048577\r\n\r\n",
           "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
           "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Length: 1\r\n\r\n",
           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
           "HTTP/1.1 200 OK\r\nno colon\r\nContent-Length: 0\r\n\r\n",
       }) {
    EXPECT_EQ(Parse(answer).kind, Reply::Kind::kWrong) << answer;
  }
}

TEST(HttpPayloadTest, SaysWhyItDoesNotBelieve) {
  const HttpPayload payload("h", "/");
  const auto explain = [&](std::string_view fields) {
    std::string answer = "HTTP/1.1 200 OK\r\n";
    return payload.Explain(answer.append(fields).append("\r\n"));
  };
  EXPECT_EQ(payload.Explain("HTTP/1.1 404"), "it is no HTTP/1.1 200");
  EXPECT_EQ(explain("Transfer-Encoding: chunked\r\n"),
            "Transfer-Encoding (chunked) is not supported");
  EXPECT_EQ(explain("TRANSFER-encoding: chunked\r\nContent-Length: 1\r\n"),
            "Transfer-Encoding (chunked) is not supported");
  EXPECT_EQ(explain(""), "there is no Content-Length");
  EXPECT_EQ(explain("Content-Length: +1\r\n"),
            "the Content-Length is no number, or above 1 MiB");
  EXPECT_EQ(explain("Content-Length: 1\r\nContent-Length: 1\r\n"),
            "two Content-Lengths");
  EXPECT_EQ(explain("Content-Length: 1\r\n"), "");
}

TEST(HttpPayloadTest, AHeaderHasALimit) {
  std::string answer = "HTTP/1.1 200 OK\r\nX: ";
  answer.append(HttpPayload::kMaxHeaderSize - 1 - answer.size(), 'x');
  EXPECT_EQ(Parse(answer).kind, Reply::Kind::kIncomplete);
  answer.push_back('x');
  EXPECT_EQ(Parse(answer).kind, Reply::Kind::kWrong);
}

TEST(HttpPayloadTest, TheLargestAnswerFits) {
  const std::string header =
      "HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n";
  const std::string answer = header + std::string(1048576, 'x');
  EXPECT_EQ(Parse(answer).kind, Reply::Kind::kAnswered);
  EXPECT_EQ(Parse(answer).size, answer.size());
}

}  // namespace
}  // namespace percore::bench
