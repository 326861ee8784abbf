#include "percore/runtime/internal/descriptor_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "percore/runtime/event_base.h"

namespace percore::internal {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr int kFd = 5;
constexpr int kWakeupFd = 3;

// Writes down the calls, and answers as told.
class RecordingBackend : public Backend {
 public:
  const char* name() const override { return "recording"; }
  BackendFeatures features() const override {
    return BackendFeatures::kEdgeTriggered;
  }
  int Add(int fd, EventFlags interest, uint32_t generation) override {
    generation_ = generation;
    return Record("add", fd, interest);
  }
  int Modify(int fd, EventFlags interest, uint32_t generation) override {
    generation_ = generation;
    return Record("modify", fd, interest);
  }
  int Remove(int fd) override {
    return Record("remove", fd, EventFlags::kNone);
  }
  void Forget(int /*fd*/) override {}
  int Reset() override { return Record("reset", 0, EventFlags::kNone); }
  int Wait(Duration, ReadyList&) override { return 0; }

  std::vector<std::string> TakeCalls() { return std::exchange(calls_, {}); }
  void Answer(std::vector<int> results) { results_ = std::move(results); }
  uint32_t generation() const { return generation_; }

 private:
  int Record(const char* call, int fd, EventFlags interest) {
    calls_.push_back(
        absl::StrCat(call, " ", fd, " ", static_cast<int>(interest)));
    if (results_.empty()) return 0;
    const int result = results_.front();
    results_.erase(results_.begin());
    return result;
  }

  std::vector<std::string> calls_;
  std::vector<int> results_;
  uint32_t generation_ = 0;
};

class DescriptorTableTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(table_.WatchInternal(kWakeupFd, EventFlags::kEdgeTriggered), 0);
    ASSERT_THAT(backend_.TakeCalls(), ElementsAre("add 3 34"));
  }

  std::unique_ptr<Event> NewEvent(EventFlags interest) {
    return std::make_unique<Event>(*base_, kFd, interest, nullptr, nullptr);
  }
  bool Apply() { return table_.Apply(broken_); }

  const std::unique_ptr<EventBase> base_ = *EventBase::Create({});
  RecordingBackend backend_;
  Counter changes_;
  DescriptorTable table_{backend_, changes_};
  std::vector<BasicEvent*> broken_;
  const std::unique_ptr<Event> reader_ = NewEvent(EventFlags::kRead);
  const std::unique_ptr<Event> writer_ = NewEvent(EventFlags::kWrite);
};

TEST_F(DescriptorTableTest, TheFirstEventIsMadeKnownAtOnce) {
  EXPECT_EQ(table_.Insert(reader_.get()), 0);
  EXPECT_THAT(backend_.TakeCalls(), ElementsAre("add 5 2"));
  EXPECT_TRUE(Apply());
  EXPECT_THAT(backend_.TakeCalls(), IsEmpty());
  EXPECT_EQ(table_.event_count(), 1u);
  EXPECT_EQ(table_.descriptor_count(), 1u);
}

TEST_F(DescriptorTableTest, ARefusedDescriptorChangesNothing) {
  backend_.Answer({-EPERM});
  EXPECT_EQ(table_.Insert(reader_.get()), -EPERM);
  EXPECT_EQ(table_.event_count(), 0u);
  EXPECT_EQ(table_.descriptor_count(), 0u);
}

TEST_F(DescriptorTableTest, FurtherEventsAreGathered) {
  table_.Insert(reader_.get());
  table_.Insert(writer_.get());
  EXPECT_THAT(backend_.TakeCalls(), ElementsAre("add 5 2"));
  Apply();
  EXPECT_THAT(backend_.TakeCalls(), ElementsAre("modify 5 6"));
  table_.Remove(writer_.get());
  Apply();
  EXPECT_THAT(backend_.TakeCalls(), ElementsAre("modify 5 2"));
}

TEST_F(DescriptorTableTest, AChangeAndItsOppositeCancelOut) {
  table_.Insert(reader_.get());
  Apply();
  backend_.TakeCalls();
  table_.Insert(writer_.get());
  table_.Remove(writer_.get());
  Apply();
  EXPECT_THAT(backend_.TakeCalls(), IsEmpty());
}

TEST_F(DescriptorTableTest, TheLastEventTakesTheRegistrationWithIt) {
  table_.Insert(reader_.get());
  table_.Remove(reader_.get());
  Apply();
  EXPECT_THAT(backend_.TakeCalls(), ElementsAre("add 5 2", "remove 5 0"));
}

