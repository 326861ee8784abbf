// The real Prometheus scrapes the real servers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "percore/net/listen_sockets.h"
#include "percore/tests/e2e/server_process.h"

namespace percore {
namespace {

using testing::HasSubstr;

// A Prometheus that scrapes one target five times a second.
class Prometheus {
 public:
  explicit Prometheus(const std::string& target)
      : address_(ListenSockets::Open("127.0.0.1:0", 1)->address().ToString()),
        process_({"prometheus", "--config.file=" + WriteConfiguration(target),
                  "--storage.tsdb.path=" + Folder() + "/tsdb",
                  "--web.listen-address=" + address_}) {}

  // The answer, in JSON; empty while it is not up.
  std::string Query(const std::string& query) {
    Subprocess curl({"curl", "-sS", "--get", "--data-urlencode",
                     "query=" + query, "http://" + address_ + "/api/v1/query"});
    curl.Wait();
    return curl.Output();
  }

  // Asks until the answer has `text`, for a minute.
  bool QueryUntil(const std::string& query, const std::string& text) {
    const auto deadline =
        std::chrono::steady_clock::now() + std::chrono::minutes(1);
    while (!absl::StrContains(Query(query), text)) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::yield();
    }
    return true;
  }

  const std::string& Errors() { return process_.Errors(); }

 private:
  static std::string WriteConfiguration(const std::string& target) {
    std::string path = Folder() + "/prometheus.yml";
    std::ofstream(path) << "global:\n"
                           "  scrape_interval: 200ms\n"
                           "  scrape_timeout: 200ms\n"
                           "scrape_configs:\n"
                           "  - job_name: percore\n"
                           "    static_configs:\n"
                           "      - targets: ['"
                        << target << "']\n";
    return path;
  }

  // Of this test alone: what another has stored is not to be found.
  static std::string Folder() {
    std::string folder =
        testing::TempDir() + "/" +
        testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::create_directories(folder);
    return folder;
  }

  const std::string address_;
  Subprocess process_;
};

// The names of the series on a page: those of its lines.
std::set<std::string> SeriesNames(const std::string& page) {
  std::set<std::string> names;
  for (const absl::string_view line : absl::StrSplit(page, '\n')) {
    if (line.empty() || line[0] == '#') continue;
    names.insert(std::string(line.substr(0, line.find_first_of("{ "))));
  }
  return names;
}

TEST(PrometheusTest, ScrapesTheServerAndKnowsEverySeries) {
  ServerProcess server("examples/cache_server", {"--shards=2"});
  server.Ask("set a 0 0 1\r\nx\r\nget a\r\nquit\r\n");
  const std::string target =
      server.metrics_url().substr(std::string("http://").size());
  Prometheus prometheus(target.substr(0, target.find('/')));
  ASSERT_TRUE(prometheus.QueryUntil("up", "\"1\"]")) << prometheus.Errors();

  // Twice: the page knows of a scrape once it is over.
  RunProgram({"curl", "-sS", server.metrics_url()});
  const std::string page = RunProgram({"curl", "-sS", server.metrics_url()});
  const std::set<std::string> names = SeriesNames(page);
  EXPECT_GT(names.size(), 40u);
  for (const std::string& name : names) {
    EXPECT_TRUE(prometheus.QueryUntil(name, "\"__name__\":\"" + name + "\""))
        << name;
  }
  EXPECT_TRUE(prometheus.QueryUntil("percore_cache_items", ",\"1\"]"));
  EXPECT_TRUE(
      prometheus.QueryUntil("sum(percore_listener_accepted_total)", ",\"1\"]"));
  // What was accepted is what is open and what was closed.
  EXPECT_TRUE(prometheus.QueryUntil(
      "sum(percore_listener_accepted_total) - sum(percore_connections_open) - "
      "sum(percore_connections_closed_total)",
      ",\"0\"]"));
}

// A limit makes the load last for several scrapes.
TEST(PrometheusTest, AgreesWithTheBytesThatWentThroughARateLimit) {
  const std::string piece(100'000, 'x');
  ServerProcess echo("examples/echo_server", {"--shards=1"});
  ServerProcess proxy(
      "examples/rate_limited_proxy",
      {"--shards=2", "--server_rate=10M", "--upstream=" + echo.listen()});
  const std::string target =
      proxy.metrics_url().substr(std::string("http://").size());
  Prometheus prometheus(target.substr(0, target.find('/')));
  ASSERT_TRUE(prometheus.QueryUntil("up", "\"1\"]")) << prometheus.Errors();

  BlockingClient client = proxy.Connect();
  // Until it has seen the load go on.
  const std::string seen =
      "changes(percore_ratelimit_bytes_total{group=\"server\",direction="
      "\"read\"}[5m]) > bool 1";
  const auto deadline =
      std::chrono::steady_clock::now() + std::chrono::minutes(1);
  size_t sent = 0;
  do {
    for (int i = 0; i < 20; ++i) {
      client.Send(piece);
      ASSERT_EQ(client.Read(piece.size()).size(), piece.size());
      sent += piece.size();
    }
    ASSERT_LT(std::chrono::steady_clock::now(), deadline);
  } while (!absl::StrContains(prometheus.Query(seen), ",\"1\"]"));
  const std::string total = absl::StrCat(",\"", sent, "\"]");
  for (const char* group : {"server", "network"}) {
    for (const char* direction : {"read", "write"}) {
      EXPECT_TRUE(prometheus.QueryUntil(
          absl::StrCat("percore_ratelimit_bytes_total{group=\"", group,
                       "\",direction=\"", direction, "\"}"),
          total))
          << group << " " << direction;
    }
  }
  EXPECT_TRUE(prometheus.QueryUntil(
      "sum(percore_connection_received_bytes_total)", total));
  for (const char* counter :
       {"bytes_total", "suspensions_total", "throttled_seconds_total",
        "exhausted_seconds_total"}) {
    EXPECT_TRUE(prometheus.QueryUntil(
        absl::StrCat("sum(resets(percore_ratelimit_", counter, "[5m]))"),
        ",\"0\"]"))
        << counter;
  }
}

}  // namespace
}  // namespace percore
