// The echo servers of the libevent book.
#include <gtest/gtest.h>
#include <signal.h>

#include <string>

#include "percore/net/socket_address.h"
#include "percore/tests/support/blocking_client.h"
#include "percore/tests/support/subprocess.h"

namespace percore {
namespace {

class BookEchoServersTest : public testing::TestWithParam<const char*> {};

TEST_P(BookEchoServersTest, EchoesAndEnds) {
  Subprocess server({Runfile(GetParam()), "127.0.0.1:0"});
  const SocketAddress address =
      *SocketAddress::Parse(server.WaitForLine("listening on "));
  // One client stays while others come and go.
  BlockingClient first(address);
  first.Send("first");
  EXPECT_EQ(first.Read(5), "first");
  EXPECT_EQ(
      RunProgram({"nc", "-N", "127.0.0.1", std::to_string(address.port())},
                 "hello\nworld\n"),
      "hello\nworld\n");
  // More than the sockets in between hold.
  const std::string much(4 << 20, 'x');
  EXPECT_EQ(RunProgram(
                {"nc", "-N", "127.0.0.1", std::to_string(address.port())}, much)
                .size(),
            much.size());
  first.Send("last");
  EXPECT_EQ(first.Read(4), "last");
  server.Signal(SIGINT);
  const int status = server.Wait();
  if (GetParam() == std::string("examples/echo_with_listener")) {
    EXPECT_EQ(status, 0);
    server.WaitForLine("ending in two seconds");
  } else {
    EXPECT_EQ(status, 128 + SIGINT);
  }
}

INSTANTIATE_TEST_SUITE_P(Servers, BookEchoServersTest,
                         testing::Values("examples/echo_with_events",
                                         "examples/echo_with_buffer_events",
                                         "examples/echo_with_listener"),
                         [](const auto& info) {
                           return std::string(info.param).substr(9);
                         });

}  // namespace
}  // namespace percore
