#include "percore/net/inherited_sockets.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "percore/net/datagram_sockets.h"
#include "percore/tests/support/blocking_client.h"
#include "percore/tests/support/temporary_folder.h"
#include "percore/tests/support/test_kernel.h"

namespace percore {
namespace {

using Call = TestKernel::Call;
using testing::HasSubstr;

std::string Message(const absl::Status& status) {
  return std::string(status.message());
}

// Puts descriptors where a supervisor would: side by side, and kept by exec().
class InheritedSocketsTest : public testing::Test {
 protected:
  ~InheritedSocketsTest() override {
    for (int i = 0; i < count_; ++i) close(kFirst + i);
  }

  void Inherit(int fd) {
    ASSERT_EQ(dup2(fd, kFirst + count_), kFirst + count_);
    ++count_;
  }
  void InheritTcp() { Inherit(tcp_.Take(next_++).get()); }
  // As descriptors are after exec(): those taken over are ours to close.
  absl::StatusOr<InheritedSockets> TakeOver(const std::string& names = "",
                                            Kernel& kernel = Kernel::Real()) {
    absl::StatusOr<InheritedSockets> result =
        InheritedSockets::TakeOver({.pid = std::to_string(getpid()),
                                    .count = std::to_string(count_),
                                    .names = names,
                                    .first_descriptor = kFirst},
                                   kernel);
    if (result.ok()) count_ = 0;
    return result;
  }

