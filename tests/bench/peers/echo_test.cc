// The servers that benchmarks compare are all the same to a client: a benchmark
// of one that loses bytes would measure nothing.

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>

#include <memory>
#include <ostream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "percore/net/socket_address.h"
#include "percore/tests/support/blocking_client.h"
#include "percore/tests/support/subprocess.h"

namespace percore {
namespace {

constexpr int kBadUsage = 2;
constexpr int kNotSupported = 3;

struct EchoProgram {
  std::string path;
  std::string mode;  // empty if it has none
};

std::vector<EchoProgram> AllPrograms() {
  return {{"bench/limits/epoll_echo", "level"},
          {"bench/limits/epoll_echo", "edge"},
          {"bench/limits/io_uring_echo", "multishot"},
          {"bench/peers/asio_echo", "callbacks"},
          {"bench/peers/libevent_echo", "events"},
          {"bench/peers/libevent_echo", "bufferevents"},
          {"bench/peers/libuv_echo", "queued"},
          {"bench/peers/libuv_echo", "try_write"},
          {"examples/echo_server", ""}};
}

std::string Name(const EchoProgram& program) {
  const std::string name = program.path.substr(program.path.rfind('/') + 1);
  return program.mode.empty() ? name : absl::StrCat(name, "_", program.mode);
}

void PrintTo(const EchoProgram& program, std::ostream* out) {
  *out << Name(program);
}

std::vector<std::string> Command(const EchoProgram& program,
                                 std::vector<std::string> wrapper) {
  std::vector<std::string> command = std::move(wrapper);
  command.push_back(Runfile(program.path));
  command.push_back("--listen=127.0.0.1:0");
  if (!program.mode.empty()) command.push_back("--mode=" + program.mode);
  return command;
}

// `size` bytes in which no two places look alike; different for each `seed`.
std::string Pattern(size_t size, uint32_t seed) {
  std::string bytes(size, '\0');
  uint32_t state = seed * 2654435761U + 1;
  for (char& byte : bytes) {
    state = state * 1664525U + 1013904223U;
    byte = static_cast<char>(state >> 24);
  }
  return bytes;
}

class EchoTest : public testing::TestWithParam<EchoProgram> {
 protected:
  void SetUp() override { Start({}); }

  // Starts the server, instead of the one there may be. Skips the test if the
  // system lacks what it is made of. `wrapper` is a command that runs it.
  void Start(std::vector<std::string> wrapper) {
    server_ =
        std::make_unique<Subprocess>(Command(GetParam(), std::move(wrapper)));
    while (!absl::StrContains(server_->Output(), "\n")) {
      if (server_->Ended()) break;
      std::this_thread::yield();
    }
    if (server_->Ended() && server_->Wait() == kNotSupported) {
      GTEST_SKIP() << "NOT TESTED: " << server_->Errors();
    }
    address_ = *SocketAddress::Parse(server_->WaitForLine("listening on "));
  }

  Subprocess& server() { return *server_; }
  BlockingClient Connect() const { return BlockingClient(address_); }

  void ExpectEcho(BlockingClient& client, std::string_view bytes) {
    client.Send(bytes);
    EXPECT_EQ(client.Read(bytes.size()), bytes);
  }

  // A server that still serves was not hurt.
  void ExpectServes() {
    BlockingClient client = Connect();
    ExpectEcho(client, "still there?");
  }

