#include "percore/net/internal/bound_path.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>

#include "absl/strings/str_cat.h"
#include "percore/net/unique_fd.h"
#include "percore/runtime/log.h"
#include "percore/tests/support/temporary_folder.h"
#include "percore/tests/support/test_kernel.h"

namespace percore::internal {
namespace {

using Call = TestKernel::Call;
using testing::EndsWith;
using testing::StartsWith;

UniqueFd Socket(int type = SOCK_STREAM) {
  return UniqueFd(Kernel::Real().Socket(AF_UNIX, type, 0));
}

class BoundPathTest : public testing::Test {
 protected:
  static constexpr mode_t kPermissions = 0640;

  absl::StatusOr<std::unique_ptr<BoundPath>> Bind(const UniqueFd& fd) {
    return BoundPath::Bind(kernel_, fd.get(), address_, kPermissions);
  }
  bool Exists() const { return access(path_.c_str(), F_OK) == 0; }
  // A path as a server that was killed leaves it.
  void LeaveStalePath() {
    const UniqueFd fd = Socket();
    ASSERT_EQ(bind(fd.get(), address_.native(), address_.native_size()), 0);
    ASSERT_EQ(listen(fd.get(), 1), 0);
  }
  std::string Error(std::string_view call, std::string_view reason) const {
    return absl::StrCat(std::string(call), " ", address_.ToString(), ": ",
                        std::string(reason));
  }

