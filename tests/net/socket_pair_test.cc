#include "percore/net/socket_pair.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cerrno>

#include "percore/tests/support/test_kernel.h"

namespace percore {
namespace {

struct TypeCase {
  SocketPairType type;
  int native;
};

class SocketPairTest : public testing::TestWithParam<TypeCase> {};

INSTANTIATE_TEST_SUITE_P(
    Types, SocketPairTest,
    testing::Values(TypeCase{SocketPairType::kStream, SOCK_STREAM},
                    TypeCase{SocketPairType::kDatagram, SOCK_DGRAM},
                    TypeCase{SocketPairType::kSequencedPacket,
                             SOCK_SEQPACKET}));

TEST_P(SocketPairTest, BothEndsAreOfTheTypeAndBlockNobody) {
  const auto ends = SocketPair(GetParam().type);
  ASSERT_TRUE(ends.ok());
  for (const UniqueFd& end : *ends) {
    int type = 0;
    socklen_t size = sizeof(type);
    ASSERT_EQ(getsockopt(end.get(), SOL_SOCKET, SO_TYPE, &type, &size), 0);
    EXPECT_EQ(type, GetParam().native);
    EXPECT_NE(fcntl(end.get(), F_GETFL) & O_NONBLOCK, 0);
    EXPECT_EQ(fcntl(end.get(), F_GETFD), FD_CLOEXEC);
  }
}

TEST_P(SocketPairTest, WhatOneEndSendsTheOtherReceives) {
  const auto ends = SocketPair(GetParam().type);
  ASSERT_TRUE(ends.ok());
  const auto& [first, second] = *ends;
  char bytes[8];
  ASSERT_EQ(send(first.get(), "ab", 2, 0), 2);
  EXPECT_EQ(recv(second.get(), bytes, sizeof(bytes), 0), 2);
  ASSERT_EQ(send(second.get(), "cde", 3, 0), 3);
  EXPECT_EQ(recv(first.get(), bytes, sizeof(bytes), 0), 3);
}

TEST(SocketPairErrorTest, SaysWhy) {
  TestKernel kernel;
  kernel.Fail(TestKernel::Call::kSocketPair, EMFILE);
  EXPECT_EQ(SocketPair(SocketPairType::kStream, kernel).status().message(),
            "socketpair: Too many open files");
}

}  // namespace
}  // namespace percore
