// Connections whose system calls fail: each call, wherever it is made, with
// each error that it may have.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/str_cat.h"
#include "percore/net/buffer_event.h"
#include "percore/net/filter.h"
#include "percore/net/listen_sockets.h"
#include "percore/net/listener.h"
#include "percore/runtime/event_base.h"
#include "percore/tests/support/descriptors.h"
#include "percore/tests/support/test_kernel.h"

namespace percore {
namespace {

using Call = TestKernel::Call;

// What one end of the conversation has come to.
struct End {
  static void OnRead(BufferEvent& connection, void* argument) {
    auto& end = *static_cast<End*>(argument);
    end.received += connection.input().size();
    if (end.echoes) {
      connection.output().Append(std::move(connection.input()));
    } else {
      connection.input().Clear();
      if (end.received == end.expected) {
        connection.Flush(EventFlags::kWrite, FlushMode::kFinished);
      }
    }
  }
  static void OnEvent(BufferEvent& connection, ConnectionEvent what,
                      const absl::Status& status, void* argument) {
    auto& end = *static_cast<End*>(argument);
    if (Any(what & ConnectionEvent::kError)) {
      EXPECT_FALSE(status.ok());
      ++end.errors;
      end.connection = nullptr;
    } else if (Any(what & ConnectionEvent::kEndOfFile)) {
      if (end.echoes) {
        connection.Flush(EventFlags::kWrite, FlushMode::kFinished);
      }
      end.ended = true;
    }
  }
  void Take(std::unique_ptr<BufferEvent> taken) {
    connection = std::move(taken);
    connection->SetCallbacks({.read = &OnRead, .event = &OnEvent}, this);
    if (!connection->Enable(EventFlags::kRead).ok()) {
      ++errors;
      connection = nullptr;
    }
  }
  bool over() const { return ended || errors > 0; }

