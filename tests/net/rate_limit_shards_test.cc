// Groups over the shards of a real runtime, while connections come, move and
// go, and all that can be changed is changed from everywhere. Nothing is timed
// here: what was moved is counted, and nothing is left behind.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "percore/net/buffer_event.h"
#include "percore/net/buffer_event_pair.h"
#include "percore/net/rate_limit_group.h"
#include "percore/net/socket_pair.h"
#include "percore/net/unique_fd.h"
#include "percore/runtime/runtime.h"
#include "percore/runtime/shard.h"
#include "percore/tests/support/sanitizers.h"

namespace percore {
namespace {

using namespace std::chrono_literals;
using Group = std::shared_ptr<RateLimitGroup>;
using ServiceOr = absl::StatusOr<std::unique_ptr<Service>>;

constexpr int kShards = 3;
constexpr int kConnections = 8;  // at a time, on each shard
constexpr int kLives = kSanitized ? 5 : 20;
constexpr size_t kBytes = 20'000;

Group MakeGroup(int64_t rate, Group parent = nullptr) {
  const RateBudget budget = {.rate = rate, .burst = rate / 50};
  return *RateLimitGroup::Create({.read = budget, .write = budget, .tick = 1ms},
                                 {.parent = std::move(parent)});
}

// A tree of groups that all shards have in common, and what went through it.
struct Tree {
  const Group server = MakeGroup(100'000'000);
  const std::array<Group, 2> tenants = {MakeGroup(50'000'000, server),
                                        MakeGroup(50'000'000, server)};
  std::atomic<uint64_t> received{0};
  std::atomic<int> made{0};
  std::atomic<int> alive{kShards * kConnections};

  void ExpectNothingLeft() const {
    for (const Group& group : {server, tenants[0], tenants[1]}) {
      const RateLimitGroup::State state = group->state();
      EXPECT_EQ(state.members, 0);
      EXPECT_EQ(state.read.suspended, 0);
      EXPECT_EQ(state.write.suspended, 0);
    }
    EXPECT_EQ(tenants[0].use_count(), 1);
    EXPECT_EQ(tenants[1].use_count(), 1);
    EXPECT_EQ(server.use_count(), 3);
  }
};

std::unique_ptr<Runtime> MakeRuntime() {
  RuntimeOptions options;
  options.shards = kShards;
  options.stop_signals.clear();
  return *Runtime::Create(std::move(options));
}

// Two ends of a pair: one sends, the other receives, and both are limited.
class Traffic {
 public:
  Traffic(Shard& shard, Tree& tree, uint64_t seed)
      : shard_(shard), tree_(tree), random_(seed) {
    auto [sender, receiver] = MakeBufferEventPair(shard.base(), {});
    sender_ = std::move(sender);
    receiver_ = std::move(receiver);
    JoinSome();
    EXPECT_TRUE(receiver_->rate_limiter().Join(tree_.server).ok());
    receiver_->SetCallbacks({.read = &OnRead}, this);
    EXPECT_TRUE(receiver_->Enable(EventFlags::kRead).ok());
    sender_->output().Append(std::string(kBytes, 'x'));
  }

  // When all has arrived, and this one may be destroyed.
  std::function<void()> on_over = [] {};

 private:
  static void OnRead(BufferEvent& connection, void* traffic) {
    auto& self = *static_cast<Traffic*>(traffic);
    const size_t size = connection.input().size();
    connection.input().Clear();
    self.tree_.received += size;
    self.received_ += size;
    if (self.received_ == kBytes) return self.on_over();
    self.ChangeSomething();
  }

  int Below(int limit) { return static_cast<int>(random_() % limit); }
  const Group& SomeTenant() { return tree_.tenants[Below(2)]; }
  // Also one that nobody else holds.
  void JoinSome() {
    const Group group =
        Below(3) == 0 ? MakeGroup(20'000'000, SomeTenant()) : SomeTenant();
    EXPECT_TRUE(sender_->rate_limiter().Join(group, 1 + Below(5)).ok());
  }

