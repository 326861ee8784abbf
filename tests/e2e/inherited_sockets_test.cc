// Servers that were given their sockets by whoever started them.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "percore/tests/e2e/server_process.h"

namespace percore {
namespace {

class InheritedSocketsE2eTest : public testing::Test {
 protected:
  // Asks so many times that each shard has its turn.
  static void ExpectToServe(const ServerProcess& server) {
    for (int i = 0; i < 20; ++i) {
      BlockingClient client = server.Connect();
      client.Send("hello");
      client.FinishSending();
      EXPECT_EQ(client.ReadToEnd(), "hello");
    }
  }
  static std::vector<std::string> Exec(const std::string& names) {
    return {Runfile("tests/e2e/listen_and_exec"), names};
  }
};

TEST_F(InheritedSocketsE2eTest, AllShardsServeOnOneSocket) {
  ServerProcess server("examples/echo_server",
                       {"--shards=2", "--listen=inherited"}, Exec("echo"));
  ExpectToServe(server);
  server.process().Signal(15);
  EXPECT_EQ(server.process().Wait(), 0);
}

TEST_F(InheritedSocketsE2eTest, EachShardServesOnASocketOfItsOwn) {
  ServerProcess server("examples/echo_server",
                       {"--shards=2", "--listen=inherited"}, Exec("echo:echo"));
  ExpectToServe(server);
}

TEST_F(InheritedSocketsE2eTest, SocketsAreChosenByName) {
  ServerProcess server("examples/echo_server",
                       {"--shards=2", "--listen=inherited:echo"},
                       Exec("other:echo:another"));
  ExpectToServe(server);
}

TEST_F(InheritedSocketsE2eTest, AnUnknownNameIsAnErrorOfTheStart) {
  std::vector<std::string> command = Exec("web:web");
  command.push_back(Runfile("examples/echo_server"));
  command.push_back("--listen=inherited:echo");
  Subprocess server(command);
  EXPECT_EQ(server.Wait(), 2);
  EXPECT_EQ(server.Errors(),
            "echo_server: no inherited socket is named 'echo': there are "
            "'web', 'web'\n");
}

}  // namespace
}  // namespace percore
