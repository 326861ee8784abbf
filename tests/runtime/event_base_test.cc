#include "percore/runtime/event_base.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "percore/tests/support/backends_here.h"
#include "percore/tests/support/event_function.h"
#include "percore/tests/support/socket_ends.h"

namespace percore {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;

using Function = EventFunction;
constexpr auto kCall = CallEventFunction;

class EventBaseTest : public testing::TestWithParam<std::string> {
 protected:
  void WriteToPeer() { ASSERT_EQ(write(ends_[1], "x", 1), 1); }
  void Drain() {
    char bytes[64];
    while (read(ends_[0], bytes, sizeof(bytes)) > 0) {
    }
  }
  bool Has(BackendFeatures feature) const {
    return Any(base_->backend_features() & feature);
  }
  void RunOnce() { ASSERT_TRUE(base_->Run(RunMode::kNonBlocking).ok()); }

  const std::unique_ptr<EventBase> base_ =
      *EventBase::Create({.backend = GetParam(), .priorities = 3});
  SocketEnds ends_;
};

TEST(EventBaseCreateTest, RefusesAnUnknownBackEndAndNamesThoseThereAre) {
  const absl::Status status = EventBase::Create({.backend = "kqueue"}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(),
            "unknown back end 'kqueue': this build has epoll, io_uring, poll, "
            "select");
}

TEST(EventBaseCreateTest, RefusesNumbersOutOfRange) {
  EXPECT_FALSE(EventBase::Create({.priorities = 0}).ok());
  EXPECT_FALSE(EventBase::Create({.priorities = 257}).ok());
  EXPECT_FALSE(EventBase::Create({.deferred_per_round = 0}).ok());
}

TEST(EventBaseCreateTest, TakesItsBackEndByName) {
  for (const std::string& name : BackendsHere()) {
    EXPECT_EQ((*EventBase::Create({.backend = name}))->backend_name(), name);
  }
}

TEST_P(EventBaseTest, ReturnsAtOnceWhenNothingIsPending) {
  EXPECT_TRUE(base_->Run().ok());
  EXPECT_TRUE(base_->Run(RunMode::kOnce).ok());
}

TEST_P(EventBaseTest, RunsAReadEventWhenBytesArrive) {
  std::vector<EventFlags> seen;
  Function function = [&](int fd, EventFlags what) {
    EXPECT_EQ(fd, ends_[0]);
    seen.push_back(what);
  };
  Event event(*base_, ends_[0], EventFlags::kRead, kCall, &function);
  ASSERT_TRUE(event.Add().ok());
  RunOnce();
  EXPECT_TRUE(seen.empty());
  WriteToPeer();
  EXPECT_TRUE(base_->Run().ok());
  EXPECT_THAT(seen, ElementsAre(EventFlags::kRead));
  EXPECT_FALSE(Any(event.Pending(EventFlags::kRead)));  // it was one-shot
}

TEST_P(EventBaseTest, APersistentEventStaysPendingUntilDeleted) {
  int calls = 0;
  Function function = [&](int, EventFlags) { ++calls; };
  Event event(*base_, ends_[0], EventFlags::kRead | EventFlags::kPersist, kCall,
              &function);
  ASSERT_TRUE(event.Add().ok());
  WriteToPeer();
  RunOnce();
  RunOnce();  // level-triggered: the byte is still there
  EXPECT_EQ(calls, 2);
  event.Del();
  RunOnce();
  EXPECT_EQ(calls, 2);
}

TEST_P(EventBaseTest, AnEdgeTriggeredEventReportsAChangeOnce) {
  int calls = 0;
  Function function = [&](int, EventFlags) { ++calls; };
  Event event(
      *base_, ends_[0],
      EventFlags::kRead | EventFlags::kPersist | EventFlags::kEdgeTriggered,
      kCall, &function);
  ASSERT_TRUE(event.Add().ok());
  WriteToPeer();
  RunOnce();
  EXPECT_EQ(calls, 1);
  RunOnce();
  if (!Has(BackendFeatures::kEdgeTriggered)) {
    EXPECT_EQ(calls, 2) << "the flag is ignored: the event is level-triggered";
    return;
  }
  EXPECT_EQ(calls, 1);
  WriteToPeer();
  RunOnce();
  EXPECT_EQ(calls, 2);
}

TEST_P(EventBaseTest, SeesThePeerFinishWithoutReading) {
  std::vector<EventFlags> seen;
  Function function = [&](int, EventFlags what) { seen.push_back(what); };
  Event event(*base_, ends_[0], EventFlags::kClosed, kCall, &function);
  if (!Has(BackendFeatures::kEarlyClose)) {
    EXPECT_THAT(std::string(event.Add().message()),
                HasSubstr("Operation not supported"));
    EXPECT_EQ(base_->pending_count(), 0u);
    return;
  }
  ASSERT_TRUE(event.Add().ok());
  WriteToPeer();
  RunOnce();
  EXPECT_TRUE(seen.empty());
  shutdown(ends_[1], SHUT_WR);
  EXPECT_TRUE(base_->Run().ok());
  EXPECT_THAT(seen, ElementsAre(EventFlags::kClosed));
}

TEST_P(EventBaseTest, ARegularFileIsAlwaysReady) {
  const std::string path = testing::TempDir() + "/regular_file";
  const int file = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  ASSERT_GE(file, 0);
  std::vector<EventFlags> seen;
  Function function = [&](int, EventFlags what) { seen.push_back(what); };
  Event event(*base_, file,
              EventFlags::kRead | EventFlags::kWrite | EventFlags::kPersist,
              kCall, &function);
  ASSERT_TRUE(event.Add().ok());
  RunOnce();
  ASSERT_TRUE(base_->Run(RunMode::kOnce).ok());
  constexpr EventFlags kBoth = EventFlags::kRead | EventFlags::kWrite;
  EXPECT_THAT(seen, ElementsAre(kBoth, kBoth));
  event.Del();
  EXPECT_TRUE(base_->Run().ok());
  EXPECT_EQ(base_->CloseDescriptor(file), 0);
}

TEST_P(EventBaseTest, SeveralEventsShareADescriptor) {
  int reads = 0;
  int writes = 0;
  Function on_read = [&](int, EventFlags) { ++reads; };
  Function on_write = [&](int, EventFlags) { ++writes; };
  Event reader(*base_, ends_[0], EventFlags::kRead, kCall, &on_read);
  Event second(*base_, ends_[0], EventFlags::kRead, kCall, &on_read);
  Event writer(*base_, ends_[0], EventFlags::kWrite, kCall, &on_write);
  ASSERT_TRUE(reader.Add().ok());
  ASSERT_TRUE(second.Add().ok());
  ASSERT_TRUE(writer.Add().ok());
  WriteToPeer();
  RunOnce();
  EXPECT_EQ(reads, 2);
  EXPECT_EQ(writes, 1);
}

TEST_P(EventBaseTest, SetInterestChangesWhatIsWatched) {
  std::vector<EventFlags> seen;
  Function function = [&](int, EventFlags what) { seen.push_back(what); };
  Event event(*base_, ends_[0], EventFlags::kRead | EventFlags::kPersist, kCall,
              &function);
  ASSERT_TRUE(event.Add().ok());
  WriteToPeer();
  event.SetInterest(EventFlags::kWrite);
  RunOnce();
  EXPECT_THAT(seen, ElementsAre(EventFlags::kWrite));
  event.SetInterest(EventFlags::kNone);
  RunOnce();
  EXPECT_EQ(seen.size(), 1u);
  event.SetInterest(EventFlags::kRead | EventFlags::kWrite);
  RunOnce();
  EXPECT_THAT(seen, ElementsAre(EventFlags::kWrite,
                                EventFlags::kRead | EventFlags::kWrite));
}

TEST_P(EventBaseTest, AddRefusesWhatCannotBeWatched) {
  Event no_descriptor(*base_, -1, EventFlags::kRead, nullptr, nullptr);
  EXPECT_EQ(no_descriptor.Add().code(), absl::StatusCode::kInvalidArgument);

  Event closed(*base_, 987, EventFlags::kRead, nullptr, nullptr);
  EXPECT_EQ(closed.Add().message(), "watching fd 987: Bad file descriptor");
  EXPECT_FALSE(Any(closed.Pending(EventFlags::kRead)));
}

TEST_P(EventBaseTest, AddingAPendingEventChangesNothing) {
  Event event(*base_, ends_[0], EventFlags::kRead, nullptr, nullptr);
  ASSERT_TRUE(event.Add().ok());
  ASSERT_TRUE(event.Add().ok());
  EXPECT_EQ(base_->pending_count(), 1u);
}

TEST_P(EventBaseTest, QueriesShowTheLifeOfAnEvent) {
  int argument = 0;
  Event event(*base_, ends_[0], EventFlags::kRead, nullptr, &argument);
  EXPECT_EQ(event.fd(), ends_[0]);
  EXPECT_EQ(event.argument(), &argument);
  EXPECT_EQ(&event.base(), base_.get());
  EXPECT_EQ(event.interest(), EventFlags::kRead);
  constexpr EventFlags kAll =
      EventFlags::kRead | EventFlags::kWrite | EventFlags::kTimeout;
  EXPECT_EQ(event.Pending(kAll), EventFlags::kNone);
  ASSERT_TRUE(event.Add(milliseconds(5)).ok());
  EXPECT_EQ(event.Pending(kAll), EventFlags::kRead | EventFlags::kTimeout);
  EXPECT_EQ(event.deadline(), base_->Now() + milliseconds(5));
  event.RemoveTimer();
  EXPECT_EQ(event.Pending(kAll), EventFlags::kRead);
  EXPECT_EQ(event.deadline(), kInfiniteFuture);
  event.Activate(EventFlags::kWrite);
  EXPECT_EQ(event.Pending(kAll), EventFlags::kRead | EventFlags::kWrite);
  EXPECT_EQ(base_->active_count(), 1u);
  event.Del();
  EXPECT_EQ(event.Pending(kAll), EventFlags::kNone);
  EXPECT_EQ(base_->active_count(), 0u);
}

TEST_P(EventBaseTest, AnEventMayBeDestroyedInItsOwnCallback) {
  std::unique_ptr<Event> event;
  int calls = 0;
  Function function = [&](int, EventFlags) {
    ++calls;
    event.reset();
  };
  event = std::make_unique<Event>(*base_, ends_[0],
                                  EventFlags::kRead | EventFlags::kPersist,
                                  kCall, &function);
  ASSERT_TRUE(event->Add(milliseconds(1)).ok());
  WriteToPeer();
  EXPECT_TRUE(base_->Run().ok());
  EXPECT_EQ(calls, 1);
}

TEST_P(EventBaseTest, AnEventMayDestroyAnotherThatIsActive) {
  std::unique_ptr<Event> victim;
  Function kill = [&](int, EventFlags) { victim.reset(); };
  Function never = [&](int, EventFlags) { ADD_FAILURE() << "ran"; };
  Event killer(*base_, -1, EventFlags::kNone, kCall, &kill);
  victim =
      std::make_unique<Event>(*base_, -1, EventFlags::kNone, kCall, &never);
  killer.Activate(EventFlags::kTimeout);
  victim->Activate(EventFlags::kTimeout);
  RunOnce();
  EXPECT_EQ(victim, nullptr);
}

TEST_P(EventBaseTest, AnEventMayAddItselfAgain) {
  int calls = 0;
  std::optional<Event> event;
  Function function = [&](int, EventFlags) {
    if (++calls < 3) {
      ASSERT_TRUE(event->Add().ok());
    }
  };
  event.emplace(*base_, ends_[0], EventFlags::kRead, kCall, &function);
  ASSERT_TRUE(event->Add().ok());
  WriteToPeer();
  EXPECT_TRUE(base_->Run().ok());
  EXPECT_EQ(calls, 3);
}

TEST_P(EventBaseTest, RunsMoreUrgentEventsFirst) {
  std::vector<int> order;
  std::vector<Function> functions;
  functions.reserve(3);
  std::vector<std::unique_ptr<Event>> events;
  for (int i = 0; i < 3; ++i) {
    functions.push_back([&order, i](int, EventFlags) { order.push_back(i); });
  }
  for (int i : {2, 0, 1}) {
    events.push_back(std::make_unique<Event>(*base_, -1, EventFlags::kNone,
                                             kCall, &functions[i]));
    events.back()->set_priority(i);
    events.back()->Activate(EventFlags::kTimeout);
  }
  RunOnce();
  EXPECT_THAT(order, ElementsAre(0, 1, 2));
}

TEST_P(EventBaseTest, RestartsTheScanWhenAMoreUrgentEventBecomesActive) {
  std::vector<int> order;
  Function on_urgent = [&](int, EventFlags) { order.push_back(0); };
  Event urgent(*base_, -1, EventFlags::kNone, kCall, &on_urgent);
  urgent.set_priority(0);
  Function on_normal = [&](int, EventFlags) {
    order.push_back(1);
    if (order.size() == 1) urgent.Activate(EventFlags::kTimeout);
  };
  Event first(*base_, -1, EventFlags::kNone, kCall, &on_normal);
  Event second(*base_, -1, EventFlags::kNone, kCall, &on_normal);
  first.Activate(EventFlags::kTimeout);
  second.Activate(EventFlags::kTimeout);
  RunOnce();
  EXPECT_THAT(order, ElementsAre(1, 0, 1));
}

TEST_P(EventBaseTest, APriorityOutOfRangeIsTheNearestOne) {
  Event event(*base_, -1, EventFlags::kNone, nullptr, nullptr);
  EXPECT_EQ(event.priority(), 1);  // the middle one
  event.set_priority(99);
  EXPECT_EQ(event.priority(), 2);
  event.set_priority(-1);
  EXPECT_EQ(event.priority(), 0);
}

TEST_P(EventBaseTest, APriorityMayChangeWhileTheEventIsActive) {
  std::vector<int> order;
  Function on_first = [&](int, EventFlags) { order.push_back(1); };
  Function on_second = [&](int, EventFlags) { order.push_back(2); };
  Event first(*base_, -1, EventFlags::kNone, kCall, &on_first);
  Event second(*base_, -1, EventFlags::kNone, kCall, &on_second);
  first.Activate(EventFlags::kTimeout);
  second.Activate(EventFlags::kTimeout);
  second.set_priority(0);
  RunOnce();
  EXPECT_THAT(order, ElementsAre(2, 1));
}

// Otherwise an event that keeps activating itself would starve every other.
TEST_P(EventBaseTest, AnEventActivatedByItsOwnPriorityWaitsForTheNextRound) {
  int calls = 0;
  std::optional<Event> event;
  Function function = [&](int, EventFlags) {
    ++calls;
    event->Activate(EventFlags::kTimeout);
  };
  event.emplace(*base_, -1, EventFlags::kNone, kCall, &function);
  event->Activate(EventFlags::kTimeout);
  RunOnce();
  EXPECT_EQ(calls, 1);
  RunOnce();
  EXPECT_EQ(calls, 2);
}

TEST_P(EventBaseTest, BreakStopsAfterTheCurrentCallback) {
  std::vector<int> order;
  Function on_first = [&](int, EventFlags) {
    order.push_back(1);
    base_->Break();
  };
  Function on_second = [&](int, EventFlags) { order.push_back(2); };
  Event first(*base_, -1, EventFlags::kNone, kCall, &on_first);
  Event second(*base_, -1, EventFlags::kNone, kCall, &on_second);
  first.Activate(EventFlags::kTimeout);
  second.Activate(EventFlags::kTimeout);
  EXPECT_TRUE(base_->Run().ok());
  EXPECT_THAT(order, ElementsAre(1));
  EXPECT_TRUE(base_->Run().ok());  // what was left is still active
  EXPECT_THAT(order, ElementsAre(1, 2));
}

TEST_P(EventBaseTest, ExitStopsAfterTheRound) {
  std::vector<int> order;
  Function on_first = [&](int, EventFlags) {
    order.push_back(1);
    base_->Exit();
  };
  Function on_second = [&](int, EventFlags) { order.push_back(2); };
  Event first(*base_, -1, EventFlags::kNone, kCall, &on_first);
  Event second(*base_, -1, EventFlags::kNone, kCall, &on_second);
  Event pending(*base_, ends_[0], EventFlags::kRead, nullptr, nullptr);
  ASSERT_TRUE(pending.Add().ok());
  first.Activate(EventFlags::kTimeout);
  second.Activate(EventFlags::kTimeout);
  EXPECT_TRUE(base_->Run().ok());
  EXPECT_THAT(order, ElementsAre(1, 2));
}

TEST_P(EventBaseTest, ExitFromAnotherThreadWakesASleepingLoop) {
  std::thread other([this] { base_->Exit(); });
  EXPECT_TRUE(base_->Run(RunMode::kUntilExit).ok());
  other.join();
}

TEST_P(EventBaseTest, PostRunsFunctionsOfAnotherThreadInOrder) {
  std::vector<int> order;
  std::thread other([&] {
    for (int i = 0; i < 3; ++i) {
      base_->Post([&order, i] { order.push_back(i); });
    }
    base_->Post([this] { base_->Exit(); });
  });
  EXPECT_TRUE(base_->Run(RunMode::kUntilExit).ok());
  other.join();
  EXPECT_THAT(order, ElementsAre(0, 1, 2));
}

TEST_P(EventBaseTest, DetectsThatItIsRunningAlready) {
  absl::Status inner;
  Function function = [&](int, EventFlags) { inner = base_->Run(); };
  Event event(*base_, -1, EventFlags::kNone, kCall, &function);
  event.Activate(EventFlags::kTimeout);
  EXPECT_TRUE(base_->Run().ok());
  EXPECT_EQ(inner.code(), absl::StatusCode::kFailedPrecondition);
}

TEST_P(EventBaseTest, KOnceWaitsForWorkAndRunsItOnce) {
  int calls = 0;
  Function function = [&](int, EventFlags) { ++calls; };
  Event event(*base_, ends_[0], EventFlags::kRead | EventFlags::kPersist, kCall,
              &function);
  ASSERT_TRUE(event.Add().ok());
  std::thread other([this] { WriteToPeer(); });
  EXPECT_TRUE(base_->Run(RunMode::kOnce).ok());
  other.join();
  EXPECT_EQ(calls, 1);
}

// The kernel forgets a closed descriptor; a new file under the same number must
// be watched, and get no report that was meant for the old one.
TEST_P(EventBaseTest, WatchesADescriptorReopenedUnderTheSameNumber) {
  int old_calls = 0;
  int new_calls = 0;
  Function on_old = [&](int, EventFlags) { ++old_calls; };
  Function on_new = [&](int, EventFlags) { ++new_calls; };
  Event old_event(*base_, ends_[0], EventFlags::kRead | EventFlags::kPersist,
                  kCall, &on_old);
  ASSERT_TRUE(old_event.Add().ok());
  RunOnce();
  old_event.Del();
  const int number = ends_[0];
  close(ends_[0]);
  close(ends_[1]);
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends_.data()),
            0);
  ASSERT_EQ(ends_[0], number);
  Event new_event(*base_, ends_[0], EventFlags::kRead | EventFlags::kPersist,
                  kCall, &on_new);
  ASSERT_TRUE(new_event.Add().ok());
  RunOnce();
  EXPECT_EQ(new_calls, 0);
  WriteToPeer();
  RunOnce();
  EXPECT_EQ(new_calls, 1);
  EXPECT_EQ(old_calls, 0);
}

