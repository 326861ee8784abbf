#include "percore/net/listen_sockets.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "percore/net/socket_options.h"
#include "percore/runtime/cpu_set.h"
#include "percore/tests/support/blocking_client.h"
#include "percore/tests/support/temporary_folder.h"
#include "percore/tests/support/test_kernel.h"

namespace percore {
namespace {

using Call = TestKernel::Call;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

ino_t Inode(int fd) {
  struct stat status = {};
  EXPECT_EQ(fstat(fd, &status), 0);
  return status.st_ino;
}

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

int Option(int fd, int level, int name) {
  int value = -1;
  socklen_t size = sizeof(value);
  EXPECT_EQ(getsockopt(fd, level, name, &value, &size), 0);
  return value;
}

TEST(ListenSocketsTest, OptionsReachEverySocket) {
  const ListenOptions options = {.reuse_address = false,
                                 .deferred_accept = std::chrono::seconds(3),
                                 .fast_open = 16};
  absl::StatusOr<ListenSockets> sockets =
      ListenSockets::Open("127.0.0.1:0", 2, options);
  ASSERT_TRUE(sockets.ok()) << sockets.status();
  for (int i = 0; i < 2; ++i) {
    const UniqueFd fd = sockets->Take(i);
    EXPECT_EQ(Option(fd.get(), SOL_SOCKET, SO_REUSEADDR), 0);
    EXPECT_GE(Option(fd.get(), IPPROTO_TCP, TCP_DEFER_ACCEPT), 3);
    EXPECT_EQ(Option(fd.get(), IPPROTO_TCP, TCP_FASTOPEN), 16);
  }
  sockets = ListenSockets::Open("127.0.0.1:0", 1);
  const UniqueFd fd = sockets->Take(0);
  EXPECT_EQ(Option(fd.get(), SOL_SOCKET, SO_REUSEADDR), 1);
  EXPECT_EQ(Option(fd.get(), IPPROTO_TCP, TCP_DEFER_ACCEPT), 0);
  EXPECT_EQ(Option(fd.get(), IPPROTO_TCP, TCP_FASTOPEN), 0);
}

TEST(ListenSocketsTest, ADeferredConnectionIsThereOnceItHasBytes) {
  absl::StatusOr<ListenSockets> sockets = ListenSockets::Open(
      "127.0.0.1:0", 1, {.deferred_accept = std::chrono::seconds(60)});
  ASSERT_TRUE(sockets.ok()) << sockets.status();
  const UniqueFd fd = sockets->Take(0);
  BlockingClient client(sockets->address());
  Kernel& kernel = Kernel::Real();
  EXPECT_EQ(kernel.Accept(fd.get(), nullptr, nullptr), -EAGAIN);
  client.Send("hello");
  const UniqueFd connection(kernel.Accept(fd.get(), nullptr, nullptr));
  EXPECT_TRUE(connection.valid());
}

// Keeps what IPV6_V6ONLY was set to. Once a socket is bound to an address that
// is not [::], the system answers 1 whatever was set.
class Ipv6OnlyKernel : public Kernel {
 public:
  int SetSocketOption(int fd, int level, int name, const void* value,
                      socklen_t size) override {
    if (level == IPPROTO_IPV6 && name == IPV6_V6ONLY) {
      settings.push_back(*static_cast<const int*>(value));
    }
    return Kernel::SetSocketOption(fd, level, name, value, size);
  }

  std::vector<int> settings;
};

TEST(ListenSocketsTest, LeavesIpv4AloneUnlessToldOtherwise) {
  Ipv6OnlyKernel kernel;
  ASSERT_TRUE(ListenSockets::Open("[::1]:0", 1, {.kernel = &kernel}).ok());
  ASSERT_TRUE(
      ListenSockets::Open("[::1]:0", 1, {.ipv6_only = false, .kernel = &kernel})
          .ok());
  EXPECT_EQ(kernel.settings, (std::vector<int>{1, 0}));
}

TEST(ListenSocketsTest, RefusesOptionsThatItCannotHave) {
  const TemporaryFolder folder;
  const std::string local = "unix:" + folder.File("socket");
  struct Case {
    std::string address;
    ListenOptions options;
    const char* message;
  };
  const Case cases[] = {
      {local, {.share_with_other_processes = true}, "can share"},
      {local, {.deferred_accept = std::chrono::seconds(1)}, "are TCP's"},
      {local, {.fast_open = 1}, "are TCP's"},
      {local, {.cpu_steering = CpuSteering::kByCpu}, "are TCP's"},
      {"127.0.0.1:0",
       {.share_with_other_processes = true,
        .cpu_steering = CpuSteering::kByCpu},
       "cannot be shared"},
      {"127.0.0.1:0",
       {.cpu_steering = CpuSteering::kByCpu, .cpus = {0}},
       "there are 1 CPUs for 2 sockets"},
  };
  for (const Case& test : cases) {
    const absl::Status status =
        ListenSockets::Open(test.address, 2, test.options).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), HasSubstr(test.message));
    EXPECT_THAT(std::string(status.message()),
                StartsWith("listen " + test.address + ": "));
  }
}

