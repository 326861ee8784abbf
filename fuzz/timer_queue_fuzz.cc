// Deadlines in a TimerQueue beside an ordered map of them. The input is the
// list of operations.
#include <fuzzer/FuzzedDataProvider.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "percore/runtime/event_base.h"
#include "percore/runtime/internal/timer_queue.h"

namespace percore {
namespace {

constexpr size_t kEvents = 16;

void Require(bool holds) {
  if (!holds) std::abort();
}

TimePoint At(int64_t nanoseconds) { return TimePoint(Duration(nanoseconds)); }

class Operations {
 public:
  Operations(EventBase& base, FuzzedDataProvider& input) : input_(input) {
    for (auto& event : events_) {
      event.emplace(base, -1, EventFlags::kNone, nullptr, nullptr);
    }
  }
  ~Operations() {
    while (queue_.PopExpired(kInfiniteFuture) != nullptr) {
    }
  }

  void Run() {
    while (input_.remaining_bytes() > 0) {
      Event* const event =
          &*events_[input_.ConsumeIntegralInRange<size_t>(0, kEvents - 1)];
      switch (input_.ConsumeIntegralInRange(0, 2)) {
        case 0:
          Schedule(event);
          break;
        case 1:
          Remove(event);
          break;
        case 2:
          Expire();
          break;
      }
      Require(queue_.size() == model_.size());
    }
  }

 private:
  using Key = std::pair<int64_t, int64_t>;  // deadline, order

  int64_t SomeTime() {
    return input_.ConsumeIntegral<uint16_t>() *
           (int64_t{1} << input_.ConsumeIntegralInRange(0, 40));
  }
  void Schedule(Event* event) {
    Forget(event);
    keys_[event] = {now_ + SomeTime(), order_++};
    model_[keys_[event]] = event;
    queue_.Schedule(event, At(keys_[event].first));
  }
  void Remove(Event* event) {
    if (!Forget(event)) return;
    queue_.Remove(event);
  }
  void Expire() {
    now_ += SomeTime();
    while (!model_.empty() && model_.begin()->first.first <= now_) {
      Event* const first = model_.begin()->second;
      Require(queue_.PopExpired(At(now_)) == first);
      Forget(first);
    }
    Require(queue_.PopExpired(At(now_)) == nullptr);
    Require(queue_.NextDeadline() > At(now_));
    Require(model_.empty() ||
            queue_.NextDeadline() <= At(model_.begin()->first.first));
  }
  bool Forget(Event* event) {
    const auto key = keys_.find(event);
    if (key == keys_.end()) return false;
    model_.erase(key->second);
    keys_.erase(key);
    return true;
  }

  FuzzedDataProvider& input_;
  std::array<std::optional<Event>, kEvents> events_;
  internal::TimerQueue queue_{At(0)};
  std::map<Key, Event*> model_;
  std::map<Event*, Key> keys_;
  int64_t now_ = 0;
  int64_t order_ = 0;
};

}  // namespace
}  // namespace percore

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // Made once: the loop itself is not what is tested.
  static const auto& base =
      *new std::unique_ptr<percore::EventBase>(*percore::EventBase::Create({}));
  FuzzedDataProvider input(data, size);
  percore::Operations(*base, input).Run();
  return 0;
}
