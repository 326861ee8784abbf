#include "percore/net/filter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "percore/net/buffer_event.h"
#include "percore/net/buffer_event_pair.h"
#include "percore/runtime/event_base.h"

namespace percore {
namespace {

using Function = FilterFunctions::Function;

class FilterTest : public testing::Test {
 protected:
  void Connect(FilterFunctions functions, const FilterOptions& options = {}) {
    auto [near, far] = MakeBufferEventPair(*base_);
    peer_ = std::move(far);
    ASSERT_TRUE(peer_->Enable(EventFlags::kRead).ok());
    connection_ = MakeFilteredBufferEvent(
        std::move(near), MakeFilter(std::move(functions)), options);
    ASSERT_TRUE(connection_->Enable(EventFlags::kRead).ok());
  }
  void Run(int rounds = 40) {
    for (int i = 0; i < rounds; ++i) {
      ASSERT_TRUE(base_->Run(RunMode::kNonBlocking).ok());
    }
  }
  // Takes all there is at once, and gives it in pieces.
  Function Holding() {
    return
        [this](Buffer& source, Buffer& destination, size_t limit, FlushMode) {
          ++calls_;
          held_.Append(std::move(source));
          destination.MoveFrom(held_, limit);
          return held_.empty() ? FilterResult::kNeedMore : FilterResult::kOk;
        };
  }

  const std::unique_ptr<EventBase> base_ = *EventBase::Create({});
  std::unique_ptr<BufferEvent> peer_;
  std::unique_ptr<BufferEvent> connection_;
  Buffer held_;
  int calls_ = 0;
};

TEST_F(FilterTest, OutputThatIsHeldLeavesWhenThereIsRoom) {
  Connect({.output = Holding()}, {.max_pending_output = 10});
  peer_->SetWatermarks(EventFlags::kRead, 0, 10);
  connection_->output().Append(std::string(100, 'x'));
  Run();
  EXPECT_TRUE(connection_->output().empty());
  EXPECT_EQ(held_.size(), 80u);
  peer_->SetWatermarks(EventFlags::kRead, 0, 0);
  Run();
  EXPECT_EQ(peer_->input().size(), 100u);
}

TEST_F(FilterTest, InputThatIsHeldArrivesInLaterTurns) {
  Connect({.input = Holding()});
  connection_->SetMaxSingle(EventFlags::kRead, 10);
  peer_->output().Append(std::string(100, 'x'));
  Run();
  EXPECT_EQ(connection_->input().size(), 100u);
}

TEST_F(FilterTest, InputThatIsHeldComesBeforeTheEndOfFile) {
  Connect({.input = Holding()});
  connection_->SetMaxSingle(EventFlags::kRead, 10);
  size_t at_the_end = 0;
  connection_->SetCallbacks({.event =
                                 [](BufferEvent& connection, ConnectionEvent,
                                    const absl::Status&, void* at_the_end) {
                                   *static_cast<size_t*>(at_the_end) =
                                       connection.input().size();
                                 }},
                            &at_the_end);
  peer_->output().Append(std::string(100, 'x'));
  peer_->Flush(EventFlags::kWrite, FlushMode::kFinished);
  Run();
  EXPECT_EQ(at_the_end, 100u);
}

TEST_F(FilterTest, SpeaksBeforeItsUserDoes) {
  Buffer greeting;
  greeting.Append("hello");
  Connect({.output = [&](Buffer& source, Buffer& destination, size_t limit,
                         FlushMode) {
    destination.MoveFrom(greeting.empty() ? source : greeting, limit);
    return FilterResult::kOk;
  }});
  Run();
  EXPECT_EQ(peer_->input().ToString(), "hello");
}

TEST_F(FilterTest, WhatIsWrittenAfterTheEndKeepsNothingFromEnding) {
  Connect({.output = Holding()}, {.max_pending_output = 10});
  peer_->SetWatermarks(EventFlags::kRead, 0, 10);
  connection_->output().Append(std::string(100, 'x'));
  connection_->Flush(EventFlags::kWrite, FlushMode::kFinished);
  Run();
  ASSERT_TRUE(connection_->output_finished());
  connection_->output().Append("too late");
  peer_->SetWatermarks(EventFlags::kRead, 0, 0);
  Run();
  EXPECT_EQ(peer_->input().size(), 100u);
  EXPECT_FALSE(peer_->read_enabled());  // the end of file
}

TEST_F(FilterTest, AFlushOfWhatMayNotLeaveWaits) {
  Connect({.output = Holding()});
  Run();
  connection_->Disable(EventFlags::kWrite);
  connection_->output().Append("later");
  connection_->Flush(EventFlags::kWrite, FlushMode::kFlush);
  const int calls = calls_;
  Run();
  EXPECT_EQ(calls_, calls);
  EXPECT_EQ(connection_->output().size(), 5u);
  ASSERT_TRUE(connection_->Enable(EventFlags::kWrite).ok());
  Run();
  EXPECT_EQ(peer_->input().ToString(), "later");
}

TEST_F(FilterTest, IsNotCalledAgainAfterAnError) {
  Connect({.output = [this](Buffer&, Buffer&, size_t,
                            FlushMode) -> absl::StatusOr<FilterResult> {
    ++calls_;
    return absl::InternalError("broken");
  }});
  Run();
  EXPECT_EQ(calls_, 1);
  connection_->output().Append("x");
  connection_->Flush(EventFlags::kWrite, FlushMode::kFinished);
  Run();
  EXPECT_EQ(calls_, 1);
}

TEST_F(FilterTest, ItsFunctionsMayDestroyTheConnection) {
  // The lambda's own memory is used afterwards.
  const auto destroy = [this, name = std::string(100, 'x')](Buffer&, Buffer&,
                                                            size_t, FlushMode) {
    connection_.reset();
    EXPECT_EQ(name.size(), 100u);
    return FilterResult::kOk;
  };
  Connect({.input = destroy});
  peer_->output().Append("x");
  Run();
  EXPECT_EQ(connection_, nullptr);
  Connect({.output = destroy});
  Run();
  EXPECT_EQ(connection_, nullptr);
  Connect({.output = destroy});
  connection_->output().Append("x");
  connection_->Flush(EventFlags::kWrite, FlushMode::kFlush);
  EXPECT_EQ(connection_, nullptr);
}

TEST_F(FilterTest, IsNotCalledWhileItWorks) {
  int depth = 0;
  const auto flush = [&](Buffer& source, Buffer& destination, size_t limit,
                         FlushMode) {
    EXPECT_EQ(depth++, 0);
    connection_->Flush(EventFlags::kRead | EventFlags::kWrite,
                       FlushMode::kFlush);
    --depth;
    destination.MoveFrom(source, limit);
    return FilterResult::kNeedMore;
  };
  Connect({.input = flush, .output = flush});
  peer_->output().Append("ping");
  connection_->output().Append("pong");
  Run();
  EXPECT_EQ(connection_->input().ToString(), "ping");
  EXPECT_EQ(peer_->input().ToString(), "pong");
}

}  // namespace
}  // namespace percore
