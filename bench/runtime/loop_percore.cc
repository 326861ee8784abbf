// The loop's cases with Percore.
#include <sys/time.h>

#include <chrono>
#include <functional>
#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "percore/bench/micro/micro.h"
#include "percore/bench/runtime/byte_relay.h"
#include "percore/bench/runtime/in_place_array.h"
#include "percore/bench/runtime/loop_cases.h"
#include "percore/runtime/deferred_callback.h"
#include "percore/runtime/event.h"
#include "percore/runtime/event_base.h"
#include "percore/runtime/time.h"

namespace percore::bench {
namespace {

std::unique_ptr<EventBase> MakeBase() {
  absl::StatusOr<std::unique_ptr<EventBase>> base = EventBase::Create({});
  return *std::move(base);
}

class Loop {
 public:
  Loop() : base_(MakeBase()), inside_(*base_, &Loop::RunWork, this) {}

  EventBase& base() { return *base_; }

  void RunUntilStopped() {
    Check(base_->Run(RunMode::kUntilExit).ok(), "EventBase::Run");
  }

  void RunInside(std::function<void()> work, Until until) {
    work_ = std::move(work);
    inside_.Schedule();
    const RunMode mode = until == Until::kNothingReady ? RunMode::kNonBlocking
                                                       : RunMode::kUntilEmpty;
    Check(base_->Run(mode).ok(), "EventBase::Run");
  }

  void RunReady() {
    Check(base_->Run(RunMode::kNonBlocking).ok(), "EventBase::Run");
  }

 private:
  static void RunWork(void* loop) { static_cast<Loop*>(loop)->work_(); }

  std::unique_ptr<EventBase> base_;
  DeferredCallback inside_;
  std::function<void()> work_;
};

class Readers {
 public:
  Readers(Loop& loop, ByteRelay& relay) : readers_(relay.pairs()) {
    for (int i = 0; i < relay.pairs(); ++i) {
      Reader& reader = readers_.Emplace(loop.base(), relay, i);
      if (!Check(reader.event.Add().ok(), "Event::Add")) return;
    }
  }

 private:
  struct Reader {
    Reader(EventBase& base, ByteRelay& relay, int pair)
        : relay(relay),
          pair(pair),
          event(base, relay.read_fd(pair),
                EventFlags::kRead | EventFlags::kPersist, &OnReadable, this) {}

    ByteRelay& relay;
    const int pair;
    Event event;
  };

  static void OnReadable(int /*fd*/, EventFlags /*what*/, void* argument) {
    const Reader& reader = *static_cast<Reader*>(argument);
    if (reader.relay.OnReadable(reader.pair)) reader.event.base().Break();
  }

  InPlaceArray<Reader> readers_;
};

class Timers {
 public:
  Timers(Loop& loop, int count, int* fired) : events_(count) {
    for (int i = 0; i < count; ++i) {
      events_.Emplace(loop.base(), -1, EventFlags::kNone, &OnTimeout, fired);
    }
  }

  void Set(int timer, timeval delay) {
    const Duration duration = std::chrono::seconds(delay.tv_sec) +
                              std::chrono::microseconds(delay.tv_usec);
    Check(events_[timer].Add(duration).ok(), "Event::Add");
  }

  void Delete(int timer) { events_[timer].Del(); }

 private:
  static void OnTimeout(int /*fd*/, EventFlags /*what*/, void* fired) {
    ++*static_cast<int*>(fired);
  }

  InPlaceArray<Event> events_;
};

class Deferred {
 public:
  Deferred(Loop& loop, int count, int* ran) : callbacks_(count) {
    for (int i = 0; i < count; ++i) {
      callbacks_.Emplace(loop.base(), &Count, ran);
    }
  }

  void Schedule(int callback) { callbacks_[callback].Schedule(); }

 private:
  static void Count(void* ran) { ++*static_cast<int*>(ran); }

  InPlaceArray<DeferredCallback> callbacks_;
};

class Activated {
 public:
  Activated(Loop& loop, int count, int* ran) : events_(count) {
    for (int i = 0; i < count; ++i) {
      events_.Emplace(loop.base(), -1, EventFlags::kNone, &Count, ran);
    }
  }

  void Schedule(int event) { events_[event].Activate(EventFlags::kTimeout); }

 private:
  static void Count(int /*fd*/, EventFlags /*what*/, void* ran) {
    ++*static_cast<int*>(ran);
  }

  InPlaceArray<Event> events_;
};

struct Percore {
  using Loop = bench::Loop;
  using Readers = bench::Readers;
  using Timers = bench::Timers;
  using Deferred = bench::Deferred;
  using Activated = bench::Activated;
};

}  // namespace

void AddCases() { AddLoopCases<Percore>(); }

}  // namespace percore::bench