// dup() keeps the old file, and with it the old registration, alive.
TEST_P(EventBaseTest, ADuplicateOfAClosedDescriptorDisturbsNobody) {
  int calls = 0;
  Function function = [&](int, EventFlags) { ++calls; };
  auto event = std::make_unique<Event>(*base_, ends_[0], EventFlags::kRead,
                                       kCall, &function);
  ASSERT_TRUE(event->Add().ok());
  RunOnce();
  const int duplicate = dup(ends_[0]);
  event.reset();
  close(ends_[0]);
  WriteToPeer();  // the duplicate is readable
  std::array<int, 2> fresh;
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fresh.data()),
            0);
  ASSERT_EQ(fresh[0], ends_[0]);
  Event successor(*base_, fresh[0], EventFlags::kRead, kCall, &function);
  ASSERT_TRUE(successor.Add().ok());
  for (int round = 0; round < 3; ++round) RunOnce();
  EXPECT_EQ(calls, 0);
  ASSERT_EQ(write(fresh[1], "x", 1), 1);
  RunOnce();
  EXPECT_EQ(calls, 1);
  // Nothing stale is left that would keep the loop from sleeping.
  Event keeps_running = Event::Timer(*base_, kCall, &function);
  ASSERT_TRUE(keeps_running.Add(std::chrono::hours(1)).ok());
  RunOnce();
  EXPECT_EQ(base_->stats()->ready_descriptors.Get(), 0);
  close(fresh[1]);
  close(duplicate);
}

