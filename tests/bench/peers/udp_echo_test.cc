// The UDP servers that benchmarks compare are all the same to a client, and the
// load notices one that is not.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "percore/tests/net/datagram_side.h"
#include "percore/tests/support/subprocess.h"

namespace percore {
namespace {

using testing::HasSubstr;

struct EchoProgram {
  std::string path;
  std::string mode;  // empty if it has none
};

std::string Name(const EchoProgram& program) {
  const std::string name = program.path.substr(program.path.rfind('/') + 1);
  return program.mode.empty() ? name : absl::StrCat(name, "_", program.mode);
}

void PrintTo(const EchoProgram& program, std::ostream* out) {
  *out << Name(program);
}

class UdpEchoPeerTest : public testing::TestWithParam<EchoProgram> {
 protected:
  static std::vector<std::string> Command() {
    std::vector<std::string> command = {Runfile(GetParam().path),
                                        "--listen=127.0.0.1:0"};
    if (!GetParam().mode.empty()) {
      command.push_back("--mode=" + GetParam().mode);
    }
    return command;
  }

  Subprocess server_{Command()};
  const std::string listen_ = server_.WaitForLine("listening on ");
};

INSTANTIATE_TEST_SUITE_P(
    All, UdpEchoPeerTest,
    testing::Values(EchoProgram{"bench/limits/recvmmsg_echo", "epoll"},
                    EchoProgram{"bench/limits/recvmmsg_echo", "blocking"},
                    EchoProgram{"bench/limits/recvmmsg_echo", "offload"},
                    EchoProgram{"bench/peers/libuv_udp_echo", "queued"},
                    EchoProgram{"bench/peers/libuv_udp_echo", "recvmmsg"},
                    EchoProgram{"examples/udp_echo", ""}),
    [](const auto& info) { return Name(info.param); });

TEST_P(UdpEchoPeerTest, SendsEachDatagramBack) {
  const PlainUdp clients[2];
  for (int i = 0; i < 100; ++i) {
    const PlainUdp& client = clients[i % 2];
    client.Send(std::string(static_cast<size_t>(1 + i * 20), 'x'),
                AddressOf(listen_));
    EXPECT_EQ(client.Receive().size(), static_cast<size_t>(1 + i * 20));
  }
}

TEST_P(UdpEchoPeerTest, BearsTheLoad) {
  for (const char* const offload : {"false", "true"}) {
    const std::string result = RunProgram(
        {Runfile("bench/load/datagram_load"), "--host_port=" + listen_,
         "--connections=8", "--depth=16", "--message_size=200", "--warmup=0",
         "--requests=5000", absl::StrCat("--offload=", offload)});
    EXPECT_THAT(result, HasSubstr("\"requests\": 5000,"));
    EXPECT_THAT(result, HasSubstr("\"lost\": 0}"));
  }
}

}  // namespace
}  // namespace percore
