#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>

#include "percore/net/socket_address.h"
#include "percore/net/unique_fd.h"
#include "percore/tests/support/blocking_client.h"
#include "percore/tests/support/subprocess.h"

namespace percore {
namespace {

std::string ReadFile(const std::string& path) {
  std::ifstream file(path);
  EXPECT_TRUE(file.good()) << path;
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(ReadmeTest, ShowsAServerOfAtMost25Lines) {
  const std::string source =
      ReadFile(Runfile("tests/documentation/readme_echo.cc"));
  // One line is the directive that names the README.
  EXPECT_LE(std::count(source.begin(), source.end(), '\n'), 25 + 1);
}

TEST(ReadmeTest, NamesTheTwoCommands) {
  const std::string readme = ReadFile(Runfile("README.md"));
  EXPECT_NE(readme.find("./dev demo"), std::string::npos);
  EXPECT_NE(readme.find("./dev test"), std::string::npos);
}

TEST(ReadmeTest, ItsServerEchoesAndStopsCleanly) {
  const SocketAddress address = *SocketAddress::Parse("127.0.0.1:7777");
  Subprocess server({Runfile("tests/documentation/readme_echo")});
  // It says nothing: it is ready when it accepts.
  while (true) {
    const UniqueFd fd(socket(AF_INET, SOCK_STREAM, 0));
    if (connect(fd.get(), address.native(), address.native_size()) == 0) break;
    ASSERT_FALSE(server.Ended()) << "exit status " << server.Wait();
    std::this_thread::yield();
  }
  BlockingClient client(address);
  client.Send("hello");
  EXPECT_EQ(client.Read(5), "hello");
  server.Signal(SIGINT);
  EXPECT_EQ(client.ReadToEnd(), "");
  client.FinishSending();
  EXPECT_EQ(server.Wait(), 0);
}

}  // namespace
}  // namespace percore
