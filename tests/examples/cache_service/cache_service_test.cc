// The cache as its clients see it, over real sockets.
#include "percore/examples/cache_service/cache_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "percore/examples/cache_service/cache_connection.h"
#include "percore/runtime/error.h"
#include "percore/tests/support/running_server.h"

namespace percore::cache {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

// Tests run on one shard, where every key is local, and on several, where most
// are not: the replies must be the same.
class CacheServiceTest : public testing::TestWithParam<int> {
 protected:
  std::unique_ptr<RunningServer> Start(uint64_t memory_limit_bytes = 64 << 20,
                                       RuntimeOptions options = {}) {
    cluster_ = std::make_unique<CacheCluster>(GetParam());
    cluster_->memory_limit_bytes = memory_limit_bytes;
    return std::make_unique<RunningServer>(
        GetParam(),
        [this](Shard& shard,
               UniqueFd socket) -> absl::StatusOr<std::unique_ptr<Service>> {
          return CacheService::Create(shard, std::move(socket), *cluster_);
        },
        std::move(options));
  }

  // Sends everything, ends it with "quit", and returns all replies.
  static std::string Ask(const RunningServer& server, std::string_view text) {
    BlockingClient client = server.Connect();
    client.Send(text);
    client.Send("quit\r\n");
    return client.ReadToEnd();
  }

  static std::string Stat(const RunningServer& server, std::string_view name) {
    const std::string prefix =
        absl::StrCat("STAT ", percore::ToAbsl(name), " ");
    for (const absl::string_view line :
         absl::StrSplit(Ask(server, "stats\r\n"), "\r\n")) {
      if (line.substr(0, prefix.size()) == prefix) {
        return std::string(line.substr(prefix.size()));
      }
    }
    return "missing";
  }

  // A client that has gone is counted once its shard has seen it: the test
  // ends, if it must, by its time limit.
  static void WaitForStat(const RunningServer& server, std::string_view name,
                          std::string_view value) {
    while (Stat(server, name) != value) std::this_thread::yield();
  }

