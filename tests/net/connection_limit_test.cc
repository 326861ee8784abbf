#include "percore/net/connection_limit.h"

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "percore/net/listen_sockets.h"
#include "percore/net/listener.h"
#include "percore/tests/support/blocking_client.h"

namespace percore {
namespace {

// A listener with a loop of its own, as a shard has. All in one thread: loops
// turn when a test turns them.
class Server {
 public:
  explicit Server(const ListenerOptions& options)
      : listener_(std::in_place, *base_, sockets_.Take(0), &OnAccept, this,
                  options),
        stats_(listener_->stats()) {
    EXPECT_TRUE(listener_->Enable().ok());
  }

  BlockingClient Connect() const { return BlockingClient(sockets_.address()); }
  void Turn() { EXPECT_TRUE(base_->Run(RunMode::kNonBlocking).ok()); }

  int open() const { return static_cast<int>(connections_.size()); }
  void CloseOne() { connections_.pop_front(); }
  void CloseAll() { connections_.clear(); }
  bool full() const { return stats_->full.Get() != 0; }
  uint64_t rejected() const {
    return stats_->rejected[static_cast<size_t>(RejectReason::kLimit)].Get();
  }
  void set_keeps_places(bool keep) { keeps_places_ = keep; }
  Listener& listener() { return *listener_; }
  void DestroyListener() { listener_.reset(); }

 private:
  struct Connection {
    ConnectionPlace place;
    UniqueFd socket;
  };

  static void OnAccept(UniqueFd socket, const SocketAddress&, void* argument) {
    auto& server = *static_cast<Server*>(argument);
    ConnectionPlace place;
    if (server.keeps_places_) place = server.listener_->TakePlace();
    server.connections_.push_back(
        {.place = std::move(place), .socket = std::move(socket)});
  }

  const std::unique_ptr<EventBase> base_ = *EventBase::Create({});
  ListenSockets sockets_ = *ListenSockets::Open("127.0.0.1:0", 1);
  bool keeps_places_ = true;
  std::deque<Connection> connections_;
  std::optional<Listener> listener_;
  const std::shared_ptr<ListenerStats> stats_;
};

class ConnectionLimitTest : public testing::Test {
 protected:
  // Makes `servers` that share `maximum` places.
  void Start(int servers, int64_t maximum,
             WhenFull when_full = WhenFull::kWait) {
    limit_ = std::make_shared<ConnectionLimit>(maximum);
    for (int i = 0; i < servers; ++i) {
      servers_.push_back(std::make_unique<Server>(
          ListenerOptions{.limit = limit_, .when_full = when_full}));
    }
  }
  // Every message that this sets off has arrived when it returns.
  void Turn() {
    for (int i = 0; i < 8; ++i) {
      for (const auto& server : servers_) server->Turn();
      EXPECT_LE(limit_->taken(), limit_->maximum());
      EXPECT_LE(open(), limit_->taken());
    }
  }
  void Connect(int server, int clients) {
    for (int i = 0; i < clients; ++i) {
      clients_.push_back(servers_[server]->Connect());
    }
  }
  int open() const {
    int open = 0;
    for (const auto& server : servers_) open += server->open();
    return open;
  }

