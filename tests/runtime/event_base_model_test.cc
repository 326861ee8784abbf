// The loop against a simple model of it: the same random script is played to
// both, and both must write the same log.
//
// The script works from outside and from inside callbacks. One descriptor is
// watched by several events: with two of them, the order of their reports would
// be the kernel's choice.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "percore/runtime/event_base.h"
#include "percore/tests/support/backends_here.h"
#include "percore/tests/support/sanitizers.h"
#include "percore/tests/support/test_kernel.h"

namespace percore {
namespace {

constexpr int kEvents = 8;  // the first half watch the descriptor
constexpr int kDeferred = 3;
constexpr int kPriorities = 4;
constexpr int kSteps = 60;
constexpr int kSeeds = kSanitized ? 300 : 2000;

constexpr EventFlags kAll = EventFlags::kRead | EventFlags::kWrite |
                            EventFlags::kClosed | EventFlags::kTimeout;

bool WatchesDescriptor(int event) { return event < kEvents / 2; }

// What both can do. Times are in nanoseconds since the beginning.
class World {
 public:
  virtual ~World() = default;

  virtual void Make(int event, EventFlags interest) = 0;
  virtual void Add(int event, std::optional<int64_t> timeout) = 0;
  virtual void Del(int event) = 0;
  virtual void RemoveTimer(int event) = 0;
  virtual void Activate(int event, EventFlags what) = 0;
  virtual void ActivateLater(int event, EventFlags what) = 0;
  virtual void SetPriority(int event, int priority) = 0;
  virtual void SetInterest(int event, EventFlags interest) = 0;
  virtual void Schedule(int deferred) = 0;
  virtual void Cancel(int deferred) = 0;
  virtual void SetReadable(bool readable) = 0;
  virtual void Continue() = 0;
  virtual void Break() = 0;
  virtual void Exit() = 0;
  virtual void Advance(int64_t duration) = 0;
  // Runs what is ready, then writes down in what state everything is.
  virtual void Run() = 0;

  const std::vector<std::string>& log() const { return log_; }

 protected:
  void Log(std::string line) { log_.push_back(std::move(line)); }

 private:
  std::vector<std::string> log_;
};

// Whether a back end may report what was true since the last wait, and is not
// any more: io_uring does not look again when it was woken.
enum class Reports { kNow, kSinceLastWait };

Reports ReportsOf(const std::string& backend) {
  return backend == "io_uring" ? Reports::kSinceLastWait : Reports::kNow;
}

// Plays the script that belongs to a seed. Equal worlds ask for equal steps.
class Script {
 public:
  Script(unsigned seed, World& world, Reports reports)
      : random_(seed), world_(world), reports_(reports) {}

  void Play() {
    for (int event = 0; event < kEvents; ++event) Make(event);
    for (int step = 0; step < kSteps; ++step) {
      for (int n = Below(4); n > 0; --n) DoSomething();
      if (Below(2) == 0) world_.Advance(SomeTime());
      became_readable_ = false;
      world_.Run();
    }
  }

  void OnCallback() {
    // Rarely more than one thing, or the loop never comes to rest.
    if (Below(3) == 0) DoSomething();
    if (Below(40) == 0) world_.Continue();
    if (Below(60) == 0) world_.Break();
    if (Below(60) == 0) world_.Exit();
  }

 private:
  int Below(int limit) { return static_cast<int>(random_() % limit); }
  int64_t SomeTime() {
    // Equal ones, tiny ones, and such as lie in other ticks of the wheel.
    constexpr std::array<int64_t, 6> kUnits = {
        0, 1, 1000, 1'000'000, 50'000'000, 3'000'000'000};
    return kUnits[Below(kUnits.size())] * Below(4);
  }
  EventFlags SomeInterest() {
    EventFlags interest = EventFlags::kNone;
    if (Below(2) == 0) interest |= EventFlags::kRead;
    if (Below(4) == 0) interest |= EventFlags::kWrite;
    return interest;
  }
  void Make(int event) {
    EventFlags interest =
        WatchesDescriptor(event) ? SomeInterest() : EventFlags::kNone;
    if (Below(2) == 0) interest |= EventFlags::kPersist;
    world_.Make(event, interest);
  }

  void DoSomething() {
    const int event = Below(kEvents);
    switch (Below(14)) {
      case 0:
        return Make(event);
      case 1:
        return world_.Add(event, std::nullopt);
      case 2:
      case 3:
      case 4:
        return world_.Add(event, SomeTime());
      case 5:
        return world_.Del(event);
      case 6:
        return world_.RemoveTimer(event);
      case 7:
        return world_.Activate(event, EventFlags::kWrite);
      case 8:
        return world_.ActivateLater(event, EventFlags::kRead);
      case 9:
        return world_.SetPriority(event, Below(kPriorities));
      case 10:
        if (WatchesDescriptor(event)) {
          world_.SetInterest(event, SomeInterest());
        }
        return;
      case 11:
        return world_.Schedule(Below(kDeferred));
      case 12:
        return world_.Cancel(Below(kDeferred));
      case 13:
        return SetReadable(Below(2) == 0);
    }
  }
  // What has become readable stays so until the loop has seen it, if it may
  // report it anyhow.
  void SetReadable(bool readable) {
    if (reports_ == Reports::kSinceLastWait && became_readable_) return;
    became_readable_ = readable;
    world_.SetReadable(readable);
  }

  std::mt19937 random_;
  World& world_;
  const Reports reports_;
  bool became_readable_ = false;  // since the last wait
};

class RealWorld : public World {
 public:
  RealWorld(const std::string& backend, unsigned seed)
      : base_(*EventBase::Create({.backend = backend,
                                  .priorities = kPriorities,
                                  .kernel = &kernel_})),
        start_(base_->Now()),
        script_(seed, *this, ReportsOf(backend)) {
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends_.data()),
              0);
    for (int i = 0; i < kDeferred; ++i) {
      deferred_[i].emplace(*this, i, *base_);
    }
  }
  ~RealWorld() override {
    for (auto& event : events_) event.reset();
    for (const int fd : ends_) close(fd);
  }

