#include "percore/net/listen_sockets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <string>

#include "percore/tests/support/blocking_client.h"
#include "percore/tests/support/test_kernel.h"

namespace percore {
namespace {

using Call = TestKernel::Call;
using testing::EndsWith;

TEST(ListenSocketsTest, OpensOneSocketForEachShardOnOnePort) {
  absl::StatusOr<ListenSockets> sockets = ListenSockets::Open("127.0.0.1:0", 3);
  ASSERT_TRUE(sockets.ok());
  EXPECT_EQ(sockets->count(), 3);
  EXPECT_NE(sockets->address().port(), 0);
  for (int i = 0; i < 3; ++i) {
    const UniqueFd fd = sockets->Take(i);
    EXPECT_EQ(*SocketAddress::OfSocket(fd.get()), sockets->address());
  }
}

TEST(ListenSocketsTest, ClientsCanConnectAtOnce) {
  const absl::StatusOr<ListenSockets> sockets =
      ListenSockets::Open("[::1]:0", 1);
  ASSERT_TRUE(sockets.ok());
  BlockingClient client(sockets->address());
}

TEST(ListenSocketsTest, RefusesABadAddress) {
  EXPECT_EQ(ListenSockets::Open("nowhere", 1).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(ListenSocketsTest, RefusesAPortInUseAlsoByAServerThatWouldShareIt) {
  const absl::StatusOr<ListenSockets> first =
      ListenSockets::Open("127.0.0.1:0", 2);
  const std::string address = first->address().ToString();
  EXPECT_EQ(ListenSockets::Open(address, 2).status().message(),
            "bind " + address + ": Address already in use");
}

TEST(ListenSocketsTest, SharesAPortOnRequest) {
  const absl::StatusOr<ListenSockets> first =
      ListenSockets::Open("127.0.0.1:0", 1);
  EXPECT_TRUE(ListenSockets::Open(first->address(), 1,
                                  {.share_with_other_processes = true})
                  .ok());
}

TEST(ListenSocketsTest, EachCallThatFailsIsReportedWithTheAddress) {
  struct Case {
    Call call;
    int error;
    const char* message;
  };
  const Case cases[] = {
      {Call::kSocket, EMFILE, "Too many open files"},
      {Call::kSetSocketOption, ENOPROTOOPT, "Protocol not available"},
      {Call::kBind, EACCES, "Permission denied"},
      {Call::kListen, EADDRINUSE, "Address already in use"},
  };
  for (const Case& test : cases) {
    TestKernel kernel;
    kernel.Fail(test.call, test.error);
    const absl::Status status =
        ListenSockets::Open("127.0.0.1:0", 1, {.kernel = &kernel}).status();
    EXPECT_THAT(std::string(status.message()), EndsWith(test.message));
    EXPECT_TRUE(
        ListenSockets::Open("127.0.0.1:0", 1, {.kernel = &kernel}).ok());
  }
}

}  // namespace
}  // namespace percore
