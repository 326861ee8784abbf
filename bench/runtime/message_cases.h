// The cases of messages_<library>: two loops in two threads, each on a CPU of
// its own where there are two, send each other messages.
//
// A program describes its library with a class:
//
// ```cpp
// class LoopPair {
//  public:
//   // Starts two loops, on `cpus` by turns; returns when they run.
//   explicit LoopPair(const std::vector<int>& cpus);
//   // Stops them.
//   ~LoopPair();
//   // Any thread: `function(argument)` runs in loop 0 or 1.
//   void Post(int loop, void (*function)(void*), void* argument);
// };
// ```
#ifndef PERCORE_BENCH_RUNTIME_MESSAGE_CASES_H_
#define PERCORE_BENCH_RUNTIME_MESSAGE_CASES_H_

#include <semaphore>
#include <vector>

#include "percore/bench/micro/micro.h"

namespace percore::bench {

// Two of the CPUs that this process may use, or the only one.
std::vector<int> TwoCpus();
// Binds the calling thread to the CPU of loop number `loop`.
void PinLoop(const std::vector<int>& cpus, int loop);

// A message from loop 0 to loop 1 and back, and again.
template <typename LoopPair>
class PingPong {
 public:
  explicit PingPong(LoopPair& loops) : loops_(loops) {}

  // From outside; returns when all round trips have been made.
  void Run(int round_trips) {
    left_ = round_trips;
    loops_.Post(0, &AtHome, this);
    done_.acquire();
  }

 private:
  static void AtHome(void* self) {
    PingPong& game = *static_cast<PingPong*>(self);
    if (game.left_-- > 0) {
      game.loops_.Post(1, &Away, self);
    } else {
      game.done_.release();
    }
  }

  static void Away(void* self) {
    static_cast<PingPong*>(self)->loops_.Post(0, &AtHome, self);
  }

  LoopPair& loops_;
  int left_ = 0;
  std::binary_semaphore done_{0};
};

// Messages from loop 0 to loop 1 in bursts, each of which loop 1 acknowledges.
template <typename LoopPair>
class Stream {
 public:
  explicit Stream(LoopPair& loops) : loops_(loops) {}

  // From outside; returns when all bursts have been acknowledged.
  void Run(int bursts) {
    to_send_ = bursts;
    to_acknowledge_ = bursts;
    loops_.Post(0, &Start, this);
    done_.acquire();
  }

  static constexpr int kBurst = 100;

 private:
  static constexpr int kMaxUnacknowledged = 4;

  static void Start(void* self) {
    for (int i = 0; i < kMaxUnacknowledged; ++i) {
      static_cast<Stream*>(self)->SendBurst();
    }
  }

  void SendBurst() {
    if (to_send_ == 0) return;
    --to_send_;
    for (int i = 0; i < kBurst; ++i) loops_.Post(1, &OnMessage, this);
  }

  static void OnMessage(void* self) {
    Stream& stream = *static_cast<Stream*>(self);
    if (++stream.received_ % kBurst != 0) return;
    stream.loops_.Post(0, &OnAcknowledged, self);
  }

  static void OnAcknowledged(void* self) {
    Stream& stream = *static_cast<Stream*>(self);
    stream.SendBurst();
    if (--stream.to_acknowledge_ == 0) stream.done_.release();
  }

  LoopPair& loops_;
  int to_send_ = 0;
  int to_acknowledge_ = 0;
  std::binary_semaphore done_{0};
  // Loop 1's; the rest is loop 0's.
  alignas(64) unsigned received_ = 0;
};

template <typename LoopPair>
void AddMessageCases() {
  AddCase(
      "ping_pong",
      [](benchmark::State& state) {
        constexpr int kRoundTrips = 1000;
        LoopPair loops(TwoCpus());
        PingPong game(loops);
        Measure(state, kRoundTrips, [&game] { game.Run(kRoundTrips); });
      },
      CaseThreads::kSeveral);
  AddCase(
      "stream",
      [](benchmark::State& state) {
        constexpr int kBursts = 100;
        LoopPair loops(TwoCpus());
        Stream stream(loops);
        Measure(state, kBursts * stream.kBurst,
                [&stream] { stream.Run(kBursts); });
      },
      CaseThreads::kSeveral);
}

}  // namespace percore::bench

#endif  // PERCORE_BENCH_RUNTIME_MESSAGE_CASES_H_