  void Play() { script_.Play(); }

  void Make(int event, EventFlags interest) override {
    events_[event].reset();
    events_[event].emplace(*this, event, *base_,
                           WatchesDescriptor(event) ? ends_[0] : -1, interest);
  }
  void Add(int event, std::optional<int64_t> timeout) override {
    // Refused for a timer without a timeout, in both worlds.
    (timeout.has_value() ? get(event).Add(Duration(*timeout))
                         : get(event).Add())
        .IgnoreError();
  }
  void Del(int event) override { get(event).Del(); }
  void RemoveTimer(int event) override { get(event).RemoveTimer(); }
  void Activate(int event, EventFlags what) override {
    get(event).Activate(what);
  }
  void ActivateLater(int event, EventFlags what) override {
    get(event).ActivateLater(what);
  }
  void SetPriority(int event, int priority) override {
    get(event).set_priority(priority);
  }
  void SetInterest(int event, EventFlags interest) override {
    get(event).SetInterest(interest);
  }
  void Schedule(int deferred) override {
    deferred_[deferred]->callback.Schedule();
  }
  void Cancel(int deferred) override { deferred_[deferred]->callback.Cancel(); }
  void SetReadable(bool readable) override {
    char bytes[64];
    while (read(ends_[0], bytes, sizeof(bytes)) > 0) {
    }
    if (readable) {
      EXPECT_EQ(write(ends_[1], "x", 1), 1);
    }
  }
  void Continue() override { base_->Continue(); }
  void Break() override { base_->Break(); }
  void Exit() override { base_->Exit(); }
  void Advance(int64_t duration) override {
    kernel_.Advance(Duration(duration));
  }
  void Run() override {
    EXPECT_TRUE(base_->Run(RunMode::kNonBlocking).ok());
    std::string line = absl::StrCat("pending ", base_->pending_count(),
                                    " active ", base_->active_count());
    for (int i = 0; i < kEvents; ++i) {
      const TimePoint deadline = get(i).deadline();
      absl::StrAppend(
          &line, "; ", static_cast<int>(get(i).Pending(kAll)), " ",
          deadline == kInfiniteFuture ? -1 : (deadline - start_).count());
    }
    Log(line);
  }

 private:
  struct Member {
    Member(RealWorld& world, int number, EventBase& base, int fd,
           EventFlags interest)
        : world(world),
          number(number),
          event(base, fd, interest, &Member::Call, this) {}
    static void Call(int, EventFlags what, void* member) {
      const auto& self = *static_cast<Member*>(member);
      RealWorld& world = self.world;
      world.Log(absl::StrCat("event ", self.number, " ", static_cast<int>(what),
                             " at ",
                             (world.base_->Now() - world.start_).count()));
      world.script_.OnCallback();  // self may be gone then
    }

    RealWorld& world;
    const int number;
    Event event;
  };
  struct DeferredMember {
    DeferredMember(RealWorld& world, int number, EventBase& base)
        : world(world),
          number(number),
          callback(base, &DeferredMember::Call, this) {}
    static void Call(void* member) {
      const auto& self = *static_cast<DeferredMember*>(member);
      self.world.Log(absl::StrCat("deferred ", self.number));
      self.world.script_.OnCallback();
    }

    RealWorld& world;
    const int number;
    DeferredCallback callback;
  };

  Event& get(int event) { return events_[event]->event; }

