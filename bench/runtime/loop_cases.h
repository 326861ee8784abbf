// The cases of loop_<library>: one loop, by itself.
//
// A program describes its library with a class of types, and adds the cases
// that the library can do:
//
// ```cpp
// struct Library {
//   // Runs in the thread that makes it.
//   class Loop {
//    public:
//     // Runs until a reader found that the relay has finished.
//     void RunUntilStopped();
//     // Runs `work` once from a callback of the loop, as a server's work is:
//     // the loop's clock is then the one that has been read for the round.
//     // Ends when nothing is left to do at once, or nothing is pending at all.
//     void RunInside(std::function<void()> work, Until until);
//     // Looks what is ready, without waiting.
//     void RunReady();
//     // Optional: what to set very many timers to that all have this delay.
//     timeval CommonDelay(timeval delay);
//   };
//
//   // Watch every pair of a relay, and stop the loop when it has finished.
//   class Readers {
//    public:
//     Readers(Loop& loop, ByteRelay& relay);
//   };
//
//   // Run out by adding 1 to `*fired`.
//   class Timers {
//    public:
//     Timers(Loop& loop, int count, int* fired);
//     // Sets a timer, pending or not.
//     void Set(int timer, timeval delay);
//     void Delete(int timer);
//   };
//
//   // Optional: events that are made active by hand, as Deferred.
//   class Activated { ... };
//
//   // Optional: callbacks that add 1 to `*ran` as soon as possible.
//   class Deferred {
//    public:
//     Deferred(Loop& loop, int count, int* ran);
//     void Schedule(int callback);
//   };
// };
// ```
#ifndef PERCORE_BENCH_RUNTIME_LOOP_CASES_H_
#define PERCORE_BENCH_RUNTIME_LOOP_CASES_H_

#include <sys/time.h>
#include <unistd.h>

#include <functional>
#include <string>

#include "percore/bench/micro/micro.h"
#include "percore/bench/runtime/byte_relay.h"
#include "percore/bench/runtime/timer_plan.h"

namespace percore::bench {

enum class Until { kNothingReady, kNothingPending };

// Bytes go round, ten at a time.
template <typename Library>
void RunPipeCase(benchmark::State& state, int pairs) {
  constexpr int kActive = 10;
  constexpr int kWrites = 1000;
  ByteRelay relay(pairs);
  if (Failed()) return;
  typename Library::Loop loop;
  typename Library::Readers readers(loop, relay);
  Measure(state, kWrites, [&] {
    relay.Start(kActive, kWrites);
    loop.RunUntilStopped();
  });
}

// One byte passes all pairs: one event in each round of the loop.
template <typename Library>
void RunCascadeCase(benchmark::State& state, int pairs) {
  ByteRelay relay(pairs);
  if (Failed()) return;
  typename Library::Loop loop;
  typename Library::Readers readers(loop, relay);
  Measure(state, pairs, [&] {
    relay.Start(1, pairs);
    loop.RunUntilStopped();
  });
}

inline constexpr int kTimersPerIteration = 1000;

// Timers that are to run out are set within so long, at most.
inline int MicrosecondsToSet(int count) { return count; }

// A loop with timers that are set far off, and must not run out.
template <typename Library>
struct PendingTimers {
  explicit PendingTimers(int count) : timers(loop, count, &fired) {}
  ~PendingTimers() { Check(fired == 0, "a timer ran out early"); }

  void Set(int timer) { timers.Set(timer, delays.Next()); }
  void SetAll(int count) {
    for (int i = 0; i < count; ++i) Set(i);
  }

