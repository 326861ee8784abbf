// Every system call of listening and accepting fails once: the first of its
// kind, then the second, until none is left. After each failure all is valid,
// every client has an answer, and no descriptor is left over.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cerrno>
#include <cstring>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "percore/net/listen_sockets.h"
#include "percore/net/listener.h"
#include "percore/tests/support/blocking_client.h"
#include "percore/tests/support/descriptors.h"
#include "percore/tests/support/temporary_folder.h"
#include "percore/tests/support/test_kernel.h"

namespace percore {
namespace {

using Call = TestKernel::Call;

struct Fault {
  Call call;
  int error;
};

// Limited listeners call accept() themselves; for others the kernel may.
enum class Limited { kNo, kYes };

class ListenerFaultTest : public testing::Test {
 protected:
  // Opens a socket at `address`, and accepts kClients. What fails is tried
  // again, and must then go well.
  void Serve(const std::string& address, const ListenOptions& options,
             Limited limited, int error) {
    Kernel& kernel = *options.kernel;
    const std::unique_ptr<EventBase> base =
        *EventBase::Create({.kernel = &kernel});
    absl::StatusOr<ListenSockets> sockets =
        ListenSockets::Open(address, 2, options);
    if (!sockets.ok()) {
      ExpectToSay(sockets.status(), error);
      sockets = ListenSockets::Open(address, 2, options);
    }
    ASSERT_TRUE(sockets.ok()) << sockets.status();
    std::vector<UniqueFd> given(2);
    for (int i = 0; i < 2; ++i) given[i] = sockets->Take(i);
    if (address.starts_with("unix:")) {
      absl::StatusOr<ListenSockets> adopted =
          ListenSockets::Adopt(std::move(given), 3, kernel);
      if (!adopted.ok()) {
        ExpectToSay(adopted.status(), error);
        return;
      }
      given = std::vector<UniqueFd>(3);
      for (int i = 0; i < 3; ++i) given[i] = adopted->Take(i);
    }

    const auto limit = limited == Limited::kYes
                           ? std::make_shared<ConnectionLimit>(kClients)
                           : nullptr;
    accepted_.clear();
    {
      std::deque<Server> servers;
      for (UniqueFd& socket : given) {
        Server& server = servers.emplace_back();
        server.accepted = &accepted_;
        server.listener.emplace(
            *base, std::move(socket), &OnAccept, &server,
            ListenerOptions{.accept_batch = 2, .limit = limit});
        absl::Status status = server.listener->Enable();
        if (!status.ok()) {
          ExpectToSay(status, error);
          status = server.listener->Enable();
        }
        ASSERT_TRUE(status.ok()) << status;
      }
      std::vector<BlockingClient> clients;
      clients.reserve(kClients);
      for (int i = 0; i < kClients; ++i) {
        clients.emplace_back(sockets->address());
      }
      const auto answered = [&] {
        size_t answered = 0;
        for (const Server& server : servers) {
          const ListenerStats& stats = *server.listener->stats();
          answered += stats.accepted.Get();
          for (const Counter& counter : stats.rejected) {
            answered += counter.Get();
          }
        }
        return answered;
      };
      while (answered() < kClients) {
        ASSERT_TRUE(base->Run(RunMode::kOnce).ok());
      }
      // Who was accepted can talk, who was not has been told.
      for (BlockingClient& client : clients) client.FinishSending();
      EXPECT_GE(accepted_.size(), size_t{kClients - 1});
      accepted_.clear();
      for (BlockingClient& client : clients) EXPECT_EQ(client.ReadToEnd(), "");
    }
    EXPECT_EQ(limit == nullptr ? 0 : limit->taken(), 0);
  }

  void FailEachCall(const std::string& address, ListenOptions options,
                    Limited limited, const std::vector<Fault>& faults) {
    const bool has_epoll =
        (*EventBase::Create({}))->backend_name() == std::string_view("epoll");
    for (const Fault& fault : faults) {
      if (fault.call == Call::kEpollCtl && !has_epoll) continue;
      SCOPED_TRACE(std::strerror(fault.error));
      SCOPED_TRACE(static_cast<int>(fault.call));
      bool failed = true;
      int passing = 0;
      for (; failed && !HasFatalFailure(); ++passing) {
        TestKernel kernel(TestKernel::Clock::kManual);
        options.kernel = &kernel;
        // The base's own wake-up comes first.
        const bool of_base =
            fault.call == Call::kEpollCtl || fault.call == Call::kEventFd;
        kernel.Fail(fault.call, fault.error, 1, passing + (of_base ? 1 : 0));
        const int before = OpenDescriptors();
        Serve(address, options, limited, fault.error);
        EXPECT_EQ(OpenDescriptors(), before);
        failed = kernel.Count(fault.call) > passing + (of_base ? 1 : 0);
      }
      EXPECT_GE(passing, 2);  // it did fail
    }
  }

 private:
  static constexpr int kClients = 5;

  struct Connection {
    ConnectionPlace place;
    UniqueFd socket;
  };
  struct Server {
    std::optional<Listener> listener;
    std::vector<Connection>* accepted;
  };

  static void OnAccept(UniqueFd connection, const SocketAddress&,
                       void* argument) {
    auto& server = *static_cast<Server*>(argument);
    server.accepted->push_back({.place = server.listener->TakePlace(),
                                .socket = std::move(connection)});
  }
  static void ExpectToSay(const absl::Status& status, int error) {
    EXPECT_TRUE(status.message().find(std::strerror(error)) !=
                std::string::npos)
        << status;
  }

