#include "percore/net/proxy_filter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "percore/net/buffer_event.h"
#include "percore/net/buffer_event_pair.h"
#include "percore/net/socket_pair.h"
#include "percore/runtime/event_base.h"
#include "percore/tests/support/test_kernel.h"

namespace percore {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Presence = ProxyReaderOptions::Presence;
using Versions = ProxyReaderOptions::Versions;

constexpr ConnectionEvent kEndOfFile =
    ConnectionEvent::kReading | ConnectionEvent::kEndOfFile;
constexpr ConnectionEvent kReadError =
    ConnectionEvent::kReading | ConnectionEvent::kError;
constexpr std::string_view kLine =
    "PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n";

ProxyHeader Header(ProxyVersion version) {
  ProxyHeader header;
  header.version = version;
  header.endpoints =
      ProxyEndpoints{.source = *SocketAddress::Parse("192.0.2.1:56324"),
                     .destination = *SocketAddress::Parse("192.0.2.2:443")};
  return header;
}

std::string Bytes(const ProxyHeader& header) {
  Buffer buffer;
  EXPECT_TRUE(AppendProxyHeader(header, buffer).ok());
  return buffer.ToString();
}

class ProxyFilterTest : public testing::Test {
 protected:
  // The server's end of a socket, and the other, bare.
  void Read(const ProxyReaderOptions& options = {}) {
    auto [server, peer] = *SocketPair();
    peer_ = std::make_unique<BufferEvent>(*base_, std::move(peer));
    Serve(MakeFilteredBufferEvent(
        std::make_unique<BufferEvent>(*base_, std::move(server)),
        MakeProxyHeaderReader(
            [this](ProxyHeader* header) {
              ++told_;
              if (header != nullptr) header_ = std::move(*header);
              EXPECT_TRUE(server_->input().empty());
              return on_header_();
            },
            options)));
  }
  void Serve(std::unique_ptr<BufferEvent> server) {
    server_ = std::move(server);
    server_->SetCallbacks({.event =
                               [](BufferEvent&, ConnectionEvent what,
                                  const absl::Status& status, void* test) {
                                 auto& self =
                                     *static_cast<ProxyFilterTest*>(test);
                                 self.events_.push_back(what);
                                 self.error_.Update(status);
                               }},
                          this);
    ASSERT_TRUE(server_->Enable(EventFlags::kRead).ok());
  }
  void Run(int rounds = 20) {
    for (int i = 0; i < rounds; ++i) {
      ASSERT_TRUE(base_->Run(RunMode::kNonBlocking).ok());
    }
  }
  void PeerSends(std::string_view bytes) {
    peer_->output().Append(bytes);
    Run();
  }
  void PeerFinishes() {
    peer_->Flush(EventFlags::kWrite, FlushMode::kFinished);
    Run();
  }

