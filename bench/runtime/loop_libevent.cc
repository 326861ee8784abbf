// The loop's cases with libevent: one thread, so without its locks.
#include <event2/event.h>
#include <event2/event_struct.h>
#include <sys/time.h>

#include <functional>
#include <utility>

#include "percore/bench/micro/micro.h"
#include "percore/bench/runtime/byte_relay.h"
#include "percore/bench/runtime/in_place_array.h"
#include "percore/bench/runtime/loop_cases.h"

namespace percore::bench {
namespace {

class Loop {
 public:
  Loop() : base_(event_base_new()) {
    event_assign(&inside_, base_, -1, 0, &RunWork, this);
  }
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;
  ~Loop() { event_base_free(base_); }

  event_base* base() { return base_; }

  void RunUntilStopped() {
    Check(event_base_loop(base_, EVLOOP_NO_EXIT_ON_EMPTY) >= 0,
          "event_base_loop");
  }

  void RunInside(std::function<void()> work, Until until) {
    work_ = std::move(work);
    event_active(&inside_, EV_TIMEOUT, 0);
    const int flags = until == Until::kNothingReady ? EVLOOP_NONBLOCK : 0;
    Check(event_base_loop(base_, flags) >= 0, "event_base_loop");
  }

  void RunReady() {
    Check(event_base_loop(base_, EVLOOP_NONBLOCK) >= 0, "event_base_loop");
  }

  timeval CommonDelay(timeval delay) {
    return *event_base_init_common_timeout(base_, &delay);
  }

 private:
  static void RunWork(evutil_socket_t /*fd*/, short /*what*/, void* loop) {
    static_cast<Loop*>(loop)->work_();
  }

  event_base* const base_;
  event inside_;
  std::function<void()> work_;
};

// An event that is part of a record, as Percore's is; the documentation's
// event_new() would allocate it.
struct AssignedEvent {
  AssignedEvent(event_base* base, evutil_socket_t fd, short what,
                event_callback_fn callback, void* argument) {
    Check(event_assign(&event, base, fd, what, callback, argument) == 0,
          "event_assign");
  }
  AssignedEvent(const AssignedEvent&) = delete;
  AssignedEvent& operator=(const AssignedEvent&) = delete;
  ~AssignedEvent() { event_del(&event); }

  struct event event;
};

class Readers {
 public:
  Readers(Loop& loop, ByteRelay& relay) : readers_(relay.pairs()) {
    for (int i = 0; i < relay.pairs(); ++i) {
      Reader& reader = readers_.Emplace(loop.base(), relay, i);
      if (!Check(event_add(&reader.assigned.event, nullptr) == 0,
                 "event_add")) {
        return;
      }
    }
  }

 private:
  struct Reader {
    Reader(event_base* base, ByteRelay& relay, int pair)
        : relay(relay),
          pair(pair),
          assigned(base, relay.read_fd(pair), EV_READ | EV_PERSIST, &OnReadable,
                   this) {}

    ByteRelay& relay;
    const int pair;
    AssignedEvent assigned;
  };

  static void OnReadable(evutil_socket_t /*fd*/, short /*what*/,
                         void* argument) {
    const Reader& reader = *static_cast<Reader*>(argument);
    if (reader.relay.OnReadable(reader.pair)) {
      event_base_loopbreak(event_get_base(&reader.assigned.event));
    }
  }

  InPlaceArray<Reader> readers_;
};

class Timers {
 public:
  Timers(Loop& loop, int count, int* fired) : events_(count) {
    for (int i = 0; i < count; ++i) {
      events_.Emplace(loop.base(), -1, 0, &OnTimeout, fired);
    }
  }

  void Set(int timer, timeval delay) {
    Check(event_add(&events_[timer].event, &delay) == 0, "event_add");
  }

  void Delete(int timer) { event_del(&events_[timer].event); }

 private:
  static void OnTimeout(evutil_socket_t /*fd*/, short /*what*/, void* fired) {
    ++*static_cast<int*>(fired);
  }

  InPlaceArray<AssignedEvent> events_;
};

class Deferred {
 public:
  Deferred(Loop& loop, int count, int* ran) : events_(count) {
    for (int i = 0; i < count; ++i) {
      events_.Emplace(loop.base(), -1, 0, &Count, ran);
    }
  }

  void Schedule(int callback) {
    event_active(&events_[callback].event, EV_TIMEOUT, 0);
  }

 private:
  static void Count(evutil_socket_t /*fd*/, short /*what*/, void* ran) {
    ++*static_cast<int*>(ran);
  }

  InPlaceArray<AssignedEvent> events_;
};

struct Libevent {
  using Loop = bench::Loop;
  using Readers = bench::Readers;
  using Timers = bench::Timers;
  using Deferred = bench::Deferred;
  // What it has for both.
  using Activated = bench::Deferred;
};

}  // namespace

void AddCases() { AddLoopCases<Libevent>(); }

}  // namespace percore::bench