  std::unique_ptr<BufferEvent> connection;
  bool echoes = false;
  size_t received = 0;
  size_t expected = 0;
  int errors = 0;
  bool ended = false;
};

struct Outcome {
  bool completed = false;
  int errors = 0;
};

enum class Layers { kPlain, kFiltered };

std::unique_ptr<BufferEvent> Layered(std::unique_ptr<BufferEvent> connection,
                                     Layers layers) {
  if (layers == Layers::kPlain) return connection;
  return MakeFilteredBufferEvent(std::move(connection), MakeFilter({}));
}

// A client connects, sends more than sockets hold, gets it back and finishes;
// the server finishes as well.
Outcome Converse(TestKernel& kernel, const std::string& backend, Layers layers,
                 Call call, int error, int passing) {
  constexpr size_t kBytes = 300'000;
  Outcome outcome;
  auto base = EventBase::Create({.backend = backend, .kernel = &kernel});
  auto sockets = ListenSockets::Open("127.0.0.1:0", 1);
  if (!base.ok() || !sockets.ok()) return outcome;
  struct Server {
    Layers layers;
    EventBase& base;
    End end;
  } server{layers, **base, {}};
  server.end.echoes = true;
  Listener listener(
      **base, sockets->Take(0),
      [](UniqueFd socket, const SocketAddress&, void* argument) {
        auto& server = *static_cast<Server*>(argument);
        server.end.Take(Layered(
            std::make_unique<BufferEvent>(server.base, std::move(socket)),
            server.layers));
      },
      &server);
  if (!listener.Enable().ok()) return outcome;

  kernel.Fail(call, error, 1, passing);
  End client;
  client.expected = kBytes;
  client.Take(Layered(std::make_unique<BufferEvent>(**base), layers));
  if (client.connection != nullptr) {
    client.connection->output().Append(std::string(kBytes, 'x'));
    if (!client.connection->Connect(sockets->address()).ok()) {
      ++client.errors;
      client.connection = nullptr;
    }
  }
  // A loop that cannot wait says so, and may be run again.
  for (int i = 0; i < 3000; ++i) {
    (void)(*base)->Run(RunMode::kNonBlocking);
    if (client.over() && (server.end.over() || client.errors > 0)) break;
  }
  outcome.errors = client.errors + server.end.errors;
  outcome.completed = client.ended && client.received == kBytes;
  return outcome;
}

struct Fault {
  const char* name;
  Call call;
  std::vector<int> errors;
  // What may be tried again without anybody's noticing.
  bool transient;
  // Whose call it is.
  const char* backend = "";
};

class ConnectionFaultTest
    : public testing::TestWithParam<std::tuple<Fault, std::string>> {};

TEST_P(ConnectionFaultTest, IsToldOrGotOver) {
  const auto& [fault, backend] = GetParam();
  if (*fault.backend != '\0' && backend != fault.backend) return;
  if (absl::Status there = EventBase::Create({.backend = backend}).status();
      !there.ok()) {
    GTEST_SKIP() << "NO io_uring HERE: " << there;
  }
  for (const Layers layers : {Layers::kPlain, Layers::kFiltered}) {
    for (const int error : fault.errors) {
      int places = 0;
      for (int passing = 0; passing < 400; ++passing) {
        SCOPED_TRACE(absl::StrCat(fault.name, " fails with ", error, " after ",
                                  passing, " calls"));
        const int before = OpenDescriptors();
        TestKernel kernel(TestKernel::Clock::kManual);
        const Outcome outcome =
            Converse(kernel, backend, layers, fault.call, error, passing);
        EXPECT_EQ(OpenDescriptors(), before);
        const bool failed = kernel.PlannedCalls(fault.call) == 0;
        if (!failed || fault.transient) {
          ASSERT_TRUE(outcome.completed);
          ASSERT_EQ(outcome.errors, 0);
        } else {
          ASSERT_TRUE(outcome.completed || outcome.errors > 0);
        }
        if (!failed) break;
        ++places;
      }
      EXPECT_GT(places, 0) << fault.name << " is never called";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Faults, ConnectionFaultTest,
    testing::Combine(
        testing::Values(
            Fault{"Read", Call::kRead, {ECONNRESET, ENOMEM, ETIMEDOUT}, false},
            Fault{"ReadAgain", Call::kRead, {EAGAIN, EINTR}, true},
            Fault{"NoBuffers", Call::kRead, {ENOBUFS}, true, "io_uring"},
            Fault{"ReadCanceled", Call::kRead, {ECANCELED}, true, "io_uring"},
            Fault{"Write", Call::kWritev, {EPIPE, ECONNRESET, ENOBUFS}, false},
            Fault{"WriteAgain", Call::kWritev, {EAGAIN, EINTR}, true},
            Fault{"Socket", Call::kSocket, {EMFILE, ENFILE, ENOMEM}, false},
            Fault{"Connect",
                  Call::kConnect,
                  {ENETUNREACH, EAGAIN, EACCES},
                  false},
            Fault{
                "EpollCtl", Call::kEpollCtl, {ENOMEM, ENOSPC}, false, "epoll"},
            Fault{"EpollWait", Call::kEpollWait, {EINTR}, true, "epoll"},
            Fault{"EnterRing",
                  Call::kEnterRing,
                  {EINTR, EAGAIN, ENOMEM},
                  true,
                  "io_uring"},
            Fault{"Buffers",
                  Call::kRegisterRingBuffers,
                  {ENOMEM},
                  true,
                  "io_uring"},
            Fault{"Accept", Call::kAccept, {EINTR, ECONNABORTED}, true},
            Fault{"Option", Call::kGetSocketOption, {ENOTSOCK}, false},
            Fault{"Shutdown", Call::kShutdown, {ENOTCONN}, false}),
        testing::Values("epoll", "io_uring")),
    [](const auto& info) {
      return absl::StrCat(std::get<0>(info.param).name, "_",
                          std::get<1>(info.param));
    });

}  // namespace
}  // namespace percore
