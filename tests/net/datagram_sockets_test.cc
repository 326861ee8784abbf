#include "percore/net/datagram_sockets.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "percore/net/socket_options.h"
#include "percore/tests/net/datagram_side.h"
#include "percore/tests/support/test_kernel.h"

namespace percore {
namespace {

using Call = TestKernel::Call;
using testing::HasSubstr;

std::string ErrorOf(const absl::StatusOr<DatagramSockets>& sockets) {
  return std::string(sockets.status().message());
}

bool HasSomething(int fd) {
  char byte;
  return recv(fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 1;
}

TEST(DatagramSocketsTest, AreAsManyAsAskedForOnOnePort) {
  for (const char* const address : {"127.0.0.1:0", "[::1]:0"}) {
    auto sockets = DatagramSockets::Open(address, 3);
    ASSERT_TRUE(sockets.ok()) << sockets.status();
    EXPECT_EQ(sockets->count(), 3);
    EXPECT_NE(sockets->address().port(), 0);
    std::set<int> descriptors;
    for (int i = 0; i < 3; ++i) {
      const UniqueFd fd = sockets->Take(i);
      EXPECT_EQ(*SocketAddress::OfSocket(fd.get()), sockets->address());
      EXPECT_NE(fcntl(fd.get(), F_GETFL) & O_NONBLOCK, 0);
      EXPECT_NE(fcntl(fd.get(), F_GETFD) & FD_CLOEXEC, 0);
      descriptors.insert(fd.get());
    }
  }
}

TEST(DatagramSocketsTest, EachPeerHasOneOfThem) {
  auto sockets = DatagramSockets::Open("127.0.0.1:0", 4);
  ASSERT_TRUE(sockets.ok());
  std::array<UniqueFd, 4> fds;
  for (int i = 0; i < 4; ++i) fds[i] = sockets->Take(i);
  std::set<int> used;
  for (int peer = 0; peer < 64; ++peer) {
    const PlainUdp client;
    for (int i = 0; i < 3; ++i) client.Send("x", sockets->address());
    std::array<pollfd, 4> waits;
    for (int i = 0; i < 4; ++i) {
      waits[i] = {.fd = fds[i].get(), .events = POLLIN, .revents = 0};
    }
    int at = -1;
    for (int left = 3; left > 0;) {
      ASSERT_GT(poll(waits.data(), waits.size(), 60'000), 0);
      for (int i = 0; i < 4; ++i) {
        char byte;
        while (recv(fds[i].get(), &byte, 1, MSG_DONTWAIT) == 1) {
          EXPECT_TRUE(at == -1 || at == i);
          at = i;
          --left;
        }
      }
    }
    used.insert(at);
  }
  EXPECT_GT(used.size(), 1u);
}

TEST(DatagramSocketsTest, AnAddressInUseIsAnErrorUnlessItIsShared) {
  const DatagramSocketOptions shared = {.share_with_other_processes = true};
  for (const int count : {1, 2}) {
    const auto first = DatagramSockets::Open("127.0.0.1:0", count, shared);
    ASSERT_TRUE(first.ok());
    const std::string address = first->address().ToString();
    for (const int more : {1, 2}) {
      EXPECT_EQ(ErrorOf(DatagramSockets::Open(address, more)),
                "bind " + address + ": Address already in use");
      EXPECT_TRUE(DatagramSockets::Open(address, more, shared).ok());
    }
  }
}

TEST(DatagramSocketsTest, OptionsReachTheSockets) {
  auto sockets = DatagramSockets::Open("127.0.0.1:0", 2,
                                       {.broadcast = true,
                                        .receive_buffer_bytes = 50000,
                                        .send_buffer_bytes = 40000});
  ASSERT_TRUE(sockets.ok());
  for (int i = 0; i < 2; ++i) {
    const UniqueFd fd = sockets->Take(i);
    int broadcast = 0;
    socklen_t size = sizeof(broadcast);
    getsockopt(fd.get(), SOL_SOCKET, SO_BROADCAST, &broadcast, &size);
    EXPECT_EQ(broadcast, 1);
    EXPECT_EQ(*ReceiveBufferSize(fd.get()), 100000u);
    EXPECT_EQ(*SendBufferSize(fd.get()), 80000u);
  }
}

TEST(DatagramSocketsTest, BothFamiliesOnRequest) {
  auto sockets = DatagramSockets::Open("[::]:0", 1, {.ipv6_only = false});
  ASSERT_TRUE(sockets.ok());
  const UniqueFd fd = sockets->Take(0);
  const PlainUdp client;
  client.Send("x",
              AddressOf("127.0.0.1:0").WithPort(sockets->address().port()));
  AwaitReadable(fd.get());
}

TEST(DatagramSocketsTest, WhatCannotBeHadIsRefused) {
  EXPECT_THAT(ErrorOf(DatagramSockets::Open("nonsense", 1)),
              HasSubstr("bad address 'nonsense'"));
  EXPECT_THAT(ErrorOf(DatagramSockets::Open("unix:/tmp/x", 1)),
              HasSubstr("UDP has no UNIX addresses"));
  EXPECT_THAT(ErrorOf(DatagramSockets::Open("127.0.0.1:0", 0)),
              HasSubstr("there must be a socket"));
  EXPECT_THAT(
      ErrorOf(DatagramSockets::Open("127.0.0.1:0", 2,
                                    {.share_with_other_processes = true,
                                     .cpu_steering = CpuSteering::kByCpu})),
      HasSubstr("a port cannot be shared"));
  EXPECT_THAT(ErrorOf(DatagramSockets::Open(
                  "127.0.0.1:0", 2,
                  {.cpu_steering = CpuSteering::kByCpu, .cpus = {0}})),
              HasSubstr("there are 1 CPUs for 2 sockets"));
}

TEST(DatagramSocketsTest, AreSteeredByCpu) {
  const DatagramSocketOptions by_list = {.cpu_steering = CpuSteering::kByCpu,
                                         .cpus = {5000, 5001}};
  const DatagramSocketOptions by_modulo = {.cpu_steering = CpuSteering::kByCpu};
  for (const DatagramSocketOptions& options : {by_list, by_modulo}) {
    auto sockets = DatagramSockets::Open("127.0.0.1:0", 2, options);
    ASSERT_TRUE(sockets.ok()) << sockets.status();
    const UniqueFd first = sockets->Take(0);
    const UniqueFd second = sockets->Take(1);
    const PlainUdp client;
    client.Send("x", sockets->address());
    while (!HasSomething(first.get()) && !HasSomething(second.get())) {
    }
  }
  EXPECT_TRUE(DatagramSockets::Open("127.0.0.1:0", 1, by_modulo).ok());
}

TEST(DatagramSocketsTest, EachCallThatFailsIsReported) {
  for (const Call call : {Call::kSocket, Call::kSetSocketOption, Call::kBind,
                          Call::kGetSocketName}) {
    for (int passing = 0;; ++passing) {
      TestKernel kernel;
      kernel.Fail(call, EIO, 1, passing);
      const auto sockets = DatagramSockets::Open(
          "[::1]:0", 2, {.cpu_steering = CpuSteering::kByCpu}, kernel);
      if (kernel.PlannedCalls(call) != 0) {
        EXPECT_TRUE(sockets.ok());
        EXPECT_GE(passing, 1);
        break;
      }
      EXPECT_THAT(ErrorOf(sockets), HasSubstr("Input/output error"));
    }
  }
}

TEST(DatagramSocketsTest, AdoptsThoseThatWereOpenedElsewhere) {
  auto opened = *DatagramSockets::Open("127.0.0.1:0", 2);
  std::vector<UniqueFd> fds;
  for (int i = 0; i < 2; ++i) {
    fds.push_back(opened.Take(i));
    fcntl(fds[i].get(), F_SETFL, 0);
    fcntl(fds[i].get(), F_SETFD, 0);
  }
  auto adopted = DatagramSockets::Adopt(std::move(fds), 2);
  ASSERT_TRUE(adopted.ok()) << adopted.status();
  EXPECT_EQ(adopted->address(), opened.address());
  const UniqueFd fd = adopted->Take(1);
  EXPECT_NE(fcntl(fd.get(), F_GETFL) & O_NONBLOCK, 0);
  EXPECT_NE(fcntl(fd.get(), F_GETFD) & FD_CLOEXEC, 0);
}

TEST(DatagramSocketsTest, AdoptsNothingElse) {
  const auto take = [](DatagramSockets sockets) { return sockets.Take(0); };
  const auto open = [&] {
    return take(*DatagramSockets::Open("127.0.0.1:0", 1));
  };
  std::vector<UniqueFd> fds;
  EXPECT_THAT(ErrorOf(DatagramSockets::Adopt({}, 1)),
              HasSubstr("there are 0 for 1 shards"));
  fds.push_back(open());
  EXPECT_THAT(ErrorOf(DatagramSockets::Adopt(std::move(fds), 2)),
              HasSubstr("there are 1 for 2 shards"));
  fds.clear();
  fds.push_back(open());
  fds.push_back(open());
  EXPECT_THAT(ErrorOf(DatagramSockets::Adopt(std::move(fds), 2)),
              HasSubstr("are two addresses"));
  fds.clear();
  fds.emplace_back(socket(AF_INET, SOCK_STREAM, 0));
  EXPECT_THAT(ErrorOf(DatagramSockets::Adopt(std::move(fds), 1)),
              HasSubstr("is not a UDP socket"));
  for (const Call call :
       {Call::kGetSocketOption, Call::kGetSocketName, Call::kControl}) {
    TestKernel kernel;
    kernel.Fail(call, EIO);
    fds.clear();
    fds.push_back(open());
    EXPECT_THAT(ErrorOf(DatagramSockets::Adopt(std::move(fds), 1, kernel)),
                HasSubstr("Input/output error"));
  }
}

}  // namespace
}  // namespace percore
