#include <gtest/gtest.h>
#include <signal.h>

#include <string>
#include <vector>

#include "percore/tests/e2e/server_process.h"
#include "percore/tests/net/datagram_side.h"

namespace percore {
namespace {

TEST(UdpEchoTest, EchoesToManyClientsOnAllShards) {
  ServerProcess server("examples/udp_echo", {"--shards=2"});
  const std::vector<PlainUdp> clients(20);
  for (const PlainUdp& client : clients) {
    for (const size_t size : {0, 1, 1400, 9000}) {
      client.Send(std::string(size, 'x'), server.address());
    }
  }
  for (const PlainUdp& client : clients) {
    for (const size_t size : {0, 1, 1400, 9000}) {
      EXPECT_EQ(client.Receive().size(), size);
    }
  }
  server.process().Signal(SIGTERM);
  EXPECT_EQ(server.process().Wait(), 0);
}

TEST(UdpEchoTest, AnIdleServerUsesNoCpu) {
  ServerProcess server("examples/udp_echo", {"--shards=2"});
  const PlainUdp client;
  client.Send("x", server.address());
  EXPECT_EQ(client.Receive(), "x");
  const std::string rounds = R"(percore_loop_iterations_total{shard="0"})";
  const double before = server.Metric(rounds);
  for (int i = 0; i < 20; ++i) server.Metric(rounds);
  EXPECT_EQ(server.Metric(rounds), before);
}

TEST(UdpEchoTest, AnAddressInUseEndsTheStart) {
  ServerProcess server("examples/udp_echo");
  Subprocess second({Runfile("examples/udp_echo"), "--shards=2",
                     "--listen=" + server.listen()});
  EXPECT_EQ(second.Wait(), 2);
  EXPECT_EQ(second.Errors(),
            "udp_echo: bind " + server.listen() + ": Address already in use\n");
}

}  // namespace
}  // namespace percore