class CpuSteeringTest : public testing::Test {
 protected:
  // Pins this thread to each CPU in turn: what arrives over the loopback is
  // handled where it was sent.
  ~CpuSteeringTest() override {
    cpu_set_t all;
    CPU_ZERO(&all);
    for (const int cpu : allowed_) CPU_SET(cpu, &all);
    sched_setaffinity(0, sizeof(all), &all);
  }

  // Which of the sockets has a connection made from `cpu`.
  int SocketOf(int cpu) {
    EXPECT_TRUE(PinThread(cpu).ok());
    const BlockingClient client(sockets_.address());
    int found = -1;
    for (size_t i = 0; i < fds_.size(); ++i) {
      if (UniqueFd(Kernel::Real().Accept(fds_[i].get(), nullptr, nullptr))
              .valid()) {
        EXPECT_EQ(found, -1);
        found = static_cast<int>(i);
      }
    }
    EXPECT_NE(found, -1);
    return found;
  }
  void Open(int count, std::vector<int> cpus) {
    absl::StatusOr<ListenSockets> opened = ListenSockets::Open(
        "127.0.0.1:0", count,
        {.cpu_steering = CpuSteering::kByCpu, .cpus = std::move(cpus)});
    ASSERT_TRUE(opened.ok()) << opened.status();
    sockets_ = *std::move(opened);
    fds_.clear();
    for (int i = 0; i < count; ++i) fds_.push_back(sockets_.Take(i));
  }
  // The sockets that have connections from the first CPU, of many.
  std::set<int> SocketsOfFirstCpu() {
    std::set<int> sockets;
    for (int i = 0; i < 100; ++i) sockets.insert(SocketOf(allowed_[0]));
    return sockets;
  }

  const CpuList allowed_ = *AllowedCpus();
  ListenSockets sockets_;
  std::vector<UniqueFd> fds_;
};

TEST_F(CpuSteeringTest, AConnectionGoesToTheSocketOfItsCpu) {
  // Last CPU first, so that no other order would do.
  Open(static_cast<int>(allowed_.size()), {allowed_.rbegin(), allowed_.rend()});
  for (int repeat = 0; repeat < 10; ++repeat) {
    for (size_t i = 0; i < allowed_.size(); ++i) {
      EXPECT_EQ(SocketOf(allowed_[i]),
                static_cast<int>(allowed_.size() - 1 - i));
    }
  }
}

TEST_F(CpuSteeringTest, WithoutCpusTheyAreCountedRoundTheSockets) {
  Open(2, {});
  for (int repeat = 0; repeat < 10; ++repeat) {
    for (const int cpu : allowed_) EXPECT_EQ(SocketOf(cpu), cpu % 2);
  }
}

TEST_F(CpuSteeringTest, CpusOfNoSocketAreSpreadOverAll) {
  Open(2, {100000, 100001});
  EXPECT_EQ(SocketsOfFirstCpu(), (std::set<int>{0, 1}));
}

TEST_F(CpuSteeringTest, ACpuOfSeveralSocketsIsSpreadToo) {
  Open(2, {allowed_[0], allowed_[0]});
  EXPECT_EQ(SocketsOfFirstCpu(), (std::set<int>{0, 1}));
}