 private:
  std::unique_ptr<Subprocess> server_;
  SocketAddress address_;
};

TEST_P(EchoTest, SendsBackAMessage) {
  BlockingClient client = Connect();
  ExpectEcho(client, "hello");
  ExpectEcho(client, "hello again");
}

TEST_P(EchoTest, SendsBackSingleBytes) {
  BlockingClient client = Connect();
  const std::string bytes = Pattern(1000, 1);
  for (const char byte : bytes) client.Send(std::string_view(&byte, 1));
  EXPECT_EQ(client.Read(bytes.size()), bytes);
}

TEST_P(EchoTest, KeepsTheOrderOfAMebibyte) {
  BlockingClient client = Connect();
  const std::string bytes = Pattern(1 << 20, 2);
  std::thread sender([&] { client.Send(bytes); });
  const std::string received = client.Read(bytes.size());
  sender.join();
  // Not EXPECT_EQ: it would print both.
  EXPECT_TRUE(received == bytes);
}

TEST_P(EchoTest, GivesAClientThatStoppedSendingAllItsBytes) {
  BlockingClient client = Connect();
  const std::string bytes = Pattern(1 << 20, 3);
  std::thread sender([&] {
    client.Send(bytes);
    client.FinishSending();
  });
  const std::string received = client.ReadToEnd();
  sender.join();
  EXPECT_EQ(received.size(), bytes.size());
  EXPECT_TRUE(received == bytes);
}

TEST_P(EchoTest, EndsAConnectionThatNeverSentAnything) {
  BlockingClient client = Connect();
  client.FinishSending();
  EXPECT_EQ(client.ReadToEnd(), "");
}

TEST_P(EchoTest, GivesEachOfAHundredClientsItsOwnBytes) {
  std::vector<BlockingClient> clients;
  clients.reserve(100);
  for (int i = 0; i < 100; ++i) clients.push_back(Connect());
  for (int round = 0; round < 3; ++round) {
    for (uint32_t i = 0; i < clients.size(); ++i) {
      clients[i].Send(Pattern(3000, i));
    }
    for (uint32_t i = 0; i < clients.size(); ++i) {
      EXPECT_TRUE(clients[i].Read(3000) == Pattern(3000, i)) << i;
    }
  }
}

// Sends until the server takes no more, without reading any of it.
std::string SendUntilStopped(BlockingClient& client) {
  // More than the server's socket buffers can grow to, and so more than it may
  // take from a client that does not read. The client's stay small. Made once:
  // it takes a second.
  static const std::string bytes = Pattern(80 << 20, 4);
  const int small = 64 * 1024;
  setsockopt(client.fd(), SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
  setsockopt(client.fd(), SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
  const timeval patience = {.tv_sec = 0, .tv_usec = 200'000};
  setsockopt(client.fd(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
  size_t sent = 0;
  while (sent < bytes.size()) {
    const ssize_t size = send(client.fd(), bytes.data() + sent,
                              bytes.size() - sent, MSG_NOSIGNAL);
    if (size <= 0) break;
    sent += static_cast<size_t>(size);
  }
  EXPECT_LT(sent, bytes.size()) << "the server read without an end";
  return bytes.substr(0, sent);
}

TEST_P(EchoTest, StopsReadingFromAClientThatDoesNotRead) {
  BlockingClient client = Connect();
  const std::string sent = SendUntilStopped(client);
  ExpectServes();
  client.FinishSending();
  EXPECT_TRUE(client.ReadToEnd() == sent);
}

TEST_P(EchoTest, SurvivesClientsThatReset) {
  const std::string bytes = Pattern(100000, 5);
  for (int i = 0; i < 20; ++i) {
    BlockingClient client = Connect();
    client.Send(bytes);
    client.Reset();
  }
  BlockingClient stuck = Connect();
  SendUntilStopped(stuck);
  stuck.Reset();
  ExpectServes();
}

TEST_P(EchoTest, ServesAgainAfterItWasOutOfDescriptors) {
  Start({"prlimit", "--nofile=40"});
  // More than it can have; those it accepted are in here.
  std::vector<std::unique_ptr<BlockingClient>> clients;
  clients.reserve(60);
  // The first is served before there are others: with several threads, another
  // one's clients may use up the descriptors before it is accepted.
  clients.push_back(std::make_unique<BlockingClient>(Connect()));
  ExpectEcho(*clients.front(), "hello");
  for (int i = 0; i < 60; ++i) {
    clients.push_back(std::make_unique<BlockingClient>(Connect()));
  }
  ExpectEcho(*clients.front(), "hello again");
  clients.clear();

  // Until it has seen them go, a server may turn new clients away: libuv does.
  std::string answer;
  for (int tries = 0; tries < 10000 && answer.empty(); ++tries) {
    BlockingClient client = Connect();
    client.SendSome("x");
    answer = client.Read(1);
  }
  EXPECT_EQ(answer, "x");
}

TEST_P(EchoTest, TermEndsIt) {
  BlockingClient client = Connect();
  ExpectEcho(client, "hello");
  server().Signal(SIGTERM);
  client.FinishSending();
  EXPECT_EQ(client.ReadToEnd(), "");
  // Percore's own stops in good order, the others are just ended.
  EXPECT_EQ(server().Wait(), GetParam().mode.empty() ? 0 : 128 + SIGTERM);
}

TEST_P(EchoTest, RefusesBadFlagsInOneLine) {
  for (const std::string flag :
       {"--mode=fastest", "--listen=nowhere", "--unknown=1"}) {
    Subprocess server({Runfile(GetParam().path), flag});
    EXPECT_EQ(server.Wait(), kBadUsage) << flag;
    const std::string& errors = server.Errors();
    EXPECT_EQ(errors.find('\n'), errors.size() - 1) << errors;
    const std::string value = flag.substr(flag.find('=') + 1);
    EXPECT_TRUE(absl::StrContains(errors, value) ||
                absl::StrContains(errors, "unknown"))
        << errors;
  }
}

INSTANTIATE_TEST_SUITE_P(
    AllServers, EchoTest, testing::ValuesIn(AllPrograms()),
    [](const testing::TestParamInfo<EchoProgram>& program) {
      return Name(program.param);
    });

}  // namespace
}  // namespace percore
