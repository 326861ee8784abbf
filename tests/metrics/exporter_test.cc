#include "percore/metrics/exporter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "percore/metrics/family.h"
#include "percore/net/listen_sockets.h"
#include "percore/tests/support/blocking_client.h"
#include "percore/tests/support/subprocess.h"

namespace percore {
namespace {

using testing::HasSubstr;

std::string Page(const Exporter& exporter) {
  BlockingClient client(*SocketAddress::Parse(exporter.address()));
  client.Send("GET /metrics HTTP/1.0\r\n\r\n");
  return client.ReadToEnd();
}

class Widgets : public prometheus::Collectable {
 public:
  std::vector<prometheus::MetricFamily> Collect() const override {
    Family family("widgets_total", "Widgets made.",
                  prometheus::MetricType::Counter);
    family.Add(42, {});
    std::vector<prometheus::MetricFamily> families;
    std::move(family).AppendTo(families);
    return families;
  }
};

TEST(ExporterTest, ServesWhatItsCollectorKnows) {
  const auto exporter = *Exporter::Start("127.0.0.1:0");
  const auto loop = std::make_shared<LoopStats>();
  loop->iterations.Add(17);
  exporter->collector().AddShard(0, loop, std::make_shared<MailboxStats>());
  const std::string page = Page(*exporter);
  EXPECT_THAT(page, HasSubstr("HTTP/1.1 200 OK"));
  EXPECT_THAT(page, HasSubstr("percore_loop_iterations_total{shard=\"0\"} 17"));
}

TEST(ExporterTest, ServesAnApplicationsOwnFamilies) {
  const auto exporter = *Exporter::Start("127.0.0.1:0");
  exporter->Register(std::make_shared<Widgets>());
  EXPECT_THAT(Page(*exporter), HasSubstr("\nwidgets_total 42\n"));
}

TEST(ExporterTest, PromtoolHasNothingToSayAboutThePage) {
  const auto exporter = *Exporter::Start("127.0.0.1:0");
  exporter->collector().AddShard(0, std::make_shared<LoopStats>(),
                                 std::make_shared<MailboxStats>());
  exporter->collector().AddBufferMemory(0,
                                        std::make_shared<BufferMemoryStats>());
  exporter->collector().AddListener("web", 0,
                                    std::make_shared<ListenerStats>());
  Page(*exporter);  // so that the exposer's own numbers are there as well
  const std::string page = Page(*exporter);
  EXPECT_EQ(RunProgram({"promtool", "check", "metrics"},
                       page.substr(page.find("\r\n\r\n") + 4)),
            "");
}

TEST(ExporterTest, ShowsThePortThatTheKernelChose) {
  const auto exporter = *Exporter::Start("127.0.0.1:0");
  const auto address = SocketAddress::Parse(exporter->address());
  ASSERT_TRUE(address.ok()) << exporter->address();
  EXPECT_NE(address->port(), 0);
}

TEST(ExporterTest, RefusesAPortInUse) {
  const ListenSockets other = *ListenSockets::Open("127.0.0.1:0", 1);
  const std::string address = other.address().ToString();
  EXPECT_EQ(Exporter::Start(address).status().message(),
            "bind " + address + ": Address already in use");
}

TEST(ExporterTest, RefusesABadAddress) {
  for (const char* address : {"", "nowhere", "127.0.0.1", "127.0.0.1:99999",
                              "127.0.0.1:80,81", "localhost:0", "unix:/x"}) {
    const absl::Status status = Exporter::Start(address).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << address;
    EXPECT_THAT(std::string(status.message()),
                HasSubstr(std::string("'") + address + "'"));
  }
}

TEST(ExporterTest, RefusesAnAddressOfAnotherMachine) {
  EXPECT_EQ(Exporter::Start("203.0.113.1:9464").status().message(),
            "bind 203.0.113.1:9464: Cannot assign requested address");
}

TEST(ExporterTest, ServesWhileStatisticsAndFamiliesAreAdded) {
  const auto exporter = *Exporter::Start("127.0.0.1:0");
  std::thread registrar([&exporter] {
    for (int i = 0; i < 100; ++i) {
      exporter->collector().AddShard(i, std::make_shared<LoopStats>(),
                                     std::make_shared<MailboxStats>());
      exporter->collector().AddListener("web", i,
                                        std::make_shared<ListenerStats>());
    }
    exporter->Register(std::make_shared<Widgets>());
  });
  for (int i = 0; i < 20; ++i) {
    EXPECT_THAT(Page(*exporter), HasSubstr("HTTP/1.1 200 OK"));
  }
  registrar.join();
  EXPECT_THAT(Page(*exporter), HasSubstr("{listener=\"web\",shard=\"99\"}"));
}

TEST(ExporterTest, APortIsFreeAgainOnceTheExporterIsGone) {
  std::string address;
  {
    const auto exporter = *Exporter::Start("127.0.0.1:0");
    address = exporter->address();
  }
  EXPECT_TRUE(Exporter::Start(address).ok());
}

}  // namespace
}  // namespace percore