  TestKernel kernel_{TestKernel::Clock::kManual};
  const std::unique_ptr<EventBase> base_;
  const TimePoint start_;
  Script script_;
  std::array<int, 2> ends_;
  std::array<std::optional<Member>, kEvents> events_;
  std::array<std::optional<DeferredMember>, kDeferred> deferred_;
};

// What the headers promise, in the simplest way there is.
class ModelWorld : public World {
 public:
  ModelWorld(unsigned seed, Reports reports) : script_(seed, *this, reports) {}

  void Play() { script_.Play(); }

  void Make(int event, EventFlags interest) override {
    Forget(event);
    events_[event] = {.interest = interest};
  }
  void Add(int event, std::optional<int64_t> timeout) override {
    Member& member = events_[event];
    if (WatchesDescriptor(event) && !member.watching) {
      member.watching = true;
      watching_.push_back(event);
    }
    if (!timeout.has_value()) return;
    // One that ran out, but was not told, is taken back.
    if (Any(member.what & EventFlags::kTimeout)) {
      member.what &= ~EventFlags::kTimeout;
      if (!Any(member.what)) Deactivate(event);
    }
    member.timeout = *timeout;
    SetTimer(event, now_ + std::max<int64_t>(*timeout, 0));
  }
  void Del(int event) override { Forget(event); }
  void RemoveTimer(int event) override {
    events_[event].timeout = 0;
    events_[event].deadline.reset();
  }
  void Activate(int event, EventFlags what) override {
    Member& member = events_[event];
    member.what |= what;
    if (IsIn(active_[member.priority], event)) return;
    Erase(later_, event);
    Push(event);
  }
  void ActivateLater(int event, EventFlags what) override {
    events_[event].what |= what;
    if (!IsActive(event)) later_.push_back(event);
  }
  void SetPriority(int event, int priority) override {
    const bool moves = IsIn(active_[events_[event].priority], event);
    if (moves) EraseActive(event);
    events_[event].priority = priority;
    if (moves) Push(event);
  }
  void SetInterest(int event, EventFlags interest) override {
    events_[event].interest =
        (events_[event].interest & EventFlags::kPersist) | interest;
  }
  void Schedule(int deferred) override {
    if (std::find(deferred_.begin(), deferred_.end(), deferred) ==
        deferred_.end()) {
      deferred_.push_back(deferred);
    }
  }
  void Cancel(int deferred) override { Erase(deferred_, deferred); }
  void SetReadable(bool readable) override { readable_ = readable; }
  void Continue() override { stop_ = true; }
  void Break() override { stop_ = true; }
  void Exit() override {}  // the round ends as it would have
  void Advance(int64_t duration) override { clock_ += duration; }

  void Run() override {
    if (PendingCount() + ActiveCount() + deferred_.size() > 0) Round();
    stop_ = false;
    std::string line =
        absl::StrCat("pending ", PendingCount(), " active ", ActiveCount());
    for (int i = 0; i < kEvents; ++i) {
      const Member& member = events_[i];
      EventFlags pending = IsActive(i) ? member.what : EventFlags::kNone;
      if (member.watching) pending |= member.interest & ~EventFlags::kPersist;
      if (member.deadline.has_value()) pending |= EventFlags::kTimeout;
      absl::StrAppend(&line, "; ", static_cast<int>(pending), " ",
                      member.deadline.value_or(-1));
    }
    Log(line);
  }

 private:
  struct Member {
    EventFlags interest;
    int priority = kPriorities / 2;
    bool watching = false;
    std::optional<int64_t> deadline = {};
    int64_t expired = 0;  // the last deadline that was set
    int64_t order = 0;    // of equal deadlines
    int64_t timeout = 0;
    EventFlags what = EventFlags::kNone;
  };
  struct Activation {
    int event;
    int64_t number;
  };

  template <typename List>
  static bool IsIn(const List& list, int event) {
    return std::any_of(list.begin(), list.end(), [event](const auto& entry) {
      return entry.event == event;
    });
  }
  template <typename List>
  static void Erase(List& list, int value) {
    list.erase(std::remove(list.begin(), list.end(), value), list.end());
  }

  bool IsActive(int event) const {
    return IsIn(active_[events_[event].priority], event) ||
           std::find(later_.begin(), later_.end(), event) != later_.end();
  }
  void Push(int event) {
    const int priority = events_[event].priority;
    active_[priority].push_back({event, activations_++});
    most_urgent_ = std::min(most_urgent_, priority);
  }
  void EraseActive(int event) {
    for (auto& list : active_) {
      std::erase_if(list, [event](const Activation& activation) {
        return activation.event == event;
      });
    }
  }
  void Deactivate(int event) {
    EraseActive(event);
    Erase(later_, event);
    events_[event].what = EventFlags::kNone;
  }
  void Forget(int event) {
    RemoveTimer(event);
    Deactivate(event);
    events_[event].watching = false;
    Erase(watching_, event);
  }
  void SetTimer(int event, int64_t deadline) {
    events_[event].deadline = events_[event].expired = deadline;
    events_[event].order = orders_++;
  }
  size_t PendingCount() const {
    size_t count = watching_.size();
    for (const Member& member : events_) count += member.deadline.has_value();
    return count;
  }
  size_t ActiveCount() const {
    size_t count = later_.size();
    for (const auto& list : active_) count += list.size();
    return count;
  }