  TestKernel kernel_;
  const TemporaryFolder folder_;
  const std::string path_ = folder_.File("socket");
  const SocketAddress address_ = *SocketAddress::OfUnixPath(path_);
};

TEST_F(BoundPathTest, BindsSetsPermissionsAndRemoves) {
  const UniqueFd fd = Socket();
  {
    const auto path = Bind(fd);
    ASSERT_TRUE(path.ok()) << path.status();
    EXPECT_EQ(*SocketAddress::OfSocket(fd.get()), address_);
    struct stat status;
    ASSERT_EQ(lstat(path_.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, kPermissions);
  }
  EXPECT_FALSE(Exists());
}

TEST_F(BoundPathTest, TakesTheWordOfNobodyButTheKernelForPermissions) {
  const mode_t before = umask(0777);
  const UniqueFd fd = Socket();
  const auto path = Bind(fd);
  umask(before);
  struct stat status;
  ASSERT_EQ(lstat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, kPermissions);
}

TEST_F(BoundPathTest, ReplacesAPathWhereNobodyListens) {
  LeaveStalePath();
  const UniqueFd fd = Socket();
  EXPECT_TRUE(Bind(fd).ok());
}

TEST_F(BoundPathTest, LeavesAPathWhereSomebodyListens) {
  const UniqueFd server = Socket();
  const auto path = Bind(server);
  ASSERT_EQ(listen(server.get(), 1), 0);
  const UniqueFd second = Socket();
  EXPECT_EQ(Bind(second).status().message(),
            Error("bind", "Address already in use"));
  EXPECT_TRUE(Exists());
}

TEST_F(BoundPathTest, LeavesAPathWhoseBacklogIsFull) {
  const UniqueFd server = Socket();
  const auto path = Bind(server);
  ASSERT_EQ(listen(server.get(), 0), 0);
  const std::array<UniqueFd, 3> clients = {Socket(), Socket(), Socket()};
  for (const UniqueFd& client : clients) {
    (void)connect(client.get(), address_.native(), address_.native_size());
  }
  const UniqueFd second = Socket();
  EXPECT_EQ(Bind(second).status().message(),
            Error("bind", "Address already in use"));
  EXPECT_TRUE(Exists());
}

TEST_F(BoundPathTest, LeavesASocketOfAnotherType) {
  const UniqueFd datagrams = Socket(SOCK_DGRAM);
  const auto path = Bind(datagrams);
  const UniqueFd second = Socket();
  EXPECT_EQ(Bind(second).status().message(),
            Error("bind", "Address already in use"));
  EXPECT_TRUE(Exists());
}

TEST_F(BoundPathTest, LeavesWhatIsNoSocket) {
  const UniqueFd file(
      open(path_.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
  ASSERT_TRUE(file.valid());
  const UniqueFd fd = Socket();
  const absl::Status status = Bind(fd).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(status.message(),
            Error("bind", "there is a file that is no socket"));
  EXPECT_TRUE(Exists());
}

TEST_F(BoundPathTest, DoesNotFollowLinks) {
  LeaveStalePath();
  const std::string link = folder_.File("link");
  ASSERT_EQ(symlink(path_.c_str(), link.c_str()), 0);
  const UniqueFd fd = Socket();
  EXPECT_EQ(BoundPath::Bind(kernel_, fd.get(), *SocketAddress::OfUnixPath(link),
                            kPermissions)
                .status()
                .code(),
            absl::StatusCode::kAlreadyExists);
  EXPECT_TRUE(Exists());
}

TEST_F(BoundPathTest, LeavesThePathOfItsSuccessor) {
  const UniqueFd first = Socket();
  auto path = Bind(first);
  ASSERT_TRUE(path.ok());
  const UniqueFd second = Socket();
  const auto successor = Bind(second);  // the first one does not listen
  ASSERT_TRUE(successor.ok());
  path->reset();
  EXPECT_TRUE(Exists());
}

TEST_F(BoundPathTest, DoesNotMindThatItsPathIsGone) {
  const UniqueFd fd = Socket();
  const auto path = Bind(fd);
  ASSERT_TRUE(path.ok());
  ASSERT_EQ(unlink(path_.c_str()), 0);
}

TEST_F(BoundPathTest, BindsThoughAnotherRemovedTheStalePathMeanwhile) {
  LeaveStalePath();
  kernel_.Fail(Call::kPathStatus, ENOENT);
  ASSERT_EQ(unlink(path_.c_str()), 0);
  kernel_.Fail(Call::kBind, EADDRINUSE);
  const UniqueFd fd = Socket();
  EXPECT_TRUE(Bind(fd).ok());
}

TEST_F(BoundPathTest, EachCallThatFailsIsReportedAndLeavesNoPath) {
  struct Case {
    Call call;
    const char* name;
  };
  for (const Case& test :
       {Case{Call::kBind, "bind"}, Case{Call::kPathStatus, "lstat"},
        Case{Call::kChangeMode, "chmod"}}) {
    kernel_.Fail(test.call, EACCES);
    const UniqueFd fd = Socket();
    EXPECT_EQ(Bind(fd).status().message(),
              Error(test.name, "Permission denied"));
    EXPECT_FALSE(Exists());
  }
}

TEST_F(BoundPathTest, EachCallThatFailsBesideAStalePathIsReportedAndLeavesIt) {
  LeaveStalePath();
  struct Case {
    Call call;
    const char* message;
  };
  const Case cases[] = {
      {Call::kPathStatus, "Permission denied"},
      {Call::kUnlink, "Permission denied"},
      // It cannot be known whether somebody listens.
      {Call::kSocket, "Address already in use"},
      {Call::kConnect, "Address already in use"},
  };
  for (const Case& test : cases) {
    kernel_.Fail(test.call, EACCES);
    const UniqueFd fd = Socket();
    EXPECT_THAT(std::string(Bind(fd).status().message()),
                EndsWith(test.message));
    EXPECT_TRUE(Exists());
  }
}

TEST_F(BoundPathTest, WarnsOfAPathThatCannotBeRemoved) {
  std::string warning;
  SetLogSink(
      [](LogLevel level, std::string_view message, void* argument) {
        EXPECT_EQ(level, LogLevel::kWarning);
        *static_cast<std::string*>(argument) = message;
      },
      &warning);
  const UniqueFd fd = Socket();
  {
    const auto path = Bind(fd);
    ASSERT_TRUE(path.ok());
    kernel_.Fail(Call::kUnlink, EROFS);
  }
  SetLogSink(nullptr, nullptr);
  EXPECT_THAT(warning, StartsWith(absl::StrCat("unlink ", path_)));
}

}  // namespace
}  // namespace percore::internal
