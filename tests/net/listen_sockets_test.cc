#include "percore/net/listen_sockets.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>

#include "percore/tests/support/blocking_client.h"
#include "percore/tests/support/temporary_folder.h"
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

class ListenSocketsUnixTest : public testing::Test {
 protected:
  absl::StatusOr<ListenSockets> Open(int count,
                                     const ListenOptions& options = {}) const {
    return ListenSockets::Open("unix:" + path_, count, options);
  }
  bool Exists() const { return access(path_.c_str(), F_OK) == 0; }

  const TemporaryFolder folder_;
  const std::string path_ = folder_.File("socket");
};

TEST_F(ListenSocketsUnixTest, ClientsOfItsOwnUserCanConnectAtOnce) {
  const absl::StatusOr<ListenSockets> sockets = Open(1);
  ASSERT_TRUE(sockets.ok()) << sockets.status();
  EXPECT_EQ(sockets->address().unix_path(), path_);
  BlockingClient client(sockets->address());
  struct stat status;
  ASSERT_EQ(stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
}

TEST_F(ListenSocketsUnixTest, PermissionsAreAsGiven) {
  const absl::StatusOr<ListenSockets> sockets = Open(1, {.permissions = 0666});
  ASSERT_TRUE(sockets.ok());
  struct stat status;
  ASSERT_EQ(stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0666u);
}

TEST_F(ListenSocketsUnixTest, AnyShardMayAcceptAnyConnection) {
  absl::StatusOr<ListenSockets> sockets = Open(3);
  ASSERT_TRUE(sockets.ok());
  EXPECT_EQ(sockets->count(), 3);
  const std::array<BlockingClient, 3> clients = {
      BlockingClient(sockets->address()), BlockingClient(sockets->address()),
      BlockingClient(sockets->address())};
  for (int i = 0; i < 3; ++i) {
    const UniqueFd fd = sockets->Take(i);
    EXPECT_EQ(fcntl(fd.get(), F_GETFD), FD_CLOEXEC);
    EXPECT_NE(fcntl(fd.get(), F_GETFL) & O_NONBLOCK, 0);
    EXPECT_TRUE(UniqueFd(accept(fd.get(), nullptr, nullptr)).valid());
  }
}

TEST_F(ListenSocketsUnixTest, ThePathGoesWithTheObjectAndNotWithItsSockets) {
  absl::StatusOr<ListenSockets> opened = Open(1);
  ASSERT_TRUE(opened.ok());
  {
    ListenSockets sockets = *std::move(opened);
    EXPECT_TRUE(sockets.Take(0).valid());
    EXPECT_TRUE(Exists());
  }
  EXPECT_FALSE(Exists());
}

TEST_F(ListenSocketsUnixTest, RefusesAnAddressInUse) {
  const absl::StatusOr<ListenSockets> first = Open(1);
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(Open(1).status().message(),
            "bind unix:" + path_ + ": Address already in use");
  BlockingClient client(first->address());
}

TEST_F(ListenSocketsUnixTest, AbstractNamesNeedNoFile) {
  const std::string name = "unix:@" + path_;
  {
    const absl::StatusOr<ListenSockets> sockets = ListenSockets::Open(name, 2);
    ASSERT_TRUE(sockets.ok()) << sockets.status();
    EXPECT_EQ(sockets->address().ToString(), name);
    BlockingClient client(sockets->address());
    EXPECT_FALSE(Exists());
    EXPECT_EQ(ListenSockets::Open(name, 1).status().message(),
              "bind " + name + ": Address already in use");
  }
  EXPECT_TRUE(ListenSockets::Open(name, 1).ok());
}

TEST_F(ListenSocketsUnixTest, LetsTheKernelChooseAName) {
  const sockaddr unnamed = {.sa_family = AF_UNIX, .sa_data = {}};
  const absl::StatusOr<ListenSockets> sockets = ListenSockets::Open(
      *SocketAddress::FromNative(&unnamed, sizeof(sa_family_t)), 1);
  ASSERT_TRUE(sockets.ok()) << sockets.status();
  EXPECT_THAT(sockets->address().ToString(), testing::StartsWith("unix:@"));
  BlockingClient client(sockets->address());
}

TEST_F(ListenSocketsUnixTest, NoTwoProcessesShareOne) {
  const absl::Status status =
      Open(1, {.share_with_other_processes = true}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_FALSE(Exists());
}

TEST_F(ListenSocketsUnixTest, EachCallThatFailsIsReportedAndLeavesNoPath) {
  for (const Call call : {Call::kSocket, Call::kBind, Call::kListen,
                          Call::kGetSocketName, Call::kControl}) {
    TestKernel kernel;
    kernel.Fail(call, ENOBUFS);
    EXPECT_THAT(std::string(Open(2, {.kernel = &kernel}).status().message()),
                EndsWith("No buffer space available"));
    EXPECT_FALSE(Exists());
  }
  TestKernel kernel;
  kernel.Fail(Call::kBind, EACCES);
  EXPECT_EQ(ListenSockets::Open("unix:@" + path_, 1, {.kernel = &kernel})
                .status()
                .message(),
            "bind unix:@" + path_ + ": Permission denied");
}

}  // namespace
}  // namespace percore