  int fired = 0;
  typename Library::Loop loop;
  typename Library::Timers timers;
  DelayPlan delays = PendingDelays();
};

template <typename Library>
void RunTimerAddDeleteCase(benchmark::State& state, int pending) {
  PendingTimers<Library> timers(pending + kTimersPerIteration);
  timers.SetAll(pending);
  Measure(state, kTimersPerIteration, [&] {
    timers.loop.RunInside(
        [&] {
          const int end = pending + kTimersPerIteration;
          for (int i = pending; i < end; ++i) timers.Set(i);
          for (int i = pending; i < end; ++i) timers.timers.Delete(i);
        },
        Until::kNothingReady);
  });
}

// `set_one()` sets a timer that is pending.
template <typename Library, typename SetOne>
void MeasureSetting(benchmark::State& state, PendingTimers<Library>& timers,
                    SetOne set_one) {
  Measure(state, kTimersPerIteration, [&] {
    timers.loop.RunInside(
        [&] {
          for (int i = 0; i < kTimersPerIteration; ++i) set_one();
        },
        Until::kNothingReady);
  });
}

// `hot` of the timers are put off again and again.
template <typename Library>
void RunTimerRearmCase(benchmark::State& state, int pending, int hot) {
  PendingTimers<Library> timers(pending);
  timers.SetAll(pending);
  RearmPlan plan(hot);
  MeasureSetting(state, timers, [&] {
    const RearmPlan::Rearm rearm = plan.Next();
    timers.timers.Set(rearm.timer, rearm.delay);
  });
}

// All have the same timeout, which a library may know how to use.
template <typename Library>
void RunIdleTimeoutCase(benchmark::State& state, int pending) {
  PendingTimers<Library> timers(pending);
  timeval delay = {.tv_sec = kMaxPendingSeconds, .tv_usec = 0};
  if constexpr (requires { timers.loop.CommonDelay(delay); }) {
    delay = timers.loop.CommonDelay(delay);
  }
  for (int i = 0; i < pending; ++i) timers.timers.Set(i, delay);
  RearmPlan plan(pending);
  MeasureSetting(state, timers,
                 [&] { timers.timers.Set(plan.Next().timer, delay); });
}

// A pending timer, any one, is set to another time, earlier or later.
template <typename Library>
void RunTimerReaddCase(benchmark::State& state, int pending) {
  PendingTimers<Library> timers(pending);
  timers.SetAll(pending);
  RearmPlan plan(pending);
  MeasureSetting(state, timers, [&] { timers.Set(plan.Next().timer); });
}

template <typename Library>
void RunTimerAddCase(benchmark::State& state, int count) {
  PendingTimers<Library> timers(count);
  MeasureAfter(
      state, count,
      [&] {
        for (int i = 0; i < count; ++i) timers.timers.Delete(i);
      },
      [&] {
        timers.loop.RunInside([&] { timers.SetAll(count); },
                              Until::kNothingReady);
      });
}

template <typename Library>
void RunTimerDeleteCase(benchmark::State& state, int count) {
  PendingTimers<Library> timers(count);
  RearmPlan order(count);
  MeasureAfter(
      state, count, [&] { timers.SetAll(count); },
      [&] {
        for (int i = 0; i < count; ++i) {
          timers.timers.Delete(order.Next().timer);
        }
      });
}

// What it takes to run the callbacks of `count` timers that all are due, set to
// times within `spread_us` of each other.
template <typename Library>
void RunTimerExpireCase(benchmark::State& state, int count, int spread_us) {
  int fired = 0;
  typename Library::Loop loop;
  typename Library::Timers timers(loop, count, &fired);
  // Later than the last of them can be while they are set.
  const int first_us = MicrosecondsToSet(count);
  DelayPlan delays(first_us, first_us + spread_us);
  MeasureAfter(
      state, count,
      [&] {
        fired = 0;
        for (int i = 0; i < count; ++i) timers.Set(i, delays.Next());
        constexpr int kMarginMicroseconds =
            2000;  // libuv's clock has milliseconds
        usleep(static_cast<useconds_t>(first_us + spread_us +
                                       kMarginMicroseconds));
      },
      [&] { loop.RunInside([] {}, Until::kNothingPending); });
  Check(fired == count, "not every timer ran out");
}

template <typename Library>
void RunTimerFireCase(benchmark::State& state, int count) {
  int fired = 0;
  typename Library::Loop loop;
  typename Library::Timers timers(loop, count, &fired);
  DelayPlan delays(0, 50);
  Measure(state, count, [&] {
    fired = 0;
    loop.RunInside(
        [&] {
          for (int i = 0; i < count; ++i) timers.Set(i, delays.Next());
        },
        Until::kNothingPending);
    Check(fired == count, "not every timer ran out");
  });
}

// What a round costs in which nothing happens: that many descriptors and timers
// are waited for.
template <typename Library>
void RunIdleRoundCase(benchmark::State& state, int pending) {
  ByteRelay relay(pending);
  if (Failed()) return;
  PendingTimers<Library> timers(pending);
  timers.SetAll(pending);
  typename Library::Readers readers(timers.loop, relay);
  Measure(state, 1, [&] { timers.loop.RunReady(); });
}

// `Callbacks` is Library::Deferred or Library::Activated.
template <typename Library, typename Callbacks>
void RunDeferredCase(benchmark::State& state, int count) {
  int ran = 0;
  typename Library::Loop loop;
  Callbacks deferred(loop, count, &ran);
  Measure(state, count, [&] {
    ran = 0;
    loop.RunInside(
        [&] {
          for (int i = 0; i < count; ++i) deferred.Schedule(i);
        },
        Until::kNothingPending);
    Check(ran == count, "not every callback ran");
  });
}

// Adds `run` as "`name`/`size`".
inline void AddSizedCase(const std::string& name, int size,
                         void (*run)(benchmark::State&, int)) {
  AddCase(name + "/" + std::to_string(size),
          [run, size](benchmark::State& state) { run(state, size); });
}

template <typename Library>
void AddTimerCases() {
  for (int pending : {10'000, 1'000'000}) {
    AddSizedCase("timer_add_delete", pending, &RunTimerAddDeleteCase<Library>);
    AddSizedCase("timer_rearm", pending,
                 [](benchmark::State& state, int count) {
                   RunTimerRearmCase<Library>(state, count, count);
                 });
    AddSizedCase("timer_readd", pending, &RunTimerReaddCase<Library>);
    AddSizedCase("timer_add", pending, &RunTimerAddCase<Library>);
    AddSizedCase("timer_delete", pending, &RunTimerDeleteCase<Library>);
    AddSizedCase("timer_expire", pending,
                 [](benchmark::State& state, int count) {
                   RunTimerExpireCase<Library>(state, count, count / 2);
                 });
    AddSizedCase("timer_expire_equal", pending,
                 [](benchmark::State& state, int count) {
                   RunTimerExpireCase<Library>(state, count, 1);
                 });
  }
  AddSizedCase("timer_rearm_hot", 1'000'000,
               [](benchmark::State& state, int count) {
                 RunTimerRearmCase<Library>(state, count, 10'000);
               });
  AddSizedCase("idle_timeout", 10'000, &RunIdleTimeoutCase<Library>);
  AddSizedCase("timer_fire", 10'000, &RunTimerFireCase<Library>);
}

template <typename Library>
void AddLoopCases() {
  for (int pairs : {100, 1000, 9000, 20'000}) {
    if (!ByteRelay::CanHave(pairs)) break;
    AddSizedCase("pipe", pairs, &RunPipeCase<Library>);
  }
  AddSizedCase("cascade", 100, &RunCascadeCase<Library>);
  AddSizedCase("idle_round", 1000, &RunIdleRoundCase<Library>);
  AddTimerCases<Library>();
  if constexpr (requires { typename Library::Deferred; }) {
    AddSizedCase("deferred", 1000,
                 &RunDeferredCase<Library, typename Library::Deferred>);
  }
  if constexpr (requires { typename Library::Activated; }) {
    AddSizedCase("activate", 1000,
                 &RunDeferredCase<Library, typename Library::Activated>);
  }
}

}  // namespace percore::bench

#endif  // PERCORE_BENCH_RUNTIME_LOOP_CASES_H_