TEST_F(CpuSteeringTest, AKernelThatRefusesIsAnErrorOfTheStart) {
  TestKernel kernel;
  const ListenOptions options = {.cpu_steering = CpuSteering::kByCpu,
                                 .kernel = &kernel};
  // Three for each socket come before.
  kernel.Fail(Call::kSetSocketOption, ENOPROTOOPT, 1, 3);
  EXPECT_THAT(
      std::string(
          ListenSockets::Open("127.0.0.1:0", 1, options).status().message()),
      testing::ContainsRegex("setsockopt SO_ATTACH_REUSEPORT_CBPF fd [0-9]+: "
                             "Protocol not available"));
}

TEST(AdoptedSocketsTest, AreSharedAmongTheShards) {
  ListenSockets opened = *ListenSockets::Open("127.0.0.1:0", 1);
  std::vector<UniqueFd> sockets;
  sockets.push_back(opened.Take(0));
  ASSERT_TRUE(SetNonBlocking(sockets[0].get(), Switch::kOff).ok());
  ASSERT_TRUE(SetCloseOnExec(sockets[0].get(), Switch::kOff).ok());
  ASSERT_TRUE(SetNoDelay(sockets[0].get(), Switch::kOff).ok());
  absl::StatusOr<ListenSockets> adopted =
      ListenSockets::Adopt(std::move(sockets), 3);
  ASSERT_TRUE(adopted.ok()) << adopted.status();
  EXPECT_EQ(adopted->address(), opened.address());
  ASSERT_EQ(adopted->count(), 3);
  for (int i = 0; i < 3; ++i) {
    const BlockingClient client(adopted->address());
    const UniqueFd fd = adopted->Take(i);
    EXPECT_EQ(fcntl(fd.get(), F_GETFD), FD_CLOEXEC);
    EXPECT_NE(fcntl(fd.get(), F_GETFL) & O_NONBLOCK, 0);
    EXPECT_EQ(Option(fd.get(), IPPROTO_TCP, TCP_NODELAY), 1);
    EXPECT_TRUE(UniqueFd(accept(fd.get(), nullptr, nullptr)).valid());
  }
}

TEST(AdoptedSocketsTest, AreDealtOutInTurn) {
  ListenSockets opened = *ListenSockets::Open("127.0.0.1:0", 2);
  std::vector<UniqueFd> sockets(2);
  for (int i = 0; i < 2; ++i) sockets[i] = opened.Take(i);
  const ino_t first = Inode(sockets[0].get());
  const ino_t second = Inode(sockets[1].get());
  absl::StatusOr<ListenSockets> adopted =
      ListenSockets::Adopt(std::move(sockets), 5);
  ASSERT_TRUE(adopted.ok()) << adopted.status();
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(Inode(adopted->Take(i).get()), i % 2 == 0 ? first : second);
  }
}

TEST(AdoptedSocketsTest, AUnixPathStaysWhoseItIs) {
  const TemporaryFolder folder;
  ListenSockets opened =
      *ListenSockets::Open("unix:" + folder.File("socket"), 1);
  {
    std::vector<UniqueFd> sockets;
    sockets.push_back(opened.Take(0));
    EXPECT_TRUE(ListenSockets::Adopt(std::move(sockets), 1).ok());
  }
  EXPECT_EQ(access(folder.File("socket").c_str(), F_OK), 0);
}

TEST(AdoptedSocketsTest, RefusesWhatItCannotListenOn) {
  const auto refusal = [](int count, auto... fds) {
    std::vector<UniqueFd> sockets;
    (sockets.push_back(std::move(fds)), ...);
    return std::string(
        ListenSockets::Adopt(std::move(sockets), count).status().message());
  };
  const auto listening = [] {
    return ListenSockets::Open("127.0.0.1:0", 1)->Take(0);
  };
  EXPECT_EQ(refusal(1),
            "adopting sockets: there are 0 for 1 shards; a shard "
            "listens on one");
  EXPECT_THAT(refusal(1, listening(), listening()), HasSubstr("2 for 1"));
  EXPECT_THAT(refusal(2, listening(), listening()),
              EndsWith("are two addresses"));
  EXPECT_THAT(refusal(1, UniqueFd(socket(AF_INET, SOCK_STREAM, 0))),
              EndsWith("is a socket that does not listen"));
  EXPECT_THAT(refusal(1, UniqueFd(socket(AF_INET, SOCK_DGRAM, 0))),
              EndsWith("is not a stream socket"));
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
  EXPECT_THAT(sockets->address().ToString(), StartsWith("unix:@"));
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
