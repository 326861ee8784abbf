// kill -TERM under load loses no acknowledged write.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "percore/tests/e2e/server_process.h"

namespace percore {
namespace {

// Stores, many at a time, until the server closes the connection. Every reply
// must be whole.
class Storer {
 public:
  static constexpr int kBatch = 32;

  Storer(const ServerProcess& server, int number) : client_(server.Connect()) {
    for (int i = 0; i < kBatch; ++i) {
      absl::StrAppend(&batch_, "set c", number, "k", i, " 0 0 4\r\nabcd\r\n");
    }
  }

  bool ended() const { return ended_.load(); }

  void Run() {
    bool open = true;
    while (open) {
      const ssize_t sent =
          send(client_.fd(), batch_.data(), batch_.size(), MSG_NOSIGNAL);
      open = sent == static_cast<ssize_t>(batch_.size());
      for (int i = 0; i < kBatch || !open; ++i) {
        const std::string line = client_.ReadLine();
        if (line.empty()) {
          open = false;
          break;
        }
        EXPECT_EQ(line, "STORED\r\n");
        ++acknowledged_;
      }
    }
    client_.FinishSending();  // the server waits for it
    ended_.store(true);
  }

  int acknowledged() const { return acknowledged_.load(); }

 private:
  BlockingClient client_;
  std::string batch_;
  std::atomic<int> acknowledged_{0};
  std::atomic<bool> ended_{false};
};

TEST(CacheServerStopTest, ATermUnderLoadLosesNoAcknowledgedWrite) {
  ServerProcess server("examples/cache_server", {"--shards=3"});
  std::vector<std::unique_ptr<Storer>> storers;
  std::vector<std::thread> threads;
  for (int i = 0; i < 6; ++i) {
    storers.push_back(std::make_unique<Storer>(server, i));
    threads.emplace_back([&storer = *storers.back()] { storer.Run(); });
  }
  for (const auto& storer : storers) {
    while (storer->acknowledged() < 1000 && !storer->ended()) {
      std::this_thread::yield();
    }
    EXPECT_FALSE(storer->ended());
  }
  server.process().Signal(SIGTERM);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(server.process().Wait(), 0);

  int acknowledged = 0;
  for (const auto& storer : storers) acknowledged += storer->acknowledged();
  // What the server executed is what its clients were told.
  EXPECT_EQ(server.process().WaitForLine("stores executed: "),
            absl::StrCat(acknowledged));
  server.process().WaitForLine("stopped: 0 connections cut off");
}

TEST(CacheServerStopTest, AnInterruptStopsAnIdleServer) {
  ServerProcess server("examples/cache_server");
  server.process().Signal(SIGINT);
  EXPECT_EQ(server.process().Wait(), 0);
}

}  // namespace
}  // namespace percore