  std::shared_ptr<ConnectionLimit> limit_;
  std::vector<std::unique_ptr<Server>> servers_;
  std::deque<BlockingClient> clients_;
};

TEST(ListenerLimitTest, ClientsBeyondItWaitUntilAConnectionIsClosed) {
  Server server({.max_connections = 2});
  const BlockingClient clients[] = {server.Connect(), server.Connect(),
                                    server.Connect(), server.Connect()};
  server.Turn();
  EXPECT_EQ(server.open(), 2);
  server.Turn();
  EXPECT_TRUE(server.full());
  server.CloseOne();
  EXPECT_FALSE(server.full());
  server.Turn();
  EXPECT_EQ(server.open(), 2);
  server.CloseAll();
  server.Turn();
  EXPECT_EQ(server.open(), 1);
  EXPECT_EQ(server.rejected(), 0u);
}

TEST(ListenerLimitTest, ClientsBeyondItAreRefusedOnRequest) {
  Server server({.max_connections = 1, .when_full = WhenFull::kRefuse});
  const BlockingClient first = server.Connect();
  BlockingClient second = server.Connect();
  BlockingClient third = server.Connect();
  server.Turn();
  EXPECT_EQ(second.ReadToEnd(), "");
  EXPECT_EQ(third.ReadToEnd(), "");
  EXPECT_EQ(server.open(), 1);
  EXPECT_EQ(server.rejected(), 2u);
  EXPECT_FALSE(server.full());
  server.CloseOne();
  const BlockingClient fourth = server.Connect();
  server.Turn();
  EXPECT_EQ(server.open(), 1);
}

TEST(ListenerLimitTest, DoesNotCountConnectionsWhosePlaceIsNotTaken) {
  Server server({.max_connections = 1});
  server.set_keeps_places(false);
  const BlockingClient clients[] = {server.Connect(), server.Connect()};
  server.Turn();
  EXPECT_EQ(server.open(), 2);
}

TEST(ListenerLimitTest, AListenerThatWaitsMayBeDisabledAndGoOn) {
  Server server({.max_connections = 1});
  const BlockingClient clients[] = {server.Connect(), server.Connect()};
  server.Turn();
  server.Turn();
  server.listener().Disable();
  EXPECT_FALSE(server.full());
  server.CloseOne();
  server.Turn();
  EXPECT_EQ(server.open(), 0);
  ASSERT_TRUE(server.listener().Enable().ok());
  server.Turn();
  EXPECT_EQ(server.open(), 1);
}

TEST(ListenerLimitTest, PlacesMayOutliveTheirListener) {
  Server server({.max_connections = 1});
  const BlockingClient client = server.Connect();
  server.Turn();
  server.DestroyListener();
  server.CloseAll();
}

TEST_F(ConnectionLimitTest, IsOnePlaceAtLeast) {
  EXPECT_EQ(ConnectionLimit(0).maximum(), 1);
}

TEST_F(ConnectionLimitTest, HoldsForAllListenersTogether) {
  Start(2, 3);
  Connect(0, 2);
  Connect(1, 2);
  Turn();
  EXPECT_EQ(open(), 3);
  EXPECT_EQ(limit_->taken(), 3);
  EXPECT_FALSE(servers_[0]->full());
  EXPECT_TRUE(servers_[1]->full());
}

TEST_F(ConnectionLimitTest, APlaceThatIsFreeOnOneShardIsGivenToAnother) {
  Start(2, 3);
  Connect(0, 3);
  Turn();
  Connect(1, 2);
  Turn();
  EXPECT_EQ(servers_[1]->open(), 0);
  servers_[0]->CloseOne();
  Turn();
  EXPECT_EQ(servers_[1]->open(), 1);
  servers_[0]->CloseAll();
  Turn();
  EXPECT_EQ(servers_[1]->open(), 2);
  EXPECT_FALSE(servers_[1]->full());
}

TEST_F(ConnectionLimitTest, ThoseWhoWaitLongestAreFirst) {
  Start(3, 1);
  Connect(0, 1);
  Turn();
  Connect(2, 1);
  Turn();
  Connect(1, 1);
  Turn();
  servers_[0]->CloseOne();
  Turn();
  EXPECT_EQ(servers_[2]->open(), 1);
  EXPECT_EQ(servers_[1]->open(), 0);
  servers_[2]->CloseOne();
  Turn();
  EXPECT_EQ(servers_[1]->open(), 1);
}

TEST_F(ConnectionLimitTest, IsTakenAndGivenBackInSlices) {
  Start(2, 64 * 64 * 2);
  Connect(0, 1);
  Turn();
  EXPECT_EQ(limit_->taken(), ConnectionLimit::kMaxSlice);
  // Connections that come and go leave the shared word alone.
  Connect(0, 40);
  Turn();
  for (int i = 0; i < 40; ++i) servers_[0]->CloseOne();
  EXPECT_EQ(limit_->taken(), ConnectionLimit::kMaxSlice);
  Connect(0, 100);
  Turn();
  EXPECT_EQ(limit_->taken(), 2 * ConnectionLimit::kMaxSlice);
  servers_[0]->CloseAll();
  EXPECT_LT(limit_->taken(), 2 * ConnectionLimit::kMaxSlice);
}

TEST_F(ConnectionLimitTest, NothingIsLeftBehindByListenersThatGo) {
  Start(2, 1000);
  Connect(0, 10);
  Connect(1, 10);
  Turn();
  servers_[0]->DestroyListener();
  EXPECT_GE(limit_->taken(), 20);
  servers_[0]->CloseAll();
  servers_[1]->CloseAll();
  servers_.clear();
  EXPECT_EQ(limit_->taken(), 0);
}

// 128 places for two listeners: slices of two.
TEST_F(ConnectionLimitTest, PlacesThatLieIdleOnOneShardAreFoundByAnother) {
  Start(2, 128);
  Connect(0, 1);
  Turn();
  EXPECT_EQ(limit_->taken(), 2);
  Connect(1, 128);
  Turn();
  EXPECT_EQ(servers_[1]->open(), 127);
  EXPECT_TRUE(servers_[1]->full());
  // From now on nobody keeps any.
  servers_[0]->CloseOne();
  Turn();
  EXPECT_EQ(servers_[1]->open(), 128);
}

TEST_F(ConnectionLimitTest, NobodyIsRefusedWhileAnyShardHasAPlace) {
  Start(3, 192, WhenFull::kRefuse);
  Connect(0, 1);
  Connect(2, 1);
  Turn();
  EXPECT_EQ(limit_->taken(), 4);
  Connect(1, 191);
  Turn();
  EXPECT_EQ(servers_[1]->open(), 190);
  EXPECT_EQ(servers_[1]->rejected(), 1u);
  // Known by now, without asking again.
  BlockingClient late = servers_[1]->Connect();
  servers_[1]->Turn();
  EXPECT_EQ(late.ReadToEnd(), "");
}

TEST_F(ConnectionLimitTest, AShardThatGoesWithoutAnAnswerKeepsNobodyWaiting) {
  Start(2, 128, WhenFull::kRefuse);
  Connect(0, 1);
  Turn();
  Connect(1, 128);
  for (int i = 0; i < 4; ++i) servers_[1]->Turn();
  EXPECT_TRUE(servers_[1]->full());  // it has asked
  servers_[0]->DestroyListener();
  for (int i = 0; i < 4; ++i) servers_[1]->Turn();
  EXPECT_EQ(servers_[1]->open(), 127);
  EXPECT_EQ(servers_[1]->rejected(), 1u);
}

TEST_F(ConnectionLimitTest, GoesBackToSlicesWhenThereIsPlenty) {
  Start(2, 128);
  Connect(0, 129);
  Turn();
  EXPECT_TRUE(servers_[0]->full());
  servers_[0]->CloseAll();
  Turn();
  Connect(0, 2);
  Turn();
  // The first was taken alone, the next ones in a slice.
  EXPECT_EQ(open(), 3);
  EXPECT_EQ(limit_->taken(), 4);
}

// A place was sent to a listener that is no longer there for it.
TEST_F(ConnectionLimitTest, AGrantIsNotLostWithTheOneItWasFor) {
  for (const bool destroyed : {false, true}) {
    SCOPED_TRACE(destroyed);
    servers_.clear();
    Start(3, 1);
    Connect(0, 1);
    Turn();
    Connect(1, 1);
    Turn();
    Connect(2, 1);
    Turn();
    servers_[0]->CloseOne();  // it is on its way to the second
    if (destroyed) {
      servers_[1]->DestroyListener();
    } else {
      servers_[1]->listener().Disable();
    }
    Turn();
    EXPECT_EQ(servers_[2]->open(), 1);
  }
}

// The client gave up meanwhile.
TEST_F(ConnectionLimitTest, AGrantThatNobodyNeedsGoesOn) {
  Start(3, 1);
  Connect(0, 1);
  Turn();
  Connect(1, 1);
  Turn();
  Connect(2, 1);
  Turn();
  // Another process, with a descriptor of the same socket, accepts it.
  const UniqueFd stolen(
      Kernel::Real().Accept(servers_[1]->listener().fd(), nullptr, nullptr));
  EXPECT_TRUE(stolen.valid());
  servers_[0]->CloseOne();
  Turn();
  EXPECT_EQ(servers_[1]->open(), 0);
  EXPECT_EQ(servers_[2]->open(), 1);
}

TEST_F(ConnectionLimitTest, LoopsMayEndWithMessagesUnderWay) {
  Start(2, 128);
  Connect(0, 1);
  Connect(1, 128);
  Turn();
  servers_[0]->CloseOne();  // a grant for the second
  servers_.erase(servers_.begin() + 1);
  servers_.clear();
  EXPECT_EQ(limit_->taken(), 0);
}

TEST_F(ConnectionLimitTest, WorksTogetherWithAListenersOwn) {
  limit_ = std::make_shared<ConnectionLimit>(3);
  for (int i = 0; i < 2; ++i) {
    servers_.push_back(std::make_unique<Server>(
        ListenerOptions{.max_connections = 2, .limit = limit_}));
  }
  Connect(0, 3);
  Connect(1, 3);
  Turn();
  EXPECT_EQ(servers_[0]->open(), 2);
  EXPECT_EQ(servers_[1]->open(), 1);
  servers_[0]->CloseOne();
  Turn();
  EXPECT_EQ(open(), 3);
  EXPECT_LE(servers_[1]->open(), 2);
}

}  // namespace
}  // namespace percore
