// The load generator as a process, against real servers and against bad ones.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "percore/net/unique_fd.h"
#include "percore/tests/e2e/server_process.h"
#include "percore/tests/support/subprocess.h"

namespace percore::bench {
namespace {

std::vector<std::string> Command(const std::string& host_port,
                                 std::vector<std::string> flags) {
  std::vector<std::string> command = {Runfile("bench/load/load"),
                                      "--host_port=" + host_port,
                                      "--connections=8", "--warmup=0"};
  command.insert(command.end(), flags.begin(), flags.end());
  return command;
}

std::string RunLoad(const std::string& host_port,
                    std::vector<std::string> flags) {
  return RunProgram(Command(host_port, std::move(flags)));
}

// What a load that must fail says.
std::string Complaint(const std::string& host_port,
                      std::vector<std::string> flags) {
  Subprocess load(Command(host_port, std::move(flags)));
  EXPECT_EQ(load.Wait(), 1) << load.Output();
  return load.Errors();
}

// The number after "name": in a line of JSON; -1 if there is none.
double Number(const std::string& json, std::string_view name) {
  const std::string key = absl::StrCat("\"", std::string(name), "\": ");
  const size_t at = json.find(key);
  if (at == std::string::npos) return -1;
  const size_t begin = at + key.size();
  double value = -1;
  EXPECT_TRUE(absl::SimpleAtod(
      json.substr(begin, json.find_first_of(",}", begin) - begin), &value));
  return value;
}

// Serves every connection, one after the other, by a function of its socket.
class ScriptedServer {
 public:
  explicit ScriptedServer(std::function<void(int fd)> serve)
      : socket_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    socklen_t size = sizeof(address);
    EXPECT_EQ(bind(socket_.get(), generic, size), 0);
    EXPECT_EQ(listen(socket_.get(), 16), 0);
    EXPECT_EQ(getsockname(socket_.get(), generic, &size), 0);
    host_port_ = absl::StrCat("127.0.0.1:", ntohs(address.sin_port));
    thread_ = std::thread([this, serve = std::move(serve)] {
      for (;;) {
        const UniqueFd client(accept(socket_.get(), nullptr, nullptr));
        if (client.get() < 0) return;
        serve(client.get());
      }
    });
  }

  ~ScriptedServer() {
    shutdown(socket_.get(), SHUT_RDWR);
    thread_.join();
  }

  const std::string& host_port() const { return host_port_; }