  void ChangeSomething() {
    RateLimiter& limiter = sender_->rate_limiter();
    const Group& tenant = SomeTenant();
    switch (Below(10)) {
      case 0:
        return JoinSome();
      case 1:
        EXPECT_TRUE(limiter.SetWeight(1 + Below(5)).ok());
        return;
      case 2:
        EXPECT_TRUE(
            limiter
                .SetLimit({.write = {.rate = 20'000'000, .burst = 20'000},
                           .tick = 1ms})
                .ok());
        return;
      case 3:
        return limiter.ClearLimit();
      case 4: {
        const int64_t rate = 10'000'000 * (1 + Below(5));
        EXPECT_TRUE(tenant
                        ->SetLimit({.read = {.rate = rate},
                                    .write = {.rate = rate},
                                    .tick = 1ms})
                        .ok());
        return;
      }
      case 5:
        EXPECT_TRUE(tenant->SetLimit({}).ok());
        return;
      case 6:
        // Resumed by another shard.
        tenant->Pause();
        return shard_.peer((shard_.index() + 1) % kShards).Post([tenant] {
          tenant->Resume();
        });
      case 7:
        return tenant->Take(RateDirection::kWrite, Below(2000) - 1000);
      case 8:
        return tenant->SetMinShare(1 + Below(200));
      case 9:
        limiter.MaxNow(RateDirection::kWrite);
        return limiter.Take(RateDirection::kWrite, Below(200) - 100);
    }
  }

  Shard& shard_;
  Tree& tree_;
  std::mt19937_64 random_;
  std::unique_ptr<BufferEvent> sender_;
  std::unique_ptr<BufferEvent> receiver_;
  size_t received_ = 0;
};

// Keeps so many connections on its shard; each that is over has its next life
// on another.
class Shore final : public Service {
 public:
  Shore(Shard& shard, Tree& tree, std::vector<Shore*>& shores)
      : shard_(shard), tree_(tree), shores_(shores) {
    shores[shard.index()] = this;
    if (++tree.made < kShards) return;
    for (Shore* const shore : shores) {
      shore->shard_.Post([shore] {
        for (int i = 0; i < kConnections; ++i) shore->Begin(i, kLives);
      });
    }
  }
  void Drain() override {}

 private:
  void Begin(int seed, int lives) {
    traffic_.push_back(std::make_unique<Traffic>(
        shard_, tree_, static_cast<uint64_t>(lives * 1000 + seed)));
    Traffic* const traffic = traffic_.back().get();
    traffic->on_over = [this, traffic, seed, lives] {
      GoOn(seed, lives - 1);
      std::erase_if(traffic_, [traffic](const auto& other) {
        return other.get() == traffic;
      });
    };
  }
  void GoOn(int seed, int lives) {
    if (lives > 0) {
      Shore* const next = shores_[(shard_.index() + 1) % kShards];
      next->shard_.Post([next, seed, lives] { next->Begin(seed, lives); });
    } else if (--tree_.alive == 0) {
      shard_.runtime().RequestStop();
    }
  }

