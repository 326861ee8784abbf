#include "percore/net/socket_options.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <functional>
#include <string>

#include "absl/strings/str_cat.h"
#include "percore/net/listen_sockets.h"
#include "percore/net/socket_address.h"
#include "percore/net/unique_fd.h"
#include "percore/tests/support/test_kernel.h"

namespace percore {
namespace {

using namespace std::chrono_literals;
using Call = TestKernel::Call;

class SocketOptionsTest : public testing::Test {
 protected:
  int Option(int level, int name) const {
    int value = -1;
    socklen_t size = sizeof(value);
    EXPECT_EQ(getsockopt(fd_.get(), level, name, &value, &size), 0);
    return value;
  }

  // Blocking, and open after exec().
  const UniqueFd fd_{socket(AF_INET, SOCK_STREAM, 0)};
};

TEST_F(SocketOptionsTest, SwitchesGoOnAndOff) {
  struct Case {
    absl::Status (*set)(int, Switch, Kernel&);
    int level;
    int name;
  };
  const Case cases[] = {
      {&SetReuseAddress, SOL_SOCKET, SO_REUSEADDR},
      {&SetReusePort, SOL_SOCKET, SO_REUSEPORT},
      {&SetNoDelay, IPPROTO_TCP, TCP_NODELAY},
  };
  for (const Case& test : cases) {
    EXPECT_EQ(Option(test.level, test.name), 0);
    EXPECT_TRUE(test.set(fd_.get(), Switch::kOn, Kernel::Real()).ok());
    EXPECT_EQ(Option(test.level, test.name), 1);
    EXPECT_TRUE(test.set(fd_.get(), Switch::kOff, Kernel::Real()).ok());
    EXPECT_EQ(Option(test.level, test.name), 0);
  }
}

TEST_F(SocketOptionsTest, FlagsGoOnAndOffAndLeaveOthersAlone) {
  const int before = fcntl(fd_.get(), F_GETFL);
  EXPECT_TRUE(SetNonBlocking(fd_.get()).ok());
  EXPECT_EQ(fcntl(fd_.get(), F_GETFL), before | O_NONBLOCK);
  EXPECT_TRUE(SetNonBlocking(fd_.get(), Switch::kOff).ok());
  EXPECT_EQ(fcntl(fd_.get(), F_GETFL), before);
  EXPECT_TRUE(SetCloseOnExec(fd_.get()).ok());
  EXPECT_EQ(fcntl(fd_.get(), F_GETFD), FD_CLOEXEC);
  EXPECT_TRUE(SetCloseOnExec(fd_.get(), Switch::kOff).ok());
  EXPECT_EQ(fcntl(fd_.get(), F_GETFD), 0);
}

TEST_F(SocketOptionsTest, AFlagThatIsSetCostsOneSystemCall) {
  TestKernel kernel;
  EXPECT_TRUE(SetNonBlocking(fd_.get(), Switch::kOff, kernel).ok());
  EXPECT_EQ(kernel.Count(Call::kControl), 1);
}

TEST_F(SocketOptionsTest, AnIpv6SocketServesIpv4OrNot) {
  const SocketAddress any = *SocketAddress::Parse("[::]:0");
  for (const Switch setting : {Switch::kOff, Switch::kOn}) {
    const UniqueFd server(socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_TRUE(SetIpv6Only(server.get(), setting).ok());
    ASSERT_EQ(bind(server.get(), any.native(), any.native_size()), 0);
    ASSERT_EQ(listen(server.get(), 1), 0);
    const SocketAddress v4 =
        SocketAddress::Parse("127.0.0.1:0")
            ->WithPort(SocketAddress::OfSocket(server.get())->port());
    const UniqueFd client(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(connect(client.get(), v4.native(), v4.native_size()) == 0,
              setting == Switch::kOff);
  }
}

TEST_F(SocketOptionsTest, KeepAliveHasItsTimes) {
  EXPECT_TRUE(
      SetKeepAlive(fd_.get(), {.idle = 30s, .interval = 2s, .probes = 5}).ok());
  EXPECT_EQ(Option(SOL_SOCKET, SO_KEEPALIVE), 1);
  EXPECT_EQ(Option(IPPROTO_TCP, TCP_KEEPIDLE), 30);
  EXPECT_EQ(Option(IPPROTO_TCP, TCP_KEEPINTVL), 2);
  EXPECT_EQ(Option(IPPROTO_TCP, TCP_KEEPCNT), 5);
  EXPECT_TRUE(DisableKeepAlive(fd_.get()).ok());
  EXPECT_EQ(Option(SOL_SOCKET, SO_KEEPALIVE), 0);
}

TEST_F(SocketOptionsTest, ResetOnCloseIsAnErrorForThePeer) {
  for (const Switch setting : {Switch::kOn, Switch::kOff}) {
    auto sockets = ListenSockets::Open("127.0.0.1:0", 1);
    const UniqueFd client(socket(AF_INET, SOCK_STREAM, 0));
    ASSERT_EQ(connect(client.get(), sockets->address().native(),
                      sockets->address().native_size()),
              0);
    UniqueFd server(accept(sockets->Take(0).get(), nullptr, nullptr));
    ASSERT_TRUE(SetResetOnClose(server.get()).ok());
    ASSERT_TRUE(SetResetOnClose(server.get(), setting).ok());
    server.Reset();
    char byte = 0;
    const ssize_t result = recv(client.get(), &byte, 1, 0);
    if (setting == Switch::kOn) {
      EXPECT_EQ(result, -1);
      EXPECT_EQ(errno, ECONNRESET);
    } else {
      EXPECT_EQ(result, 0);
    }
  }
}

TEST_F(SocketOptionsTest, DeferredAcceptWaitsForBytes) {
  ListenSockets deferred = *ListenSockets::Open("127.0.0.1:0", 1);
  const UniqueFd server = deferred.Take(0);
  ASSERT_TRUE(SetDeferredAccept(server.get(), 1500ms).ok());
  const UniqueFd client(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const SocketAddress& address = deferred.address();
  ASSERT_EQ(connect(client.get(), address.native(), address.native_size()), 0);
  EXPECT_EQ(accept(server.get(), nullptr, nullptr), -1);
  EXPECT_EQ(errno, EAGAIN);
  ASSERT_EQ(send(client.get(), "x", 1, 0), 1);
  const UniqueFd accepted(accept(server.get(), nullptr, nullptr));
  EXPECT_TRUE(accepted.valid());
  EXPECT_TRUE(SetDeferredAccept(server.get(), Duration::zero()).ok());
}

TEST_F(SocketOptionsTest, FastOpenHasAQueue) {
  EXPECT_TRUE(SetFastOpen(fd_.get(), 16).ok());
  EXPECT_EQ(Option(IPPROTO_TCP, TCP_FASTOPEN), 16);
}

TEST_F(SocketOptionsTest, BuffersHaveSizes) {
  constexpr size_t kSize = 16 * 1024;
  EXPECT_TRUE(SetSendBufferSize(fd_.get(), kSize).ok());
  EXPECT_TRUE(SetReceiveBufferSize(fd_.get(), kSize * 2).ok());
  EXPECT_EQ(*SendBufferSize(fd_.get()), kSize * 2);
  EXPECT_EQ(*ReceiveBufferSize(fd_.get()), kSize * 4);
  // What no int holds is as much as the kernel gives.
  EXPECT_TRUE(SetSendBufferSize(fd_.get(), SIZE_MAX).ok());
  EXPECT_GT(*SendBufferSize(fd_.get()), kSize * 2);
}

TEST_F(SocketOptionsTest, TellsTheErrorThatWaitsOnce) {
  EXPECT_TRUE(PendingError(fd_.get()).ok());
  SocketAddress unused;
  {
    const ListenSockets sockets = *ListenSockets::Open("127.0.0.1:0", 1);
    unused = sockets.address();
  }
  ASSERT_TRUE(SetNonBlocking(fd_.get()).ok());
  ASSERT_EQ(connect(fd_.get(), unused.native(), unused.native_size()), -1);
  ASSERT_EQ(errno, EINPROGRESS);
  pollfd refused = {.fd = fd_.get(), .events = POLLOUT, .revents = 0};
  ASSERT_EQ(poll(&refused, 1, -1), 1);
  EXPECT_EQ(PendingError(fd_.get(), "connect").message(),
            absl::StrCat("connect fd ", fd_.get(), ": Connection refused"));
  EXPECT_TRUE(PendingError(fd_.get()).ok());
}

TEST_F(SocketOptionsTest, ErrorsNameTheCallTheOptionAndTheDescriptor) {
  struct Case {
    Call call;
    int passing;
    std::string what;
    std::function<absl::Status(Kernel&)> set;
  };
  const int fd = fd_.get();
  const auto keep_alive = [fd](Kernel& kernel) {
    return SetKeepAlive(fd, {}, kernel);
  };
  const Case cases[] = {
      {Call::kControl, 0, "fcntl O_NONBLOCK",
       [fd](Kernel& kernel) {
         return SetNonBlocking(fd, Switch::kOn, kernel);
       }},
      {Call::kControl, 1, "fcntl FD_CLOEXEC",
       [fd](Kernel& kernel) {
         return SetCloseOnExec(fd, Switch::kOn, kernel);
       }},
      {Call::kSetSocketOption, 0, "setsockopt SO_REUSEADDR",
       [fd](Kernel& kernel) {
         return SetReuseAddress(fd, Switch::kOn, kernel);
       }},
      {Call::kSetSocketOption, 0, "setsockopt SO_REUSEPORT",
       [fd](Kernel& kernel) { return SetReusePort(fd, Switch::kOn, kernel); }},
      {Call::kSetSocketOption, 0, "setsockopt IPV6_V6ONLY",
       [fd](Kernel& kernel) { return SetIpv6Only(fd, Switch::kOn, kernel); }},
      {Call::kSetSocketOption, 0, "setsockopt TCP_DEFER_ACCEPT",
       [fd](Kernel& kernel) { return SetDeferredAccept(fd, 1s, kernel); }},
      {Call::kSetSocketOption, 0, "setsockopt TCP_FASTOPEN",
       [fd](Kernel& kernel) { return SetFastOpen(fd, 1, kernel); }},
      {Call::kSetSocketOption, 0, "setsockopt TCP_NODELAY",
       [fd](Kernel& kernel) { return SetNoDelay(fd, Switch::kOn, kernel); }},
      {Call::kSetSocketOption, 0, "setsockopt TCP_KEEPIDLE", keep_alive},
      {Call::kSetSocketOption, 1, "setsockopt TCP_KEEPINTVL", keep_alive},
      {Call::kSetSocketOption, 2, "setsockopt TCP_KEEPCNT", keep_alive},
      {Call::kSetSocketOption, 3, "setsockopt SO_KEEPALIVE", keep_alive},
      {Call::kSetSocketOption, 0, "setsockopt SO_KEEPALIVE",
       [fd](Kernel& kernel) { return DisableKeepAlive(fd, kernel); }},
      {Call::kSetSocketOption, 0, "setsockopt SO_SNDBUF",
       [fd](Kernel& kernel) { return SetSendBufferSize(fd, 1, kernel); }},
      {Call::kSetSocketOption, 0, "setsockopt SO_RCVBUF",
       [fd](Kernel& kernel) { return SetReceiveBufferSize(fd, 1, kernel); }},
      {Call::kGetSocketOption, 0, "getsockopt SO_SNDBUF",
       [fd](Kernel& kernel) { return SendBufferSize(fd, kernel).status(); }},
      {Call::kGetSocketOption, 0, "getsockopt SO_RCVBUF",
       [fd](Kernel& kernel) { return ReceiveBufferSize(fd, kernel).status(); }},
      {Call::kGetSocketOption, 0, "getsockopt SO_ERROR",
       [fd](Kernel& kernel) { return PendingError(fd, "connect", kernel); }},
  };
  for (const Case& test : cases) {
    TestKernel kernel;
    kernel.Fail(test.call, ENOPROTOOPT, /*times=*/1, test.passing);
    EXPECT_EQ(test.set(kernel).message(),
              absl::StrCat(test.what, " fd ", fd, ": Protocol not available"));
  }
}

}  // namespace
}  // namespace percore