 private:
  UniqueFd socket_;
  std::string host_port_;
  std::thread thread_;
};

// Everything that comes, until `size` bytes have or the client is gone.
std::string ReadBytes(int fd, size_t size) {
  std::string bytes(size, '\0');
  size_t have = 0;
  while (have < size) {
    const ssize_t got = read(fd, bytes.data() + have, size - have);
    if (got <= 0) break;
    have += static_cast<size_t>(got);
  }
  bytes.resize(have);
  return bytes;
}

void WriteBytes(int fd, std::string_view bytes) {
  EXPECT_EQ(send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(bytes.size()));
}

TEST(LoadTest, EveryRequestOfAClosedLoopIsAnswered) {
  const ServerProcess server("examples/echo_server");
  for (const std::string size : {"1", "64", "16384"}) {
    const std::string result =
        RunLoad(server.listen(),
                {"--requests=3000", "--depth=5", "--message_size=" + size});
    EXPECT_EQ(Number(result, "total_requests"), 3000) << result;
    EXPECT_EQ(Number(result, "connections"), 8);
    EXPECT_GT(Number(result, "bytes_sent"), 0);
    EXPECT_GT(Number(result, "p99.99"), 0);
  }
}

TEST(LoadTest, SeveralThreadsShareTheWork) {
  const ServerProcess server("examples/echo_server");
  const std::string result =
      RunLoad(server.listen(), {"--requests=3001", "--threads=3"});
  EXPECT_EQ(Number(result, "total_requests"), 3001) << result;
  EXPECT_EQ(Number(result, "requests"), 3001) << result;
}

TEST(LoadTest, AThreadMayHaveNothingToAsk) {
  const ServerProcess server("examples/echo_server");
  const std::string result =
      RunLoad(server.listen(), {"--requests=2", "--threads=5"});
  EXPECT_EQ(Number(result, "requests"), 2) << result;
}

TEST(LoadTest, AnErrorOfOneThreadEndsTheOthers) {
  const ServerProcess server("examples/echo_server");
  EXPECT_TRUE(absl::StrContains(
      Complaint(server.listen(),
                {"--requests=1000000000000", "--threads=2", "--cpus=0,1023"}),
      "cannot run on CPU 1023"));
}

TEST(LoadTest, MessagesLargerThanAllBuffersComeBack) {
  const ServerProcess server("examples/echo_server");
  const std::string result =
      RunLoad(server.listen(),
              {"--requests=30", "--depth=3", "--message_size=5000000"});
  EXPECT_EQ(Number(result, "requests"), 30) << result;
}

TEST(LoadTest, SetsAllKeysOfACacheBeforeItGets) {
  const ServerProcess server("examples/cache_server");
  const std::string result =
      RunLoad(server.listen(), {"--payload=memcached", "--requests=2000",
                                "--keys=500", "--set_ratio=0", "--depth=3"});
  EXPECT_EQ(Number(result, "total_requests"), 2500) << result;
  EXPECT_EQ(Number(result, "misses"), 0) << result;
  EXPECT_GT(Number(result, "hits"), 0) << result;
}

TEST(LoadTest, ConnectionsComeAndGo) {
  const ServerProcess server("examples/echo_server");
  const std::string result = RunLoad(
      server.listen(), {"--requests=600", "--requests_per_connection=2"});
  EXPECT_EQ(Number(result, "total_requests"), 600) << result;
  // The last ones of each client are still open at the end.
  EXPECT_GE(Number(result, "connections_completed"), 600 / 2 - 2 * 8) << result;
}

TEST(LoadTest, AnOpenLoopReportsHowLateItWas) {
  const ServerProcess server("examples/echo_server");
  const std::string result = RunLoad(
      server.listen(),
      {"--requests=500", "--rate=5000", "--arrivals=poisson", "--threads=2"});
  EXPECT_EQ(Number(result, "total_requests"), 500) << result;
  EXPECT_TRUE(absl::StrContains(result, "\"send_lag_us\": {")) << result;
}

TEST(LoadTest, LatencyOfAnOpenLoopCountsFromWhenARequestWasDue) {
  // The server does nothing until 100 requests have come, which are due within
  // 100 ms. A closed loop would have asked once.
  const ScriptedServer server([](int fd) {
    const std::string held = ReadBytes(fd, 100 * 8);
    WriteBytes(fd, held);
    for (;;) {
      const std::string message = ReadBytes(fd, 8);
      if (message.empty()) return;
      WriteBytes(fd, message);
    }
  });
  const std::string result = RunLoad(
      server.host_port(),
      {"--connections=1", "--rate=1000", "--requests=100", "--message_size=8"});
  EXPECT_EQ(Number(result, "total_requests"), 100) << result;
  // The first waited for 99 ms at least, and the 50th for 50.
  EXPECT_GE(Number(result, "max"), 98'000) << result;
  EXPECT_GE(Number(result, "p50"), 48'000) << result;
}

TEST(LoadTest, HttpAnswersAreCounted) {
  const ScriptedServer server([](int fd) {
    std::string request;
    for (std::string byte; !(byte = ReadBytes(fd, 1)).empty();) {
      request += byte;
      if (!absl::EndsWith(request, "\r\n\r\n")) continue;
      WriteBytes(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
      if (absl::StrContains(request, "Connection: close")) return;
      request.clear();
    }
  });
  const std::vector<std::string> flags = {"--payload=http", "--connections=1",
                                          "--requests=40"};
  const std::string result = RunLoad(server.host_port(), flags);
  EXPECT_EQ(Number(result, "total_requests"), 40) << result;
  std::vector<std::string> churning = flags;
  churning.push_back("--requests_per_connection=4");
  const std::string churned = RunLoad(server.host_port(), churning);
  EXPECT_EQ(Number(churned, "total_requests"), 40) << churned;
  EXPECT_GE(Number(churned, "connections_completed"), 8) << churned;
}

TEST(LoadTest, AWrongAnswerEndsTheRun) {
  const ScriptedServer server([](int fd) {
    std::string message = ReadBytes(fd, 64);
    message.back() = '!';
    WriteBytes(fd, message);
    ReadBytes(fd, 1);
  });
  EXPECT_TRUE(absl::StrContains(
      Complaint(server.host_port(), {"--connections=1", "--requests=10"}),
      "a wrong answer"));
}

TEST(LoadTest, AnAnswerToNothingEndsTheRun) {
  const ScriptedServer server([](int fd) {
    WriteBytes(fd, ReadBytes(fd, 64) + "more");
    ReadBytes(fd, 1);
  });
  EXPECT_TRUE(absl::StrContains(
      Complaint(server.host_port(), {"--connections=1", "--requests=1"}),
      "an answer to nothing"));
}

TEST(LoadTest, AnAnswerBeforeItsRequestEndsTheRun) {
  const ScriptedServer server([](int fd) {
    WriteBytes(fd, "END\r\n");
    ReadBytes(fd, 1 << 20);
  });
  EXPECT_TRUE(absl::StrContains(
      Complaint(server.host_port(),
                {"--connections=1", "--rate=0.01", "--seconds=1000"}),
      "an answer to nothing: \"END"));
}

TEST(LoadTest, ChunksAreNotSupported) {
  const ScriptedServer server([](int fd) {
    ReadBytes(fd, 4);
    WriteBytes(fd,
               "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
               "0\r\n\r\n");
    ReadBytes(fd, 1 << 20);
  });
  EXPECT_TRUE(absl::StrContains(
      Complaint(server.host_port(),
                {"--payload=http", "--connections=1", "--requests=1"}),
      "Transfer-Encoding (chunked) is not supported"));
}

TEST(LoadTest, AServerThatOnlyTricklesEndsTheRun) {
  // Each byte answers a byte, but no message is ever whole: the load's only
  // request has been read by then.
  const ScriptedServer server([](int fd) {
    const std::string message = ReadBytes(fd, 1 << 20);
    for (const char byte : message.substr(1)) {
      if (send(fd, &byte, 1, MSG_NOSIGNAL) != 1) return;
    }
    ReadBytes(fd, 1);
  });
  EXPECT_TRUE(
      absl::StrContains(Complaint(server.host_port(),
                                  {"--connections=1", "--requests=1",
                                   "--patience=0.1", "--message_size=1048576"}),
                        "1 requests are not answered"));
}

TEST(LoadTest, AServerThatHangsUpEndsTheRun) {
  const ScriptedServer server([](int fd) { ReadBytes(fd, 64); });
  EXPECT_TRUE(absl::StrContains(
      Complaint(server.host_port(), {"--connections=1", "--requests=10"}),
      "the server closed a connection, with 1 requests not answered"));
}

TEST(LoadTest, AServerThatFallsSilentEndsTheRun) {
  const ScriptedServer server([](int fd) { ReadBytes(fd, 1 << 20); });
  EXPECT_TRUE(absl::StrContains(
      Complaint(server.host_port(),
                {"--connections=1", "--requests=10", "--patience=0.1"}),
      "1 requests are not answered"));
}

TEST(LoadTest, AServerThatDoesNotKeepUpEndsTheRun) {
  // Reads nothing until the client leaves.
  const ScriptedServer server([](int fd) {
    pollfd left = {.fd = fd, .events = POLLRDHUP, .revents = 0};
    poll(&left, 1, -1);
  });
  EXPECT_TRUE(absl::StrContains(
      Complaint(server.host_port(),
                {"--connections=1", "--rate=100000", "--max_queued=1000"}),
      "the server does not keep up with this rate"));
}

TEST(LoadTest, NobodyThereIsAnError) {
  std::string host_port;
  {
    host_port = ScriptedServer([](int) {}).host_port();
  }
  EXPECT_TRUE(absl::StrContains(Complaint(host_port, {}), "connect: "));
}

TEST(LoadTest, WrongFlagsAreRefused) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"--payload=smtp", "--payload must be"},
      {"--connections=0", "--connections must be"},
      {"--connections=2000000", "--connections must be"},
      {"--threads=0", "--threads must be"},
      {"--depth=0", "--depth must be"},
      {"--rate=-1", "--rate must be"},
      {"--arrivals=never", "--arrivals must be"},
      {"--message_size=0", "--message_size must be"},
      {"--message_size=99999999", "--message_size and"},
      {"--keys=0", "--keys must be"},
      {"--set_ratio=2", "--set_ratio must be"},
      {"--seconds=0", "--seconds and --patience must be"},
      {"--patience=-1", "--seconds and --patience must be"},
      {"--warmup=nan", "--warmup must be"},
      {"--max_queued=0", "--max_queued must be"},
      {"--path=index", "--path must begin with /"},
      {"--path=/a b", "--path must begin with /"},
      {"more", "\"more\" is no flag"},
      {"--host_port=127.0.0.1", "there is no port"},
      {"--host_port=127.0.0.1:70000", "the port must be"},
      {"--cpus=x", "is not a CPU"},
      {"--server_pid=-5", "no process"},
      {"--host_port=nothing", "--host_port=nothing"},
  };
  for (const auto& [flag, complaint] : cases) {
    EXPECT_TRUE(absl::StrContains(Complaint("127.0.0.1:1", {flag}), complaint))
        << flag;
  }
  EXPECT_TRUE(absl::StrContains(
      Complaint("127.0.0.1:1", {"--rate=1", "--requests_per_connection=1"}),
      "it does not go with"));
}

}  // namespace
}  // namespace percore::bench