  Shard& shard_;
  Tree& tree_;
  std::vector<Shore*>& shores_;
  std::vector<std::unique_ptr<Traffic>> traffic_;
};

TEST(RateLimitShardsTest, AllThatMovesIsCountedWhateverIsChanged) {
  Tree tree;
  std::vector<Shore*> shores(kShards);
  const auto runtime = MakeRuntime();
  // As a collector of statistics does.
  std::atomic<bool> over{false};
  std::thread watcher([&] {
    while (!over) {
      EXPECT_GE(tree.server->state().members, 0);
      EXPECT_LE(tree.tenants[0]->totals().written, 1'000'000'000u);
      (void)tree.tenants[1]->Tokens(RateDirection::kRead);
      (void)tree.tenants[1]->SetParent(tree.server);
      std::this_thread::yield();
    }
  });
  const absl::Status status = runtime->Run([&](Shard& shard) -> ServiceOr {
    return std::make_unique<Shore>(shard, tree, shores);
  });
  over = true;
  watcher.join();
  EXPECT_TRUE(status.ok()) << status;
  constexpr uint64_t kAll = uint64_t{kShards} * kConnections * kLives * kBytes;
  EXPECT_EQ(tree.received, kAll);
  EXPECT_EQ(tree.server->totals().read, kAll);
  EXPECT_EQ(tree.server->totals().written, kAll);
  EXPECT_EQ(
      tree.tenants[0]->totals().written + tree.tenants[1]->totals().written,
      kAll);
  tree.ExpectNothingLeft();
}

// A socket whose limited end goes around all shards, while the other end reads
// on its own.
class Wanderer {
 public:
  Wanderer(Tree& tree, UniqueFd socket, int stations)
      : tree_(tree), socket_(std::move(socket)), stations_(stations) {}

  void Arrive(Shard& shard) {
    shard_ = &shard;
    connection_ =
        std::make_unique<BufferEvent>(shard.base(), std::move(socket_));
    connection_->SetCallbacks({.write = &OnWritten}, this);
    const Group& group = tree_.tenants[stations_ % 2];
    EXPECT_TRUE(connection_->rate_limiter().Join(group).ok());
    connection_->output().Append(std::string(kBytes, 'x'));
  }
  // Its own owner, on whatever shard it is.
  static void OnWritten(BufferEvent& connection, void* argument) {
    auto* const self = static_cast<Wanderer*>(argument);
    self->socket_ = connection.Detach();
    self->connection_ = nullptr;
    if (--self->stations_ == 0) {
      delete self;  // closes the socket
      return;
    }
    Shard& next =
        self->shard_->peer((self->shard_->index() + 1) % self->shard_->count());
    next.Post([self, &next] { self->Arrive(next); });
  }

 private:
  Tree& tree_;
  UniqueFd socket_;
  int stations_;
  Shard* shard_ = nullptr;
  std::unique_ptr<BufferEvent> connection_;
};

// Sends some of them out, and receives what they send.
class Harbor final : public Service {
 public:
  Harbor(Shard& shard, Tree& tree) : shard_(shard), tree_(tree) {
    for (int i = 0; i < kConnections; ++i) {
      auto [far, near] = *SocketPair();
      receivers_.push_back(
          std::make_unique<BufferEvent>(shard.base(), std::move(near)));
      BufferEvent& receiver = *receivers_.back();
      receiver.SetCallbacks({.read = &OnRead, .event = &OnEvent}, this);
      EXPECT_TRUE(receiver.rate_limiter().Join(tree.server).ok());
      EXPECT_TRUE(receiver.Enable(EventFlags::kRead).ok());
      auto* const wanderer = new Wanderer(tree, std::move(far), kLives);
      shard.Post([wanderer, &shard] { wanderer->Arrive(shard); });
    }
  }
  void Drain() override {}

 private:
  static void OnRead(BufferEvent& connection, void* harbor) {
    static_cast<Harbor*>(harbor)->tree_.received += connection.input().size();
    connection.input().Clear();
  }
  static void OnEvent(BufferEvent&, ConnectionEvent what, const absl::Status&,
                      void* harbor) {
    auto& self = *static_cast<Harbor*>(harbor);
    EXPECT_TRUE(Any(what & ConnectionEvent::kEndOfFile));
    if (--self.tree_.alive == 0) self.shard_.runtime().RequestStop();
  }

  Shard& shard_;
  Tree& tree_;
  std::vector<std::unique_ptr<BufferEvent>> receivers_;
};

TEST(RateLimitShardsTest, SocketsMayMoveFromShardToShard) {
  Tree tree;
  const auto runtime = MakeRuntime();
  const absl::Status status = runtime->Run([&](Shard& shard) -> ServiceOr {
    return std::make_unique<Harbor>(shard, tree);
  });
  EXPECT_TRUE(status.ok()) << status;
  constexpr uint64_t kAll = uint64_t{kShards} * kConnections * kLives * kBytes;
  EXPECT_EQ(tree.received, kAll);
  EXPECT_EQ(tree.server->totals().read, kAll);
  EXPECT_EQ(tree.server->totals().written, kAll);
  tree.ExpectNothingLeft();
}

// Without members on it, a shard has nothing to do.
TEST(RateLimitShardsTest, LoopsMayGoBeforeTheGroup) {
  const Group group = MakeGroup(1'000'000);
  for (int i = 0; i < 3; ++i) {
    const auto runtime = MakeRuntime();
    const absl::Status status = runtime->Run([&](Shard& shard) -> ServiceOr {
      auto [sender, receiver] = MakeBufferEventPair(shard.base(), {});
      EXPECT_TRUE(sender->rate_limiter().Join(group).ok());
      sender->output().Append(std::string(kBytes, 'x'));
      struct Ends final : Service {
        void Drain() override {}
        std::unique_ptr<BufferEvent> sender;
        std::unique_ptr<BufferEvent> receiver;
      };
      auto ends = std::make_unique<Ends>();
      ends->sender = std::move(sender);
      ends->receiver = std::move(receiver);
      EXPECT_TRUE(ends->receiver->Enable(EventFlags::kRead).ok());
      shard.runtime().RequestStop();
      return ends;
    });
    EXPECT_TRUE(status.ok()) << status;
    ASSERT_TRUE(group->SetLimit({}).ok());
    EXPECT_EQ(group->state().members, 0);
  }
  EXPECT_EQ(group.use_count(), 1);
}

}  // namespace
}  // namespace percore
