#include "percore/net/compression/compression_filter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "percore/net/buffer_event.h"
#include "percore/net/buffer_event_pair.h"
#include "percore/net/proxy_filter.h"
#include "percore/net/socket_pair.h"
#include "percore/runtime/event_base.h"

namespace percore {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr ConnectionEvent kEndOfFile =
    ConnectionEvent::kReading | ConnectionEvent::kEndOfFile;
constexpr ConnectionEvent kReadError =
    ConnectionEvent::kReading | ConnectionEvent::kError;

std::string Compressed(std::string_view text, CompressionFormat format) {
  Deflater deflater = *Deflater::Create({.format = format});
  Buffer source;
  source.Append(text);
  Buffer result;
  EXPECT_EQ(*deflater.Step(source, result, SIZE_MAX, FlushKind::kFinish),
            CompressionStep::kFinished);
  return result.ToString();
}

// Words, that compress as text does.
std::string Text(size_t size) {
  constexpr std::string_view kWords[] = {"apple ", "pear ", "a ", "cherry\n"};
  std::mt19937 random(1);
  std::string text;
  while (text.size() < size) {
    text += kWords[random() % 4];
    text += static_cast<char>('a' + random() % 26);
  }
  text.resize(size);
  return text;
}

std::string Noise(size_t size) {
  std::mt19937_64 random(1);
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

std::unique_ptr<BufferEvent> Compressing(
    std::unique_ptr<BufferEvent> underlying,
    const CompressionFilterOptions& options = {},
    const FilterOptions& filter_options = {}) {
  return MakeFilteredBufferEvent(
      std::move(underlying), *MakeCompressionFilter(options), filter_options);
}

// A compressed connection, and its peer: bare bytes, or compressed too.
class CompressionFilterTest : public testing::Test {
 protected:
  void ConnectBare(const CompressionFilterOptions& options = {}) {
    auto [near, far] = MakeBufferEventPair(*base_);
    peer_ = std::move(far);
    ASSERT_TRUE(peer_->Enable(EventFlags::kRead).ok());
    Take(Compressing(std::move(near), options));
  }
  void ConnectBoth(const CompressionFilterOptions& options = {}) {
    ConnectBare(options);
    peer_ = Compressing(std::move(peer_), options);
    ASSERT_TRUE(peer_->Enable(EventFlags::kRead).ok());
  }
  void Take(std::unique_ptr<BufferEvent> connection) {
    connection_ = std::move(connection);
    connection_->SetCallbacks(
        {.read =
             [](BufferEvent&, void* test) {
               static_cast<CompressionFilterTest*>(test)->on_read_();
             },
         .write =
             [](BufferEvent&, void* test) {
               static_cast<CompressionFilterTest*>(test)->on_written_();
             },
         .event =
             [](BufferEvent&, ConnectionEvent what, const absl::Status& status,
                void* test) {
               auto& self = *static_cast<CompressionFilterTest*>(test);
               self.events_.push_back(what);
               self.error_.Update(status);
               self.on_event_();
             }},
        this);
    ASSERT_TRUE(connection_->Enable(EventFlags::kRead).ok());
  }
  void Run(int rounds = 20) {
    for (int i = 0; i < rounds; ++i) {
      ASSERT_TRUE(base_->Run(RunMode::kNonBlocking).ok());
    }
  }
  bool RunUntil(const std::function<bool()>& condition) {
    for (int i = 0; i < 100'000; ++i) {
      if (condition()) return true;
      if (!base_->Run(RunMode::kNonBlocking).ok()) return false;
    }
    return false;
  }
  void PeerSends(std::string_view bytes) {
    peer_->output().Append(bytes);
    Run();
  }
  void PeerFinishes() {
    peer_->Flush(EventFlags::kWrite, FlushMode::kFinished);
    Run();
  }
  // All that left, inflated, as far as it goes.
  std::string PeerInflates() {
    Buffer source;
    source.Append(peer_->input().ToString());
    Buffer result;
    Inflater inflater = *Inflater::Create();
    inflated_ = *inflater.Step(source, result, SIZE_MAX, FlushKind::kNone);
    return result.ToString();
  }

  const std::unique_ptr<EventBase> base_ = *EventBase::Create({});
  std::unique_ptr<BufferEvent> peer_;
  std::unique_ptr<BufferEvent> connection_;
  std::vector<ConnectionEvent> events_;
  absl::Status error_;
  CompressionStep inflated_ = CompressionStep::kNeedsInput;
  std::function<void()> on_read_ = [] {};
  std::function<void()> on_written_ = [] {};
  std::function<void()> on_event_ = [] {};
};

TEST_F(CompressionFilterTest, DeflatesOutputAndInflatesInput) {
  ConnectBare();
  connection_->output().Append("hello");
  Run();
  EXPECT_EQ(PeerInflates(), "hello");
  PeerSends(Compressed("world", CompressionFormat::kZlib));
  EXPECT_EQ(connection_->input().ToString(), "world");
}

TEST_F(CompressionFilterTest, CarriesALotBothWays) {
  for (const std::string& bytes : {Text(3 << 20), Noise(3 << 20)}) {
    ConnectBoth();
    connection_->output().Append(bytes);
    peer_->output().Append(bytes);
    ASSERT_TRUE(RunUntil([&] {
      return connection_->input().size() == bytes.size() &&
             peer_->input().size() == bytes.size();
    }));
    EXPECT_TRUE(connection_->input().ToString() == bytes);
    EXPECT_TRUE(peer_->input().ToString() == bytes);
  }
}

TEST_F(CompressionFilterTest, EveryFormatGoes) {
  for (const CompressionFormat format :
       {CompressionFormat::kZlib, CompressionFormat::kGzip,
        CompressionFormat::kRaw}) {
    events_.clear();
    ConnectBoth({.output = {.format = format}, .input = {.format = format}});
    PeerSends("hello");
    PeerFinishes();
    EXPECT_EQ(connection_->input().ToString(), "hello");
    EXPECT_THAT(events_, ElementsAre(kEndOfFile));
  }
}

TEST_F(CompressionFilterTest, TellsZlibFromGzip) {
  for (const CompressionFormat format :
       {CompressionFormat::kZlib, CompressionFormat::kGzip}) {
    ConnectBare();
    PeerSends(Compressed("hello", format));
    EXPECT_EQ(connection_->input().ToString(), "hello");
  }
}

TEST_F(CompressionFilterTest, TakesAStreamThatArrivesByteByByte) {
  ConnectBare();
  const std::string text = Text(500);
  for (const char byte : Compressed(text, CompressionFormat::kGzip)) {
    PeerSends(std::string_view(&byte, 1));
  }
  EXPECT_EQ(connection_->input().ToString(), text);
  PeerFinishes();
  EXPECT_THAT(events_, ElementsAre(kEndOfFile));
}

TEST_F(CompressionFilterTest, EachTurnsOutputArrives) {
  ConnectBoth();
  for (const std::string_view message : {"one", "two", "three"}) {
    connection_->output().Append(message);
    Run();
    EXPECT_EQ(peer_->input().ToString(), message);
    peer_->input().Clear();
  }
}

TEST_F(CompressionFilterTest, ATurnIsFlushedOnce) {
  ConnectBare();
  for (int i = 0; i < 1000; ++i) connection_->output().Append("the same again");
  Run();
  EXPECT_LT(peer_->input().size(), 200u);
  const size_t size = peer_->input().size();
  connection_->Flush(EventFlags::kWrite, FlushMode::kFlush);
  connection_->Flush(EventFlags::kWrite, FlushMode::kFlush);
  Run();
  EXPECT_EQ(peer_->input().size(), size);  // there was nothing to flush
}

TEST_F(CompressionFilterTest, HoldsOutputBackUntilAskedIfToldSo) {
  ConnectBoth({.flush = CompressionFlush::kWhenAsked});
  connection_->output().Append("hello");
  connection_->Flush(EventFlags::kWrite, FlushMode::kNormal);
  Run();
  EXPECT_TRUE(connection_->output().empty());
  EXPECT_TRUE(peer_->input().empty());
  connection_->Flush(EventFlags::kWrite, FlushMode::kFlush);
  Run();
  EXPECT_EQ(peer_->input().ToString(), "hello");
  connection_->output().Append(" again");
  Run();
  EXPECT_EQ(peer_->input().size(), 5u);
  connection_->Flush(EventFlags::kWrite, FlushMode::kFinished);
  Run();
  EXPECT_EQ(peer_->input().ToString(), "hello again");
}

TEST_F(CompressionFilterTest, AFlushTakesWhatIsWrittenWhileDisabled) {
  ConnectBoth({.flush = CompressionFlush::kWhenAsked});
  connection_->Disable(EventFlags::kWrite);
  connection_->output().Append("hello");
  connection_->Flush(EventFlags::kWrite, FlushMode::kFlush);
  Run();
  EXPECT_EQ(connection_->output().size(), 5u);
  ASSERT_TRUE(connection_->Enable(EventFlags::kWrite).ok());
  Run();
  EXPECT_EQ(peer_->input().ToString(), "hello");
}

TEST_F(CompressionFilterTest, FinishedOutputIsACompleteStream) {
  ConnectBare();
  connection_->output().Append("hello");
  connection_->Flush(EventFlags::kWrite, FlushMode::kFinished);
  Run();
  EXPECT_EQ(PeerInflates(), "hello");
  EXPECT_EQ(inflated_, CompressionStep::kFinished);
  EXPECT_FALSE(peer_->read_enabled());  // it has seen the end of file
}

TEST_F(CompressionFilterTest, NothingIsACompleteStreamToo) {
  ConnectBare();
  Run();
  EXPECT_TRUE(peer_->input().empty());
  connection_->Flush(EventFlags::kWrite, FlushMode::kFinished);
  Run();
  EXPECT_EQ(PeerInflates(), "");
  EXPECT_EQ(inflated_, CompressionStep::kFinished);
}

TEST_F(CompressionFilterTest, AllOfItGoesThroughLittleRoom) {
  auto [near, far] = MakeBufferEventPair(*base_);
  peer_ = std::move(far);
  peer_->SetWatermarks(EventFlags::kRead, 0, 7);
  ASSERT_TRUE(peer_->Enable(EventFlags::kRead).ok());
  Take(Compressing(std::move(near), {}, {.max_pending_output = 5}));
  const std::string bytes = Noise(1000);
  connection_->output().Append(bytes);
  connection_->Flush(EventFlags::kWrite, FlushMode::kFinished);
  Buffer all;
  ASSERT_TRUE(RunUntil([&] {
    all.Append(std::move(peer_->input()));
    return !peer_->read_enabled();
  }));
  peer_->input().Append(all.ToString());
  EXPECT_TRUE(PeerInflates() == bytes);
  EXPECT_EQ(inflated_, CompressionStep::kFinished);
}

TEST_F(CompressionFilterTest, WhatTheInflaterHoldsArrivesWithoutMoreInput) {
  ConnectBoth();
  connection_->SetMaxSingle(EventFlags::kRead, 10);
  peer_->output().Append(std::string(5000, 'x'));
  Run(1000);
  EXPECT_EQ(connection_->input().size(), 5000u);
}

TEST_F(CompressionFilterTest, AReaderThatDoesNotReadHoldsTheWriterBack) {
  ConnectBoth();
  connection_->SetWatermarks(EventFlags::kRead, 0, 1000);
  peer_->output().Append(Noise(4 << 20));
  Run(1000);
  EXPECT_EQ(connection_->input().size(), 1000u);
  EXPECT_GT(peer_->output().size(), 2u << 20);
}

TEST_F(CompressionFilterTest, ACorruptStreamIsAnError) {
  ConnectBare();
  PeerSends("GET / HTTP/1.1\r\n");
  EXPECT_THAT(events_, ElementsAre(kReadError));
  EXPECT_THAT(error_.message(), HasSubstr("not a zlib or gzip stream"));
}

TEST_F(CompressionFilterTest, WhatCameBeforeACorruptionHasArrived) {
  ConnectBare();
  std::string bytes = Compressed("hello", CompressionFormat::kZlib);
  bytes.back() ^= 1;  // of the checksum
  PeerSends(bytes);
  EXPECT_EQ(connection_->input().ToString(), "hello");
  EXPECT_THAT(events_, ElementsAre(kReadError));
  EXPECT_THAT(error_.message(), HasSubstr("incorrect data check"));
}

TEST_F(CompressionFilterTest, AStreamThatIsCutOffAnywhereIsAnError) {
  const std::string bytes = Compressed("hello", CompressionFormat::kZlib);
  for (size_t size = 1; size < bytes.size(); ++size) {
    events_.clear();
    error_ = absl::OkStatus();
    ConnectBare();
    PeerSends(std::string_view(bytes).substr(0, size));
    EXPECT_THAT(events_, IsEmpty());
    PeerFinishes();
    EXPECT_THAT(events_, ElementsAre(kReadError)) << size;
    EXPECT_THAT(error_.message(), HasSubstr("cut off")) << size;
  }
}

TEST_F(CompressionFilterTest, APeerThatSaysNothingHasJustEnded) {
  ConnectBare();
  PeerFinishes();
  EXPECT_THAT(events_, ElementsAre(kEndOfFile));
}

TEST_F(CompressionFilterTest, TheEndOfFileIsThePeersNotTheStreams) {
  ConnectBare();
  PeerSends(Compressed("hello", CompressionFormat::kZlib));
  EXPECT_EQ(connection_->input().ToString(), "hello");
  EXPECT_THAT(events_, IsEmpty());
  PeerFinishes();
  EXPECT_THAT(events_, ElementsAre(kEndOfFile));
}

TEST_F(CompressionFilterTest, BytesBehindTheStreamAreAnError) {
  ConnectBare();
  PeerSends(Compressed("hello", CompressionFormat::kZlib) + "x");
  EXPECT_EQ(connection_->input().ToString(), "hello");
  EXPECT_THAT(events_, ElementsAre(kReadError));
  EXPECT_THAT(error_.message(), HasSubstr("behind the end"));
}

TEST_F(CompressionFilterTest, BytesBehindTheStreamAreIgnoredIfToldSo) {
  ConnectBare({.trailing = CompressionTrailing::kIgnore});
  PeerSends(Compressed("hello", CompressionFormat::kZlib) + "x");
  PeerSends("yz");
  PeerFinishes();
  EXPECT_EQ(connection_->input().ToString(), "hello");
  EXPECT_THAT(events_, ElementsAre(kEndOfFile));
}

TEST_F(CompressionFilterTest, GzipMembersAreOneStream) {
  ConnectBare();
  const std::string member = Compressed("ab", CompressionFormat::kGzip);
  PeerSends(member + member);
  PeerSends(member);
  PeerFinishes();
  EXPECT_EQ(connection_->input().ToString(), "ababab");
  EXPECT_THAT(events_, ElementsAre(kEndOfFile));
}

TEST_F(CompressionFilterTest, ABombIsAnErrorByDefault) {
  ConnectBare();
  on_read_ = [&] { connection_->input().Clear(); };
  PeerSends(Compressed(std::string(8 << 20, '\0'), CompressionFormat::kZlib));
  Run(1000);
  EXPECT_THAT(events_, ElementsAre(kReadError));
  EXPECT_EQ(error_.code(), absl::StatusCode::kResourceExhausted) << error_;
}

TEST_F(CompressionFilterTest, WrongOptionsAreNamed) {
  EXPECT_THAT(
      MakeCompressionFilter({.output = {.level = 10}}).status().message(),
      HasSubstr("level is 10"));
  EXPECT_FALSE(MakeCompressionFilter({.input = {.max_ratio = 0}}).ok());
}

TEST_F(CompressionFilterTest, MayBeDestroyedInAnyCallback) {
  const auto destroy = [&] { connection_.reset(); };
  ConnectBare();
  on_read_ = destroy;
  PeerSends(Compressed("hello", CompressionFormat::kZlib));
  EXPECT_EQ(connection_, nullptr);

  on_read_ = [] {};
  ConnectBare();
  on_written_ = destroy;
  connection_->output().Append("hello");
  Run();
  EXPECT_EQ(connection_, nullptr);

  on_written_ = [] {};
  ConnectBare();
  on_event_ = destroy;
  PeerSends("nonsense");
  EXPECT_EQ(connection_, nullptr);
}

// Compression over the PROXY protocol over a socket.
TEST_F(CompressionFilterTest, StandsUponAnotherFilter) {
  auto [near, far] = *SocketPair();
  ProxyHeader header;
  header.endpoints =
      ProxyEndpoints{.source = *SocketAddress::Parse("192.0.2.1:56324"),
                     .destination = *SocketAddress::Parse("192.0.2.2:443")};
  peer_ = Compressing(MakeFilteredBufferEvent(
      std::make_unique<BufferEvent>(*base_, std::move(far)),
      *MakeProxyHeaderWriter(header)));
  std::optional<ProxyHeader> told;
  Take(Compressing(MakeFilteredBufferEvent(
      std::make_unique<BufferEvent>(*base_, std::move(near)),
      MakeProxyHeaderReader([&](ProxyHeader* header) {
        told = *header;
        return absl::OkStatus();
      }))));
  Run();
  EXPECT_EQ(told, header);

  // Back-pressure goes through all of it.
  const std::string bytes = Noise(6 << 20);
  connection_->SetWatermarks(EventFlags::kRead, 0, 1000);
  peer_->output().Append(bytes);
  peer_->Flush(EventFlags::kWrite, FlushMode::kFinished);
  Run(2000);
  EXPECT_EQ(connection_->input().size(), 1000u);
  EXPECT_GT(peer_->output().size(), 2u << 20);

  connection_->SetWatermarks(EventFlags::kRead, 0, 0);
  ASSERT_TRUE(RunUntil([&] { return !events_.empty(); }));
  EXPECT_THAT(events_, ElementsAre(kEndOfFile));
  EXPECT_TRUE(connection_->input().ToString() == bytes);
}

}  // namespace
}  // namespace percore
