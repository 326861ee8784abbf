// Waiting for everything that is under way to finish.
//
// A shard that stops has connections that still owe an answer. Each of them
// holds the gate while it lives; the shard asks to be told when nobody holds it
// any more, and goes on only then.
//
// ```cpp
// percore::Gate gate;
// bool finished = false;
// {
//   percore::Gate::Holder request(gate);
//   gate.NotifyWhenEmpty([&finished] { finished = true; });  // not yet
// }
// // finished is true
// ```
#ifndef PERCORE_RUNTIME_GATE_H_
#define PERCORE_RUNTIME_GATE_H_

#include <cstddef>
#include <utility>

#include "absl/functional/any_invocable.h"

namespace percore {

// One thread. Must outlive its holders.
class Gate {
 public:
  // Holds the gate while it lives.
  class Holder {
   public:
    explicit Holder(Gate& gate) : gate_(gate) { ++gate_.holders_; }
    Holder(const Holder&) = delete;
    Holder& operator=(const Holder&) = delete;
    ~Holder() {
      if (--gate_.holders_ == 0) gate_.Notify();
    }

   private:
    Gate& gate_;
  };

  Gate() = default;
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;

  // Calls `function` once, as soon as nobody holds the gate: now, if nobody
  // does. Replaces an earlier one.
  void NotifyWhenEmpty(absl::AnyInvocable<void()> function) {
    when_empty_ = std::move(function);
    if (holders_ == 0) Notify();
  }

  size_t holders() const { return holders_; }

 private:
  void Notify() {
    absl::AnyInvocable<void()> function = std::exchange(when_empty_, nullptr);
    if (function) function();
  }

  size_t holders_ = 0;
  absl::AnyInvocable<void()> when_empty_;
};

}  // namespace percore

#endif  // PERCORE_RUNTIME_GATE_H_