  std::vector<Connection> accepted_;
};

const std::vector<Fault>& AcceptFaults() {
  static const auto& faults = *new std::vector<Fault>{
      {Call::kAccept, EMFILE},       {Call::kAccept, ENFILE},
      {Call::kAccept, ENOMEM},       {Call::kAccept, ENOBUFS},
      {Call::kAccept, EINTR},        {Call::kAccept, EAGAIN},
      {Call::kAccept, ECONNABORTED}, {Call::kAccept, EPROTO},
      {Call::kAccept, EPERM},        {Call::kAccept, EINVAL},
      {Call::kEpollCtl, ENOMEM},     {Call::kEpollCtl, ENOSPC},
      {Call::kEventFd, EMFILE},      {Call::kEventFd, ENFILE},
      {Call::kEventFd, ENOMEM},
  };
  return faults;
}

TEST_F(ListenerFaultTest, OfATcpSocket) {
  FailEachCall("127.0.0.1:0", {.fast_open = 5}, Limited::kNo, AcceptFaults());
}

TEST_F(ListenerFaultTest, OfATcpSocketWithALimit) {
  std::vector<Fault> faults = AcceptFaults();
  for (const Fault fault :
       {Fault{Call::kSocket, EMFILE}, Fault{Call::kSocket, ENFILE},
        Fault{Call::kSocket, ENOMEM}, Fault{Call::kSetSocketOption, ENOMEM},
        Fault{Call::kBind, EADDRINUSE}, Fault{Call::kBind, EACCES},
        Fault{Call::kListen, EADDRINUSE},
        Fault{Call::kGetSocketName, ENOBUFS}}) {
    faults.push_back(fault);
  }
  FailEachCall("127.0.0.1:0",
               {.fast_open = 5, .cpu_steering = CpuSteering::kByCpu},
               Limited::kYes, faults);
}

TEST_F(ListenerFaultTest, OfAUnixSocket) {
  const TemporaryFolder folder;
  std::vector<Fault> faults = AcceptFaults();
  for (const Fault fault :
       {Fault{Call::kSocket, EMFILE}, Fault{Call::kBind, EACCES},
        Fault{Call::kListen, EADDRINUSE}, Fault{Call::kChangeMode, EPERM},
        Fault{Call::kGetSocketName, ENOBUFS}, Fault{Call::kControl, EMFILE},
        Fault{Call::kGetSocketOption, ENOBUFS}}) {
    faults.push_back(fault);
  }
  FailEachCall("unix:" + folder.File("socket"), {}, Limited::kYes, faults);
}

// No injection: a process that may open no more.
class DescriptorLimitTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before_), 0); }
  void TearDown() override { setrlimit(RLIMIT_NOFILE, &before_); }

  void LeaveRoomFor(rlim_t descriptors) {
    // Numbers are given from below: the next one tells how many are in use.
    const UniqueFd next(dup(0));
    rlimit limit = before_;
    limit.rlim_cur = static_cast<rlim_t>(next.get()) + descriptors;
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
  }

  rlimit before_;
};

TEST_F(DescriptorLimitTest, MoreClientsThanDescriptors) {
  constexpr int kClients = 40;
  constexpr int kRoom = 10;
  TestKernel kernel(TestKernel::Clock::kManual);
  const std::unique_ptr<EventBase> base =
      *EventBase::Create({.kernel = &kernel});
  ListenSockets sockets = *ListenSockets::Open("127.0.0.1:0", 1);
  std::vector<UniqueFd> accepted;
  std::vector<std::string> errors;
  Listener listener(
      *base, sockets.Take(0),
      [](UniqueFd connection, const SocketAddress&, void* accepted) {
        static_cast<std::vector<UniqueFd>*>(accepted)->push_back(
            std::move(connection));
      },
      &accepted);
  listener.SetErrorCallback(
      [](const absl::Status& status, void* errors) {
        static_cast<std::vector<std::string>*>(errors)->emplace_back(
            status.message());
      },
      &errors);
  ASSERT_TRUE(listener.Enable().ok());
  std::vector<BlockingClient> clients;
  clients.reserve(kClients);
  for (int i = 0; i < kClients; ++i) clients.emplace_back(sockets.address());
  const ListenerStats& stats = *listener.stats();
  const Counter& rejected =
      stats.rejected[static_cast<size_t>(RejectReason::kNoDescriptors)];

  LeaveRoomFor(kRoom);
  while (rejected.Get() < 5) ASSERT_TRUE(base->Run(RunMode::kOnce).ok());
  EXPECT_EQ(accepted.size(), size_t{kRoom});
  // Those behind the ones that are served have been told, in their order.
  for (int i = kRoom; i < kRoom + 5; ++i) {
    EXPECT_EQ(clients[i].ReadToEnd(), "");
  }
  ASSERT_EQ(errors.size(), 5u);
  EXPECT_EQ(errors[0],
            "accept " + sockets.address().ToString() + ": Too many open files");
  // Who waits is served as soon as there is room.
  accepted.clear();
  while (accepted.size() < kRoom) ASSERT_TRUE(base->Run(RunMode::kOnce).ok());
  EXPECT_EQ(stats.accepted.Get(), 2u * kRoom);
}

}  // namespace
}  // namespace percore
