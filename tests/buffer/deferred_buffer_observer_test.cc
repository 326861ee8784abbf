#include "percore/buffer/deferred_buffer_observer.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "percore/buffer/buffer.h"
#include "percore/runtime/event_base.h"

namespace percore {
namespace {

class DeferredBufferObserverTest : public testing::Test {
 protected:
  void RunLoop() { EXPECT_TRUE(base_->Run(RunMode::kNonBlocking).ok()); }

  // Remembers what it is told, and runs `then`.
  struct Told {
    static void OnChange(Buffer& buffer, const BufferChange& change,
                         void* argument) {
      auto& told = *static_cast<Told*>(argument);
      told.changes.push_back(change);
      if (told.then != nullptr) told.then(buffer, told);
    }

    std::vector<BufferChange> changes;
    void (*then)(Buffer& buffer, Told& told) = nullptr;
    std::optional<DeferredBufferObserver> observer;
    std::unique_ptr<Buffer> owned;
  };

  void Observe(Told& told, Buffer& buffer) {
    told.observer.emplace(*base_, &Told::OnChange, &told);
    told.observer->Observe(buffer);
  }

  std::unique_ptr<EventBase> base_ = *EventBase::Create({});
  Told told_;
  Buffer buffer_;
};

using Changes = std::vector<BufferChange>;

TEST_F(DeferredBufferObserverTest, IsToldOnceOfAllThatHappened) {
  buffer_.Append("12345");
  Observe(told_, buffer_);
  buffer_.Append("678");
  buffer_.Drain(2);
  buffer_.Append("9");
  EXPECT_EQ(told_.changes, Changes());
  RunLoop();
  EXPECT_EQ(told_.changes, (Changes{{5, 4, 2}}));
  RunLoop();
  EXPECT_EQ(told_.changes.size(), 1u) << "nothing happened since";
  buffer_.Clear();
  RunLoop();
  EXPECT_EQ(told_.changes.back(), (BufferChange{7, 0, 7}));
}

TEST_F(DeferredBufferObserverTest, ALoopWaitsForWhatIsStillToBeTold) {
  Observe(told_, buffer_);
  buffer_.Append("x");
  EXPECT_TRUE(base_->Run().ok());
  EXPECT_EQ(told_.changes.size(), 1u);
}

TEST_F(DeferredBufferObserverTest, MayChangeTheBuffer) {
  Observe(told_, buffer_);
  told_.then = [](Buffer& buffer, Told& told) {
    if (told.changes.size() == 1) buffer.Drain(1);
  };
  buffer_.Append("123");
  EXPECT_TRUE(base_->Run().ok());
  EXPECT_EQ(told_.changes, (Changes{{0, 3, 0}, {3, 0, 1}}));
}

TEST_F(DeferredBufferObserverTest, MayDestroyTheBufferAndItself) {
  for (const bool itself : {false, true}) {
    Told told;
    told.owned = std::make_unique<Buffer>();
    Observe(told, *told.owned);
    told.then = itself ? [](Buffer&, Told& told) { told.observer.reset(); }
                       : [](Buffer&, Told& told) { told.owned.reset(); };
    told.owned->Append("x");
    RunLoop();
    EXPECT_EQ(told.changes.size(), 1u);
  }
}

TEST_F(DeferredBufferObserverTest, IsNotToldAfterTheBufferOrItselfHasGone) {
  Told first;
  first.owned = std::make_unique<Buffer>();
  Observe(first, *first.owned);
  first.owned->Append("x");
  first.owned.reset();
  Observe(told_, buffer_);
  buffer_.Append("x");
  told_.observer.reset();
  RunLoop();
  EXPECT_EQ(first.changes, Changes());
  EXPECT_EQ(told_.changes, Changes());
}

TEST_F(DeferredBufferObserverTest, ObservesAnotherBufferOrNone) {
  Buffer other;
  Observe(told_, buffer_);
  buffer_.Append("1");
  told_.observer->Observe(other);
  buffer_.Append("2");
  other.Append("345");
  RunLoop();
  EXPECT_EQ(told_.changes, (Changes{{0, 3, 0}}));
  other.Append("6");
  told_.observer->Stop();
  other.Append("7");
  RunLoop();
  EXPECT_EQ(told_.changes.size(), 1u);
}

TEST_F(DeferredBufferObserverTest, IsNotToldOfWhatHappensWhileDisabled) {
  Observe(told_, buffer_);
  buffer_.Append("1");
  told_.observer->Disable();
  EXPECT_FALSE(told_.observer->enabled());
  buffer_.Append("23");
  RunLoop();
  EXPECT_EQ(told_.changes, (Changes{{0, 1, 0}}));
  told_.observer->Enable();
  buffer_.Append("4");
  RunLoop();
  EXPECT_EQ(told_.changes.back(), (BufferChange{3, 1, 0}));
}

}  // namespace
}  // namespace percore
