#include "percore/bench/load/request_source.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "percore/bench/load/echo_payload.h"
#include "percore/bench/load/http_payload.h"
#include "percore/bench/load/memcached_payload.h"

namespace percore::bench {
namespace {

using Phase = Run::Phase;

TEST(RequestSourceTest, MakesItsPartOfThePreload) {
  const MemcachedPayload payload({.keys = 10, .set_ratio = 0, .value_size = 1});
  RequestSource source(payload, {.first_preload = 3, .end_preload = 5});
  Connection connection(0);
  EXPECT_EQ(source.Next(Phase::kPrepare, connection), MemcachedPayload::Set(3));
  EXPECT_FALSE(source.preloaded());
  EXPECT_EQ(source.Next(Phase::kPrepare, connection), MemcachedPayload::Set(4));
  EXPECT_TRUE(source.preloaded());
  EXPECT_EQ(source.Next(Phase::kPrepare, connection), std::nullopt);
}

TEST(RequestSourceTest, LimitsTheMeasuredPhaseOnly) {
  const EchoPayload payload(8);
  RequestSource source(payload, {.requests = 2});
  Connection connection(0);
  for (int i = 0; i < 10; ++i) {
    EXPECT_TRUE(source.Next(Phase::kWarmUp, connection).has_value());
  }
  EXPECT_TRUE(source.Next(Phase::kMeasure, connection).has_value());
  EXPECT_FALSE(source.exhausted());
  EXPECT_TRUE(source.Next(Phase::kMeasure, connection).has_value());
  EXPECT_TRUE(source.exhausted());
  EXPECT_EQ(source.Next(Phase::kMeasure, connection), std::nullopt);
}

TEST(RequestSourceTest, ALimitOfNoneIsNotNoLimit) {
  const EchoPayload payload(8);
  EXPECT_TRUE(RequestSource(payload, {.requests = 0}).exhausted());
  EXPECT_FALSE(RequestSource(payload, {}).exhausted());
}

TEST(RequestSourceTest, SaysWhichRequestIsAConnectionsLast) {
  const HttpPayload payload("h", "/");
  RequestSource source(payload, {.requests_per_connection = 2});
  Connection connection(0);
  connection.requests_left = 2;
  std::string bytes;
  payload.AppendRequest(*source.Next(Phase::kMeasure, connection), &bytes);
  EXPECT_EQ(bytes.find("close"), std::string::npos);
  payload.AppendRequest(*source.Next(Phase::kMeasure, connection), &bytes);
  EXPECT_NE(bytes.find("Connection: close"), std::string::npos);
  EXPECT_EQ(source.Next(Phase::kMeasure, connection), std::nullopt);
}

TEST(RequestSourceTest, MakesNothingOnceStopped) {
  const EchoPayload payload(8);
  RequestSource source(payload, {});
  Connection connection(0);
  EXPECT_EQ(source.Next(Phase::kStop, connection), std::nullopt);
}

}  // namespace
}  // namespace percore::bench