  void Round() {
    now_ = clock_;
    for (const int event : std::exchange(later_, {})) Push(event);
    const EventFlags ready =
        EventFlags::kWrite |
        (readable_ ? EventFlags::kRead : EventFlags::kNone);
    for (const int event : watching_) {
      const EventFlags met = ready & events_[event].interest;
      if (Any(met)) Activate(event, met);
    }
    while (std::optional<int> event = FirstExpired()) {
      events_[*event].deadline.reset();
      Activate(*event, EventFlags::kTimeout);
    }
    RunActive();
    const size_t limit = deferred_.size();
    for (size_t ran = 0; ran < limit && !deferred_.empty() && !stop_; ++ran) {
      const int deferred = deferred_.front();
      deferred_.pop_front();
      Log(absl::StrCat("deferred ", deferred));
      script_.OnCallback();
    }
  }
  std::optional<int> FirstExpired() const {
    std::optional<int> first;
    for (int i = 0; i < kEvents; ++i) {
      const Member& member = events_[i];
      if (!member.deadline.has_value() || *member.deadline > now_) continue;
      if (!first.has_value() ||
          std::pair(*member.deadline, member.order) <
              std::pair(*events_[*first].deadline, events_[*first].order)) {
        first = i;
      }
    }
    return first;
  }
  void RunActive() {
    // Up to which activation each priority runs: from its turn's beginning to
    // its end, interruptions included.
    std::array<std::optional<int64_t>, kPriorities> turns;
    for (int priority = 0; priority < kPriorities && !stop_; ++priority) {
      std::optional<int64_t>& turn = turns[priority];
      if (!turn.has_value()) turn = activations_;
      auto& list = active_[priority];
      most_urgent_ = kPriorities;
      while (!list.empty() && list.front().number < *turn && !stop_ &&
             most_urgent_ >= priority) {
        RunEvent(list.front().event);
      }
      if (most_urgent_ < priority) {
        priority = most_urgent_ - 1;
      } else {
        turn.reset();
      }
    }
  }
  void RunEvent(int event) {
    Member& member = events_[event];
    const EventFlags what = member.what;
    if (!Any(member.interest & EventFlags::kPersist)) {
      Forget(event);
    } else {
      Deactivate(event);
      if (member.timeout > 0) Rearm(event, what);
    }
    Log(absl::StrCat("event ", event, " ", static_cast<int>(what), " at ",
                     now_));
    script_.OnCallback();
  }
  // No drift, and no catching up.
  void Rearm(int event, EventFlags what) {
    Member& member = events_[event];
    int64_t next = now_ + member.timeout;
    if (Any(what & EventFlags::kTimeout)) {
      const int64_t due = member.expired + member.timeout;
      if (due > now_) next = due;
    }
    SetTimer(event, next);
  }

  Script script_;
  std::array<Member, kEvents> events_;
  std::vector<int> watching_;
  std::array<std::vector<Activation>, kPriorities> active_;
  std::vector<int> later_;
  std::deque<int> deferred_;
  bool readable_ = false;
  bool stop_ = false;
  int most_urgent_ = kPriorities;
  int64_t clock_ = 0;
  int64_t now_ = 0;
  int64_t orders_ = 0;
  int64_t activations_ = 0;
};

class EventBaseModelTest : public testing::TestWithParam<std::string> {
 protected:
  static void Compare(unsigned seed) {
    RealWorld real(GetParam(), seed);
    real.Play();
    ModelWorld model(seed, ReportsOf(GetParam()));
    model.Play();
    for (size_t i = 0; i < model.log().size() && i < real.log().size(); ++i) {
      ASSERT_EQ(real.log()[i], model.log()[i])
          << "line " << i << " of seed " << seed
          << ", replayed by PERCORE_MODEL_SEED=" << seed;
    }
    ASSERT_EQ(real.log().size(), model.log().size()) << "seed " << seed;
  }
};

TEST_P(EventBaseModelTest, TheLoopDoesWhatTheModelDoes) {
  if (const char* seed = std::getenv("PERCORE_MODEL_SEED")) {
    Compare(static_cast<unsigned>(std::atoi(seed)));
    return;
  }
  for (unsigned seed = 0; seed < kSeeds && !HasFailure(); ++seed) {
    Compare(seed);
  }
}

INSTANTIATE_TEST_SUITE_P(AllBackends, EventBaseModelTest,
                         testing::ValuesIn(BackendsHere()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace percore
