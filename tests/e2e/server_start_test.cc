// Whatever is wrong at the start is one line on stderr and exit status 2.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <string>
#include <vector>

#include "percore/net/listen_sockets.h"
#include "percore/tests/support/subprocess.h"

namespace percore {
namespace {

using testing::HasSubstr;

class ServerStartTest : public testing::TestWithParam<const char*> {
 protected:
  void ExpectRefusal(std::vector<std::string> flags,
                     const std::string& complaint,
                     std::vector<std::string> wrapper = {}) {
    std::vector<std::string> command = std::move(wrapper);
    command.push_back(Runfile(GetParam()));
    command.insert(command.end(), flags.begin(), flags.end());
    Subprocess server(command);
    EXPECT_EQ(server.Wait(), 2);
    const std::string errors = server.Errors();
    EXPECT_THAT(errors, HasSubstr(complaint));
    EXPECT_EQ(std::count(errors.begin(), errors.end(), '\n'), 1) << errors;
    EXPECT_EQ(server.Output(), "");
  }
};

INSTANTIATE_TEST_SUITE_P(Servers, ServerStartTest,
                         testing::Values("examples/cache_server",
                                         "examples/echo_server",
                                         "examples/rate_limited_proxy"));

TEST_P(ServerStartTest, RefusesWrongFlags) {
  struct Case {
    const char* flag;
    const char* complaint;
  };
  const Case cases[] = {
      {"--nonsense", "unknown flag '--nonsense'"},
      {"--nonsense=1", "unknown flag '--nonsense=1'"},
      {"-x", "unknown flag '-x'"},
      {"--shards", "flag '--shards' needs a value"},
      {"--shards=0", "--shards: '0' is not a number from 1 to 1024"},
      {"--shards=two", "--shards: 'two' is not a number from 1 to 1024"},
      {"--cpus=0-", "--cpus: bad CPU list '0-'"},
      {"--cpus=900", "CPU 900 is not among those this process may use"},
      {"--backend=kqueue", "unknown back end 'kqueue'"},
      {"--listen=localhost", "bad address 'localhost'"},
      {"--listen=127.0.0.1:70000", "bad address '127.0.0.1:70000'"},
      {"--listen=inherited", "there are 0 for "},
      {"--listen=inherited:web", "no inherited socket is named 'web'"},
      {"--listen=inheritedweb", "bad address 'inheritedweb'"},
      {"--max_connections=0", "--max_connections: '0' is not a number"},
      {"--metrics=nowhere", "bad address 'nowhere'"},
      {"word", "'word' is no flag"},
  };
  for (const Case& test : cases) {
    std::vector<std::string> flags = {test.flag};
    if (std::string(test.flag).find("--listen") == std::string::npos) {
      flags.insert(flags.begin(), "--listen=127.0.0.1:0");
    }
    ExpectRefusal(flags, test.complaint);
  }
}

// Else it would limit nothing, silently.
TEST_P(ServerStartTest, TakesARateLimitUnlessItHasLimitsOfItsOwn) {
  const bool has_its_own =
      std::string(GetParam()) == "examples/rate_limited_proxy";
  ExpectRefusal({"--listen=127.0.0.1:0", "--rate_limit=0"},
                has_its_own ? "unknown flag '--rate_limit=0'"
                            : "--rate_limit: '0' is not a number from 1 to");
}

TEST_P(ServerStartTest, RefusesAPortInUse) {
  const absl::StatusOr<ListenSockets> other =
      ListenSockets::Open("127.0.0.1:0", 1);
  const std::string address = other->address().ToString();
  ExpectRefusal({"--listen=" + address},
                "bind " + address + ": Address already in use");
  ExpectRefusal({"--listen=127.0.0.1:0", "--metrics=" + address},
                "bind " + address + ": Address already in use");
}

TEST_P(ServerStartTest, RefusesAPortThatItMayNotUse) {
  int first_free_for_all = 0;
  std::ifstream("/proc/sys/net/ipv4/ip_unprivileged_port_start") >>
      first_free_for_all;
  // Some containers let everybody use every port.
  const bool forbidden = first_free_for_all > 1;
  if (!forbidden) return;
  ExpectRefusal({"--listen=127.0.0.1:1"}, "bind 127.0.0.1:1: Permission denied",
                {"setpriv", "--bounding-set=-net_bind_service"});
}

TEST_P(ServerStartTest, PrintsItsHelp) {
  Subprocess server({Runfile(GetParam()), "--help"});
  EXPECT_EQ(server.Wait(), 0);
  for (const char* flag :
       {"--listen=ADDR:PORT", "--metrics=ADDR:PORT", "--shards=N",
        "--cpus=LIST", "--backend=NAME", "--max_connections=N"}) {
    EXPECT_THAT(server.Output(), HasSubstr(flag));
  }
}

TEST_P(ServerStartTest, TakesEveryFlag) {
  Subprocess server({Runfile(GetParam()), "--listen=127.0.0.1:0",
                     "--metrics=127.0.0.1:0", "--shards=3", "--cpus=0",
                     "--backend=epoll", "--drain_seconds=1",
                     "--max_connections=100"});
  server.WaitForLine("listening on 127.0.0.1:");
  server.WaitForLine("metrics on http://127.0.0.1:");
  server.Signal(15);
  EXPECT_EQ(server.Wait(), 0);
}

}  // namespace
}  // namespace percore