  TestKernel kernel_{TestKernel::Clock::kManual};
  const std::unique_ptr<EventBase> base_ =
      *EventBase::Create({.kernel = &kernel_});
  std::unique_ptr<BufferEvent> peer_;
  std::unique_ptr<BufferEvent> server_;
  int told_ = 0;
  std::optional<ProxyHeader> header_;
  std::function<absl::Status()> on_header_ = [] { return absl::OkStatus(); };
  std::vector<ConnectionEvent> events_;
  absl::Status error_;
};

TEST_F(ProxyFilterTest, TakesAHeaderOfEitherVersionOffTheFront) {
  for (const ProxyVersion version : {ProxyVersion::kV1, ProxyVersion::kV2}) {
    Read();
    PeerSends(Bytes(Header(version)) + "GET /");
    EXPECT_EQ(header_, Header(version));
    EXPECT_EQ(server_->input().ToString(), "GET /");
    PeerSends(" HTTP/1.1");
    EXPECT_EQ(server_->input().ToString(), "GET / HTTP/1.1");
  }
  EXPECT_EQ(told_, 2);
  EXPECT_THAT(events_, IsEmpty());
}

TEST_F(ProxyFilterTest, TakesAHeaderThatArrivesByteByByte) {
  for (const ProxyVersion version : {ProxyVersion::kV1, ProxyVersion::kV2}) {
    Read();
    for (const char byte : Bytes(Header(version)) + "abc") {
      PeerSends(std::string_view(&byte, 1));
    }
    EXPECT_EQ(header_, Header(version));
    EXPECT_EQ(server_->input().ToString(), "abc");
  }
  EXPECT_EQ(told_, 2);
}

TEST_F(ProxyFilterTest, TellsTheHeaderOfAClientThatWaits) {
  Read();
  on_header_ = [&] {
    server_->output().Append("220 welcome");
    return absl::OkStatus();
  };
  ASSERT_TRUE(peer_->Enable(EventFlags::kRead).ok());
  PeerSends(kLine);
  EXPECT_EQ(peer_->input().ToString(), "220 welcome");
}

TEST_F(ProxyFilterTest, NobodyNeedsToBeTold) {
  auto [server, peer] = MakeBufferEventPair(*base_);
  peer_ = std::move(peer);
  Serve(MakeFilteredBufferEvent(std::move(server),
                                MakeProxyHeaderReader(nullptr)));
  PeerSends(std::string(kLine) + "x");
  EXPECT_EQ(server_->input().ToString(), "x");
}

TEST_F(ProxyFilterTest, RefusesAConnectionWithoutAHeader) {
  Read();
  PeerSends("GET / HTTP/1.1\r\n");
  EXPECT_THAT(events_, ElementsAre(kReadError));
  EXPECT_THAT(error_.message(), HasSubstr("no PROXY header"));
  EXPECT_EQ(told_, 0);
  EXPECT_TRUE(server_->input().empty());
}

TEST_F(ProxyFilterTest, LetsAConnectionWithoutAHeaderPassIfToldSo) {
  Read({.presence = Presence::kOptional});
  PeerSends("P");
  EXPECT_EQ(told_, 0);
  PeerSends("UT / HTTP/1.1\r\n");
  EXPECT_EQ(told_, 1);
  EXPECT_EQ(header_, std::nullopt);
  PeerSends("Host: a");
  PeerFinishes();
  EXPECT_EQ(server_->input().ToString(), "PUT / HTTP/1.1\r\nHost: a");
  EXPECT_THAT(events_, ElementsAre(kEndOfFile));
}

TEST_F(ProxyFilterTest, TakesAnOptionalHeader) {
  Read({.presence = Presence::kOptional});
  PeerSends(std::string(kLine) + "x");
  EXPECT_EQ(header_, Header(ProxyVersion::kV1));
  EXPECT_EQ(server_->input().ToString(), "x");
}

TEST_F(ProxyFilterTest, RefusesABadHeaderEvenIfNoneIsRequired) {
  for (const Presence presence : {Presence::kRequired, Presence::kOptional}) {
    events_.clear();
    error_ = absl::OkStatus();
    Read({.presence = presence});
    PeerSends("PROXY TCP4 192.0.2.1 192.0.2.2 56324 443x\r\n");
    EXPECT_THAT(events_, ElementsAre(kReadError));
    EXPECT_EQ(error_.code(), absl::StatusCode::kInvalidArgument) << error_;
  }
  EXPECT_EQ(told_, 0);
}

TEST_F(ProxyFilterTest, RefusesAVersionThatIsNotAccepted) {
  const std::pair<Versions, ProxyVersion> cases[] = {
      {Versions::kOnlyV1, ProxyVersion::kV2},
      {Versions::kOnlyV2, ProxyVersion::kV1},
  };
  for (const auto& [accepted, sent] : cases) {
    error_ = absl::OkStatus();
    Read({.versions = accepted});
    PeerSends(Bytes(Header(sent)) + "x");
    EXPECT_THAT(error_.message(), HasSubstr("not accepted"));
    EXPECT_TRUE(server_->input().empty());
  }
  EXPECT_EQ(told_, 0);
  Read({.versions = Versions::kOnlyV1});
  PeerSends(kLine);
  EXPECT_EQ(told_, 1);
}

TEST_F(ProxyFilterTest, RefusesAHeaderThatIsTooLong) {
  ProxyHeader header = Header(ProxyVersion::kV2);
  header.tlvs.push_back({ProxyTlv::kAuthority, std::string(100, 'a')});
  Read({.parse = {.max_v2_length = 64}});
  PeerSends(Bytes(header).substr(0, 16));
  EXPECT_THAT(events_, ElementsAre(kReadError));
  EXPECT_EQ(told_, 0);
}

TEST_F(ProxyFilterTest, TakesTheLongestHeader) {
  ProxyHeader header = Header(ProxyVersion::kV2);
  header.tlvs.push_back({ProxyTlv::kAuthority, std::string(65'520, 'a')});
  Read({.parse = {.max_v2_length = 65'535}});
  PeerSends(Bytes(header) + "x");
  EXPECT_EQ(header_, header);
  EXPECT_EQ(server_->input().ToString(), "x");
}

TEST_F(ProxyFilterTest, TheEndOfFileInsideAHeaderIsAnError) {
  for (const Presence presence : {Presence::kRequired, Presence::kOptional}) {
    events_.clear();
    error_ = absl::OkStatus();
    Read({.presence = presence});
    PeerSends(kLine.substr(0, 20));
    PeerFinishes();
    EXPECT_THAT(events_, ElementsAre(kReadError));
    EXPECT_EQ(error_, absl::DataLossError(
                          "end of file inside a PROXY header, after 20 bytes"));
  }
  EXPECT_EQ(told_, 0);
}

TEST_F(ProxyFilterTest, TheEndOfFileInPlaceOfAHeaderIsOne) {
  Read();
  PeerFinishes();
  EXPECT_THAT(events_, ElementsAre(kEndOfFile));
  EXPECT_EQ(told_, 0);
}

TEST_F(ProxyFilterTest, TheEndOfFileBehindAHeaderIsOne) {
  Read();
  PeerSends(kLine);
  PeerFinishes();
  EXPECT_THAT(events_, ElementsAre(kEndOfFile));
  EXPECT_EQ(told_, 1);
}

TEST_F(ProxyFilterTest, AHeaderThatTakesTooLongTimesOut) {
  Read();
  server_->SetTimeouts(seconds(5), Duration::zero());
  for (const char byte : kLine.substr(0, 5)) {
    kernel_.Advance(seconds(1));
    base_->UpdateNow();
    PeerSends(std::string_view(&byte, 1));
  }
  EXPECT_THAT(events_, ElementsAre(ConnectionEvent::kReading |
                                   ConnectionEvent::kTimeout));
}

TEST_F(ProxyFilterTest, TheUserMayRefuseTheClient) {
  Read();
  on_header_ = [] { return absl::PermissionDeniedError("not you"); };
  PeerSends(std::string(kLine) + "secret");
  EXPECT_THAT(events_, ElementsAre(kReadError));
  EXPECT_EQ(error_, absl::PermissionDeniedError("not you"));
  EXPECT_TRUE(server_->input().empty());
}

TEST_F(ProxyFilterTest, TheConnectionMayBeDestroyedWhenTheHeaderIsTold) {
  for (const std::string_view bytes : {kLine, std::string_view("GET /")}) {
    Read({.presence = Presence::kOptional});
    on_header_ = [&] {
      server_.reset();
      return absl::OkStatus();
    };
    PeerSends(bytes);
    EXPECT_EQ(server_, nullptr);
  }
  EXPECT_EQ(told_, 2);
}

TEST_F(ProxyFilterTest, TheConnectionMayBeDestroyedByAFlush) {
  for (const bool has_filter_above : {false, true}) {
    Read();
    BufferEvent& socket = *server_->underlying();
    if (has_filter_above) {
      Serve(MakeFilteredBufferEvent(std::move(server_), MakeFilter({})));
    }
    on_header_ = [&] {
      server_.reset();
      return absl::OkStatus();
    };
    server_->Disable(EventFlags::kRead);
    ASSERT_TRUE(socket.Enable(EventFlags::kRead).ok());
    PeerSends(kLine);
    ASSERT_EQ(header_, std::nullopt);
    ASSERT_TRUE(server_->Enable(EventFlags::kRead).ok());
    server_->Flush(EventFlags::kRead, FlushMode::kNormal);
    EXPECT_NE(std::exchange(header_, std::nullopt), std::nullopt);
    EXPECT_EQ(server_, nullptr);
  }
}

TEST_F(ProxyFilterTest, TheUserMayStopReadingWhenTheHeaderIsTold) {
  Read();
  on_header_ = [&] {
    server_->Disable(EventFlags::kRead);
    return absl::OkStatus();
  };
  PeerSends(std::string(kLine) + "later");
  EXPECT_TRUE(server_->input().empty());
  ASSERT_TRUE(server_->Enable(EventFlags::kRead).ok());
  Run();
  EXPECT_EQ(server_->input().ToString(), "later");
}

TEST_F(ProxyFilterTest, BytesAreNotCopied) {
  auto [server, peer] = MakeBufferEventPair(*base_);
  peer_ = std::move(peer);
  Serve(MakeFilteredBufferEvent(std::move(server),
                                MakeProxyHeaderReader(nullptr)));
  PeerSends(kLine);
  static const std::string& bytes = *new std::string(10'000, 'x');
  peer_->output().AppendReference(bytes.data(), bytes.size(), nullptr, nullptr);
  Run();
  EXPECT_EQ(server_->input().Front().data(), bytes.data());
}

// A server that reads the header, and the client in front of it.
class ProxyWriterTest : public ProxyFilterTest {
 protected:
  void Write(const ProxyHeader& header) {
    Read();
    absl::StatusOr<std::unique_ptr<Filter>> writer =
        MakeProxyHeaderWriter(header);
    ASSERT_TRUE(writer.ok()) << writer.status();
    peer_ = MakeFilteredBufferEvent(std::move(peer_), *std::move(writer));
  }
};

TEST_F(ProxyWriterTest, SendsTheHeaderBeforeTheFirstByte) {
  for (const ProxyVersion version : {ProxyVersion::kV1, ProxyVersion::kV2}) {
    Write(Header(version));
    PeerSends("hello");
    PeerSends(" again");
    EXPECT_EQ(header_, Header(version));
    EXPECT_EQ(server_->input().ToString(), "hello again");
  }
}

TEST_F(ProxyWriterTest, SendsTheHeaderToAServerThatSpeaksFirst) {
  Write(Header(ProxyVersion::kV2));
  Run();
  EXPECT_EQ(told_, 1);
}

TEST_F(ProxyWriterTest, SendsTheHeaderBeforeTheEndOfFile) {
  Write(Header(ProxyVersion::kV2));
  PeerFinishes();
  EXPECT_EQ(told_, 1);
  EXPECT_THAT(events_, ElementsAre(kEndOfFile));
}

TEST_F(ProxyWriterTest, SendsALongHeaderThroughLittleRoom) {
  ProxyHeader header = Header(ProxyVersion::kV2);
  header.tlvs.push_back({ProxyTlv::kAuthority, std::string(3000, 'a')});
  Read();
  peer_ =
      MakeFilteredBufferEvent(std::move(peer_), *MakeProxyHeaderWriter(header),
                              {.max_pending_output = 100});
  PeerSends("x");
  Run(200);
  EXPECT_EQ(header_, header);
  EXPECT_EQ(server_->input().ToString(), "x");
}

TEST_F(ProxyWriterTest, LeavesInputAsItIs) {
  Write(Header(ProxyVersion::kV1));
  ASSERT_TRUE(peer_->Enable(EventFlags::kRead).ok());
  server_->output().Append("PROXY? no");
  Run();
  EXPECT_EQ(peer_->input().ToString(), "PROXY? no");
}

TEST_F(ProxyWriterTest, NamesWhatCannotBeSaid) {
  ProxyHeader header = Header(ProxyVersion::kV1);
  header.checksum = true;
  EXPECT_EQ(MakeProxyHeaderWriter(header).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace percore