  std::unique_ptr<CacheCluster> cluster_;
};

INSTANTIATE_TEST_SUITE_P(Shards, CacheServiceTest, testing::Values(1, 3));

TEST_P(CacheServiceTest, StoresAndGets) {
  const auto server = Start();
  EXPECT_EQ(Ask(*server, "set a 5 0 3\r\nabc\r\nget a\r\nget b\r\n"),
            "STORED\r\nVALUE a 5 3\r\nabc\r\nEND\r\nEND\r\n");
}

TEST_P(CacheServiceTest, KnowsEveryCommand) {
  const auto server = Start();
  EXPECT_EQ(Ask(*server,
                "add a 0 0 1\r\n1\r\n"
                "add a 0 0 1\r\n2\r\n"
                "replace a 0 0 1\r\n3\r\n"
                "replace b 0 0 1\r\n4\r\n"
                "append a 0 0 1\r\n5\r\n"
                "prepend a 0 0 1\r\n6\r\n"
                "get a\r\n"
                "incr a 9\r\n"
                "decr a 70\r\n"
                "touch a 100\r\n"
                "touch b 100\r\n"
                "delete a\r\n"
                "delete a\r\n"
                "incr a 1\r\n"
                "version\r\n"
                "verbosity 1\r\n"
                "flush_all\r\n"
                "nonsense\r\n"),
            "STORED\r\n"
            "NOT_STORED\r\n"
            "STORED\r\n"
            "NOT_STORED\r\n"
            "STORED\r\n"
            "STORED\r\n"
            "VALUE a 0 3\r\n635\r\nEND\r\n"
            "644\r\n"
            "574\r\n"
            "TOUCHED\r\n"
            "NOT_FOUND\r\n"
            "DELETED\r\n"
            "NOT_FOUND\r\n"
            "NOT_FOUND\r\n"
            "VERSION 1.6.18-percore\r\n"
            "OK\r\n"
            "OK\r\n"
            "ERROR\r\n");
}

TEST_P(CacheServiceTest, SwapsOnlyWhatTheClientSaw) {
  const auto server = Start();
  BlockingClient client = server->Connect();
  client.Send("set a 0 0 1\r\n1\r\ngets a\r\n");
  EXPECT_EQ(client.ReadLine(), "STORED\r\n");
  const std::string value = client.ReadLine();
  const std::vector<std::string> words = absl::StrSplit(value, ' ');
  ASSERT_EQ(words.size(), 5u);
  EXPECT_EQ(client.Read(8), "1\r\nEND\r\n");
  client.Send(absl::StrCat("cas a 0 0 1 ", words[4], "2\r\n"));
  EXPECT_EQ(client.ReadLine(), "STORED\r\n");
  client.Send(absl::StrCat("cas a 0 0 1 ", words[4], "3\r\n"));
  EXPECT_EQ(client.ReadLine(), "EXISTS\r\n");
  client.Send(absl::StrCat("cas b 0 0 1 ", words[4], "3\r\n"));
  EXPECT_EQ(client.ReadLine(), "NOT_FOUND\r\n");
}

TEST_P(CacheServiceTest, GetsSeveralKeysInTheirOrder) {
  const auto server = Start();
  EXPECT_EQ(Ask(*server,
                "set a 0 0 1\r\n1\r\nset b 0 0 1\r\n2\r\nset c 0 0 1\r\n3\r\n"
                "get c missing a  b\r\n"),
            "STORED\r\nSTORED\r\nSTORED\r\n"
            "VALUE c 0 1\r\n3\r\nVALUE a 0 1\r\n1\r\nVALUE b 0 1\r\n2\r\n"
            "END\r\n");
}

TEST_P(CacheServiceTest, NoreplyGetsNoReply) {
  const auto server = Start();
  EXPECT_EQ(Ask(*server,
                "set a 0 0 1 noreply\r\n1\r\nincr a 1 noreply\r\n"
                "touch a 9 noreply\r\nget a\r\ndelete a noreply\r\nget a\r\n"
                "flush_all noreply\r\nverbosity 1 noreply\r\n"),
            "VALUE a 0 1\r\n2\r\nEND\r\nEND\r\n");
}

TEST_P(CacheServiceTest, FlushesEveryShardInOrderWithItsOwnCommands) {
  const auto server = Start();
  std::string text;
  std::string expected;
  for (int i = 0; i < 20; ++i) {
    absl::StrAppend(&text, "set key", i, " 0 0 1\r\nx\r\n");
    absl::StrAppend(&expected, "STORED\r\n");
  }
  absl::StrAppend(&text, "flush_all\r\n");
  absl::StrAppend(&expected, "OK\r\n");
  for (int i = 0; i < 20; ++i) {
    absl::StrAppend(&text, "get key", i, "\r\nset key", i, " 0 0 1\r\ny\r\n");
    absl::StrAppend(&expected, "END\r\nSTORED\r\n");
  }
  for (int i = 0; i < 20; ++i) {
    absl::StrAppend(&text, "get key", i, "\r\n");
    absl::StrAppend(&expected, "VALUE key", i, " 0 1\r\ny\r\nEND\r\n");
  }
  EXPECT_EQ(Ask(*server, text), expected);
}

TEST_P(CacheServiceTest, AnswersAFloodOfRequestsInOrder) {
  const auto server = Start();
  constexpr int kRequests = 20000;
  BlockingClient client = server->Connect();
  std::thread sender([&client] {
    std::string text;
    for (int i = 0; i < kRequests; ++i) {
      absl::StrAppend(&text, "set k", i % 100, " ", i, " 0 2\r\nxy\r\nget k",
                      i % 100, "\r\n");
    }
    client.Send(text);
    client.FinishSending();
  });
  for (int i = 0; i < kRequests; ++i) {
    ASSERT_EQ(client.ReadLine(), "STORED\r\n");
    ASSERT_EQ(client.ReadLine(),
              absl::StrCat("VALUE k", i % 100, " ", i, " 2\r\n"));
    ASSERT_EQ(client.Read(9), "xy\r\nEND\r\n");
  }
  sender.join();
  EXPECT_EQ(client.ReadToEnd(), "");
}

TEST_P(CacheServiceTest, TakesCommandsByteByByte) {
  const auto server = Start();
  BlockingClient client = server->Connect();
  for (const char byte :
       std::string_view("set a 0 0 3\r\nabc\r\nget a b\r\n")) {
    client.Send({&byte, 1});
  }
  EXPECT_EQ(client.Read(8), "STORED\r\n");
  EXPECT_EQ(client.Read(23), "VALUE a 0 3\r\nabc\r\nEND\r\n");
}

TEST_P(CacheServiceTest, KeepsTheLargestKeyAndValueAndRefusesLargerOnes) {
  const auto server = Start();
  const std::string key(kMaxKeySize, 'k');
  const std::string value(kMaxValueSize, 'v');
  BlockingClient client = server->Connect();
  client.Send(
      absl::StrCat("set ", key, " 0 0 ", value.size(), "\r\n", value, "\r\n"));
  EXPECT_EQ(client.ReadLine(), "STORED\r\n");
  client.Send(absl::StrCat("get ", key, "\r\n"));
  EXPECT_EQ(client.ReadLine(),
            absl::StrCat("VALUE ", key, " 0 ", value.size(), "\r\n"));
  EXPECT_EQ(client.Read(value.size()), value);
  EXPECT_EQ(client.Read(7), "\r\nEND\r\n");

  client.Send(absl::StrCat("set ", key, " 0 0 ", value.size() + 1, "\r\n",
                           value, "v\r\nget ", key, "\r\n"));
  EXPECT_EQ(client.ReadLine(), "SERVER_ERROR object too large for cache\r\n");
  EXPECT_EQ(client.ReadLine(), "END\r\n");  // the old value is gone
  client.Send(absl::StrCat("get ", key, "k\r\nversion\r\n"));
  EXPECT_EQ(client.ReadLine(), "CLIENT_ERROR bad command line format\r\n");
  EXPECT_THAT(client.ReadLine(), StartsWith("VERSION"));
  EXPECT_EQ(Stat(*server, "store_too_large"), "1");
}

TEST_P(CacheServiceTest, ABadDataBlockLeavesTheConnectionUsable) {
  const auto server = Start();
  EXPECT_EQ(
      Ask(*server,
          "set a 0 0 3\r\nabcd\r\nset b 0 0 1 noreply\r\nxyz"
          "version\r\n"),
      // memcached reads the rest of the bad block as a command.
      "CLIENT_ERROR bad data chunk\r\nERROR\r\nVERSION 1.6.18-percore\r\n");
}

TEST_P(CacheServiceTest, ALineThatNeverEndsClosesTheConnection) {
  const auto server = Start();
  BlockingClient client = server->Connect();
  client.Send("version\r\n");
  client.Send(std::string(3000, 'x'));
  EXPECT_EQ(client.ReadToEnd(), "VERSION 1.6.18-percore\r\n");
}

TEST_P(CacheServiceTest, GetsMoreKeysThanRequestsMayBeUnderWay) {
  const auto server = Start();
  std::string text = "set k7 0 0 1\r\nx\r\nget";
  for (int i = 0; i < 5000; ++i) absl::StrAppend(&text, " k", i);
  EXPECT_EQ(Ask(*server, text + "\r\n"),
            "STORED\r\nVALUE k7 0 1\r\nx\r\nEND\r\n");
}

TEST_P(CacheServiceTest, AnswersWhatAHalfClosedClientAsked) {
  const auto server = Start();
  BlockingClient client = server->Connect();
  client.Send("set a 0 0 1\r\n1\r\nget a\r\nget");  // the last is cut short
  client.FinishSending();
  EXPECT_EQ(client.ReadToEnd(), "STORED\r\nVALUE a 0 1\r\n1\r\nEND\r\n");
}

TEST_P(CacheServiceTest, EvictsWhatWasNotUsedForLongest) {
  const auto server = Start(/*memory_limit_bytes=*/4 << 20);
  const std::string value(100000, 'v');
  BlockingClient client = server->Connect();
  for (int i = 0; i < 200; ++i) {
    client.Send(absl::StrCat("set key", i, " 0 0 ", value.size(), "\r\n", value,
                             "\r\n"));
    ASSERT_EQ(client.ReadLine(), "STORED\r\n");
  }
  uint64_t bytes = 0;
  uint64_t evictions = 0;
  ASSERT_TRUE(absl::SimpleAtoi(Stat(*server, "bytes"), &bytes));
  ASSERT_TRUE(absl::SimpleAtoi(Stat(*server, "evictions"), &evictions));
  EXPECT_LE(bytes, 4u << 20);
  EXPECT_GT(evictions, 100u);
  EXPECT_EQ(Ask(*server, "get key0\r\n"), "END\r\n");
  EXPECT_THAT(Ask(*server, "get key199\r\n"), StartsWith("VALUE key199"));
}

TEST_P(CacheServiceTest, SumsItsStatisticsOverTheShards) {
  const auto server = Start();
  std::string text;
  for (int i = 0; i < 50; ++i) {
    absl::StrAppend(&text, "set k", i, " 0 0 1 noreply\r\nx\r\nget k", i, " m",
                    i, "\r\n");
  }
  Ask(*server, text);
  EXPECT_EQ(Stat(*server, "cmd_set"), "50");
  EXPECT_EQ(Stat(*server, "get_hits"), "50");
  EXPECT_EQ(Stat(*server, "get_misses"), "50");
  EXPECT_EQ(Stat(*server, "curr_items"), "50");
  EXPECT_EQ(Stat(*server, "threads"), absl::StrCat(GetParam()));
  WaitForStat(*server, "curr_connections", "1");  // the one that asks
  EXPECT_EQ(Ask(*server, "stats reset\r\n"), "RESET\r\n");
  EXPECT_EQ(Stat(*server, "cmd_set"), "0");
  EXPECT_EQ(Stat(*server, "curr_items"), "50");
}

TEST_P(CacheServiceTest, KnowsTheOtherKindsOfStats) {
  const auto server = Start();
  EXPECT_THAT(Ask(*server, "stats settings\r\n"),
              HasSubstr("STAT item_size_max 1048576\r\n"));
  EXPECT_EQ(Ask(*server, "stats items\r\nstats slabs\r\n"), "END\r\nEND\r\n");
  EXPECT_EQ(Ask(*server, "stats nonsense\r\n"), "ERROR\r\n");
}

// The client sends and never reads. What the server holds for it is bounded,
// and others do not notice.
TEST_P(CacheServiceTest, AClientThatNeverReadsIsNoLongerReadFrom) {
  const auto server = Start();
  BlockingClient greedy = server->Connect();
  const std::string value(100000, 'v');
  greedy.Send(
      absl::StrCat("set large 0 0 ", value.size(), "\r\n", value, "\r\n"));
  EXPECT_EQ(greedy.ReadLine(), "STORED\r\n");
  std::string requests;
  for (int i = 0; i < 1000; ++i) requests += "get large\r\n";
  // Until the server takes no more: it stopped reading, for good.
  size_t sent = 0;
  for (int stalls = 0; stalls < 100;) {
    const size_t more = greedy.SendSome(requests);
    sent += more;
    if (more > 0) {
      stalls = 0;
      continue;
    }
    ++stalls;
    EXPECT_THAT(Ask(*server, "version\r\n"), StartsWith("VERSION"));
  }
  EXPECT_LT(sent, 64u << 20);
  WaitForStat(*server, "curr_connections", "2");  // it is still there
  greedy.Reset();
}

TEST_P(CacheServiceTest, AClientMayVanishWithRequestsUnderWay) {
  const auto server = Start();
  // Large enough to be sent by reference.
  const std::string value(2 * kMaxCopiedBlock, 'v');
  for (int i = 0; i < 50; ++i) {
    BlockingClient client = server->Connect();
    std::string text;
    for (int j = 0; j < 300; ++j) {
      absl::StrAppend(&text, "set k", j % 30, " 0 0 ", value.size(), "\r\n",
                      value, "\r\nget k", j % 30, "\r\n");
    }
    client.SendSome(text);
    client.Reset();
  }
  EXPECT_THAT(Ask(*server, "version\r\n"), StartsWith("VERSION"));
}

TEST_P(CacheServiceTest, AStopThatDoesNotWaitLeavesNothingBehind) {
  RuntimeOptions options;
  options.drain_deadline = std::chrono::nanoseconds(1);
  const auto server = Start(64 << 20, options);
  const std::string value(2 * kMaxCopiedBlock, 'v');
  std::vector<BlockingClient> clients;
  for (int i = 0; i < 8; ++i) {
    clients.push_back(server->Connect());
    std::string text;
    for (int j = 0; j < 100; ++j) {
      absl::StrAppend(&text, "set k", j, " 0 0 ", value.size(), "\r\n", value,
                      "\r\nget k", j, "\r\n");
    }
    clients.back().SendSome(text);
  }
  EXPECT_EQ(clients[0].ReadLine(), "STORED\r\n");
  EXPECT_TRUE(server->Stop().ok());
}

// Every reply that a client got is whole, and nothing was stored that was not
// answered: a stop finishes what was begun.
TEST_P(CacheServiceTest, AStopUnderLoadLosesNoAnswer) {
  const auto server = Start();
  constexpr int kClients = 4;
  std::vector<int> stored(kClients, 0);
  std::vector<std::thread> clients;
  clients.reserve(kClients);
  std::atomic<int> ready{0};
  for (int i = 0; i < kClients; ++i) {
    clients.emplace_back([&, i] {
      BlockingClient client = server->Connect();
      std::string batch;
      for (int j = 0; j < 50; ++j) {
        absl::StrAppend(&batch, "set c", i, "k", j, " 0 0 1\r\nx\r\n");
      }
      while (true) {
        // The server may be gone by now; the replies will tell.
        const ssize_t sent =
            send(client.fd(), batch.data(), batch.size(), MSG_NOSIGNAL);
        if (sent != static_cast<ssize_t>(batch.size())) break;
        std::string line;
        for (int j = 0; j < 50; ++j) {
          line = client.ReadLine();
          if (line.empty()) break;
          EXPECT_EQ(line, "STORED\r\n");
          ++stored[i];
        }
        if (line.empty()) return;
        if (stored[i] == 500) ++ready;
      }
      for (std::string line; !(line = client.ReadLine()).empty();) {
        EXPECT_EQ(line, "STORED\r\n");
        ++stored[i];
      }
    });
  }
  while (ready.load() < kClients) std::this_thread::yield();
  EXPECT_TRUE(server->Stop().ok());
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(server->runtime().cut_off(), 0u);
  uint64_t executed = 0;
  for (const auto& shard : cluster_->stats) executed += shard->stores.Get();
  uint64_t acknowledged = 0;
  for (const int count : stored) acknowledged += static_cast<uint64_t>(count);
  EXPECT_EQ(acknowledged, executed);
}

// Several clients work on keys of their own against a model of a cache.
TEST_P(CacheServiceTest, AgreesWithAModelUnderConcurrentClients) {
  const auto server = Start();
  const unsigned seed = std::random_device()();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::vector<std::thread> clients;
  for (unsigned i = 0; i < 3; ++i) {
    clients.emplace_back([&server, seed, i] {
      std::mt19937 random(seed + i);
      std::map<std::string, std::string> model;
      BlockingClient client = server->Connect();
      for (int step = 0; step < 3000; ++step) {
        const std::string key = absl::StrCat("c", i, "-", random() % 50);
        switch (random() % 3) {
          case 0: {
            const std::string value(random() % 2000, 'a' + random() % 26);
            client.Send(absl::StrCat("set ", key, " 0 0 ", value.size(), "\r\n",
                                     value, "\r\n"));
            ASSERT_EQ(client.ReadLine(), "STORED\r\n");
            model[key] = value;
            break;
          }
          case 1:
            client.Send(absl::StrCat("delete ", key, "\r\n"));
            ASSERT_EQ(client.ReadLine(),
                      model.erase(key) > 0 ? "DELETED\r\n" : "NOT_FOUND\r\n");
            break;
          case 2:
            client.Send(absl::StrCat("get ", key, "\r\n"));
            if (model.contains(key)) {
              const std::string& value = model[key];
              const std::string expected = absl::StrCat(
                  "VALUE ", key, " 0 ", value.size(), "\r\n", value, "\r\n");
              ASSERT_EQ(client.Read(expected.size()), expected);
            }
            ASSERT_EQ(client.ReadLine(), "END\r\n");
            break;
        }
      }
    });
  }
  for (std::thread& client : clients) client.join();
}

}  // namespace
}  // namespace percore::cache
