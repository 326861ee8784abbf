// Where datagrams come from and go to: families, wildcards, groups.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <ifaddrs.h>
#include <net/if.h>

#include <string>
#include <utility>
#include <vector>

#include "percore/net/datagram_endpoint.h"
#include "percore/net/multicast.h"
#include "percore/tests/net/datagram_side.h"
#include "percore/tests/support/test_kernel.h"

namespace percore {
namespace {

using Call = TestKernel::Call;
using testing::HasSubstr;

class DatagramAddressTest : public testing::Test {
 protected:
  template <typename Condition>
  void RunUntil(Condition condition) {
    while (!condition()) {
      ASSERT_TRUE(base_->Run(RunMode::kNonBlocking).ok());
    }
  }

  TestKernel kernel_;
  const std::unique_ptr<EventBase> base_ =
      *EventBase::Create({.kernel = &kernel_});
  const uint32_t loopback_ = if_nametoindex("lo");
};

SocketAddress Loopback(std::string_view host, uint16_t port) {
  return SocketAddress::Parse(host, 0)->WithPort(port);
}

TEST_F(DatagramAddressTest, AWildcardAnswersFromWhereItWasAsked) {
  struct Case {
    const char* bound;
    const char* client;
    const char* asked;
    const char* seen;  // as the server's socket writes it
    bool ipv6_only = true;
  };
  for (const Case& test :
       {Case{"0.0.0.0:0", "127.0.0.1:0", "127.0.0.1", "127.0.0.1"},
        Case{"0.0.0.0:0", "127.0.0.1:0", "127.1.2.3", "127.1.2.3"},
        Case{"[::]:0", "[::1]:0", "[::1]", "[::1]"},
        Case{"[::]:0", "127.0.0.1:0", "127.9.8.7", "[::ffff:127.9.8.7]",
             false}}) {
    SCOPED_TRACE(test.asked);
    DatagramSide side(*base_, test.bound,
                      {.socket = {.ipv6_only = test.ipv6_only}});
    EXPECT_NE(side.address().port(), 0);
    const PlainUdp client(test.client);
    const SocketAddress asked = Loopback(test.asked, side.address().port());
    client.Send("question", asked);
    AwaitReadable(side->fd());
    RunUntil([&] { return side.reads == 1; });
    EXPECT_EQ(side.input().front().local,
              Loopback(test.seen, side.address().port()));
    EXPECT_EQ(side.input().front().interface, loopback_);
    side.Echo();
    SocketAddress from;
    RunUntil([&] { return side.output().empty(); });
    EXPECT_EQ(client.Receive(&from), "question");
    EXPECT_EQ(from, asked);
  }
}

TEST_F(DatagramAddressTest, ARunHasOneSource) {
  DatagramSide side(*base_, "0.0.0.0:0");
  const PlainUdp client;
  const uint16_t port = side.address().port();
  for (int i = 0; i < 6; ++i) {
    ASSERT_TRUE(side.output().Push(
        MakeDatagram("same size", client.address(),
                     Loopback(i < 3 ? "127.0.0.1" : "127.0.0.2", port))));
  }
  RunUntil([&] { return side.output().empty(); });
  for (int i = 0; i < 6; ++i) {
    SocketAddress from;
    EXPECT_EQ(client.Receive(&from), "same size");
    EXPECT_EQ(from, Loopback(i < 3 ? "127.0.0.1" : "127.0.0.2", port));
  }
}

TEST_F(DatagramAddressTest, ASourceThatIsNotOursIsAnError) {
  DatagramSide side(*base_, "0.0.0.0:0");
  const PlainUdp client;
  ASSERT_TRUE(side.output().Push(
      MakeDatagram("x", client.address(), AddressOf("192.0.2.1:0"))));
  RunUntil([&] { return side.output().empty(); });
  EXPECT_EQ(side.events.size(), 1u);
  EXPECT_EQ(side->stats()->lost.Get(), 1u);
}

TEST_F(DatagramAddressTest, WithoutAPeerOrOfAnotherFamilyItIsAnError) {
  DatagramSide side(*base_);
  ASSERT_TRUE(side->Send("nobody"));
  ASSERT_TRUE(side->Send("another family", AddressOf("[::1]:9")));
  RunUntil([&] { return side.output().empty(); });
  EXPECT_EQ(side->stats()->lost.Get(), 2u);
  EXPECT_THAT(side.errors[0], HasSubstr("Destination address required"));
}

TEST_F(DatagramAddressTest, ConnectedItHasOneAddress) {
  DatagramSide side(*base_, "[::]:0");
  const PlainUdp server("[::1]:0");
  EXPECT_EQ(side.address().ToString(),
            "[::]:" + std::to_string(side.address().port()));
  ASSERT_TRUE(side->Connect(server.address()).ok());
  EXPECT_EQ(side.address(), Loopback("[::1]", side.address().port()));
  ASSERT_TRUE(side->Send("question"));
  RunUntil([&] { return side.output().empty(); });
  SocketAddress from;
  EXPECT_EQ(server.Receive(&from), "question");
  EXPECT_EQ(from, side.address());
  server.Send("answer", from);
  RunUntil([&] { return side.reads == 1; });
  EXPECT_EQ(side.input().front().peer, server.address());
  EXPECT_EQ(side.input().front().local, from);
}

// --- Groups ---

// Where a group can be reached without a packet that leaves this machine: of
// IPv4 by the loopback interface; of IPv6, which has no routes for groups
// there, by any other, in a group of interface-local scope. 0 if there is none.
uint32_t FindInterface(int family) {
  if (family == AF_INET) return if_nametoindex("lo");
  ifaddrs* all = nullptr;
  if (getifaddrs(&all) != 0) return 0;
  uint32_t found = 0;
  for (const ifaddrs* each = all; each != nullptr; each = each->ifa_next) {
    constexpr unsigned kWanted = IFF_UP | IFF_RUNNING | IFF_MULTICAST;
    if ((each->ifa_flags & kWanted) == kWanted && each->ifa_addr != nullptr &&
        each->ifa_addr->sa_family == AF_INET6) {
      found = if_nametoindex(each->ifa_name);
      break;
    }
  }
  freeifaddrs(all);
  return found;
}

class MulticastTest : public DatagramAddressTest,
                      public testing::WithParamInterface<int> {
 protected:
  void SetUp() override {
    if (interface_ == 0) GTEST_SKIP() << "NOT TESTED HERE: no multicast";
  }

  bool is_ipv6() const { return GetParam() == AF_INET6; }
  std::string any() const { return is_ipv6() ? "[::]:0" : "0.0.0.0:0"; }
  SocketAddress GroupAt(uint16_t port) const {
    const std::string text =
        is_ipv6() ? "[ff01::7701%" + std::to_string(interface_) + "]:0"
                  : "239.255.77.1:0";
    return AddressOf(text).WithPort(port);
  }

  const uint32_t interface_ = FindInterface(GetParam());
};

INSTANTIATE_TEST_SUITE_P(Families, MulticastTest,
                         testing::Values(AF_INET, AF_INET6),
                         [](const auto& info) {
                           return std::string(info.param == AF_INET6 ? "Ipv6"
                                                                     : "Ipv4");
                         });

TEST_P(MulticastTest, ReachesMembersUntilTheyLeave) {
  DatagramSide member(*base_, any());
  DatagramSide sender(*base_, any());
  const SocketAddress group = GroupAt(member.address().port());
  ASSERT_TRUE(JoinGroup(member->fd(), group, interface_).ok());
  ASSERT_TRUE(SetMulticastInterface(sender->fd(), interface_).ok());
  ASSERT_TRUE(sender->Send("to all", group));
  RunUntil([&] { return sender.output().empty(); });
  ASSERT_TRUE(sender.errors.empty()) << sender.errors[0];
  RunUntil([&] { return member.reads == 1; });
  const Datagram datagram = member.input().Pop();
  EXPECT_EQ(datagram.payload.ToString(), "to all");
  EXPECT_EQ(datagram.local, group);
  EXPECT_EQ(datagram.interface, interface_);

  // Twice is once too often.
  EXPECT_THAT(std::string(JoinGroup(member->fd(), group, interface_).message()),
              HasSubstr("setsockopt MCAST_JOIN_GROUP fd"));
  ASSERT_TRUE(LeaveGroup(member->fd(), group, interface_).ok());
  EXPECT_FALSE(LeaveGroup(member->fd(), group, interface_).ok());
  // Wildcards of IPv4 get what any socket has joined, and nobody has now.
  ASSERT_TRUE(sender->Send("to nobody", group));
  ASSERT_TRUE(sender->Send(
      "to you", Loopback(is_ipv6() ? "[::1]" : "127.0.0.1", group.port())));
  RunUntil([&] { return member.reads == 2; });
  EXPECT_EQ(member.input().Pop().payload.ToString(), "to you");
}

TEST_P(MulticastTest, IsAnsweredByItsMembersFromTheirOwnAddresses) {
  DatagramSide member(*base_, any());
  DatagramSide sender(*base_, any());
  const SocketAddress group = GroupAt(member.address().port());
  ASSERT_TRUE(JoinGroup(member->fd(), group, interface_).ok());
  ASSERT_TRUE(SetMulticastInterface(sender->fd(), interface_).ok());
  member.on_read = [&] { member.Echo(); };
  ASSERT_TRUE(sender->Send("who is there?", group));
  RunUntil([&] { return sender.reads == 1; });
  EXPECT_EQ(sender.input().front().peer.port(), member.address().port());
  EXPECT_TRUE(member.errors.empty());
}

TEST_P(MulticastTest, DoesNotLoopBackIfToldSo) {
  DatagramSide member(*base_, any());
  DatagramSide sender(*base_, any());
  const SocketAddress group = GroupAt(member.address().port());
  ASSERT_TRUE(JoinGroup(member->fd(), group, interface_).ok());
  ASSERT_TRUE(SetMulticastInterface(sender->fd(), interface_).ok());
  ASSERT_TRUE(SetMulticastLoop(sender->fd(), Switch::kOff).ok());
  if (is_ipv6()) {
    // By the loopback interface of IPv4 it would come back all the same.
    ASSERT_TRUE(sender->Send("to others", group));
    RunUntil([&] { return sender.output().empty(); });
  }
  ASSERT_TRUE(SetMulticastLoop(sender->fd(), Switch::kOn).ok());
  ASSERT_TRUE(sender->Send("to all", group));
  RunUntil([&] { return member.reads == 1; });
  EXPECT_EQ(member.input().Pop().payload.ToString(), "to all");
}

TEST_P(MulticastTest, OptionsHaveTheirLimits) {
  DatagramSide sender(*base_, any());
  EXPECT_TRUE(SetMulticastHops(sender->fd(), 3).ok());
  EXPECT_FALSE(SetMulticastHops(sender->fd(), 256).ok());
  EXPECT_TRUE(SetHops(sender->fd(), 9).ok());
  EXPECT_TRUE(SetHops(sender->fd(), -1).ok());
  EXPECT_FALSE(SetHops(sender->fd(), 1000).ok());
  EXPECT_FALSE(SetMulticastInterface(sender->fd(), 1u << 30).ok());
}

TEST_F(DatagramAddressTest, ASourceMayBeChosen) {
  DatagramSide member(*base_, "0.0.0.0:0");
  const SocketAddress group = AddressOf("232.1.2.3:0");
  const SocketAddress source = AddressOf("127.0.0.1:0");
  if (!JoinSourceGroup(member->fd(), group, source, loopback_).ok()) {
    GTEST_SKIP() << "NOT TESTED HERE";
  }
  EXPECT_FALSE(JoinSourceGroup(member->fd(), group, source, loopback_).ok());
  EXPECT_TRUE(LeaveSourceGroup(member->fd(), group, source, loopback_).ok());
  EXPECT_FALSE(LeaveSourceGroup(member->fd(), group, source, loopback_).ok());
}

TEST_F(DatagramAddressTest, WhatTheKernelSaysOfAnOptionIsTold) {
  TestKernel kernel;
  kernel.Fail(Call::kGetSocketOption, ENOTSOCK, 2);
  EXPECT_THAT(
      std::string(SetMulticastHops(0, 1, kernel).message()),
      HasSubstr("getsockopt SO_DOMAIN fd 0: Socket operation on non-socket"));
  EXPECT_FALSE(SetMulticastInterface(0, 1, kernel).ok());
  const UniqueFd fd(socket(AF_INET, SOCK_DGRAM, 0));
  kernel.Fail(Call::kSetSocketOption, EPERM);
  EXPECT_THAT(
      std::string(SetMulticastLoop(fd.get(), Switch::kOn, kernel).message()),
      HasSubstr("setsockopt multicast loop fd"));
}

}  // namespace
}  // namespace percore