  static constexpr int kFirst = 300;
  ListenSockets tcp_ = *ListenSockets::Open("127.0.0.1:0", 4);
  int next_ = 0;   // of tcp_
  int count_ = 0;  // descriptors from kFirst on
};

TEST_F(InheritedSocketsTest, AreFoundInOrderWithTheirNames) {
  const TemporaryFolder folder;
  ListenSockets local = *ListenSockets::Open("unix:" + folder.File("a"), 1);
  InheritTcp();
  Inherit(local.Take(0).get());
  const absl::StatusOr<InheritedSockets> inherited = TakeOver("http:control");
  ASSERT_TRUE(inherited.ok()) << inherited.status();
  ASSERT_EQ(inherited->sockets().size(), 2u);
  EXPECT_EQ(inherited->sockets()[0].name, "http");
  EXPECT_EQ(inherited->sockets()[0].address, tcp_.address());
  EXPECT_EQ(inherited->sockets()[1].name, "control");
  EXPECT_EQ(inherited->sockets()[1].address.unix_path(), folder.File("a"));
  for (const auto& socket : inherited->sockets()) {
    EXPECT_EQ(fcntl(socket.fd.get(), F_GETFD), FD_CLOEXEC);
  }
}

TEST_F(InheritedSocketsTest, AreUnknownWithoutNames) {
  InheritTcp();
  const absl::StatusOr<InheritedSockets> inherited = TakeOver();
  ASSERT_TRUE(inherited.ok()) << inherited.status();
  EXPECT_EQ(inherited->sockets()[0].name, "unknown");
}

TEST_F(InheritedSocketsTest, AreTakenByName) {
  for (int i = 0; i < 3; ++i) InheritTcp();
  absl::StatusOr<InheritedSockets> inherited = TakeOver("a:b:a");
  ASSERT_TRUE(inherited.ok()) << inherited.status();
  EXPECT_EQ(inherited->Take("c").status().message(),
            "no inherited socket is named 'c': there are 'a', 'b', 'a'");
  EXPECT_EQ(inherited->Take("a")->size(), 2u);
  EXPECT_EQ(inherited->Take("a").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(inherited->TakeAll().size(), 1u);
  EXPECT_TRUE(inherited->empty());
  EXPECT_EQ(inherited->Take("a").status().message(),
            "no inherited socket is named 'a': there are none");
}

TEST_F(InheritedSocketsTest, ThereAreNoneForAProgramStartedByHand) {
  const std::string me = std::to_string(getpid());
  const InheritedEnvironment cases[] = {
      {},
      {.pid = me},
      {.count = "1"},
      {.pid = "1", .count = "1"},  // the shell's that started us
      {.pid = me, .count = "0"},
  };
  for (const InheritedEnvironment& environment : cases) {
    const absl::StatusOr<InheritedSockets> inherited =
        InheritedSockets::TakeOver(environment);
    ASSERT_TRUE(inherited.ok()) << inherited.status();
    EXPECT_TRUE(inherited->empty());
  }
}

TEST_F(InheritedSocketsTest, VariablesWithoutSenseAreRefused) {
  InheritTcp();
  const std::string me = std::to_string(getpid());
  struct Case {
    InheritedEnvironment environment;
    const char* message;
  };
  const Case cases[] = {
      {{.pid = "x", .count = "1"}, "LISTEN_PID: 'x' is not a number"},
      {{.pid = "-1", .count = "1"}, "LISTEN_PID: '-1' is not a number"},
      {{.pid = me, .count = "two"}, "LISTEN_FDS: 'two' is not a number"},
      {{.pid = me, .count = "-1"}, "LISTEN_FDS: '-1' is not a number"},
      {{.pid = me, .count = "2147483647"}, "LISTEN_FDS: '2147483647' is not"},
      {{.pid = me, .count = "1", .names = "a:b"},
       "LISTEN_FDNAMES: 'a:b' has 2 names for 1 descriptors"},
      // More than anybody has open.
      {{.pid = me, .count = "2147483000"}, "Bad file descriptor"},
  };
  for (Case test : cases) {
    test.environment.first_descriptor = kFirst;
    const absl::Status status =
        InheritedSockets::TakeOver(test.environment).status();
    EXPECT_THAT(Message(status), HasSubstr(test.message));
  }
}

TEST_F(InheritedSocketsTest, WhatDoesNotListenIsRefusedAndLeftOpen) {
  int pipe_ends[2];
  ASSERT_EQ(pipe2(pipe_ends, O_CLOEXEC), 0);
  const UniqueFd read_end(pipe_ends[0]);
  const UniqueFd write_end(pipe_ends[1]);
  const UniqueFd packets(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  const BlockingClient client(tcp_.address());
  struct Case {
    int fd;
    const char* message;
  };
  const Case cases[] = {
      {read_end.get(), "getsockopt SO_TYPE fd 301: Socket operation on non-"},
      {packets.get(), "fd 301 is not a stream socket"},
      {client.fd(), "fd 301 is a socket that does not listen"},
  };
  InheritTcp();
  for (const Case& test : cases) {
    Inherit(test.fd);
    const absl::Status status = TakeOver().status();
    EXPECT_THAT(Message(status), HasSubstr("inherited sockets: "));
    EXPECT_THAT(Message(status), HasSubstr(test.message));
    EXPECT_NE(fcntl(kFirst, F_GETFD), -1);
    EXPECT_NE(fcntl(kFirst + 1, F_GETFD), -1);
    close(kFirst + --count_);
  }
}

TEST_F(InheritedSocketsTest, DatagramSocketsAreTakenOverToo) {
  auto udp = *DatagramSockets::Open("127.0.0.1:0", 1);
  InheritTcp();
  Inherit(udp.Take(0).get());
  absl::StatusOr<InheritedSockets> inherited = TakeOver("http:dns");
  ASSERT_TRUE(inherited.ok()) << inherited.status();
  EXPECT_EQ(inherited->sockets()[1].address, udp.address());
  absl::StatusOr<std::vector<UniqueFd>> taken = inherited->Take("dns");
  ASSERT_TRUE(taken.ok());
  const auto adopted = DatagramSockets::Adopt(*std::move(taken), 1);
  ASSERT_TRUE(adopted.ok()) << adopted.status();
  EXPECT_EQ(adopted->address(), udp.address());
}

TEST_F(InheritedSocketsTest, EachCallThatFailsIsReported) {
  for (const Call call :
       {Call::kGetSocketOption, Call::kGetSocketName, Call::kControl}) {
    InheritTcp();
    int passing = 0;
    while (true) {
      TestKernel kernel;
      kernel.Fail(call, ENOBUFS, 1, passing);
      const absl::StatusOr<InheritedSockets> inherited = TakeOver("", kernel);
      if (kernel.Count(call) <= passing) {
        ASSERT_TRUE(inherited.ok());
        break;
      }
      EXPECT_THAT(Message(inherited.status()),
                  HasSubstr("No buffer space available"));
      EXPECT_NE(fcntl(kFirst, F_GETFD), -1);
      ++passing;
    }
    EXPECT_GE(passing, 1);
  }
}

TEST_F(InheritedSocketsTest, TheProcessesOwnVariablesAreRemovedOnRequest) {
  const auto set = [](const char* pid) {
    setenv("LISTEN_PID", pid, 1);
    setenv("LISTEN_FDS", "1", 1);
    setenv("LISTEN_FDNAMES", "a", 1);
  };
  set("1");
  EXPECT_TRUE(
      InheritedSockets::TakeOver(InheritedSockets::Variables::kKeep)->empty());
  EXPECT_EQ(InheritedEnvironment::OfProcess().pid, "1");
  EXPECT_EQ(InheritedEnvironment::OfProcess().count, "1");
  EXPECT_EQ(InheritedEnvironment::OfProcess().names, "a");
  EXPECT_TRUE(InheritedSockets::TakeOver()->empty());
  EXPECT_EQ(getenv("LISTEN_PID"), nullptr);
  EXPECT_EQ(getenv("LISTEN_FDS"), nullptr);
  EXPECT_EQ(getenv("LISTEN_FDNAMES"), nullptr);
  set("nobody");
  EXPECT_FALSE(InheritedSockets::TakeOver().ok());
  EXPECT_EQ(getenv("LISTEN_PID"), nullptr);
}

}  // namespace
}  // namespace percore