// Starting the back end afresh must not lose what wakes the loop.
TEST_P(EventBaseTest, IsWokenStillAfterAStaleReport) {
  auto event = std::make_unique<Event>(*base_, ends_[0], EventFlags::kRead,
                                       nullptr, nullptr);
  ASSERT_TRUE(event->Add().ok());
  RunOnce();
  event.reset();
  const int duplicate = dup(ends_[0]);
  EXPECT_EQ(base_->CloseDescriptor(ends_[0]), 0);
  WriteToPeer();
  RunOnce();  // the stale report
  RunOnce();
  std::thread other([this] { base_->Post([this] { base_->Exit(); }); });
  EXPECT_TRUE(base_->Run(RunMode::kUntilExit).ok());
  other.join();
  close(duplicate);
}

TEST_P(EventBaseTest, CloseDescriptorSparesTheCallThatUndoesTheRegistration) {
  auto event = std::make_unique<Event>(*base_, ends_[0], EventFlags::kRead,
                                       nullptr, nullptr);
  ASSERT_TRUE(event->Add().ok());
  RunOnce();
  const uint64_t before = base_->stats()->change_calls.Get();
  event.reset();
  EXPECT_EQ(base_->CloseDescriptor(ends_[0]), 0);
  RunOnce();
  EXPECT_EQ(base_->stats()->change_calls.Get(), before);
  EXPECT_EQ(base_->CloseDescriptor(-1), -EBADF);
}

