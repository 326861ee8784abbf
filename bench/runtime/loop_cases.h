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

template <typename Library>
void RunTimerAddDeleteCase(benchmark::State& state, int pending) {
  int fired = 0;
  typename Library::Loop loop;
  typename Library::Timers timers(loop, pending + kTimersPerIteration, &fired);
  DelayPlan delays = PendingDelays();
  for (int i = 0; i < pending; ++i) timers.Set(i, delays.Next());
  Measure(state, kTimersPerIteration, [&] {
    loop.RunInside(
        [&] {
          const int end = pending + kTimersPerIteration;
          for (int i = pending; i < end; ++i) timers.Set(i, delays.Next());
          for (int i = pending; i < end; ++i) timers.Delete(i);
        },
        Until::kNothingReady);
  });
  Check(fired == 0, "a timer ran out early");
}

template <typename Library>
void RunTimerRearmCase(benchmark::State& state, int pending) {
  int fired = 0;
  typename Library::Loop loop;
  typename Library::Timers timers(loop, pending, &fired);
  DelayPlan delays = PendingDelays();
  for (int i = 0; i < pending; ++i) timers.Set(i, delays.Next());
  RearmPlan plan(pending);
  Measure(state, kTimersPerIteration, [&] {
    loop.RunInside(
        [&] {
          for (int i = 0; i < kTimersPerIteration; ++i) {
            const RearmPlan::Rearm rearm = plan.Next();
            timers.Set(rearm.timer, rearm.delay);
          }
        },
        Until::kNothingReady);
  });
  Check(fired == 0, "a timer ran out early");
}

// As above, but all have the same timeout, which a library may know how to use.
template <typename Library>
void RunIdleTimeoutCase(benchmark::State& state, int pending) {
  int fired = 0;
  typename Library::Loop loop;
  typename Library::Timers timers(loop, pending, &fired);
  timeval delay = {.tv_sec = kMaxPendingSeconds, .tv_usec = 0};
  if constexpr (requires { loop.CommonDelay(delay); }) {
    delay = loop.CommonDelay(delay);
  }
  for (int i = 0; i < pending; ++i) timers.Set(i, delay);
  RearmPlan plan(pending);
  Measure(state, kTimersPerIteration, [&] {
    loop.RunInside(
        [&] {
          for (int i = 0; i < kTimersPerIteration; ++i) {
            timers.Set(plan.Next().timer, delay);
          }
        },
        Until::kNothingReady);
  });
  Check(fired == 0, "a timer ran out early");
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

template <typename Library>
void RunDeferredCase(benchmark::State& state, int count) {
  int ran = 0;
  typename Library::Loop loop;
  typename Library::Deferred deferred(loop, count, &ran);
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
void AddLoopCases() {
  for (int pairs : {100, 1000}) {
    AddSizedCase("pipe", pairs, &RunPipeCase<Library>);
  }
  AddSizedCase("cascade", 100, &RunCascadeCase<Library>);
  for (int pending : {10'000, 1'000'000}) {
    AddSizedCase("timer_add_delete", pending, &RunTimerAddDeleteCase<Library>);
  }
  for (int pending : {10'000, 1'000'000}) {
    AddSizedCase("timer_rearm", pending, &RunTimerRearmCase<Library>);
  }
  AddSizedCase("idle_timeout", 10'000, &RunIdleTimeoutCase<Library>);
  AddSizedCase("timer_fire", 10'000, &RunTimerFireCase<Library>);
  if constexpr (requires { typename Library::Deferred; }) {
    AddSizedCase("deferred", 1000, &RunDeferredCase<Library>);
  }
}

}  // namespace percore::bench

#endif  // PERCORE_BENCH_RUNTIME_LOOP_CASES_H_
