#include <gtest/gtest.h>
#include <signal.h>

#include <string>

#include "percore/tests/e2e/server_process.h"

namespace percore {
namespace {

TEST(EchoServerTest, EchoesToNetcat) {
  ServerProcess server("examples/echo_server");
  const SocketAddress address = server.address();
  EXPECT_EQ(
      RunProgram({"nc", "-N", "127.0.0.1", std::to_string(address.port())},
                 "hello\nworld\n"),
      "hello\nworld\n");
}

TEST(EchoServerTest, StopsOnTermAndOnInterrupt) {
  for (const int signal : {SIGTERM, SIGINT}) {
    ServerProcess server("examples/echo_server", {"--shards=2"});
    BlockingClient client = server.Connect();
    client.Send("x");
    EXPECT_EQ(client.Read(1), "x");
    server.process().Signal(signal);
    EXPECT_EQ(client.ReadToEnd(), "");
    client.FinishSending();
    EXPECT_EQ(server.process().Wait(), 0);
    server.process().WaitForLine("stopped: 0 connections cut off");
  }
}

TEST(EchoServerTest, ASecondSignalDoesNotWaitForClients) {
  ServerProcess server("examples/echo_server", {"--drain_seconds=3600"});
  BlockingClient client = server.Connect();
  client.Send("x");
  EXPECT_EQ(client.Read(1), "x");
  server.process().Signal(SIGTERM);
  EXPECT_EQ(client.ReadToEnd(), "");  // it drains, and waits for us
  server.process().Signal(SIGTERM);
  EXPECT_EQ(server.process().Wait(), 0);
  server.process().WaitForLine("stopped: 1 connections cut off");
}

TEST(EchoServerTest, AnIdleServerUsesNoCpu) {
  ServerProcess server("examples/echo_server", {"--shards=2"});
  BlockingClient client = server.Connect();
  client.Send("x");
  EXPECT_EQ(client.Read(1), "x");
  // Rounds of both loops, not time: nothing happens, so nothing turns.
  const std::string rounds = R"(percore_loop_iterations_total{shard="0"})";
  const double before = server.Metric(rounds);
  for (int i = 0; i < 20; ++i) server.Metric(rounds);
  EXPECT_EQ(server.Metric(rounds), before);
}

}  // namespace
}  // namespace percore