TEST_P(EventBaseTest, TellsTheOwnerOfADescriptorClosedUnderItsFeet) {
  std::vector<EventFlags> seen;
  Function function = [&](int, EventFlags what) { seen.push_back(what); };
  Event event(*base_, ends_[0], EventFlags::kRead, kCall, &function);
  ASSERT_TRUE(event.Add().ok());
  close(ends_[0]);
  event.SetInterest(EventFlags::kRead | EventFlags::kWrite);
  RunOnce();
  EXPECT_THAT(seen, ElementsAre(EventFlags::kRead | EventFlags::kWrite));
}

TEST_P(EventBaseTest, CountsItsWork) {
  const std::shared_ptr<const LoopStats> stats = base_->stats();
  Function nothing = [](int, EventFlags) {};
  Event reader(*base_, ends_[0], EventFlags::kRead, kCall, &nothing);
  Event writer(*base_, ends_[0], EventFlags::kWrite, kCall, &nothing);
  Event closed(*base_, -1, EventFlags::kNone, kCall, &nothing);
  Event timer(*base_, -1, EventFlags::kNone, kCall, &nothing);
  ASSERT_TRUE(reader.Add().ok());
  ASSERT_TRUE(writer.Add().ok());
  ASSERT_TRUE(timer.Add(std::chrono::hours(1)).ok());
  closed.Activate(EventFlags::kClosed);
  base_->Post([] {});
  WriteToPeer();
  RunOnce();
  EXPECT_EQ(stats->iterations.Get(), 1u);
  EXPECT_EQ(stats->read_events.Get(), 1u);
  EXPECT_EQ(stats->write_events.Get(), 1u);
  EXPECT_EQ(stats->other_events.Get(), 1u);
  EXPECT_EQ(stats->message_events.Get(), 1u);
  EXPECT_EQ(stats->ready_descriptors.Get(), 1);
  EXPECT_EQ(stats->timers_pending.Get(), 1);
  EXPECT_EQ(stats->registered_descriptors.Get(), 0);  // both were one-shot
  EXPECT_EQ(stats->wait_calls.Get(), 1u);
  EXPECT_GT(stats->busy_nanoseconds.Get(), 0u);
}

// Not even one that has more urgent company each time.
TEST_P(EventBaseTest, AnEventThatActivatesItselfRunsOnceARound) {
  int runs = 0;
  Function nothing = [](int, EventFlags) {};
  Event urgent(*base_, -1, EventFlags::kNone, kCall, &nothing);
  urgent.set_priority(0);
  Event* self = nullptr;
  Function again = [&](int, EventFlags) {
    ++runs;
    self->Activate(EventFlags::kTimeout);
    urgent.Activate(EventFlags::kTimeout);
  };
  Event event(*base_, -1, EventFlags::kNone, kCall, &again);
  self = &event;
  event.Activate(EventFlags::kTimeout);
  RunOnce();
  EXPECT_EQ(runs, 1);
  RunOnce();
  EXPECT_EQ(runs, 2);
}

INSTANTIATE_TEST_SUITE_P(AllBackends, EventBaseTest,
                         testing::ValuesIn(BackendsHere()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace percore
