#include "percore/bench/load/echo_payload.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <string>
#include <string_view>

namespace percore::bench {
namespace {

RequestId Request(const Payload& payload, uint32_t connection,
                  uint32_t sequence) {
  return payload.Next(
      0, {.connection = connection, .sequence = sequence, .last = false});
}

std::string Wire(const Payload& payload, RequestId request) {
  std::string bytes;
  payload.AppendRequest(request, &bytes);
  return bytes;
}

TEST(EchoPayloadTest, MessagesHaveTheirSize) {
  for (const size_t size : {1, 7, 8, 9, 64, 16384}) {
    const EchoPayload payload(size);
    EXPECT_EQ(Wire(payload, Request(payload, 3, 4)).size(), size);
  }
}

TEST(EchoPayloadTest, MessagesOfDifferentPlacesDiffer) {
  const EchoPayload payload(64);
  const std::string message = Wire(payload, Request(payload, 3, 4));
  EXPECT_NE(message, Wire(payload, Request(payload, 3, 5)));
  EXPECT_NE(message, Wire(payload, Request(payload, 4, 4)));
}

TEST(EchoPayloadTest, AcceptsTheMessageAndNothingElse) {
  for (const size_t size : {1, 4, 8, 64, 1000}) {
    const EchoPayload payload(size);
    const RequestId request = Request(payload, 1, 2);
    const std::string message = Wire(payload, request);
    for (size_t part = 0; part < size; ++part) {
      EXPECT_EQ(payload.ParseReply(message.substr(0, part), request).kind,
                Reply::Kind::kIncomplete);
      std::string wrong = message;
      wrong[part] = static_cast<char>(wrong[part] ^ 1);
      EXPECT_EQ(payload.ParseReply(wrong, request).kind, Reply::Kind::kWrong);
    }
    const Reply reply = payload.ParseReply(message + message, request);
    EXPECT_EQ(reply.kind, Reply::Kind::kAnswered);
    EXPECT_EQ(reply.size, size);
  }
}

TEST(EchoPayloadTest, CatchesMessagesInTheWrongOrder) {
  const EchoPayload payload(64);
  const std::string second = Wire(payload, Request(payload, 1, 2));
  EXPECT_EQ(payload.ParseReply(second, Request(payload, 1, 1)).kind,
            Reply::Kind::kWrong);
}

}  // namespace
}  // namespace percore::bench
