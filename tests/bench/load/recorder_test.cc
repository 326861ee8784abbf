#include "percore/bench/load/recorder.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace percore::bench {
namespace {

using Attribution = Recorder::Attribution;

constexpr auto kAnswered = Reply::Kind::kAnswered;

TEST(RecorderTest, LatencyCountsFromWhenARequestWasDue) {
  Recorder recorder(Attribution::kWhenDue);
  recorder.Begin(1000, 0);
  // Due at 1100, made at 1500 only, answered at 1700.
  const RequestInFlight request = recorder.Make(1, 1100);
  recorder.Made(1100, 1500);
  recorder.Answered(kAnswered, request, 1700);
  EXPECT_EQ(recorder.results().latency_ns.max(), 600u);
  EXPECT_EQ(recorder.results().send_lag_ns.max(), 400u);
}

TEST(RecorderTest, AnOpenLoopChargesWhatIsAnsweredAfterThePhase) {
  Recorder recorder(Attribution::kWhenDue);
  recorder.Begin(1000, 0);
  const RequestInFlight request = recorder.Make(1, 1100);
  recorder.End(2000, 0);
  recorder.Answered(kAnswered, request, 9100);
  EXPECT_EQ(recorder.results().latency_ns.max(), 8000u);
  // The rate that was reached is another matter.
  EXPECT_EQ(recorder.results().requests, 0u);
  EXPECT_EQ(recorder.results().total_requests, 1u);
}

TEST(RecorderTest, AnOpenLoopDoesNotTimeWhatWasDueBeforeThePhase) {
  Recorder recorder(Attribution::kWhenDue);
  const RequestInFlight early = recorder.Make(1, 900);
  recorder.Begin(1000, 0);
  // Late: made in the phase, due before it.
  const RequestInFlight late = recorder.Make(2, 999);
  recorder.Made(999, 1001);
  recorder.Answered(kAnswered, early, 1500);
  recorder.Answered(kAnswered, late, 1500);
  EXPECT_EQ(recorder.results().latency_ns.count(), 0u);
  EXPECT_EQ(recorder.results().send_lag_ns.count(), 0u);
  EXPECT_EQ(recorder.results().requests, 2u);
}

TEST(RecorderTest, AClosedLoopCountsTheAnswersThatComeInThePhase) {
  Recorder recorder(Attribution::kWhenAnswered);
  const RequestInFlight warm = recorder.Make(1, 900);
  recorder.Begin(1000, 0);
  recorder.Answered(kAnswered, warm, 1010);
  const RequestInFlight last = recorder.Make(2, 1990);
  recorder.End(2000, 0);
  recorder.Answered(kAnswered, last, 2010);
  EXPECT_EQ(recorder.results().requests, 1u);
  EXPECT_EQ(recorder.results().latency_ns.count(), 1u);
  EXPECT_EQ(recorder.results().latency_ns.max(), 110u);
  EXPECT_EQ(recorder.results().total_requests, 2u);
}

TEST(RecorderTest, ANumberOfRequestsIsCountedWithoutTheWarmUp) {
  Recorder recorder(Attribution::kNumbered);
  const RequestInFlight warm = recorder.Make(1, 900);
  recorder.Begin(1000, 0);
  recorder.Answered(kAnswered, warm, 1010);
  recorder.Answered(Reply::Kind::kHit, recorder.Make(2, 1000), 1200);
  recorder.Answered(Reply::Kind::kMiss, recorder.Make(3, 1000), 1300);
  recorder.Answered(Reply::Kind::kServerError, recorder.Make(4, 1000), 1400);
  recorder.End(1400, 0);
  EXPECT_EQ(recorder.results().requests, 3u);
  EXPECT_EQ(recorder.results().hits, 1u);
  EXPECT_EQ(recorder.results().misses, 1u);
  EXPECT_EQ(recorder.results().server_errors, 1u);
  EXPECT_EQ(recorder.results().latency_ns.max(), 400u);
}

TEST(RecorderTest, BytesAndConnectionsAreThoseOfThePhase) {
  Recorder recorder(Attribution::kWhenAnswered);
  recorder.Sent(1);
  recorder.Received(1);
  recorder.Connected(/*retried=*/true);
  recorder.Completed();
  recorder.Begin(1000, 0);
  recorder.Sent(10);
  recorder.Received(20);
  recorder.Connected(/*retried=*/false);
  recorder.Completed();
  recorder.End(2000, 0);
  recorder.Sent(1);
  recorder.Received(1);
  const Results& results = recorder.results();
  EXPECT_EQ(results.bytes_sent, 10u);
  EXPECT_EQ(results.bytes_received, 20u);
  EXPECT_EQ(results.connections_opened, 1u);
  EXPECT_EQ(results.connections_completed, 1u);
  // Those of the start too: it is the load's connections that are not there.
  EXPECT_EQ(results.connections_retried, 1u);
}

TEST(RecorderTest, TheCpuShareIsThatOfThePhase) {
  Recorder recorder(Attribution::kWhenAnswered);
  recorder.Begin(1000, 500);
  recorder.End(3000, 1500);
  EXPECT_EQ(recorder.results().measured_ns, 2000);
  EXPECT_DOUBLE_EQ(recorder.results().cpu_share, 0.5);
}

}  // namespace
}  // namespace percore::bench