// The kernel forgot the descriptor when it was closed: what looks like no
// change at all must be checked, and made known again.
TEST_F(DescriptorTableTest, ADescriptorClosedAndReopenedWithinARoundIsFound) {
  table_.Insert(reader_.get());
  const uint32_t before = backend_.generation();
  table_.Remove(reader_.get());
  backend_.TakeCalls();
  backend_.Answer({-ENOENT});
  const auto successor = NewEvent(EventFlags::kRead);
  EXPECT_EQ(table_.Insert(successor.get()), 0);
  EXPECT_THAT(backend_.TakeCalls(), ElementsAre("modify 5 2", "add 5 2"));
  EXPECT_NE(backend_.generation(), before);
}

TEST_F(DescriptorTableTest, AForgottenDescriptorNeedsNoRemoval) {
  table_.Insert(reader_.get());
  table_.Remove(reader_.get());
  table_.Forget(kFd);
  backend_.TakeCalls();
  Apply();
  EXPECT_THAT(backend_.TakeCalls(), IsEmpty());
}

TEST_F(DescriptorTableTest, AForgottenRegistrationThatIsStillThereIsTakenOver) {
  table_.Insert(reader_.get());
  table_.Remove(reader_.get());
  table_.Forget(kFd);
  Apply();
  backend_.TakeCalls();
  backend_.Answer({-EEXIST});
  EXPECT_EQ(table_.Insert(writer_.get()), 0);
  EXPECT_THAT(backend_.TakeCalls(), ElementsAre("add 5 4", "modify 5 4"));
}

TEST_F(DescriptorTableTest, AReportFromADeadGenerationStartsTheBackEndAfresh) {
  table_.Insert(reader_.get());
  const uint32_t stale = backend_.generation();
  table_.Remove(reader_.get());
  table_.Forget(kFd);
  table_.Insert(writer_.get());
  Apply();
  backend_.TakeCalls();

  EXPECT_EQ(table_.Find({kFd, stale, EventFlags::kRead}), nullptr);
  EXPECT_TRUE(table_.needs_rebuild());
  Apply();
  EXPECT_THAT(backend_.TakeCalls(),
              ElementsAre("reset 0 0", "add 3 34", "add 5 4"));
  EXPECT_FALSE(table_.needs_rebuild());
  EXPECT_NE(table_.Find({kFd, backend_.generation(), EventFlags::kRead}),
            nullptr);
}

TEST_F(DescriptorTableTest, KeepsGoingWhenThereIsNoFreshBackEnd) {
  table_.Insert(reader_.get());
  table_.Find({kFd, backend_.generation() - 1, EventFlags::kRead});
  backend_.TakeCalls();
  backend_.Answer({-EMFILE});
  Apply();
  EXPECT_TRUE(table_.needs_rebuild());
  Apply();
  EXPECT_THAT(backend_.TakeCalls(),
              ElementsAre("reset 0 0", "reset 0 0", "add 3 34", "add 5 2"));
}

TEST_F(DescriptorTableTest, AStartAfreshThatFailedHalfwayIsMadeGood) {
  table_.Insert(reader_.get());
  backend_.TakeCalls();
  backend_.Answer({0, -ENOMEM});
  EXPECT_EQ(table_.StartAfresh(), -ENOMEM);
  EXPECT_TRUE(Apply());
  EXPECT_THAT(
      backend_.TakeCalls(),
      ElementsAre("reset 0 0", "add 3 34", "reset 0 0", "add 3 34", "add 5 2"));
}

TEST_F(DescriptorTableTest, ForgottenInternalDescriptorsStayOut) {
  table_.ForgetInternal();
  EXPECT_EQ(table_.StartAfresh(), 0);
  EXPECT_THAT(backend_.TakeCalls(), ElementsAre("reset 0 0"));
}

TEST_F(DescriptorTableTest, ShortOfMemoryItAsksToBeCalledAgain) {
  reader_->SetInterest(EventFlags::kNone);
  table_.Insert(reader_.get());
  reader_->SetInterest(EventFlags::kRead);
  table_.Changed(reader_.get());
  backend_.Answer({-ENOMEM});
  EXPECT_FALSE(Apply());
  EXPECT_TRUE(Apply());
  EXPECT_THAT(backend_.TakeCalls(), ElementsAre("add 5 2", "add 5 2"));
}

TEST_F(DescriptorTableTest, ReportsTheEventsOfADescriptorThatWasClosed) {
  table_.Insert(reader_.get());
  table_.Insert(writer_.get());
  backend_.Answer({-EBADF});
  EXPECT_TRUE(Apply());
  EXPECT_THAT(broken_, ElementsAre(reader_.get(), writer_.get()));
}

TEST_F(DescriptorTableTest, CountsTheCallsThatItMakes) {
  table_.Insert(reader_.get());
  table_.Remove(reader_.get());
  Apply();
  EXPECT_EQ(changes_.Get(), 2u);
}

}  // namespace
}  // namespace percore::internal
